"""Intervals that learn their width from their own misses: adaptive conformal prediction, one series at a time. Pure.

The half-width is a quantile of |error| / scale, the scale being what the price usually moves over the horizon. Each
score moves its logarithm: up when the price fell outside, down when it fell inside, so that in the long run the share
outside is what the level says, whatever the market does (quantile tracking: Gibbs and Candes, NeurIPS 2021;
Angelopoulos, Candes and Tibshirani, NeurIPS 2023; decaying steps: Angelopoulos, Barber and Bates, ICML 2024).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from processors.models.base import Floats
from processors.per_series import PerSeries
from processors.scoring import LEVELS

MIN_SCORES = 30
"""No bounds before a model has so many scores for a series and horizon."""
FIRST_QUANTILES = (0.6744897501960817, 1.2815515655446004, 1.959963984540054)
"""Where the levels begin: the quantiles of |x| for a normal x of unit scale."""
LEAST_STEP = 0.25
"""Of one over the number of forecasts under way; smaller is steadier, larger follows faster. Chosen on 2024-03."""
_MISS = 1 - np.array(LEVELS)[:, None, None, None]
LIMIT = float(np.log(1000.0))
"""Of a logarithm of a quantile, either way."""


class Intervals(PerSeries):
    """The state of all intervals of one source's series: arrays are [levels, models, horizons, series]."""

    ARRAYS = ("log_quantile", "scores")

    def __init__(self, models: int, horizons: int, series: int) -> None:
        first = np.log(FIRST_QUANTILES)[:, None, None, None]
        self.log_quantile: Floats = np.broadcast_to(first, (len(LEVELS), models, horizons, series)).copy()
        self.scores: Floats = np.zeros((models, horizons, series))
        """How many scores each has learned from."""

    def bounds(self, rows: Sequence[int], forecast: Floats, scale: Floats) -> tuple[Floats, Floats]:
        """Lower and upper bounds [levels, models, horizons, rows] around forecast[models, horizons, rows].

        `scale` is [horizons, rows], in the unit of the price. NaN before `MIN_SCORES` and where a forecast is NaN.
        """
        half = np.exp(self.log_quantile[..., rows]) * scale
        half = np.where(self.scores[..., rows] >= MIN_SCORES, half, np.nan)
        return forecast - half, forecast + half

    def learn(self, horizons: Sequence[int], error: Floats, scale: Floats, under_way: Floats) -> None:
        """Learn from error[models, horizons, series] of these horizons, NaN where there is none.

        `scale` [horizons, series] is that of the forecasts; `under_way` [horizons] is how many forecasts of a series
        are made before the first of them is scored: neighbours share most of their outcome, so each counts for less.
        """
        known = ~np.isnan(error) & ~np.isnan(scale)
        count = self.scores[:, horizons] + known
        self.scores[:, horizons] = count
        most = 1 / under_way[:, None]
        step = np.clip(1 / np.maximum(count, 1), LEAST_STEP * most, most)
        log_quantile = self.log_quantile[:, :, horizons]
        missed = np.abs(error) > np.exp(log_quantile) * scale
        moved = log_quantile + np.where(known, step * (missed - _MISS), 0.0)
        # A wider level never has a narrower interval.
        self.log_quantile[:, :, horizons] = np.clip(np.maximum.accumulate(moved, axis=0), -LIMIT, LIMIT)
