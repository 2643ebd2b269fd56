"""Copies the topics into ClickHouse: reads, gathers rows in batches, and commits an offset once its rows are in.

At-least-once: after a crash some messages are read again, and the sorting keys of the tables remove the doubles.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from cryptoviz import topics
from cryptoviz.errors import Invalid, UserError
from cryptoviz.kafka import Writer
from cryptoviz.messages import encode
from cryptoviz.settings import Settings
from processors.normalise import Position, dead_letter
from processors.sink_insert import Batch, Inserter
from processors.sink_lanes import Forecasts, Lane, lanes
from processors.sink_metrics import SinkMetrics
from processors.sink_rows import DEAD_TOPICS, TOPICS, Health, add_message, add_unreadable_letter

logger = logging.getLogger(__name__)

MESSAGES_A_READ = 200
READ_WAIT_S = 0.05
FULL_WAIT_S = 2.0  # so long a busy server is waited for; pausing throws away what librdkafka has fetched ahead
FAREWELL_S = 3.5  # of the 5 s a stop may take; the rest is for the last commit
LAST_COMMIT_S = 1.0
LAG_EVERY_S = 2.0
ALIVE_S = 30.0

OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]
OnError = Callable[[KafkaError], None]
Place = tuple[str, int]


class Sink:
    """The loop. `run` returns after `stop` is set; raises `UserError` when ClickHouse or Kafka refuses for good.

    `consumer` makes the Kafka consumer, given what to call after each commit and about errors of the connection.
    """

    def __init__(
        self, consumer: Callable[[OnCommit, OnError], Consumer], inserter: Inserter, writer: Writer, settings: Settings,
        metrics: SinkMetrics,
    ) -> None:  # fmt: skip
        self._consumer = consumer(self._on_commit, self._on_error)
        self._inserter = inserter
        self._writer = writer
        self._metrics = metrics
        self._counters = {topic: metrics.messages.labels(topic) for topic in TOPICS}
        self._lanes = lanes(settings)
        self._lane_of = {topic: lane for lane in self._lanes for topic in lane.topics}
        self._lane_named = {lane.name: lane for lane in self._lanes}
        self._health = Health()
        self._forecasts = Forecasts()
        self._assigned: set[Place] = set()
        self._next: dict[Place, int] = {}
        self._uncommitted: dict[Place, int] = {}
        self._lag: dict[str, int] = {}
        self._lag_at = 0.0
        self._turned_at = time.monotonic()
        self._kafka_away = False
        self._shared_out_anew = False

    def run(self, stop: threading.Event) -> None:
        """Copy until `stop`, then store and commit what was read, within 5 s."""
        self._consumer.subscribe(list(TOPICS), on_assign=self._on_assign, on_revoke=self._on_revoke)
        self._inserter.start()
        while not stop.is_set():
            for message in self._consumer.consume(MESSAGES_A_READ, READ_WAIT_S):
                self._take(message, stop)
            self._settle()
            self._turned_at = time.monotonic()
            self._send_due(self._turned_at)
            self._resume()
            if self._shared_out_anew:
                self._pause_as_before()
            self._measure_lag(self._turned_at)
        self._farewell(time.monotonic() + FAREWELL_S)

    def health(self) -> dict[str, Any]:
        """What /health says; called from another thread."""
        return {
            "ok": self._inserter.failure is None and time.monotonic() - self._turned_at < ALIVE_S,
            "part": "sink",
            "state": "waiting for ClickHouse" if self._inserter.waiting else "running",
            "partitions": len(self._assigned),
            "lag": dict(self._lag),
        }

    def _take(self, message: Message, stop: threading.Event) -> None:
        if (error := message.error()) is not None:
            _judge(error)
            return
        if self._kafka_away:
            self._kafka_away = False
            logger.info("Kafka is back")
        at = _position(message)
        lane = self._lane_of[at.topic]
        value = message.value() or b""
        self._add(lane.batch, value, at)
        lane.batch.include(at, len(value), time.monotonic())
        self._next[at.topic, at.partition] = at.offset + 1
        self._counters[at.topic].inc()
        if lane.full and not lane.paused:
            self._make_room(lane, stop)

    def _add(self, batch: Batch, value: bytes, at: Position) -> None:
        try:
            message = add_message(value, at, batch.tables, self._health)
        except Invalid as error:
            self._set_aside(batch, value, error, at)
            return
        if at.topic == topics.PREDICTIONS.name and self._forecasts.differs(message["id"], value):
            self._metrics.conflicts.inc()
            logger.warning("%s was filed before and said otherwise; the first one counts", message["id"])

    def _set_aside(self, batch: Batch, value: bytes, error: Invalid, at: Position) -> None:
        self._metrics.rejected.labels(at.topic, error.reason).inc()
        logger.warning("%s/%d/%d cannot be stored: %s", at.topic, at.partition, at.offset, error)
        if at.topic in DEAD_TOPICS:
            add_unreadable_letter(value, error, at, batch.tables)
        else:
            self._writer.send(f"{at.topic}.dead", at.partition, encode(dead_letter(value, error, at)))

    def _make_room(self, lane: Lane, stop: threading.Event) -> None:
        deadline = time.monotonic() + FULL_WAIT_S
        while lane.on_its_way and not (stop.is_set() or self._inserter.waiting or time.monotonic() > deadline):
            self._settle(wait_s=0.1)
        if not lane.on_its_way:
            self._send(lane)
            return
        lane.paused = True
        self._consumer.pause(self._partitions_of(lane))

    def _resume(self) -> None:
        for lane in self._lanes:
            if lane.paused and not lane.full:
                lane.paused = False
                self._consumer.resume(self._partitions_of(lane))

    def _pause_as_before(self) -> None:
        """Say again which partitions are paused: a new assignment of the same ones keeps or loses it as it happens."""
        self._shared_out_anew = False
        for lane in self._lanes:
            partitions = self._partitions_of(lane)
            if partitions:
                (self._consumer.pause if lane.paused else self._consumer.resume)(partitions)

    def _partitions_of(self, lane: Lane) -> list[TopicPartition]:
        return [TopicPartition(topic, part) for topic, part in self._assigned if topic in lane.topics]

    def _send_due(self, now: float) -> None:
        for lane in self._lanes:
            if not lane.on_its_way and lane.due(now):
                self._send(lane)

    def _send(self, lane: Lane) -> None:
        batch = lane.take()
        if batch.rows:
            lane.on_its_way = True
            self._inserter.put(batch)
        else:
            self._note_stored(batch)

    def _settle(self, wait_s: float = 0) -> None:
        """Take back what has been stored, and commit it once every dead letter sent has arrived."""
        try:
            while True:
                batch = self._inserter.done.get(timeout=wait_s) if wait_s else self._inserter.done.get_nowait()
                if batch is None:
                    self._raise_failure()
                    break
                self._note_stored(batch)
                self._lane_named[batch.lane].on_its_way = False
                wait_s = 0
        except Empty:
            pass
        self._writer.poll()
        self._writer.check()
        if self._uncommitted and not self._writer.pending:
            self._consumer.commit(offsets=self._to_commit(), asynchronous=True)
            self._uncommitted.clear()

    def _note_stored(self, batch: Batch) -> None:
        for place, reach in batch.reach.items():
            if place in self._assigned:
                self._uncommitted[place] = reach.next

    def _to_commit(self) -> list[TopicPartition]:
        return [TopicPartition(*place, offset) for place, offset in self._uncommitted.items()]

    def _raise_failure(self) -> None:
        failure = self._inserter.failure
        if isinstance(failure, UserError):
            raise failure
        if failure is not None:
            raise RuntimeError(f"the insert thread ended: {failure}") from failure

    def _farewell(self, deadline: float) -> None:
        while time.monotonic() < deadline and any(lane.on_its_way or lane.batch.messages for lane in self._lanes):
            for lane in self._lanes:
                if not lane.on_its_way and lane.batch.messages:
                    self._send(lane)
            self._settle(wait_s=0.1)
        self._inserter.close()
        # In a thread, because a broker that is away would keep us longer than a stop may take.
        leave = threading.Thread(target=self._leave, name="leave", daemon=True)
        leave.start()
        leave.join(LAST_COMMIT_S)

    def _leave(self) -> None:
        try:
            if self._writer.flush(LAST_COMMIT_S) and self._uncommitted:
                self._consumer.commit(offsets=self._to_commit(), asynchronous=False)
            self._consumer.close()
        except KafkaException as error:
            logger.info("the last commit did not succeed (%s); those messages will be read again", error)

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned.update((part.topic, part.partition) for part in partitions)
        self._shared_out_anew = True

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        # Their rows stay in the batches: whoever reads them next stores them again under the same keys.
        gone = {(part.topic, part.partition) for part in partitions}
        self._assigned -= gone
        for place in gone:
            self._uncommitted.pop(place, None)
            self._next.pop(place, None)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        if error is None:
            return
        logger.info("Kafka did not take a commit (%s); it goes with the next one", error.str())
        for part in partitions:
            if (place := (part.topic, part.partition)) in self._assigned:
                self._uncommitted.setdefault(place, part.offset)

    def _on_error(self, error: KafkaError) -> None:
        # The library tries again by itself and tells of each vain try.
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not self._kafka_away:
            self._kafka_away = True
            logger.warning("Kafka does not answer; nothing is lost, waiting for it")

    def _measure_lag(self, now: float) -> None:
        if now - self._lag_at < LAG_EVERY_S:
            return
        self._lag_at = now
        lag = dict.fromkeys(TOPICS, 0)
        for (topic, part), position in self._next.items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, part), cached=True) or (0, 0)
            lag[topic] += max(0, high - position)
        for topic, messages in lag.items():
            self._metrics.lag.labels(topic).set(messages)
        self._lag = lag


def _position(message: Message) -> Position:
    # None is only what a message with an error has.
    filed_at = max(0, message.timestamp()[1])
    return Position(message.topic() or "", message.partition() or 0, message.offset() or 0, filed_at)


def _judge(error: KafkaError) -> None:
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        raise UserError(f"Kafka lacks a topic: run `cryptoviz topics` ({error.str()})")
    if error.fatal() or error.code() == KafkaError._FATAL:
        raise UserError(f"Kafka refuses this sink; is another one running? ({error.str()})")
    logger.warning("Kafka: %s", error.str())
