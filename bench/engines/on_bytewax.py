"""Bytewax with its Kafka operators and `stateful_map` keyed by symbol, one worker.

docs.bytewax.io: "Kafka Connector" (kop.input, kop.output), "Stateful Operators" (stateful_map, collect),
`bytewax.run.cli_main`. Batches are taken apart, because state is kept by key, and put together again by `collect`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main
from confluent_kafka import OFFSET_BEGINNING
from work import Rolling, arguments, quotes_of, result

BATCH, WITHIN = 200, timedelta(seconds=0.2)
broker, source, target, shape = arguments()
Numbered = tuple[int | None, dict[str, Any]]
"""With the partition it comes from."""


def by_symbol(message: KafkaSourceMessage[Any, Any]) -> Iterator[tuple[str, Numbered]]:
    for quote in quotes_of(message.value, shape):
        yield quote["asset"], (message.partition, quote)


def step(window: Rolling | None, numbered: Numbered) -> tuple[Rolling, Numbered]:
    window = window or Rolling()
    return window, (numbered[0], result(numbered[1], window))


def one(keyed: tuple[str, Numbered]) -> KafkaSinkMessage[Any, Any]:
    return KafkaSinkMessage(keyed[0].encode(), orjson.dumps(keyed[1][1]))


def by_partition(keyed: tuple[str, Numbered]) -> tuple[str, dict[str, Any]]:
    return str(keyed[1][0]), keyed[1][1]


def many(keyed: tuple[str, list[dict[str, Any]]]) -> KafkaSinkMessage[Any, Any]:
    return KafkaSinkMessage(keyed[0].encode(), orjson.dumps({"results": keyed[1]}))


flow = Dataflow("rolling")
read = kop.input("read", flow, brokers=[broker], topics=[source], starting_offset=OFFSET_BEGINNING, tail=True)
results = op.stateful_map("window", op.flat_map("decode", read.oks, by_symbol), step)
if shape == "batch":
    together = op.collect("collect", op.map("partition", results, by_partition), timeout=WITHIN, max_size=BATCH)
    out = op.map("encode", together, many)
else:
    out = op.map("encode", results, one)
# A batch read makes up to 200,000 messages at once, more than the producer holds by itself.
MORE = {"queue.buffering.max.messages": "1000000"}
kop.output("write", out, brokers=[broker], topic=target, add_config=MORE)

if __name__ == "__main__":
    cli_main(flow)
