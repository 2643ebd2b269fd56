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
    """The state of one source's series; `rows` says where in every array each asset of the partition is."""

    source: str
    rows: Mapping[str, int]
    rules: Rules
    history: History
    learning: Learning
    first_row: int
    """Where its rows begin among those of the indicators, which are one for all sources."""
    clock: int = NEVER
    closed_until: int = NEVER
    empty_bars: dict[str, int] = field(default_factory=dict)
    """How many bars without a quote each asset has had since its last quote."""
    series: dict[str, Series] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets in the order of their rows."""
        return tuple(self.rows)

    def row(self, asset: str) -> int:
        """Where an asset is in every array of its source."""
        return self.rows[asset]

    def standing(self, asset: str) -> Standing:
        """How an asset's series stands, as the ledger has it."""
        return self.standings.setdefault(asset, Standing())

    def is_stale_after(self, asset: str, bar: ClosedBar) -> bool:
        """Whether, with this bar, the next of its series, the last quote is too old to be called a price."""
        empty = self.empty_bars[asset] = 0 if bar.quotes else self.empty_bars.get(asset, 0) + 1
        return self.rules.is_stale(empty)

    def score(self, bars: Mapping[str, tuple[float, bool]], at: int, clock: int) -> Iterator[Scores]:
        """Score what was forecast for `at` and learn from it; `bars` are (close, stale) of those that ended then.

        `clock` is how far the series' clock was when they closed.
        """
        if not self.learning.filed_for(at):  # most bars: forecasts are fewer
            return
        closes = np.full(len(self.rows), np.nan)
        void: list[Void] = ["no_bar"] * len(self.rows)
        for asset, (close, stale) in bars.items():
            row = self.rows[asset]
            closes[row], void[row] = close, "stale_source" if stale else ""
        yield from self._score(Target(self.assets, self.source, at, clock, closes, void), self.rules.forecast_ms)

    def say(self, made: Forecasts, rows: list[int], at: int) -> Said:
        """What all models say of these rows at `at`, those that learn as well; nothing is filed."""
        return self.learning.say(made, rows, self.history, at)

    def back_test(self, now: int, clock: int) -> Iterator[Scores]:
        """Forecast over the history before `now` as if it were live, every hour, so that nothing begins without scores.

        Nobody filed these forecasts: their scores are of origin backfill, and those not due yet are dropped. A bar in
        the history counts as fresh; horizons that no whole number of steps makes up have no scores.
        """
        step_ms = -(-BACK_TEST_MS // self.rules.forecast_ms) * self.rules.forecast_ms
        filed, self.learning.filed = self.learning.filed, {}
        for at in range((now - KEPT_MS) // step_ms * step_ms + step_ms, now, step_ms):
            closes = self.history.until(at, self.rules.interval_ms)[:, -1]
            void: list[Void] = ["no_bar" if math.isnan(close) else "" for close in closes.tolist()]
            yield from self._score(Target(self.assets, self.source, at, clock, closes, void), step_ms)
            rows = np.flatnonzero(~np.isnan(closes)).tolist()
            if rows:
                before = self.history.until(at, self.rules.history_ms)[rows]
                made = make_forecasts(before, self.learning.models, self.rules.hours, self.rules.params)
                self.learning.file(self.say(made, rows, at), at, "backfill")
        self.learning.filed = filed

    def _score(self, target: Target, spacing_ms: int) -> Iterator[Scores]:
        due = self.learning.due(target.at, target.actual)
        if due is not None:
            self.learning.learn(due, target.actual, self.history, spacing_ms)
            self.learning.forget(target.at)
            yield from scores_messages(target, due, self.learning.names, self.rules)
