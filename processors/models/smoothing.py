"""Exponential smoothing: a level alone (`ewma`), and a level with a trend that is damped (`holt`).

Both are linear in the prices, so they are products with weights that depend on the number of points alone. Constants
are half-lives in hours, so that bars of any length mean the same. On 5-minute closes of 17 pairs in March 2024, no
half-life made either better than the last price: the shorter, the closer to it. These are long enough to be opinions
of their own, at a mean absolute error within 5 % of the last price's at 1 hour, and within 1 % at 4 and at 24.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from cryptoviz.settings import HOUR_S
from processors.models.base import Floats, Mask, Model, ModelParams, points_in, points_of

EWMA_HALF_LIFE_H = 0.25
"""Long enough to forget the noise of minutes: a mean age of 22 minutes, about that of 43 one-minute bars."""
EWMA_HISTORY_H = 1.0
"""Four half-lives: what a longer history would add weighs 6 %."""
LEVEL_HALF_LIFE_H = 1 / 12
"""alpha = 0.5 for bars of 5 minutes: prices are nearly a random walk, so the level is to follow them closely."""
TREND_HALF_LIFE_H = 4.0
"""beta: a trend of minutes is noise; that of a morning may last."""
DAMPING_HALF_LIFE_H = 1.0
"""phi: half of the trend is left after an hour. At 4 hours and more the error at 24 hours grows by 6 % and beyond."""
HOLT_HISTORY_H = 4.0
"""The first trend is the change of a single bar; it takes this long until a thirtieth of it is left."""
REMEMBERED = 128
"""Numbers of points whose weights are kept: series of one age share theirs, and most have the whole history."""

WeightsOf = Callable[[int, int, int], Floats]
"""(points, slots, interval_s) -> weights[rows, slots] of the changes, 0 where there is no point."""


def ewma(prices: Floats, mask: Mask, hours: Floats, params: ModelParams) -> Floats:
    """Mean of all points with weights that halve every quarter of an hour back, for any horizon.

    This is simple exponential smoothing without a first level: the weights of the points there are sum to 1.
    """
    (level,) = _weighted(prices, mask, params, _ewma_weights)
    mean: Floats = prices[:, -1] + level
    return mean + 0 * hours


def holt(prices: Floats, mask: Mask, hours: Floats, params: ModelParams) -> Floats:
    """`l + (phi + phi^2 + ... + phi^k) * b`, k the horizon in bars: Holt's linear method with a damped trend.

    From `l = p[0]`, `b = p[1] - p[0]`, for p[1] to p[n-1]: `l' = alpha * p + (1 - alpha) * (l + phi * b)`, then
    `b = beta * (l' - l) + (1 - beta) * phi * b` (Gardner & McKenzie, Forecasting trends in time series, Management
    Science 31, 1985). Each constant is what its half-life makes of one bar.
    """
    level, trend = _weighted(prices, mask, params, _holt_weights)
    _, _, phi = _holt_constants(params.interval_s)
    bars = hours * (HOUR_S / params.interval_s)
    forecast: Floats = prices[:, -1] + (level + phi * (1 - phi**bars) / (1 - phi) * trend)
    return forecast


def _weighted(prices: Floats, mask: Mask, params: ModelParams, weights_of: WeightsOf) -> Floats:
    """Weighted sums [rows, series] of the prices' distances from the last one: exactly 0 on flat prices."""
    changes = prices - prices[:, -1:]
    slots = prices.shape[-1]
    points = points_of(mask).tolist()
    # Once for all where they have the same history, as most have all of it.
    weights = [
        weights_of(count, slots, params.interval_s) for count in (points if len(set(points)) > 1 else points[:1])
    ]
    sums: Floats = (np.stack(weights, axis=1) * changes).sum(axis=-1)
    return sums


@lru_cache(REMEMBERED)
def _ewma_weights(points: int, slots: int, interval_s: int) -> Floats:
    ages_h = np.arange(slots - 1, -1, -1) * (interval_s / HOUR_S)
    weights = np.exp2(-ages_h / EWMA_HALF_LIFE_H)
    weights[: slots - points] = 0.0
    return _kept(weights[None, :] / max(weights.sum(), 1.0))


@lru_cache(REMEMBERED)
def _holt_weights(points: int, slots: int, interval_s: int) -> Floats:
    """Weights [2, slots] that give level and trend after the last point."""
    weights = np.zeros((2, slots))
    if points < 2:
        return _kept(weights)
    first = slots - points
    of_price, of_level, of_trend = _echoes(slots, interval_s)
    weights[:, first + 1 :] = of_price[:, slots - points + 1 :]
    weights[:, first] = of_level[:, first] - of_trend[:, first]
    weights[:, first + 1] += of_trend[:, first]
    return _kept(weights)


@lru_cache(4)
def _echoes(slots: int, interval_s: int) -> Floats:
    """What is left [3, 2, slots] in level and trend, at the end, of a price of 1, a level of 1, a trend of 1 there."""
    alpha, beta, phi = _holt_constants(interval_s)
    levels, trends = np.array([alpha, 1.0, 0.0]), np.array([alpha * beta, 0.0, 1.0])
    left = np.empty((3, 2, slots))
    for slot in range(slots - 1, -1, -1):
        left[:, 0, slot], left[:, 1, slot] = levels, trends
        smoothed = (1 - alpha) * (levels + phi * trends)  # a step of the recursion at a price of 0
        levels, trends = smoothed, beta * (smoothed - levels) + (1 - beta) * phi * trends
    return _kept(left)


def _holt_constants(interval_s: int) -> tuple[float, float, float]:
    """alpha, beta and phi for bars of this length."""
    level, trend, damping = (
        0.5 ** (interval_s / HOUR_S / half_life_h)
        for half_life_h in (LEVEL_HALF_LIFE_H, TREND_HALF_LIFE_H, DAMPING_HALF_LIFE_H)
    )
    return 1 - level, 1 - trend, damping


def _kept(weights: Floats) -> Floats:
    weights.flags.writeable = False  # shared by all calls
    return weights


EWMA = Model("ewma", ewma, lambda params: points_in(EWMA_HISTORY_H, params))
HOLT = Model("holt", holt, lambda params: points_in(HOLT_HISTORY_H, params))
