"""Rolling statistics over the closes of the last hours, for many series and several windows at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
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


def nested_stats(closes: Floats, windows: Sequence[int]) -> list[WindowStats]:
    """Statistics of the last `windows` slots of closes[series, slots], NaN where there is no bar; the last has one.

    Windows ascend, in slots. Slots without a bar are left out and `points` says how many were used. The longest
    window is gone through once: it is cut where the shorter ones begin, and the pieces are added up from the end.
    """
    longest = closes[:, -windows[-1] :]
    cuts = [0, *(windows[-1] - window for window in reversed(windows[:-1]))]
    there = ~np.isnan(longest)
    last = longest[:, -1]
    # Measured from the last close: exact on flat prices, and because the last point is 0, the mean square is at most
    # `points` times the variance, so the difference of the two below loses no more than that in precision.
    change = np.where(there, longest - last[:, None], 0.0)
    points = _from_the_end(np.add, np.add.reduceat(there.view(np.int8), cuts, axis=1, dtype=np.int64))
    sums = _from_the_end(np.add, np.add.reduceat(change, cuts, axis=1))
    squares = _from_the_end(np.add, np.add.reduceat(change * change, cuts, axis=1))
    lowest = _from_the_end(np.fmin, np.fmin.reduceat(longest, cuts, axis=1))
    highest = _from_the_end(np.fmax, np.fmax.reduceat(longest, cuts, axis=1))
    rows = np.arange(len(closes))
    return [
        _stats(points[:, n], lowest[:, n], highest[:, n], last, sums[:, n], squares[:, n],
               longest[rows, windows[-1] - window + there[:, -window:].argmax(axis=1)])
        for n, window in enumerate(windows)
    ]  # fmt: skip


def _from_the_end(combine: np.ufunc, pieces: np.ndarray) -> np.ndarray:
    """What each window has, shortest first: the pieces of the slots combined from the newest to the oldest."""
    combined: np.ndarray = combine.accumulate(pieces[:, ::-1], axis=1)
    return combined


def _stats(  # noqa: PLR0917 - columns of one window
    points: np.ndarray, lowest: Floats, highest: Floats, last: Floats, sums: Floats, squares: Floats, first: Floats
) -> WindowStats:
    mean_change = sums / points
    mean = last + mean_change
    std = np.sqrt(np.maximum(squares / points - mean_change**2, 0.0))
    return WindowStats(points, lowest, highest, mean, std, (last / first - 1) * 100, std / mean * 100)
