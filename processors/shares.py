"""How much each model counts in the adaptive consensus: the better its recent scores, the more. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cryptoviz.settings import DAY_S
from processors.models.base import Floats
from processors.per_series import PerSeries

HALF_LIFE_S = 3 * DAY_S
"""A score counts half as much as one that is so much newer."""
POWER = 2.0
"""Shares go as the mean squared error to minus this power; 1 would be the inverse mean squared error."""
WORST = 100.0
"""A squared error counts for no more, in squares of the usual move, so that one jump does not stay for days."""


def sum_of(values: Floats) -> Floats:
    """Sum over the first axis of those that are not NaN, NaN where none is.

    One after the other: numpy's own order depends on how many series there are, and the bits must not.
    """
    total, there = np.zeros(values.shape[1:]), np.zeros(values.shape[1:], dtype=np.bool_)
    for value in values:
        known = ~np.isnan(value)
        total += np.where(known, value, 0.0)
        there |= known
    return np.where(there, total, np.nan)


class Shares(PerSeries):
    """Discounted squared errors of one source's series; arrays are [models, horizons, series].

    Inverse powers of discounted mean squared errors, without their correlations: Bates and Granger, OR Quarterly 20,
    1969; discounting as in Stock and Watson, Journal of Forecasting 23, 2004.
    """

    ARRAYS = ("loss", "scores")

    def __init__(self, models: int, horizons: int, series: int) -> None:
        self.loss: Floats = np.zeros((models, horizons, series))
        self.scores: Floats = np.zeros((models, horizons, series))

    def of(self, rows: Sequence[int], forecast: Floats) -> Floats:
        """Shares [models, horizons, rows] of those with a forecast[models, horizons, rows]; they add up to 1.

        Before any score all are equal; NaN for a model without a forecast.
        """
        mean_square = (self.loss[..., rows] + 1) / (self.scores[..., rows] + 1)
        weight = np.where(np.isnan(forecast), np.nan, mean_square**-POWER)
        return weight / sum_of(weight)

    def learn(self, horizons: Sequence[int], error: Floats, scale: Floats, spacing_s: float) -> None:
        """Learn from error[models, horizons, series] of these horizons; forecasts come every `spacing_s`."""
        square = np.minimum((error / scale) ** 2, WORST)
        known = ~np.isnan(square)
        fade = 0.5 ** (spacing_s / HALF_LIFE_S)
        for array, new in ((self.loss, np.where(known, square, 0.0)), (self.scores, known)):
            old = array[:, horizons]
            array[:, horizons] = np.where(known, old * fade + new, old)
