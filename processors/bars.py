"""Bars of one series: quotes into open bars, open bars into closed and filled ones, those into hours and days. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptoviz.messages import NormalizedQuote, Origin
from processors.rules import Rules


@dataclass(slots=True)
class OpenBar:
    """A bar that still takes quotes; `fill_until` is how far empty bars may follow its last quote."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    quotes: int
    first_at: int
    last_at: int
    fill_until: int
    origin: Origin


Candle = tuple[float, float, float]
"""Open, high and low of a quote that has them, with its price inside."""


def candle_of(quote: NormalizedQuote) -> Candle | None:
    """What a quote says of the time before its price; None if it is a single price."""
    price, open_, high, low = quote["price"], quote["open"], quote["high"], quote["low"]
    if open_ is None and high is None and low is None:
        return None
    open_ = price if open_ is None else open_
    return (
        open_,
        max(open_, price) if high is None else max(high, open_, price),
        min(open_, price) if low is None else min(low, open_, price),
    )


@dataclass(slots=True, frozen=True)
class Feed:
    """What all quotes of one message have in common; `bridge_ms` is how long empty bars may follow one of them."""

    poll_interval_s: float
    bridge_ms: int
    interval_ms: int
    origin: Origin


@dataclass(slots=True, frozen=True)
class ClosedBar:
    """A bar that never changes again; `quotes` is 0 in a filled one."""

    start: int
    length_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    quotes: int
    origin: Origin

    @property
    def end(self) -> int:
        """The time of its point."""
        return self.start + self.length_ms


@dataclass(slots=True)
class Rollup:
    """An hour or a day that still takes closed bars."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    quotes: int
    origin: Origin

    def add(self, bar: ClosedBar) -> None:
        """Take the next closed bar."""
        self.high, self.low, self.close = max(self.high, bar.high), min(self.low, bar.low), bar.close
        self.volume = _plus(self.volume, bar.volume)
        self.quotes += bar.quotes
        self.origin = bar.origin


@dataclass(slots=True)
class Series:
    """The bars of one asset at one source (or `all`)."""

    open: dict[int, OpenBar] = field(default_factory=dict)
    next_start: int | None = None
    """Where the bar after the last closed one starts; None before the first bar and after a break."""
    close: float = 0.0
    fill_until: int = 0
    rollups: dict[int, Rollup] = field(default_factory=dict)
    """Hour and day under way, by length in ms."""

    def add(self, at: int, price: float, candle: Candle | None, volume: float | None, feed: Feed) -> None:
        """Put a price, or a candle that ends in it, into its bar, which must not be closed yet.

        Of equal times the later in the log counts. Written out, because every quote comes through here twice.
        """
        start = at // feed.interval_ms * feed.interval_ms
        bar = self.open.get(start)
        open_, high, low = candle or (price, price, price)
        fill_until = at + feed.bridge_ms
        if bar is None:
            self.open[start] = OpenBar(start, open_, high, low, price, volume, 1, at, at, fill_until, feed.origin)
            return
        if at < bar.first_at:
            bar.open, bar.first_at = open_, at
        if at >= bar.last_at:
            bar.close, bar.last_at, bar.fill_until = price, at, fill_until
        bar.high = max(bar.high, high)
        bar.low = min(bar.low, low)
        if volume is not None:
            bar.volume = _plus(bar.volume, volume)
        bar.quotes += 1
        bar.origin = feed.origin

    def close_until(self, until: int, origin: Origin, rules: Rules) -> Iterator[ClosedBar]:
        """Close every bar that ends at or before `until`, and the hours and days that end with them, in order."""
        for bar in self._closed_bars(until, origin, rules.interval_ms):
            yield from self._rolled_before(bar.start)
            yield bar
            self._roll(bar, rules.rollups_ms)
        yield from self._rolled_before(until)

    def _closed_bars(self, until: int, origin: Origin, interval_ms: int) -> Iterator[ClosedBar]:
        while True:
            if self.next_start is None:
                self.next_start = min(self.open, default=None)
            start = self.next_start
            if start is None or start + interval_ms > until:
                return
            bar = self.open.pop(start, None)
            if bar is None and start + interval_ms > self.fill_until:
                self.next_start = None
                continue
            self.next_start = start + interval_ms
            yield self._filled(start, interval_ms, origin) if bar is None else self._closed(bar, interval_ms)

    def _closed(self, bar: OpenBar, interval_ms: int) -> ClosedBar:
        self.close, self.fill_until = bar.close, bar.fill_until
        return ClosedBar(
            bar.start, interval_ms, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quotes, bar.origin
        )

    def _filled(self, start: int, interval_ms: int, origin: Origin) -> ClosedBar:
        price = self.close
        return ClosedBar(start, interval_ms, price, price, price, price, None, 0, origin)

    def _roll(self, bar: ClosedBar, lengths_ms: tuple[int, ...]) -> None:
        for length in lengths_ms:
            rollup = self.rollups.get(length)
            if rollup is None:
                start = bar.start // length * length
                self.rollups[length] = Rollup(
                    start, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quotes, bar.origin
                )
            else:
                rollup.add(bar)

    def _rolled_before(self, until: int) -> Iterator[ClosedBar]:
        for length, rollup in sorted(self.rollups.items()):
            if rollup.start + length <= until:
                del self.rollups[length]
                yield ClosedBar(rollup.start, length, rollup.open, rollup.high, rollup.low, rollup.close,
                                rollup.volume, rollup.quotes, rollup.origin)  # fmt: skip


def _plus(volume: float | None, more: float | None) -> float | None:
    return volume if more is None else more if volume is None else volume + more
