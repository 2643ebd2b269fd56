"""Recorded rows into quotes.raw: in the order they were received, at their own pace, a multiple of it, or flat out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from cryptoviz.errors import Retryable, UserError
from cryptoviz.kafka import Writer
from cryptoviz.messages import Quote, encode
from cryptoviz.partitions import partition_of
from cryptoviz.settings import Settings
from cryptoviz.topics import RAW
from producers.raw import Envelope
from producers.recorded_rows import Judged, Rows

logger = logging.getLogger(__name__)

BARS_PER_MESSAGE = 100
"""The worker answers the group between two messages, so none may take it long: a candle of an hour is 60 bars."""
FEWEST_QUOTES = 10
ROWS_PER_STEP = 2_000
STEP_S = 0.2  # with a speed, what falls due within this time is sent together
MAX_PENDING = 5_000  # messages on their way; beyond that the feed waits for the broker
PATIENCE_S = 120.0

Message = tuple[int, bytes]


@dataclass
class Cutter:
    """Quotes to messages: one source and one partition each, so that each partition keeps the order of the feed."""

    settings: Settings
    _open: dict[int, tuple[Envelope, list[Quote]]] = field(default_factory=dict)
    _envelopes: dict[tuple[str, float], Envelope] = field(default_factory=dict)

    def add(self, source: str, interval_s: float, quote: Quote) -> Iterator[Message]:
        """Take one quote; yields the message that its partition had open if this quote cannot join it."""
        envelope = self._envelope(source, interval_s)
        partition = partition_of(quote["asset"], self.settings.partitions)
        held = self._open.get(partition)
        if held and held[0] is envelope and len(held[1]) < self._most_quotes(interval_s):
            held[1].append(quote)
            return
        if held:
            yield from held[0].messages(held[1])
        self._open[partition] = (envelope, [quote])

    def cut(self) -> Iterator[Message]:
        """The messages that are still open."""
        for _, (envelope, quotes) in sorted(self._open.items()):
            yield from envelope.messages(quotes)
        self._open.clear()

    def heartbeats(self, received_at: int) -> Iterator[Message]:
        """One per source and partition: every source's clock moves on to this time."""
        sources = {source: envelope for (source, _), envelope in sorted(self._envelopes.items())}
        for envelope in sources.values():
            yield from envelope.heartbeats(received_at)

    def _most_quotes(self, interval_s: float) -> int:
        bars = max(1.0, interval_s / self.settings.bar_seconds)
        return max(FEWEST_QUOTES, int(BARS_PER_MESSAGE / bars))

    def _envelope(self, source: str, interval_s: float) -> Envelope:
        if (source, interval_s) not in self._envelopes:
            self._envelopes[source, interval_s] = Envelope(
                source, "replay", self.settings.bar_seconds, interval_s, self.settings.partitions
            )
        return self._envelopes[source, interval_s]


@dataclass
class Pace:
    """When a row of the recording is due: `speed` times as fast as it was recorded, None for at once."""

    speed: float | None
    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def steps(self, rows: Rows) -> Iterator[tuple[int, int]]:
        """(start, end) of the rows to feed together, each yielded when it is due."""
        if self.speed is None:
            for start in range(0, len(rows), ROWS_PER_STEP):
                yield start, min(start + ROWS_PER_STEP, len(rows))
            return
        due_s = (rows.received_at - rows.received_at[0]) / 1000 / self.speed
        cuts = np.flatnonzero(np.diff(due_s // STEP_S)) + 1
        began_s = self.now_s()
        for start, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(rows)], strict=True):
            wait_s = began_s + float(due_s[start]) - self.now_s()
            if wait_s > 0:
                self.sleep(wait_s)
            yield start, end


def feed(
    judged: Judged, writer: Writer, settings: Settings, pace: Pace, progress: Callable[[int], None] = lambda _: None
) -> None:
    """Send dead letters, quotes and the closing heartbeats; returns when the broker has all of them.

    `progress` hears the number of rows handed over, also while the broker is slow; what it raises ends the feed.
    Raises `UserError` if the broker takes nothing for two minutes.
    """
    _Feed(writer, settings, pace, progress).run(judged)


@dataclass
class _Feed:
    writer: Writer
    settings: Settings
    pace: Pace
    progress: Callable[[int], None]
    rows: int = 0

    def run(self, judged: Judged) -> None:
        self._send(RAW.dead.name, _dead_messages(judged, self.settings))
        if len(judged.rows):
            self._send_rows(judged.rows)
        self._wait(0)

    def _send_rows(self, rows: Rows) -> None:
        cutter = Cutter(self.settings)
        for start, end in self.pace.steps(rows):
            for series, interval_s, quote in rows.quotes(start, end):
                self._send(RAW.name, cutter.add(series.source, interval_s, quote))
            if self.pace.speed is not None:
                self._send(RAW.name, cutter.cut())
            self.writer.poll()
            self.rows = end
            self.progress(end)
        self._send(RAW.name, cutter.cut())
        self._send(RAW.name, cutter.heartbeats(closing_time(rows, self.settings)))

    def _send(self, topic: str, messages: Iterable[Message]) -> None:
        for partition, value in messages:
            if self.writer.pending >= MAX_PENDING:
                self._wait(MAX_PENDING // 2)
            try:
                self.writer.send(topic, partition, value)
            except Retryable:
                self._wait(self.writer.pending // 2)
                self.writer.send(topic, partition, value)

    def _wait(self, pending: int) -> None:
        """Until no more than `pending` messages are on their way; patience begins anew with each that arrives."""
        least, deadline = self.writer.pending, time.monotonic() + PATIENCE_S
        while self.writer.pending > pending:
            self.writer.flush(0.02)
            self.progress(self.rows)
            if self.writer.pending < least:
                least, deadline = self.writer.pending, time.monotonic() + PATIENCE_S
            if time.monotonic() > deadline:
                raise UserError(f"Kafka has taken nothing for {PATIENCE_S:.0f} s; {least} messages are waiting")


def closing_time(rows: Rows, settings: Settings) -> int:
    """The time at which the bar of the last quote closes: its end and the grace after it."""
    interval_ms = settings.bar_seconds * 1000
    last = int(max(rows.at.max(), rows.received_at.max()))
    return (last // interval_ms + 1) * interval_ms + settings.grace_seconds * 1000


def _dead_messages(judged: Judged, settings: Settings) -> Iterator[Message]:
    for letter in judged.dead:
        yield partition_of(letter["source"], settings.partitions), encode(letter)
