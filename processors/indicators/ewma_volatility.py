"""EWMA volatility: how much the price varies from bar to bar, the last bars counting most."""

from __future__ import annotations

import numpy as np

from processors.indicators.base import BarArrays, Indicator, State, Values, begin_smoothing, part, prefixed, smooth

DECAY = 0.94
POINTS = 20
"""Squared returns whose mean is the first variance."""


def begin(series: int) -> State:
    """No close and no return yet."""
    return {"previous": np.full(series, np.nan)} | prefixed("variance", begin_smoothing(series))


def step(state: State, bars: BarArrays) -> tuple[State, Values]:
    """Exponentially weighted volatility of log returns, RiskMetrics' decay of 0.94.

    Formula
    -------
    `r = ln(close / previous close)`; `variance = 0.94 * variance + 0.06 * r^2`, begun with the mean of the first 20
    values of r^2; `ewma_volatility = 100 * sqrt(variance)`. The mean return is taken to be 0.

    Units
    -----
    Percent per bar (not per year).

    Warm-up
    -------
    21 bars.

    References
    ----------
    J. P. Morgan and Reuters, RiskMetrics - Technical Document, 4th edition, 1996, section 5.3.
    """
    returns = np.log(bars.close / state["previous"])
    variances, variance = smooth(part("variance", state), returns * returns, POINTS, 1 - DECAY)
    state = {"previous": bars.close.copy()} | prefixed("variance", variances)
    return state, {"ewma_volatility": 100 * np.sqrt(variance)}


EWMA_VOLATILITY = Indicator("ewma_volatility", begin, step)
