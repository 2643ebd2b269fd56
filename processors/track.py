"""All series of one source in a partition: they share a clock, so they close, are forecast and are scored together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from cryptoviz.messages import Scores, Void
from cryptoviz.settings import HOUR_S
from processors.bars import ClosedBar, Series
from processors.forecasts import Forecasts, make_forecasts
from processors.history import History
from processors.indicator_state import IndicatorState
from processors.learning import FEATURES_MS, Learning, Said
from processors.ledger import Standing
from processors.rules import MS, STATS_WINDOWS_S, Rules
from processors.score_messages import Target, scores_messages

KEPT_MS = max(STATS_WINDOWS_S) * MS
NEVER = -(72 * HOUR_S * MS)
BACK_TEST_MS = HOUR_S * MS


def kept_ms(rules: Rules) -> int:
    """How far back closes are kept: the longest window, or what is learned from when the longest horizon has passed."""
    return max(KEPT_MS, max(rules.horizons_s) * MS + FEATURES_MS + rules.interval_ms)


@dataclass(slots=True)
class Track:
    """The state of one source's series; `assets` are those of the partition, in the order of their rows."""

    source: str
    assets: tuple[str, ...]
    rules: Rules
    history: History
    indicators: IndicatorState
    learning: Learning
    clock: int = NEVER
    closed_until: int = NEVER
    empty_bars: dict[str, int] = field(default_factory=dict)
    """How many bars without a quote each asset has had since its last quote."""
    series: dict[str, Series] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)

    def rows(self, assets: Mapping[str, ClosedBar]) -> list[int]:
        """Where these assets are in every array."""
        return [self.assets.index(asset) for asset in assets]

    def keep(self, bars: Mapping[str, ClosedBar], end: int) -> None:
        """Take in the bars that ended at `end`."""
        for row, (asset, bar) in zip(self.rows(bars), bars.items(), strict=True):
            self.history.put(row, end, bar.close)
            self.empty_bars[asset] = 0 if bar.quotes else self.empty_bars.get(asset, 0) + 1

    def standing(self, asset: str) -> Standing:
        """How an asset's series stands, as the ledger has it."""
        return self.standings.setdefault(asset, Standing())

    def is_stale(self, asset: str) -> bool:
        """Whether an asset's last quote is too old to be called a price."""
        return self.rules.is_stale(self.empty_bars[asset])

    def score(self, bars: Mapping[str, ClosedBar], at: int) -> Iterator[Scores]:
        """Score what was forecast for `at`, when these bars ended, and learn from it."""
        if not self.learning.filed_for(at):  # most bars: forecasts are fewer
            return
        closes = np.full(len(self.assets), np.nan)
        void: list[Void] = ["no_bar"] * len(self.assets)
        for row, (asset, bar) in zip(self.rows(bars), bars.items(), strict=True):
            closes[row], void[row] = bar.close, "stale_source" if self.is_stale(asset) else ""
        target = Target(self.assets, self.source, at, self.clock, closes, void)
        yield from self._score(target, self.rules.forecast_ms)

    def forecast(self, rows: list[int], at: int) -> tuple[Forecasts, Said]:
        """What all models say of these rows at `at`; nothing is filed."""
        closes = self.history.until(at, self.rules.history_ms)[rows]
        made = make_forecasts(closes, self.learning.models, self.rules.hours, self.rules.params)
        return made, self.learning.say(made, rows, self.history, at)

    def back_test(self, now: int) -> Iterator[Scores]:
        """Forecast over the history before `now` as if it were live, every hour, so that nothing begins without scores.

        Nobody filed these forecasts: their scores are of origin backfill, and those not due yet are dropped. A bar in
        the history counts as fresh; horizons that no whole number of steps makes up have no scores.
        """
        step_ms = -(-BACK_TEST_MS // self.rules.forecast_ms) * self.rules.forecast_ms
        filed, self.learning.filed = self.learning.filed, {}
        for at in range((now - KEPT_MS) // step_ms * step_ms + step_ms, now, step_ms):
            closes = self.history.until(at, self.rules.interval_ms)[:, -1]
            void: list[Void] = ["no_bar" if math.isnan(close) else "" for close in closes.tolist()]
            yield from self._score(Target(self.assets, self.source, at, self.clock, closes, void), step_ms)
            rows = np.flatnonzero(~np.isnan(closes)).tolist()
            if rows:
                self.learning.file(self.forecast(rows, at)[1], at, "backfill")
        self.learning.filed = filed

    def _score(self, target: Target, spacing_ms: int) -> Iterator[Scores]:
        due = self.learning.due(target.at, target.actual)
        if due is not None:
            self.learning.learn(due, target.actual, self.history, spacing_ms)
            self.learning.forget(target.at)
            yield from scores_messages(target, due, self.learning.names, self.rules)
