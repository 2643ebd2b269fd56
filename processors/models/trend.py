"""Trend: the least-squares line through the history, read off at the horizon."""

from __future__ import annotations

import numpy as np

from cryptoviz.settings import HOUR_S
from processors.models.base import Floats, Mask, Model, ModelParams, points_of

MIN_POINTS = 10


def trend(prices: Floats, mask: Mask, hours: Floats, params: ModelParams) -> Floats:
    """`slope * hours + intercept` of price over time, in hours before the last point (so t_last = 0).

    Ordinary least squares on evenly spaced points, in centred form: slope = sum(u * (p - mean)) / sum(u^2) with
    u = t - mean(t), and sum(u^2) = step^2 * n * (n^2 - 1) / 12 in closed form.
    """
    step_h = params.interval_s / HOUR_S
    points = points_of(mask).astype(np.float64)
    last = prices[:, -1]
    change = np.where(mask, prices - last[:, None], 0.0)  # measured from the last price: exact on flat prices
    mean_change = change.sum(axis=-1) / np.maximum(points, 1)
    mean_t = -(points - 1) / 2 * step_h
    times = np.arange(-prices.shape[-1] + 1, 1) * step_h
    centred = np.where(mask, times - mean_t[:, None], 0.0)
    spread = step_h**2 * points * (points**2 - 1) / 12
    covered = (centred * change).sum(axis=-1)
    slope = covered / np.where(spread > 0, spread, 1.0)
    line: Floats = last + (mean_change - slope * mean_t + slope * hours)
    return line


TREND = Model("trend", trend, lambda _: MIN_POINTS, weight=0.3)
