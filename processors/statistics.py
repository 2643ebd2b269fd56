"""Rolling statistics over the closes of the last hours, for many series and several windows at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from processors.blocks import BLOCK, NOTHING, Cuts, Pieces, aggregates, joined
from processors.models.base import Floats


class WindowStats(NamedTuple):
    """Statistics of windows, each an array [series, windows]; `std` is the population standard deviation."""

    points: np.ndarray
    min: Floats
    max: Floats
    mean: Floats
    std: Floats
    variation: Floats
    """(last / first - 1) * 100."""
    volatility: Floats
    """std / mean * 100."""


def window_stats(cuts: Cuts, pieces: Sequence[Pieces]) -> WindowStats:
    """Statistics of the windows of `cuts` for all series of `pieces`, which have a close in the last slot.

    Slots without a bar are left out and `points` says how many were used.
    """
    closes = np.where(cuts.within, np.concatenate([one.parts for one in pieces]), np.nan)
    parts, whole = aggregates(closes), np.concatenate([one.whole for one in pieces], axis=1)
    last = np.where(cuts.several, parts[..., -1:], NOTHING[:, None, None])
    points, lowest, highest, first, mean, squares = joined(np.stack([parts[..., :-1], whole, last], axis=-1))
    mean = lowest + mean
    std = np.sqrt(squares / points)
    variation = (closes[:, -1, cuts.end % BLOCK, None] / first - 1) * 100
    return WindowStats(points.astype(np.int64), lowest, highest, mean, std, variation, std / mean * 100)
