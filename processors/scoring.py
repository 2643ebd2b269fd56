"""Forecasts against what happened: errors, direction, and whether the price fell inside the intervals. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.models.base import Floats, Mask

LEVELS = (0.5, 0.8, 0.95)
"""The intervals every model gives: how often each should hold the price."""


@dataclass(frozen=True)
class Judged:
    """How forecasts did, NaN where there is nothing to judge; arrays are [models, horizons, series] unless said."""

    error: Floats
    """forecast - actual."""
    naive_error: Floats
    """[horizons, series] price - actual."""
    relative_error: Floats
    """|error| / |naive_error|, NaN where the latter is 0."""
    hit: Floats
    """1 where the forecast's change has the sign of the actual one, else 0; NaN where either change is 0."""
    inside: Mask
    """[levels, models, horizons, series]; of no meaning where there are no bounds."""
    width: Floats
    """[levels, models, horizons, series], in the unit of the price, as the next."""
    winkler: Floats
    """Width plus 2 / (1 - level) times the distance outside (Winkler, JASA 67, 1972); smaller is better."""


def judge(forecast: Floats, price: Floats, bounds: tuple[Floats, Floats], actual: Floats) -> Judged:
    """Judge forecast[models, horizons, series], made when the price was price[horizons, series], by actual[series].

    `bounds` are (lower, upper), each [levels, models, horizons, series]; NaN marks what is not there.
    """
    error, naive_error = forecast - actual, price - actual
    said, came = forecast - price, actual - price
    lower, upper = bounds
    width = upper - lower
    outside = np.maximum(np.maximum(lower - actual, actual - upper), 0.0)
    penalty = 2 / (1 - np.array(LEVELS))[:, None, None, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(naive_error == 0, np.nan, np.abs(error) / np.abs(naive_error))
    hit = np.where((said == 0) | (came == 0), np.nan, np.sign(said) == np.sign(came))
    return Judged(
        error=error,
        naive_error=naive_error,
        relative_error=relative,
        hit=np.where(np.isnan(error), np.nan, hit),
        inside=(lower <= actual) & (actual <= upper),
        width=width,
        winkler=width + penalty * outside,
    )
