"""Reading back from Kafka what a worker needs: its state, closed bars, forecasts under way, stretches of the log.

Offsets are handed out by Faust, but the log decides: whatever part of it the state does not include yet is read from
here, so that no message can be passed over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from cryptoviz.errors import Invalid, Retryable
from cryptoviz.messages import Bar, Prediction
from cryptoviz.topics import BARS, PREDICTIONS, STATE
from processors.engine import Engine
from processors.reading import Reader
from processors.rules import Rules
from processors.snapshot import (
    load,
    load_learned,
    needs_bars_after,
    needs_predictions_after,
    restore_bar,
    restore_prediction,
)
from processors.state_schema import check_state

logger = logging.getLogger(__name__)

TIMEOUT_S = 30.0
POLL_S = 0.05
BATCH = 5000
_LEARNED = b"/learned/"
_BAR = Reader(Bar)
_PREDICTION = Reader(Prediction)


@dataclass
class LogReader:
    """Reads stretches of a partition with a consumer of its own, outside any group; counts what it has read."""

    config: Mapping[str, Any]
    read_so_far: int = 0

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Message]:
        """Messages with start <= offset < end that still exist; raises `Retryable` when the broker stays silent."""
        if start >= end:
            return
        consumer = Consumer(dict(self.config) | {"enable.partition.eof": True})
        try:
            consumer.assign([TopicPartition(topic, partition, start)])
            for message in _until(consumer, end):
                self.read_so_far += 1
                yield message
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

    A strange record in any topic is passed over and counted in the log: it must not keep a worker from starting.
    """
    engine = Engine(assets, rules)
    records = _newest(reader, partition)
    # Workers write under their own names, so that one that has lost the partition cannot hide its successor's.
    for worker in (key for key in records if not is_learned_key(key)):
        try:
            check_state(records[worker], rules)
            found = load(records[worker], assets, rules)
            if found.learned:
                load_learned(found, records[learned_key(worker, found.learned)], assets)
        except (Invalid, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            logger.warning("partition %d: the state of %r is of no use (%r) and is left out", partition, worker, error)
            continue
        engine = max(engine, found, key=lambda candidate: candidate.offset)
    engine.learning_changed = True  # its record is another worker's, maybe: the first state written has one of its own
    if engine.offset >= 0:
        bars, predictions = partial(_put_bar, engine), partial(_put_prediction, engine)
        _restore(reader, BARS.name, partition, needs_bars_after(engine), bars)
        _restore(reader, PREDICTIONS.name, partition, needs_predictions_after(engine), predictions)
        logger.info("partition %d: state up to offset %d", partition, engine.offset)
    return engine


def learned_key(worker: bytes, number: int) -> bytes:
    """Where a worker keeps what was learned: two places in turn, so that the record its state names is never gone."""
    return worker + _LEARNED + str(number % 2).encode()


def is_learned_key(key: bytes) -> bool:
    """Whether a record of the state's topic holds what was learned."""
    return key[:-1].endswith(_LEARNED)


def _newest(reader: LogReader, partition: int) -> dict[bytes, bytes]:
    newest: dict[bytes, bytes] = {}
    for message in reader.read(STATE.name, partition, *reader.bounds(STATE.name, partition)):
        newest[message.key() or b""] = message.value() or b""
    return newest


def _put_bar(engine: Engine, value: bytes) -> None:
    restore_bar(engine, _BAR.read(value))


def _put_prediction(engine: Engine, value: bytes) -> None:
    restore_prediction(engine, _PREDICTION.read(value))


def _restore(reader: LogReader, topic: str, partition: int, since: int, put_back: Callable[[bytes], None]) -> None:
    # Results are published after the time they are of, so none that is needed was stamped before the first needed one.
    start = reader.offset_at(topic, partition, since)
    good, strange = 0, 0
    for message in reader.read(topic, partition, start, reader.bounds(topic, partition)[1]):
        try:
            put_back(message.value() or b"")
            good += 1
        except Invalid:
            strange += 1
    told = f", {strange} unreadable ones left out" if strange else ""
    logger.info("partition %d: read %d messages of %s again%s", partition, good, topic, told)
