"""One partition of the stream: quotes in, closed bars and everything made of them out, the same for the same log.

Nothing here looks at a clock. A bar closes when its series' clock, the greatest received_at the log has shown, has
passed its end by the grace; statistics, forecasts and signals follow from the bars closed so far, in the order of
their ends, so that no result can see a later bar.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from cryptoviz.messages import ALL, NormalizedQuote, NormalizedQuotes, Origin, Scores
from cryptoviz.topics import BARS, INDICATORS, LEDGER, PREDICTIONS, SCORES, SIGNALS, STATS
from processors.agreement import Agreement, Latest, fresh_prices
from processors.bars import ClosedBar, Item, Series
from processors.history import History
from processors.indicator_state import IndicatorState
from processors.indicators import INDICATORS as ALL_INDICATORS
from processors.indicators.base import Indicator, Values
from processors.learning import Learning
from processors.ledger import ledger_entry
from processors.models import MODELS, ONLINE_MODELS
from processors.models.base import Model
from processors.models.online import OnlineModel
from processors.results import (
    Moment,
    bar_message,
    indicator_messages,
    prediction_messages,
    signal_messages,
    stats_messages,
)
from processors.rules import STATS_WINDOWS_S, Rules
from processors.statistics import nested_stats
from processors.track import KEPT_MS, NEVER, Track, kept_ms

INDICATOR_WARM_UP_BARS = 500
"""So far back do indicators begin in a history whose results are not wanted: what came before weighs below 1e-16."""
Output = tuple[str, str, Any]
"""(topic, asset, message)"""


class Engine:
    """The state of one partition. `assets` are those that live in it; `offset` is the last log offset applied."""

    def __init__(
        self, assets: Sequence[str], rules: Rules, models: tuple[Model, ...] = MODELS,
        indicators: tuple[Indicator, ...] = ALL_INDICATORS, online: tuple[type[OnlineModel], ...] = ONLINE_MODELS,
    ) -> None:  # fmt: skip
        self.rules = rules
        self.models = models
        self.indicators = indicators
        self.online = online
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
        self._rows = {asset: row for row, asset in enumerate(assets)}
        self._intervals_kept = kept_ms(rules) // rules.interval_ms
        self._windows = [window_s // rules.interval_s for window_s in STATS_WINDOWS_S]

    def apply(self, message: NormalizedQuotes, offset: int) -> list[Output]:
        """Take the next message of the log; one whose raw message was applied before changes nothing."""
        self.offset = offset
        if message["offset"] <= self.raw_offset:
            return []
        self.raw_offset = message["offset"]
        origin = message["origin"]
        # History that is being filled in makes bars; results begin at its last ones.
        results_after = (message.get("backfill_until") or 0) - self.rules.forecast_ms if origin == "backfill" else 0
        out: list[Output] = []
        source = message["source"]
        track = self.track(source)
        for quote in message["quotes"]:
            if quote["received_at"] > track.clock:
                out.extend(self._advance(source, quote["received_at"], origin, results_after))
            if quote["feeds"] and quote["asset"] in self._rows:
                self._take(source, quote, message["poll_interval_s"], origin)
        out.extend(self._advance(source, message["received_at"], origin, results_after))
        return out

    def track(self, source: str) -> Track:
        """The series of a source, begun when it is first heard of."""
        track = self.tracks.get(source)
        if track is None:
            series, rules = len(self._rows), self.rules
            online = tuple(model(rules.interval_s, rules.hours) for model in self.online)
            track = self.tracks[source] = Track(
                source, self.assets, rules, History(series, self._intervals_kept, rules.interval_ms),
                IndicatorState(self.indicators, series), Learning(rules, self.models, online, series),
            )  # fmt: skip
        return track

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets in the order of their rows."""
        return tuple(self._rows)

    def row(self, asset: str) -> int | None:
        """The row of an asset in every history, None if it does not live in this partition."""
        return self._rows.get(asset)

    def _take(self, source: str, quote: NormalizedQuote, poll_interval_s: float, origin: Origin) -> None:
        bridge_ms = self.rules.bridge_ms(poll_interval_s)
        if not self._add(source, quote["asset"], Item.of_quote(quote, bridge_ms, origin)):
            return
        latest = self.latest.setdefault(quote["asset"], {})
        latest[source] = Latest(quote["price"], quote["received_at"], quote["event_at"], poll_interval_s)
        price = self._agreed(quote["asset"], latest, quote["received_at"])
        if price is not None:
            point = Item.of_price(quote["received_at"], price, bridge_ms, origin)
            self._add(ALL, quote["asset"], point)

    def _agreed(self, asset: str, latest: Mapping[str, Latest], at: int) -> float | None:
        """The price of `all`; who is left out of it is remembered for the ledger."""
        prices = fresh_prices(latest, at, self.rules.stale_ms)
        agreement = self.agreements.setdefault(asset, Agreement())
        price = agreement.settle(prices, at, self.rules)
        if price is not None:
            for source in agreement.out:
                self.track(source).standing(asset).distance = prices[source] / price - 1
        return price

    def _add(self, source: str, asset: str, item: Item) -> bool:
        track = self.track(source)
        if item.at < track.closed_until:
            self.counts["late", source] += 1
            track.standing(asset).late = True
            return False
        track.series.setdefault(asset, Series()).add(item, self.rules.interval_ms)
        return True

    def _advance(self, source: str, clock: int, origin: Origin, results_after: int) -> Iterator[Output]:
        for name in (source, ALL):
            track = self.track(name)
            if clock > track.clock:
                track.clock = clock
                until = self.rules.closed_until(clock)
                if until > track.closed_until:
                    since, track.closed_until = track.closed_until, until
                    yield from self._close(name, track, since, origin, results_after)

    def _close(self, source: str, track: Track, since: int, origin: Origin, results_after: int) -> Iterator[Output]:
        ended: dict[int, list[tuple[str, ClosedBar]]] = {}
        for asset, series in track.series.items():
            for bar in series.close_until(track.closed_until, origin, self.rules):
                ended.setdefault(bar.end, []).append((asset, bar))
        # What is forecast on the way may come due on the way: in a long step, as after a silence.
        times = [*ended, *track.learning.targets(since, track.closed_until)]
        heapify(times)
        done = NEVER
        while times:
            end = heappop(times)
            if end == done:
                continue
            done = end
            for asset, bar in ended.get(end, ()):
                yield BARS.name, asset, bar_message(asset, source, bar)
            bars = ((asset, bar) for asset, bar in ended.get(end, ()) if bar.length_ms == self.rules.interval_ms)
            due = dict(sorted(bars))
            track.keep(due, end)
            yield from self._standings(track, due)
            yield from self._scores(track.score(due, end))
            if due and end > results_after - INDICATOR_WARM_UP_BARS * self.rules.interval_ms:
                values = track.indicators.step(track.rows(due), list(due.values()))
                if end > results_after:
                    stale = tuple(track.is_stale(asset) for asset in due)
                    yield from self._results(Moment(tuple(due), source, end, origin, stale), track, values)
                    for target in track.learning.targets_of(end) if end in track.learning.filed else ():
                        if target <= track.closed_until:
                            heappush(times, target)

        yield from self._ended(track, origin)

    def _standings(self, track: Track, due: Mapping[str, ClosedBar]) -> Iterator[Output]:
        for asset, bar in due.items():
            agreement = self.agreements.get(asset)
            out = agreement is not None and track.source in agreement.out
            for change in track.standing(asset).closed(bar, track.is_stale(asset), out):
                yield LEDGER.name, asset, ledger_entry(asset, track.source, change, bar.origin)

    def _ended(self, track: Track, origin: Origin) -> Iterator[Output]:
        for asset, series in track.series.items():
            standing = track.standing(asset)
            if standing.until and (series.next_start is None or series.next_start > standing.until):
                for change in standing.ended():
                    yield LEDGER.name, asset, ledger_entry(asset, track.source, change, origin)

    def _scores(self, scored: Iterator[Scores]) -> Iterator[Output]:
        for scores in scored:
            self.learning_changed = True
            yield SCORES.name, scores["asset"], scores

    def _results(self, moment: Moment, track: Track, values: Values) -> Iterator[Output]:
        end, history = moment.at, track.history
        rows = [self._rows[asset] for asset in moment.assets]
        windows = nested_stats(history.until(end, KEPT_MS)[rows], self._windows)
        for stats in stats_messages(moment, windows, self.rules):
            yield STATS.name, stats["asset"], stats
        for indicators in indicator_messages(moment, values, self.rules):
            yield INDICATORS.name, indicators["asset"], indicators
        if end % self.rules.forecast_ms:
            return
        if not track.learning.begun:
            self.learning_changed = True  # even if nothing comes due: it must not begin again after a restart
            yield from self._scores(track.back_test(end))
        made, said = track.forecast(rows, end)
        track.learning.file(said, end, moment.origin)
        names = list(zip(track.learning.names, track.learning.versions, strict=True))
        for prediction in prediction_messages(moment, made, said, names, self.rules):
            yield PREDICTIONS.name, prediction["asset"], prediction
        for signal in signal_messages(moment, made, self.models, self.rules):
            yield SIGNALS.name, signal["asset"], signal
