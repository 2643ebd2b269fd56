"""No engine: consume, compute, produce, commit after delivery.

As in github.com/confluentinc/confluent-kafka-python, README "Usage", with `consume` for several messages at once.
"""

from __future__ import annotations

import orjson
from confluent_kafka import Consumer, Producer
from work import Rolling, arguments, quotes_of, result


def main() -> None:
    broker, source, target, shape = arguments()
    consumer = Consumer({
        "bootstrap.servers": broker, "group.id": f"bare-{target}", "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })  # fmt: skip
    producer = Producer({
        "bootstrap.servers": broker, "enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4",
        "queue.buffering.max.messages": 1_000_000,
    })  # fmt: skip
    consumer.subscribe([source])
    windows: dict[str, Rolling] = {}
    while True:
        messages = consumer.consume(5000 if shape == "single" else 50, 0.05)
        for message in messages:
            results = []
            for quote in quotes_of(message.value(), shape):
                window = windows.get(quote["asset"])
                if window is None:
                    window = windows[quote["asset"]] = Rolling()
                results.append(result(quote, window))
            if shape == "batch":
                producer.produce(target, orjson.dumps({"results": results}), message.key(), message.partition())
            else:
                for each in results:
                    producer.produce(target, orjson.dumps(each), each["symbol"], message.partition())
            producer.poll(0)
        if messages:
            producer.flush()
            consumer.commit(asynchronous=True)


if __name__ == "__main__":
    main()
