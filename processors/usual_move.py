"""How much a price usually moves in an hour, by which intervals are scaled. Pure."""

from __future__ import annotations

import numpy as np

from cryptoviz.settings import HOUR_S
from processors.models.base import Floats

RECENT_S = 4 * HOUR_S
LEAST_PERCENT = 1e-4
"""Of a price that does not move at all, so that a width can be scaled."""


def usual_move(closes: Floats, interval_s: int) -> Floats:
    """Root mean square change over an hour in percent, [series], from closes[series, slots], NaN without a bar.

    Half of the variance is that of the last 4 hours and half that of the whole span, so that it follows the market
    and remembers: of the spans tried on a month of candles this mix gave the narrowest intervals. Changes of bars are
    taken as independent, so variances add up over time. NaN where there is no change yet; at least 1e-4.
    """
    change = closes[:, 1:] / closes[:, :-1] - 1
    there = ~np.isnan(change)
    squares = np.where(there, change, 0.0) ** 2
    recent = max(1, RECENT_S // interval_s)
    count, recent_count = there.sum(axis=-1), there[:, -recent:].sum(axis=-1)
    whole = squares.sum(axis=-1) / np.maximum(count, 1)
    late = np.where(recent_count > 0, squares[:, -recent:].sum(axis=-1) / np.maximum(recent_count, 1), whole)
    move = np.sqrt((whole + late) / 2 * (HOUR_S / interval_s)) * 100
    return np.where(count > 0, np.maximum(move, LEAST_PERCENT), np.nan)
