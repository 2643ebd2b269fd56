"""Copies the topics into ClickHouse: reads, gathers rows in batches, and commits an offset once its rows are in.

At-least-once: after a crash some messages are read again, and the sorting keys of the tables remove the doubles.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from queue import Empty
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from cryptoviz.errors import UserError
from cryptoviz.kafka import Writer
from cryptoviz.settings import Settings
from processors.normalise import Position
from processors.sink_consumer import OnCommit, OnError, judge, position, unread
from processors.sink_insert import Inserter
from processors.sink_lanes import Lane, lanes
from processors.sink_metrics import SinkMetrics
from processors.sink_offsets import Offsets
from processors.sink_rows import TOPICS
from processors.sink_unpack import Unpacker

logger = logging.getLogger(__name__)

MESSAGES_A_READ = 200
READ_WAIT_S = 0.05
FULL_WAIT_S = 2.0  # so long a busy server is waited for; pausing throws away what librdkafka has fetched ahead
FAREWELL_S = 3.5  # of the 5 s a stop may take; the rest is for the last commit
LAST_COMMIT_S = 1.0
LAG_EVERY_S = 2.0
LETTERS_WAIT_S = 0.1  # so long a turn waits for the dead letters it sent; Kafka takes a tenth of that
ALIVE_S = 30.0


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
        self._lanes = lanes(settings)
        self._lane_of = {topic: lane for lane in self._lanes for topic in lane.topics}
        self._lane_named = {lane.name: lane for lane in self._lanes}
        self._unpacker = Unpacker(writer, metrics)
        self.offsets = Offsets()
        self._lag: dict[str, int] = {}
        self._lag_at = 0.0
        self._turned_at = time.monotonic()
        self._kafka_away = False
        self._letters_wait = False
        self._shared_out_anew = False

    def run(self, stop: threading.Event) -> None:
        """Copy until `stop`, then store and commit what was read, within 5 s."""
        self._consumer.subscribe(list(TOPICS), on_assign=self._on_assign, on_revoke=self._on_revoke)
        self._inserter.start()
        while not stop.is_set():
            messages = self._consumer.consume(MESSAGES_A_READ, READ_WAIT_S)
            for message in messages:
                self._take(message, stop)
            self._metrics.count_read(message.topic() for message in messages if message.error() is None)
            self._settle()
            self._turned_at = time.monotonic()
            self._send_due(self._turned_at)
            self._resume()
            if self._shared_out_anew:
                self._pause_as_before()
            self._measure_lag(self._turned_at)
        self._farewell(time.monotonic() + FAREWELL_S)

    def health(self) -> dict[str, Any]:
        """What /health says of the loop; called from another thread, as are the next two."""
        waits_for = self._waits_for()
        return {
            "ok": self._inserter.failure is None and self._turns(),
            "state": f"waiting for {waits_for}" if waits_for else "running",
            "lag": dict(self._lag),
        }

    def excused(self) -> bool:
        """Whether the loop turns and somebody else keeps this sink from getting on."""
        return self._turns() and bool(self._waits_for())

    def work(self) -> dict[str, Hashable]:
        """For each topic what changes when partitions are given, when a batch of it is stored, and while it is busy."""
        now, offsets = time.monotonic(), self.offsets
        return {
            topic: (offsets.assignments, offsets.batches[topic], now if self._is_busy(lane, now) else 0.0)
            for topic, lane in self._lane_of.items()
        }

    def _turns(self) -> bool:
        return time.monotonic() - self._turned_at < ALIVE_S

    def _waits_for(self) -> str:
        return "ClickHouse" if self._inserter.waiting else "Kafka" if self._letters_wait else ""

    def _is_busy(self, lane: Lane, now: float) -> bool:
        """Whether the lane's messages stand for a good reason: more are gathered, or ClickHouse takes its time."""
        return lane.gathers(now) or (lane.on_its_way and self._inserter.slow)

    def _take(self, message: Message, stop: threading.Event) -> None:
        if (error := message.error()) is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self._reach_end(message)
            else:
                judge(error)
            return
        if self._kafka_away:
            self._kafka_away = False
            logger.info("Kafka is back")
        at = position(message)
        lane = self._lane_of[at.topic]
        value = message.value() or b""
        self._unpacker.add(lane.batch, value, at)
        lane.batch.include(at, len(value), time.monotonic())
        self.offsets.read[at.topic, at.partition] = at.offset + 1
        if lane.full and not lane.paused:
            self._make_room(lane, stop)

    def _reach_end(self, end: Message) -> None:
        """Count what lies before the end and is no message as read: it would look like work left undone for ever.

        That is a mark of a transaction, one that was given up, or what Kafka has dropped before it was read.
        """
        at = position(end)
        if at.offset > self.offsets.read.get((at.topic, at.partition), 0):
            before = Position(at.topic, at.partition, at.offset - 1, int(time.time() * 1000))
            self._lane_of[at.topic].batch.include(before, 0, time.monotonic())
            self.offsets.read[at.topic, at.partition] = at.offset

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
        return [TopicPartition(topic, part) for topic, part in self.offsets.assigned if topic in lane.topics]

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
            self.offsets.store(batch)

    def _settle(self, wait_s: float = 0) -> None:
        """Take back what has been stored, and commit it once every dead letter sent has arrived."""
        try:
            while True:
                batch = self._inserter.done.get(timeout=wait_s) if wait_s else self._inserter.done.get_nowait()
                if batch is None:
                    self._raise_failure()
                    break
                self.offsets.store(batch)
                self._lane_named[batch.lane].on_its_way = False
                wait_s = 0
        except Empty:
            pass
        self._writer.poll()
        self._writer.check()
        # Waits a little: in a flood of dead letters there may be no moment at which none is on its way.
        self._letters_wait = bool(self.offsets.uncommitted) and not self._writer.flush(LETTERS_WAIT_S)
        if self.offsets.uncommitted and not self._letters_wait:
            self._consumer.commit(offsets=self.offsets.to_commit(), asynchronous=True)
            self.offsets.uncommitted.clear()

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
            if self._writer.flush(LAST_COMMIT_S) and self.offsets.uncommitted:
                self._consumer.commit(offsets=self.offsets.to_commit(), asynchronous=False)
            self._consumer.close()
        except KafkaException as error:
            logger.info("the last commit did not succeed (%s); those messages will be read again", error)

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.offsets.assign(partitions)
        self._shared_out_anew = True

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.offsets.revoke(partitions)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        refused = [(part, why) for part in partitions if (why := error or part.error)]
        if refused:
            logger.info("Kafka did not take a commit (%s); it goes with the next one", refused[0][1].str())
            self.offsets.commit_again(part for part, _ in refused)

    def _on_error(self, error: KafkaError) -> None:
        # The library tries again by itself and tells of each vain try.
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not self._kafka_away:
            self._kafka_away = True
            logger.warning("Kafka does not answer; nothing is lost, waiting for it")

    def _measure_lag(self, now: float) -> None:
        if now - self._lag_at < LAG_EVERY_S:
            return
        self._lag_at = now
        self._lag = unread(self._consumer, self.offsets.read)
        for topic, messages in self._lag.items():
            self._metrics.lag.labels(topic).set(messages)
