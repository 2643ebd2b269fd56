"""Reads the newest results from Kafka for people who look on: joins no group and commits nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import orjson
from confluent_kafka import Consumer, KafkaException, TopicPartition

from cryptoviz.board import Board
from cryptoviz.errors import UserError
from cryptoviz.kafka import consumer_config
from cryptoviz.kafka_access import Access
from cryptoviz.settings import Settings

# How far back reading begins, per partition, so that something shows at once: more than an hour of bars.
BACK = {"bars": 4000, "predictions": 400, "signals": 400}
ANSWER_S = 10.0
READ_S = 0.25
Place = tuple[str, int]


class ResultReader:
    """Messages of bars, predictions and signals from near the ends of their logs onwards."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._ends: dict[Place, int] = {}
        self._begin()

    @property
    def at_the_end(self) -> bool:
        """Whether everything has been read that was there at the beginning."""
        return not self._ends

    def read_into(self, board: Board) -> int:
        """Apply what has come, waiting a moment for it; how many messages that was."""
        messages = self._consumer.consume(500, timeout=READ_S)
        for message in messages:
            if message.error() is not None:
                continue
            place, offset = (message.topic() or "", message.partition() or 0), message.offset() or 0
            if offset + 1 >= self._ends.get(place, offset + 2):
                del self._ends[place]
            with suppress(orjson.JSONDecodeError, KeyError, TypeError):  # to report those is the sink's task
                board.apply(place[0], orjson.loads(message.value() or b""))
        return len(messages)

    def _begin(self) -> None:
        places = []
        known = self._consumer.list_topics(timeout=ANSWER_S).topics
        for topic, back in BACK.items():
            for number in known[topic].partitions if topic in known else ():
                ends = self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER_S)
                low, high = ends or (0, 0)
                places.append(TopicPartition(topic, number, max(low, high - back)))
                if high > low:
                    self._ends[topic, number] = high
        if not places:
            raise UserError("Kafka has none of the result topics yet: run `cryptoviz up` or `cryptoviz topics` first")
        self._consumer.assign(places)


@contextmanager
def result_reader(settings: Settings) -> Iterator[ResultReader]:
    """A reader while the context lasts; raises `UserError` if Kafka does not answer or has no results."""
    Access(settings, "cryptoviz-watch").wait(ANSWER_S)
    config = consumer_config(settings, "cryptoviz-watch", "cryptoviz-watch")  # the client wants a name; nothing joins
    del config["group.instance.id"]
    consumer = Consumer(config | {"log_level": 0})
    try:
        yield ResultReader(consumer)
    except KafkaException as error:
        raise UserError(f"Kafka at {settings.kafka} does not answer: {error.args[0].str()}") from error
    finally:
        consumer.close()
