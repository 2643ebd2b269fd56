"""MACD: how far a fast average of the closes has moved away from a slow one."""

from __future__ import annotations

import numpy as np

from processors.indicators.base import BarArrays, Indicator, State, Values, begin_smoothing, part, prefixed, smooth

FAST, SLOW, SIGNAL = 12, 26, 9


def begin(series: int) -> State:
    """No bar yet."""
    fast, slow, signal = (prefixed(name, begin_smoothing(series)) for name in ("fast", "slow", "signal"))
    return fast | slow | signal


def step(state: State, bars: BarArrays) -> tuple[State, Values]:
    """Moving average convergence divergence of the closes, 12, 26 and 9 bars.

    Formula
    -------
    EMA(n) is begun with the mean of n values and then moves by `2 / (n + 1)` of the way to the new one. Both averages
    begin at the 26th bar: the slow one with the mean of 26 closes, the fast one with the mean of the last 12 of them.
    `macd = EMA(12) - EMA(26)`, `macd_signal = EMA(9)` of macd, `macd_histogram = macd - macd_signal`.

    Units
    -----
    Those of the price.

    Warm-up
    -------
    34 bars, for all three.

    References
    ----------
    G. Appel, Technical Analysis: Power Tools for Active Investors, 2005, chapter 8.
    """
    before_fast = state["slow_seen"] < SLOW - FAST
    fasts, fast = smooth(part("fast", state), np.where(before_fast, np.nan, bars.close), FAST, 2 / (FAST + 1))
    slows, slow = smooth(part("slow", state), bars.close, SLOW, 2 / (SLOW + 1))
    signals, signal = smooth(part("signal", state), fast - slow, SIGNAL, 2 / (SIGNAL + 1))
    macd = np.where(np.isnan(signal), np.nan, fast - slow)
    values = {"macd": macd, "macd_signal": signal, "macd_histogram": macd - signal}
    return prefixed("fast", fasts) | prefixed("slow", slows) | prefixed("signal", signals), values


MACD = Indicator("macd", begin, step)
