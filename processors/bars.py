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

    def add(self, item: Item) -> None:
        """Take one more item; equal times count in the order of the log."""
        if item.at < self.first_at:
            self.open, self.first_at = item.open, item.at
        if item.at >= self.last_at:
            self.close, self.last_at, self.fill_until = item.price, item.at, item.at + item.bridge_ms
        self.high = max(self.high, item.high)
        self.low = min(self.low, item.low)
        self.volume = _plus(self.volume, item.volume)
        self.quotes += 1
        self.origin = item.origin


@dataclass(slots=True, frozen=True)
class Item:
    """What a bar takes from a quote, or from a point of `all`."""

    at: int
    price: float
    open: float
    high: float
    low: float
    volume: float | None
    bridge_ms: int
    origin: Origin

    @classmethod
    def of_price(cls, at: int, price: float, bridge_ms: int, origin: Origin) -> Item:
        """A single price."""
        return cls(at, price, price, price, price, None, bridge_ms, origin)

    @classmethod
    def of_quote(cls, quote: NormalizedQuote, bridge_ms: int, origin: Origin) -> Item:
        """A quote; one with open, high and low (a candle) uses them."""
        price, high, low = quote["price"], quote["high"], quote["low"]
        open_ = price if quote["open"] is None else quote["open"]
        return cls(
            quote["at"],
            price,
            open_,
            max(open_, price) if high is None else max(high, open_, price),
            min(open_, price) if low is None else min(low, open_, price),
            quote["volume"],
            bridge_ms,
            origin,
        )


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

    def add(self, item: Item, interval_ms: int) -> None:
        """Put an item into its bar, which must not be closed yet."""
        start = item.at // interval_ms * interval_ms
        bar = self.open.get(start)
        if bar is None:
            # Counted from zero by `add`, so that a first item and a later one go one way.
            bar = self.open[start] = OpenBar(
                start, item.open, item.high, item.low, item.price, None, 0, item.at, item.at, 0, item.origin
            )
        bar.add(item)

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
