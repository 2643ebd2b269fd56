"""Random walks: the last price, and the last price carried on at the mean pace of the whole history."""

from __future__ import annotations

import numpy as np

from cryptoviz.settings import HOUR_S
from processors.models.base import Floats, Mask, Model, ModelParams, points_in, points_of

DRIFT_HISTORY_H = 1.0
"""A pace measured over less, and carried on for hours, would be nothing but the noise of two bars."""


def naive(prices: Floats, mask: Mask, hours: Floats, params: ModelParams) -> Floats:
    """`p[n-1]`, bit by bit, for any horizon: what every other model is measured against."""
    return prices[:, -1] + 0 * hours


def drift(prices: Floats, mask: Mask, hours: Floats, params: ModelParams) -> Floats:
    """`p[n-1] + (p[n-1] - p[0]) / ((n - 1) * step) * hours`, step in hours: a random walk with drift.

    The mean of all changes is the whole change over their number (Hyndman & Athanasopoulos, Forecasting: Principles
    and Practice, 3rd ed., section 5.2), so this is the line through the first and the last point.
    """
    points = points_of(mask)
    last = prices[:, -1]
    first = prices[np.arange(len(prices)), prices.shape[-1] - np.maximum(points, 1)]
    elapsed_h = np.maximum(points - 1, 1) * (params.interval_s / HOUR_S)
    carried_on: Floats = last + (last - first) / elapsed_h * hours
    return carried_on


NAIVE = Model("naive", naive, lambda _: 1)
DRIFT = Model("drift", drift, lambda params: points_in(DRIFT_HISTORY_H, params))
