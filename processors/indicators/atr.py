"""ATR: how far the price usually moves within one bar."""

from __future__ import annotations

import numpy as np

from processors.indicators.base import BarArrays, Indicator, State, Values, begin_smoothing, part, prefixed, smooth

POINTS = 14


def begin(series: int) -> State:
    """No close and no range yet."""
    return {"previous": np.full(series, np.nan)} | prefixed("range", begin_smoothing(series))


def step(state: State, bars: BarArrays) -> tuple[State, Values]:
    """Average true range, Wilder's smoothing, 14 ranges.

    Formula
    -------
    `true range = max(high, previous close) - min(low, previous close)`, from the second bar on. `atr` is begun with
    the mean of the first 14 and is then `(13 * atr + true range) / 14`.

    Units
    -----
    Those of the price.

    Warm-up
    -------
    15 bars.

    References
    ----------
    J. W. Wilder, New Concepts in Technical Trading Systems, 1978, section III.
    """
    previous = state["previous"]
    true_range = np.maximum(bars.high, previous) - np.minimum(bars.low, previous)
    ranges, atr = smooth(part("range", state), true_range, POINTS, 1 / POINTS)
    return {"previous": bars.close.copy()} | prefixed("range", ranges), {"atr": atr}


ATR = Indicator("atr", begin, step)
