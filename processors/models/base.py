"""What a model is: a pure function over many series at once, with the number of points it needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryptoviz.settings import HOUR_S

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
FEWEST_POINTS = 10


@dataclass(frozen=True)
class ModelParams:
    """What a model may be told: length of a bar in seconds, and the windows in points."""

    interval_s: int
    short: int = 20
    long: int = 50
    momentum: int = 14


@dataclass(frozen=True)
class Model:
    """A forecasting model.

    `forecast(prices, mask, hours, params)` takes prices[series, points], oldest first, the current price in the last
    column; mask[series, points], true where there is a point, the true ones forming one run that ends in the last
    column (masked prices are 0); and hours, a scalar or an array that broadcasts against [series]. It returns
    forecasts[..., series] in the unit of the prices. Series with fewer than `needs(params)` points are ignored: what
    it returns for them does not matter. It must not change its arguments, and its answer for one series must not
    depend on the others, nor on how many there are (sum along the last axis; no matrix products).
    """

    name: str
    forecast: Callable[[Floats, Mask, Floats, ModelParams], Floats]
    needs: Callable[[ModelParams], int]
    weight: float = 0.0
    """Weight in the consensus; 0 for a model that is not a member."""
    version: str = "1"


def points_of(mask: Mask) -> NDArray[np.intp]:
    """Number of points [series] in mask[series, points]: they are one run at the end, so where it begins tells."""
    points: NDArray[np.intp] = np.where(mask[:, -1], mask.shape[-1] - mask.argmax(axis=-1), 0)
    return points


def points_in(hours: float, params: ModelParams) -> int:
    """Points that make up so many hours, but never fewer than 10: what a model needs that thinks in hours."""
    return max(FEWEST_POINTS, math.ceil(hours * HOUR_S / params.interval_s))
