"""One partition of the stream: quotes in, closed bars and everything made of them out, the same for the same log.

Nothing here looks at a clock. A bar closes when its series' clock, the greatest received_at the log has shown, has
passed its end by the grace; statistics, forecasts and signals follow from the bars closed so far, in the order of
their ends, so that no result can see a later bar.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from cryptoviz.messages import ALL, NormalizedQuote, NormalizedQuotes, Origin
from cryptoviz.topics import BARS, LEDGER
from processors.agreement import Agreement, Latest, fresh_prices
from processors.bars import ClosedBar, Feed, Series, candle_of
from processors.closings import Closing, Closings, Ended
from processors.history import History
from processors.indicator_state import IndicatorState
from processors.indicators import INDICATORS as ALL_INDICATORS
from processors.indicators.base import Indicator
from processors.learning import Learning
from processors.ledger import ledger_entry
from processors.results import bar_message
from processors.rules import Rules
from processors.steps import Output, Steps
from processors.track import Track, kept_ms


class Engine:
    """The state of one partition. `assets` are those that live in it; `offset` is the last log offset applied."""

    def __init__(self, assets: Sequence[str], rules: Rules, indicators: tuple[Indicator, ...] = ALL_INDICATORS) -> None:
        self.rules = rules
        self.offset = -1
        self.raw_offset = -1
        self.learned = 0
        """The number of the record that holds what was learned; its owner counts on when it writes another."""
        self.learning_changed = False
        self.tracks: dict[str, Track] = {}
        self.latest: dict[str, dict[str, Latest]] = {}
        self.agreements: dict[str, Agreement] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        """(what, source) since the process started: late quotes, results made."""
        self.indicator_state = IndicatorState(indicators, 0)
        self.steps = Steps(rules)
        self.closings = Closings(self.indicator_state)
        self._rows = {asset: row for row, asset in enumerate(assets)}
        self._intervals_kept = kept_ms(rules) // rules.interval_ms
        self._step_ms = rules.interval_ms + rules.grace_ms

    def apply(self, message: NormalizedQuotes, offset: int) -> list[Output]:
        """Take the next message of the log and return all that follows from it."""
        return [*self.take(message, offset), *self.results()]

    def take(self, message: NormalizedQuotes, offset: int) -> list[Output]:
        """Take the next message of the log; one whose raw message was applied before changes nothing.

        Returns the bars that it closes. What follows from them waits for `results`, so that many can go together; until
        then the state is not whole and must not be written down.
        """
        self.offset = offset
        if message["offset"] <= self.raw_offset:
            return []
        self.raw_offset = message["offset"]
        origin = message["origin"]
        # History that is being filled in makes bars; results begin at its last ones.
        results_after = (message.get("backfill_until") or 0) - self.rules.forecast_ms if origin == "backfill" else 0
        out: list[Output] = []
        track, of_all, rows = self.track(message["source"]), self.track(ALL), self._rows
        poll_interval_s = message["poll_interval_s"]
        feed = Feed(poll_interval_s, self.rules.bridge_ms(poll_interval_s), self.rules.interval_ms, origin)
        for quote in message["quotes"]:
            received_at = quote["received_at"]
            if received_at > track.clock:
                out.extend(self._advance((track, of_all), received_at, origin, results_after))
            if quote["feeds"] and quote["asset"] in rows:
                self._take(track, of_all, quote, feed)
        out.extend(self._advance((track, of_all), message["received_at"], origin, results_after))
        return out

    def results(self) -> Iterator[Output]:
        """What follows from the bars closed since it was asked last; all of it must be taken."""
        return results([self])

    def track(self, source: str) -> Track:
        """The series of a source, begun when it is first heard of."""
        track = self.tracks.get(source)
        if track is None:
            series, rules = len(self._rows), self.rules
            online = tuple(model(rules.interval_s, rules.hours) for model in rules.online)
            track = self.tracks[source] = Track(
                source, self._rows, rules, History(series, self._intervals_kept, rules.interval_ms),
                Learning(rules, rules.models, online, series), self.indicator_state.extend(series),
            )  # fmt: skip
        return track

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets in the order of their rows."""
        return tuple(self._rows)

    def row(self, asset: str) -> int | None:
        """The row of an asset in every history, None if it does not live in this partition."""
        return self._rows.get(asset)

    def _take(self, track: Track, of_all: Track, quote: NormalizedQuote, feed: Feed) -> None:
        asset, price, received_at = quote["asset"], quote["price"], quote["received_at"]
        series = self._series(track, asset, quote["at"])
        if series is None:
            return
        series.add(quote["at"], price, candle_of(quote), quote["volume"], feed)
        latest = self.latest.get(asset)
        if latest is None:
            latest = self.latest[asset] = {}
        latest[track.source] = Latest(price, received_at, quote["event_at"], feed.poll_interval_s)
        agreed = self._agreed(asset, latest, received_at)
        series = None if agreed is None else self._series(of_all, asset, received_at)
        if agreed is not None and series is not None:
            series.add(received_at, agreed, None, None, feed)

    def _agreed(self, asset: str, latest: dict[str, Latest], at: int) -> float | None:
        """The price of `all`; who is left out of it is remembered for the ledger."""
        prices = fresh_prices(latest, at, self.rules.stale_ms)
        agreement = self.agreements.get(asset)
        if agreement is None:
            agreement = self.agreements[asset] = Agreement()
        price = agreement.settle(prices, at, self.rules)
        if price is not None:
            for source in agreement.out:
                self.track(source).standing(asset).distance = prices[source] / price - 1
        return price

    def _series(self, track: Track, asset: str, at: int) -> Series | None:
        """The series that a price at this time goes to; None if its bar is closed, which is counted."""
        if at < track.closed_until:
            self.counts["late", track.source] += 1
            track.standing(asset).late = True
            return None
        series = track.series.get(asset)
        if series is None:
            series = track.series[asset] = Series()
        return series

    def _advance(
        self, tracks: tuple[Track, Track], clock: int, origin: Origin, results_after: int
    ) -> Sequence[Output]:  # fmt: skip
        out: list[Output] = []
        for track in tracks:
            if clock > track.clock:
                track.clock = clock
                since = track.closed_until
                if clock >= since + self._step_ms:
                    track.closed_until = self.rules.closed_until(clock)
                    out.extend(self._close(track, since, origin, results_after))
        return out

    def _close(self, track: Track, since: int, origin: Origin, results_after: int) -> Iterator[Output]:
        ended: dict[int, list[Ended]] = {}
        for asset, series in track.series.items():
            for bar in series.close_until(track.closed_until, origin, self.rules):
                yield BARS.name, asset, bar_message(asset, track.source, bar)
                if bar.length_ms == self.rules.interval_ms:
                    stale = track.is_stale_after(asset, bar)
                    yield from self._standing(track, asset, bar, stale)
                    ended.setdefault(bar.end, []).append(Ended(asset, bar, stale))
        yield from self._ended(track, origin)
        self.closings.add(Closing(track, since, track.closed_until, track.clock, origin, results_after, ended))

    def _standing(self, track: Track, asset: str, bar: ClosedBar, stale: bool) -> Iterator[Output]:
        agreement = self.agreements.get(asset)
        out = agreement is not None and track.source in agreement.out
        for change in track.standing(asset).closed(bar, stale, out):
            yield LEDGER.name, asset, ledger_entry(asset, track.source, change, bar.origin)

    def _ended(self, track: Track, origin: Origin) -> Iterator[Output]:
        for asset, series in track.series.items():
            standing = track.standing(asset)
            if standing.until and (series.next_start is None or series.next_start > standing.until):
                for change in standing.ended():
                    yield LEDGER.name, asset, ledger_entry(asset, track.source, change, origin)


def results(engines: Sequence[Engine]) -> Iterator[Output]:
    """What follows from the bars closed in all of these, which have the same rules; all of it must be taken."""
    if engines:
        yield from engines[0].steps.run([engine.closings for engine in engines])
    for engine in engines:
        engine.learning_changed |= engine.closings.learned
        engine.closings.learned = False
