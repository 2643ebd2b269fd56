"""Rolling statistics over the closes of the last hours, for many series at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.models.base import Floats


@dataclass(frozen=True)
class WindowStats:
    """Statistics of one window, each an array [series]; `std` is the population standard deviation."""

    points: np.ndarray
    min: Floats
    max: Floats
    mean: Floats
    std: Floats
    variation: Floats
    """(last / first - 1) * 100."""
    volatility: Floats
    """std / mean * 100."""


def window_stats(closes: Floats) -> WindowStats:
    """Statistics of closes[series, slots], oldest first, NaN where there is no bar; the last slot has one.

    Slots without a bar are left out and `points` says how many were used. As with forecasts the number of slots is
    the window and stays the same, so that equal input gives equal bits.
    """
    there = ~np.isnan(closes)
    points = there.sum(axis=-1)
    last = closes[:, -1]
    change = np.where(there, closes - last[:, None], 0.0)  # measured from the last close: exact on flat prices
    mean_change = change.sum(axis=-1) / points
    mean = last + mean_change
    squares = np.where(there, change - mean_change[:, None], 0.0) ** 2
    std = np.sqrt(squares.sum(axis=-1) / points)
    first = closes[np.arange(len(closes)), there.argmax(axis=-1)]
    return WindowStats(
        points=points,
        min=np.where(there, closes, np.inf).min(axis=-1),
        max=np.where(there, closes, -np.inf).max(axis=-1),
        mean=mean,
        std=std,
        variation=(last / first - 1) * 100,
        volatility=std / mean * 100,
    )
