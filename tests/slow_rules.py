"""The rules of time once more, written from their text alone, slow and plain, as the judge of the engine.

Nothing of the product's own computation is imported here, and nothing is carried from one step to the next: each answer
is looked for anew in the whole log. Where the text leaves a choice, this is the reading taken:

- Each quote's received_at moves its source's clock before the quote itself is judged late, and the message's own
  received_at comes after its quotes. So nothing depends on where messages are cut.
- The latest price of a source is the last one in the log, whatever its own time; late ones do not count.
- The time that counts for `all` (bars, freshness, gaps) is received_at; a point of `all` has the poll interval of the
  source whose quote made it. A source without a stamp of its own is as old as its last answer.
- "Three intervals" of a gap are of the source or of bars, whichever are longer; a quote's own `at` begins the gap.
- History mutes the results of the bars that its own messages close, up to the last forecast before its end. A source
  whose history ended earlier thus begins at its own last bar, once live messages close it.
- A bar has the origin of its last quote in the log, a filled one that of the message that closes it.
- A candle whose open or price lies outside of its high and low widens them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from independent import Expected, expected_at, expected_stats, is_broken, is_stale, points_before

ALL = "all"
HOUR_MS = 3_600_000
Log = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class SlowRules:
    """The settings, in milliseconds."""

    interval: int = 60_000
    grace: int = 10_000
    forecast: int = 300_000
    history: int = 24 * HOUR_MS
    max_gap: int = 1_800_000
    stale: int = 600_000
    young: int = 180_000
    apart: float = 0.02
    windows_h: tuple[int, ...] = (1, 6, 24, 72)
    longer: tuple[int, ...] = (HOUR_MS, 24 * HOUR_MS)


@dataclass(frozen=True)
class Step:
    """One moment of the log: a quote, or the end of a message (no quote)."""

    entry: int
    message: Mapping[str, Any]
    received_at: int
    quote: Mapping[str, Any] | None


@dataclass(frozen=True)
class SlowBar:
    """A bar and the step that closed it."""

    start: int
    length: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    quotes: int
    origin: str
    closed: int

    @property
    def end(self) -> int:
        """Where it ends, in ms."""
        return self.start + self.length


@dataclass(frozen=True)
class Point:
    """What a quote says to one series, and the step at which it says it."""

    step: int
    at: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    gap: int
    origin: str


def steps_of(log: Log) -> list[Step]:
    """Every moment of the log, in its order."""
    steps = []
    for entry, message in enumerate(log):
        steps += [Step(entry, message, quote["received_at"], quote) for quote in message["quotes"]]
        steps.append(Step(entry, message, message["received_at"], None))
    return steps


class Judge:
    """All that should follow from a log."""

    def __init__(self, log: Log, rules: SlowRules) -> None:
        self.rules = rules
        self.steps = steps_of(log)
        self.sources = sorted({message["source"] for message in log})
        self.assets = sorted({q["asset"] for message in log for q in message["quotes"]})
        self.closes: dict[tuple[str, str], dict[int, float]] = {}
        self.quotes: dict[tuple[str, str], dict[int, int]] = {}
        self._agreed: dict[str, list[tuple[float | None, set[str]]]] = {}
        self.clocks = {source: self._clock(source) for source in [*self.sources, ALL]}

    def _clock(self, source: str) -> list[int]:
        """The clock of a source after every step; -1 while it has said nothing."""
        mine = [s.received_at if source in (ALL, s.message["source"]) else -1 for s in self.steps]
        return [max(mine[: n + 1]) for n in range(len(mine))]

    def closing(self, source: str, end: int) -> int | None:
        """The step at which a bar that ends at `end` closes, or None if it never does."""
        step = bisect_left(self.clocks[source], end + self.rules.grace)
        return step if step < len(self.steps) else None

    def is_late(self, source: str, at: int, step: int) -> bool:
        """Whether the bar that holds `at` is closed when the log reaches `step`."""
        end = at - at % self.rules.interval + self.rules.interval
        return self.clocks[source][step] >= end + self.rules.grace

    def feeding(self, asset: str) -> Iterator[tuple[int, Step, Mapping[str, Any]]]:
        """The quotes of an asset that feed its bars and are not late for their own source."""
        for n, step in enumerate(self.steps):
            quote = step.quote
            if quote is None or quote["asset"] != asset or not quote["feeds"]:
                continue
            if not self.is_late(step.message["source"], quote["at"], n):
                yield n, step, quote

    def gap(self, message: Mapping[str, Any]) -> int:
        """The longest silence that is bridged after a quote of this message."""
        return int(max(self.rules.max_gap, 3 * self.rules.interval, 3 * message["poll_interval_s"] * 1000))

    def points(self, asset: str, source: str) -> list[Point]:
        """What makes the bars of a series."""
        if source == ALL:
            return self._median_points(asset)
        return [
            Point(
                n, q["at"], q["open"] or q["price"], max(_said(q, "price", "open", "high")),
                min(_said(q, "price", "open", "low")), q["price"], q["volume"], self.gap(step.message),
                step.message["origin"],
            )
            for n, step, q in self.feeding(asset)
            if step.message["source"] == source
        ]  # fmt: skip

    def _median_points(self, asset: str) -> list[Point]:
        found = []
        agreed = self.agreed(asset)
        for (n, step, quote), (price, _) in zip(self.feeding(asset), agreed, strict=True):
            at = quote["received_at"]
            if price is not None and not self.is_late(ALL, at, n):
                found.append(
                    Point(n, at, price, price, price, price, None, self.gap(step.message), step.message["origin"])
                )
        return found

    def agreed(self, asset: str) -> list[tuple[float | None, set[str]]]:
        """After every quote of an asset: the price of `all`, and the sources that do not count because they differ."""
        if asset in self._agreed:
            return self._agreed[asset]
        feeding = list(self.feeding(asset))
        found = self._agreed[asset] = []
        last, apart_since = None, None
        for index, (_, _, quote) in enumerate(feeding):
            now = quote["received_at"]
            latest = {s.message["source"]: (s.message, q) for _, s, q in feeding[: index + 1]}
            fresh = self.fresh(latest, now)
            two_apart = len(fresh) == 2 and max(fresh.values()) - min(fresh.values()) > self.rules.apart * min(
                fresh.values()
            )
            apart_since = (now if apart_since is None else apart_since) if two_apart else None
            out: set[str] = set()
            if len(fresh) > 2:
                middle = median(fresh.values())
                far = {source for source in fresh if abs(fresh[source] - middle) > self.rules.apart * middle}
                out = far if len(far) < len(fresh) - len(far) else set()
            elif two_apart and last is not None and now - apart_since <= self.rules.stale:
                first, second = sorted(fresh)
                out = {second if abs(fresh[second] - last) > abs(fresh[first] - last) else first}
            counting = [fresh[source] for source in fresh if source not in out]
            last = median(counting) if counting else last
            found.append((last if counting else None, out))
        return found

    def fresh(self, latest: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]], now: int) -> dict[str, float]:
        """The fresh prices by source."""
        fresh = {}
        for source, (message, quote) in latest.items():
            stamp = quote["received_at"] if quote["event_at"] is None else quote["event_at"]
            in_time = now - quote["received_at"] <= 3 * message["poll_interval_s"] * 1000
            if in_time and now - stamp <= self.rules.stale:
                fresh[source] = (now - stamp, quote["price"])
        young = {source: price for source, (age, price) in fresh.items() if age <= self.rules.young}
        return young or {source: price for source, (_, price) in fresh.items()}

    def bars(self, asset: str, source: str) -> list[SlowBar]:
        """The closed bars of a series, oldest first."""
        length = self.rules.interval
        points = self.points(asset, source)
        if not points:
            return []
        found: list[SlowBar] = []
        start = min(p.at for p in points) // length * length
        while (closed := self.closing(source, start + length)) is not None:
            inside = sorted((p for p in points if start <= p.at < start + length), key=lambda p: (p.at, p.step))
            before = sorted((p for p in points if p.at < start), key=lambda p: (p.at, p.step))
            if inside:
                found.append(_bar(inside, start, length, closed))
            elif start + length - before[-1].at <= before[-1].gap:
                close, origin = before[-1].close, self.steps[closed].message["origin"]
                found.append(SlowBar(start, length, close, close, close, close, None, 0, origin, closed))
            elif all(p.at < start for p in points):
                break
            start += length
        return found

    def longer_bars(self, bars: Sequence[SlowBar], source: str, length: int) -> list[SlowBar]:
        """Hours or days, made of the bars of a series."""
        found = []
        for start in sorted({bar.start // length * length for bar in bars}):
            parts = [bar for bar in bars if start <= bar.start < start + length]
            closed = self.closing(source, start + length)
            if closed is None:
                continue
            volumes = [part.volume for part in parts if part.volume is not None]
            found.append(
                SlowBar(
                    start, length, parts[0].open, max(p.high for p in parts), min(p.low for p in parts),
                    parts[-1].close, sum(volumes) if volumes else None, sum(p.quotes for p in parts),
                    parts[-1].origin, closed,
                )
            )  # fmt: skip
        return found

    def has_results(self, bar: SlowBar) -> bool:
        """Whether statistics and forecasts follow from a bar: not from those that history closes before its end."""
        message = self.steps[bar.closed].message
        return message["origin"] != "backfill" or bar.end > (message.get("backfill_until") or 0) - self.rules.forecast

    def expected(self) -> dict[tuple[str, str], tuple[int, dict[str, Any]]]:
        """Every result by (topic, id): the entry of the log that brings it, and what it says."""
        out: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        for asset in self.assets:
            for source in [*self.sources, ALL]:
                self._series(out, asset, source)
        return out

    def _series(self, out: dict[tuple[str, str], tuple[int, dict[str, Any]]], asset: str, source: str) -> None:
        interval = self.rules.interval
        bars = self.bars(asset, source)
        longer = [self.longer_bars(bars, source, length) for length in self.rules.longer if length > interval]
        for bar in [*bars, *(bar for group in longer for bar in group)]:
            key = f"{asset}/{source}/{bar.length // 1000}/{bar.start}"
            out["bars", key] = self.steps[bar.closed].entry, _fields(bar)
        closes = self.closes[asset, source] = {bar.end: bar.close for bar in bars}
        self.quotes[asset, source] = {bar.end: bar.quotes for bar in bars}
        for bar in filter(self.has_results, bars):
            key = f"{asset}/{source}/{interval // 1000}/{bar.end}"
            entry = self.steps[bar.closed].entry
            out["stats", key] = entry, {"at": bar.end}
            if bar.end % self.rules.forecast == 0:
                seen = points_before(closes, bar.end, interval, self.rules.history)
                out["predictions", key] = entry, {"made_at": bar.end, "price": bar.close, "points": len(seen)}
                out["signals", key] = entry, {"made_at": bar.end, "price": bar.close}

    def ledger(self, asset: str, source: str) -> dict[str, dict[str, Any]]:
        """How a series stands, by id, told when it changes."""
        told: dict[str, dict[str, Any]] = {}
        state, empty, since_step = "", 0, 0
        outs = {n: out for (n, _, _), (_, out) in zip(self.feeding(asset), self.agreed(asset), strict=True)}
        bars = self.bars(asset, source)
        for bar, after in zip(bars, [*bars[1:], None][: len(bars)], strict=True):
            empty = 0 if bar.quotes else empty + 1
            steps = range(since_step, bar.closed)
            held = next((outs[n] for n in range(since_step - 1, -1, -1) if n in outs), set())
            if source in held or any(source in outs.get(n, ()) for n in steps):
                found = "diverging"
            elif any(self.comes_late(asset, source, n) for n in steps):
                found = "late"
            elif empty * self.rules.interval >= self.rules.stale:
                found = "stale"
            else:
                found = "backfilled" if bar.origin == "backfill" else "available"
            if found != state:
                told[f"{asset}/{source}/{bar.start}"] = {"since": bar.start, "state": found}
            state, since_step = found, bar.closed
            over = after is None or after.start > bar.end
            if over and self.closing(source, bar.end + self.rules.interval) is not None:
                told[f"{asset}/{source}/{bar.end}"] = {"since": bar.end, "state": "gap"}
                state = "gap"
        return told

    def comes_late(self, asset: str, source: str, n: int) -> bool:
        """Whether the quote of a step is for this series and its bar is closed."""
        quote, message = self.steps[n].quote, self.steps[n].message
        if quote is None or quote["asset"] != asset or not quote["feeds"]:
            return False
        own = self.is_late(message["source"], quote["at"], n)
        if source != ALL:
            return own and message["source"] == source
        prices = {step: price for (step, _, _), (price, _) in zip(self.feeding(asset), self.agreed(asset), strict=True)}
        return not own and prices[n] is not None and self.is_late(ALL, quote["received_at"], n)

    def signals(self, asset: str, source: str, at: int, horizons_h: Sequence[float]) -> list[Expected]:
        """Signals and what they come from, per horizon, once `expected` has been asked for."""
        closes, quotes = self.closes[asset, source], self.quotes[asset, source]
        interval, history = self.rules.interval, self.rules.history
        points = points_before(closes, at, interval, history)
        broken = is_broken(closes, at, interval, history)
        stale = is_stale(quotes, at, interval, self.rules.stale)
        return expected_at(points, interval, horizons_h, broken, stale)

    def stats(self, asset: str, source: str, at: int) -> dict[int, dict[str, float]]:
        """Statistics by window in seconds, once `expected` has been asked for."""
        closes = self.closes[asset, source]
        return {hours * 3600: expected_stats(closes, at, hours * HOUR_MS) for hours in self.rules.windows_h}


def _said(quote: Mapping[str, Any], *names: str) -> list[float]:
    return [quote[name] for name in names if quote[name] is not None]


def _bar(inside: Sequence[Point], start: int, length: int, closed: int) -> SlowBar:
    volumes = [p.volume for p in inside if p.volume is not None]
    return SlowBar(
        start, length, inside[0].open, max(p.high for p in inside), min(p.low for p in inside), inside[-1].close,
        sum(volumes) if volumes else None, len(inside), max(inside, key=lambda p: p.step).origin, closed,
    )  # fmt: skip


def _fields(bar: SlowBar) -> dict[str, Any]:
    return {
        "start": bar.start, "interval_s": bar.length // 1000, "open": bar.open, "high": bar.high, "low": bar.low,
        "close": bar.close, "volume": bar.volume, "quotes": bar.quotes, "origin": bar.origin,
    }  # fmt: skip
