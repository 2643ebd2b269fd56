"""Bollinger bands: where the price is unusually far from its recent mean."""

from __future__ import annotations

import numpy as np

from processors.indicators.base import BarArrays, Indicator, State, Values, empty, shifted

POINTS = 20
WIDTH = 2.0


def begin(series: int) -> State:
    """No close yet."""
    return {"closes": empty(series, POINTS)}


def step(state: State, bars: BarArrays) -> tuple[State, Values]:
    """Mean of the last 20 closes, and two standard deviations below and above it.

    Formula
    -------
    `bollinger_middle = mean(c)` of the last 20 closes c, `bollinger_lower` and `bollinger_upper` are
    `mean(c) -/+ 2 * sqrt(mean((c - mean(c))^2))`: the population standard deviation.

    Units
    -----
    Those of the price.

    Warm-up
    -------
    20 bars.

    References
    ----------
    J. Bollinger, Bollinger on Bollinger Bands, 2001, chapter 7.
    """
    closes = shifted(state["closes"], bars.close)
    # Measured from the last close, so that flat prices give exactly that price and low prices lose no digits.
    change = closes - bars.close[:, None]
    mean_change = change.sum(axis=-1) / POINTS
    width = WIDTH * np.sqrt(((change - mean_change[:, None]) ** 2).sum(axis=-1) / POINTS)
    middle = bars.close + mean_change
    bands = {"bollinger_lower": middle - width, "bollinger_middle": middle, "bollinger_upper": middle + width}
    return {"closes": closes}, bands


BOLLINGER = Indicator("bollinger", begin, step)
