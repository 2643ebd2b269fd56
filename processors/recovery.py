"""Reading back from Kafka what a worker needs: its state, the closed bars, and stretches of the log.

Offsets are handed out by Faust, but the log decides: whatever part of it the state does not include yet is read from
here, so that no message can be passed over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import TypeAdapter, ValidationError

from cryptoviz.errors import Retryable
from cryptoviz.messages import Bar
from cryptoviz.topics import BARS, STATE
from processors.engine import Engine
from processors.rules import Rules
from processors.snapshot import load, needs_bars_after, restore_bar

logger = logging.getLogger(__name__)

TIMEOUT_S = 30.0
POLL_S = 0.05
BATCH = 5000
_BAR: TypeAdapter[Bar] = TypeAdapter(Bar)


@dataclass(frozen=True)
class LogReader:
    """Reads stretches of a partition with a consumer of its own, outside any group."""

    config: Mapping[str, Any]

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Message]:
        """Messages with start <= offset < end that still exist; raises `Retryable` when the broker stays silent."""
        if start >= end:
            return
        consumer = Consumer(dict(self.config) | {"enable.partition.eof": True})
        try:
            consumer.assign([TopicPartition(topic, partition, start)])
            yield from _until(consumer, end)
        finally:
            consumer.close()

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset kept and the one the next message will get."""
        consumer = Consumer(dict(self.config))
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_S)
            return low, high
        finally:
            consumer.close()

    def offset_at(self, topic: str, partition: int, time_ms: int) -> int:
        """The first offset the broker stamped at or after `time_ms`; the end if there is none."""
        consumer = Consumer(dict(self.config))
        try:
            found = consumer.offsets_for_times([TopicPartition(topic, partition, time_ms)], timeout=TIMEOUT_S)[0].offset
        finally:
            consumer.close()
        return self.bounds(topic, partition)[1] if found in {OFFSET_END, -1} else int(found)


def _until(consumer: Consumer, end: int) -> Iterator[Message]:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        # Short: `consume` waits for a full batch, and the end of a partition does not cut that wait.
        for message in consumer.consume(BATCH, POLL_S):
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            if error is not None or (message.offset() or 0) >= end:
                return
            yield message
            if (message.offset() or 0) + 1 >= end:
                return
            deadline = time.monotonic() + TIMEOUT_S
    raise Retryable("the broker did not answer in time")


def recover(reader: LogReader, partition: int, assets: Sequence[str], rules: Rules) -> Engine:
    """The engine of a partition as the furthest snapshot left it, or a new one where there is none.

    A strange record in either topic is passed over and counted in the log: it must not keep a worker from starting.
    """
    engine = Engine(assets, rules)
    for worker, snapshot in _snapshots(reader, partition).items():
        # Workers write under their own names, so that one that has lost the partition cannot hide its successor's.
        try:
            found = load(snapshot, assets, rules)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("partition %d: the state of %r is of no use (%s) and is left out", partition, worker, error)
            continue
        engine = max(engine, found, key=lambda candidate: candidate.offset)
    if engine.offset >= 0:
        _restore_bars(reader, partition, engine)
    return engine


def _snapshots(reader: LogReader, partition: int) -> dict[bytes, bytes]:
    newest: dict[bytes, bytes] = {}
    for message in reader.read(STATE.name, partition, *reader.bounds(STATE.name, partition)):
        newest[message.key() or b""] = message.value() or b""
    return newest


def _restore_bars(reader: LogReader, partition: int, engine: Engine) -> None:
    # A bar is published after its end, so none that is needed was stamped before the first needed end.
    start = reader.offset_at(BARS.name, partition, needs_bars_after(engine))
    good, strange = 0, 0
    for message in reader.read(BARS.name, partition, start, reader.bounds(BARS.name, partition)[1]):
        try:
            restore_bar(engine, _BAR.validate_json(message.value() or b""))
            good += 1
        except ValidationError:
            strange += 1
    told = f", {strange} unreadable ones left out" if strange else ""
    logger.info("partition %d: state up to offset %d, %d bars%s", partition, engine.offset, good, told)
