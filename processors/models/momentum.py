"""Momentum: the recent change per window, carried on for every hour of the horizon."""

from __future__ import annotations

from processors.models.base import Floats, Mask, Model, ModelParams

SMOOTHING = 10


def momentum(prices: Floats, mask: Mask, hours: Floats, params: ModelParams) -> Floats:
    """`p[n-1] + m * hours`, m the mean of the last 10 values of `p[i] - p[i - window]`.

    m is a change per window and is multiplied by hours on purpose: that is how the formula is defined.
    """
    end = prices.shape[-1] - params.momentum
    changes = prices[:, -SMOOTHING:] - prices[:, end - SMOOTHING : end]
    forecast: Floats = prices[:, -1] + changes.sum(axis=-1) / SMOOTHING * hours
    return forecast


MOMENTUM = Model("momentum", momentum, lambda params: params.momentum + SMOOTHING, weight=0.2)
