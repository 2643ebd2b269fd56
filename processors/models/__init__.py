"""The registry of models: a new one is a file of its own and one line here."""

from __future__ import annotations

from processors.models.base import Model
from processors.models.momentum import MOMENTUM
from processors.models.moving_average import MA_LONG, MA_SHORT
from processors.models.online import OnlineModel, OnlineRegression
from processors.models.random_walk import DRIFT, NAIVE
from processors.models.smoothing import EWMA, HOLT
from processors.models.trend import TREND

MODELS: tuple[Model, ...] = (
    MA_SHORT,
    MA_LONG,
    TREND,
    MOMENTUM,
    NAIVE,
    DRIFT,
    EWMA,
    HOLT,
)
ONLINE_MODELS: tuple[type[OnlineModel], ...] = (OnlineRegression,)
"""Models that learn from their scores: a class each."""
