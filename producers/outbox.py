"""The way into Kafka that all sources share: takes the time and hands over under one lock, bounded while Kafka is away.

The log is the order of arrival: because nobody can send between reading the clock and sending, received_at never
decreases within a source.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from threading import Event, RLock
from typing import Any, Protocol

from cryptoviz.clock import ReceiptClock
from cryptoviz.messages import DeadLetter, Quote, SourceStatus, encode
from cryptoviz.partitions import partition_of
from cryptoviz.topics import RAW
from producers.failures import Stopped
from producers.metrics import Metrics
from producers.quote import Rejection
from producers.raw import Envelope

logger = logging.getLogger(__name__)

PAYLOAD_CHARS = 65_536
MAX_PENDING_BYTES = 128 * 1024 * 1024  # beside the number of messages, which says little where answers are large
ROOM_AGAIN = 0.5  # of the limit: polling does not start and stop with every message that leaves
LOOK_EVERY_S = 0.2
STALLED_S = 10.0


class Sender(Protocol):
    """What is needed of `cryptoviz.kafka.Writer`."""

    @property
    def pending(self) -> int: ...
    @property
    def pending_bytes(self) -> int: ...

    def send(self, topic: str, partition: int, value: bytes, key: bytes | None = None) -> None: ...
    def poll(self) -> None: ...
    def check(self) -> None: ...
    def flush(self, timeout_s: float) -> bool: ...


class Outbox:
    """Sends quotes, heartbeats and dead letters; hold `lock` from reading `clock` until what it stamps is sent."""

    def __init__(
        self, writer: Sender, clock: ReceiptClock, limit: int, partitions: int, *, metrics: Metrics,
        limit_bytes: int = MAX_PENDING_BYTES, now_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.lock = RLock()
        self.clock = clock
        self._writer = writer
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._partitions = partitions
        self._metrics = metrics
        self.full = False
        """Whether Kafka was away for so long that nothing more may be sent for now."""
        self._closed = False
        self._now_s = now_s
        self._sent = 0
        self._arrived = 0
        self._moved_at = now_s()
        self._stalled = False

    def has_room(self) -> bool:
        """Whether more may be sent; says so when Kafka goes away and when it is back."""
        with self.lock:
            self._writer.poll()
            self._writer.check()
            pending = self._writer.pending
            self._metrics.pending.set(pending)
            self._watch(pending)
            held = max(pending / self._limit, self._writer.pending_bytes / self._limit_bytes)
            if not self.full and held >= 1:
                self.full = True
                logger.warning("polling stops: %d messages wait for Kafka, which is as many as are kept", pending)
            elif self.full and held <= ROOM_AGAIN:
                self.full = False
                logger.info("polling goes on: %d messages are left for Kafka", pending)
            return not self.full

    def _watch(self, pending: int) -> None:
        """Say once that nothing arrives, and once that it does again."""
        arrived, now_s = self._sent - pending, self._now_s()
        if arrived > self._arrived or not pending:
            self._arrived, self._moved_at = arrived, now_s
            if self._stalled:
                logger.info("Kafka takes our messages again")
            self._stalled = False
        elif not self._stalled and now_s - self._moved_at > STALLED_S:
            self._stalled = True
            logger.warning(
                "Kafka has taken nothing for %.0f s; up to %d messages are kept for it", STALLED_S, self._limit
            )

    def wait_for_room(self, stop: Event) -> None:
        """Return once more may be sent; raises `Stopped` when the process ends first."""
        while not self.has_room():
            if stop.wait(LOOK_EVERY_S):
                raise Stopped

    def publish(self, envelope: Envelope, quotes: Sequence[Quote]) -> None:
        """Send quotes, one message per partition."""
        with self.lock:
            for partition, message in envelope.messages(quotes):
                self._send(RAW.name, partition, message)
            self._metrics.quotes.labels(envelope.source, envelope.origin).inc(len(quotes))

    def heartbeat(self, envelope: Envelope, status: SourceStatus) -> None:
        """Move the source's clock in every partition; left out, not kept, while there is no room."""
        if not self.has_room():
            self._metrics.skipped.labels(envelope.source).inc(envelope.partitions)
            return
        with self.lock:
            for partition, message in envelope.heartbeats(self.clock.now_ms(), status):
                self._send(RAW.name, partition, message)
            self._metrics.heartbeats.labels(envelope.source).inc(envelope.partitions)

    def set_aside(self, source: str, rejections: Iterable[Rejection], at: int) -> None:
        """Send rejected items to the dead letters."""
        partition = partition_of(source, self._partitions)
        with self.lock:
            for rejection in rejections:
                letter = dead_letter(source, rejection, at)
                self._send(RAW.dead.name, partition, encode(letter), source.encode())

    def close(self, timeout_s: float) -> bool:
        """Take nothing more and wait for what is on its way; whether all of it has arrived."""
        with self.lock:
            self._closed = True
            return self._writer.flush(timeout_s)

    def _send(self, topic: str, partition: int, message: bytes, key: bytes | None = None) -> None:
        if self._closed:
            raise Stopped
        self._writer.send(topic, partition, message, key)
        self._sent += 1


def dead_letter(source: str, rejection: Rejection, at: int) -> DeadLetter:
    """The letter of a rejected item, which at this point has no place in any log."""
    return {
        "topic": RAW.name, "partition": None, "offset": None, "item": None, "source": source,
        "reason": rejection.reason, "detail": _ascii(f"{rejection.symbol}: {rejection.detail}"), "at": at,
        "encoding": "utf-8", "payload": _json(rejection.item),
    }  # fmt: skip


def _json(item: Any) -> str:
    # The standard library writes what orjson refuses: NaN, huge whole numbers, halves of surrogate pairs.
    try:
        return json.dumps(item, ensure_ascii=True, separators=(",", ":"))[:PAYLOAD_CHARS]
    except RecursionError:
        return '"nested too deeply to be written"'


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()
