"""Stochastic oscillator: where the close lies between the lowest and the highest price of the last bars."""

from __future__ import annotations

import numpy as np

from processors.indicators.base import BarArrays, Indicator, State, Values, empty, shifted
from processors.models.base import Floats

RANGE, K, D = 14, 3, 3


def begin(series: int) -> State:
    """No bar yet."""
    return {
        "highs": empty(series, RANGE), "lows": empty(series, RANGE), "raw": empty(series, K), "k": empty(series, D),
    }  # fmt: skip


def _mean(window: Floats) -> Floats:
    mean: Floats = window.sum(axis=-1) / window.shape[-1]
    return mean


def step(state: State, bars: BarArrays) -> tuple[State, Values]:
    """Slow stochastic oscillator, 14, 3 and 3 bars.

    Formula
    -------
    `raw = 100 * (close - lowest low) / (highest high - lowest low)` over the last 14 bars, 0 if that range is 0.
    `stochastic_k` is the mean of the last 3 raw values, `stochastic_d` the mean of the last 3 of stochastic_k.

    Units
    -----
    Percent, 0 to 100.

    Warm-up
    -------
    18 bars, for both.

    References
    ----------
    G. C. Lane, Lane's Stochastics, Technical Analysis of Stocks & Commodities 2 (3), 1984.
    """
    highs, lows = shifted(state["highs"], bars.high), shifted(state["lows"], bars.low)
    lowest = lows.min(axis=-1)
    spread = highs.max(axis=-1) - lowest
    raw = shifted(state["raw"], 100 * ((bars.close - lowest) / np.where(spread == 0, 1.0, spread)))
    k = shifted(state["k"], _mean(raw))
    d = _mean(k)
    values = {"stochastic_k": np.where(np.isnan(d), np.nan, k[:, -1]), "stochastic_d": d}
    return {"highs": highs, "lows": lows, "raw": raw, "k": k}, values


STOCHASTIC = Indicator("stochastic", begin, step)
