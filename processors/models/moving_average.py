"""Moving averages: the mean of the last few prices as the forecast, for any horizon."""

from __future__ import annotations

from processors.models.base import Floats, Mask, Model, ModelParams


def _mean_of_last(prices: Floats, points: int) -> Floats:
    # Measured from the last price, so that flat prices give exactly that price and equal averages stay equal.
    last = prices[:, -1]
    mean: Floats = last + (prices[:, -points:] - last[:, None]).sum(axis=-1) / points
    return mean


def ma_short(prices: Floats, mask: Mask, hours: Floats, params: ModelParams) -> Floats:
    """Mean of the last `params.short` prices."""
    return _mean_of_last(prices, params.short) + 0 * hours


def ma_long(prices: Floats, mask: Mask, hours: Floats, params: ModelParams) -> Floats:
    """Mean of the last `params.long` prices."""
    return _mean_of_last(prices, params.long) + 0 * hours


MA_SHORT = Model("ma_short", ma_short, lambda params: params.short, weight=0.3)
MA_LONG = Model("ma_long", ma_long, lambda params: params.long, weight=0.2)
