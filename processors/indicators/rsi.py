"""RSI: which share of the recent price changes went up."""

from __future__ import annotations

import numpy as np

from processors.indicators.base import BarArrays, Indicator, State, Values, begin_smoothing, part, prefixed, smooth

POINTS = 14


def begin(series: int) -> State:
    """No close and no change yet."""
    gain, loss = (prefixed(name, begin_smoothing(series)) for name in ("gain", "loss"))
    return {"previous": np.full(series, np.nan)} | gain | loss


def step(state: State, bars: BarArrays) -> tuple[State, Values]:
    """Relative strength index of the closes, Wilder's smoothing, 14 changes.

    Formula
    -------
    change = close - previous close, gain = max(change, 0), loss = max(-change, 0); G and L are their averages, begun
    with the mean of the first 14 and then `(13 * average + new) / 14`. `rsi = 100 * G / (G + L)`; 0 if G + L is 0.

    Units
    -----
    Percent, 0 to 100.

    Warm-up
    -------
    15 bars.

    References
    ----------
    J. W. Wilder, New Concepts in Technical Trading Systems, 1978, section VI.
    """
    change = bars.close - state["previous"]
    gains, gain = smooth(part("gain", state), np.maximum(change, 0.0), POINTS, 1 / POINTS)
    losses, loss = smooth(part("loss", state), np.maximum(-change, 0.0), POINTS, 1 / POINTS)
    total = gain + loss
    rsi = 100 * gain / np.where(total == 0, 1.0, total)
    return {"previous": bars.close.copy()} | prefixed("gain", gains) | prefixed("loss", losses), {"rsi": rsi}


RSI = Indicator("rsi", begin, step)
