"""The registry of models: a new one is a file of its own and one line here."""

from __future__ import annotations

from collections.abc import Sequence

from cryptoviz.errors import UserError
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


def chosen(names: Sequence[str]) -> tuple[tuple[Model, ...], tuple[type[OnlineModel], ...]]:
    """Of both registries those that are named, all where none is, and always the members of the consensus.

    Raises `UserError` for a name that no model has.
    """
    known = [*(model.name for model in MODELS), *(model.name for model in ONLINE_MODELS)]
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"CRYPTOVIZ_MODELS: unknown model {', '.join(unknown)}; known are {', '.join(known)}")
    wanted = set(names or known)
    return (
        tuple(model for model in MODELS if model.weight > 0 or model.name in wanted),
        tuple(model for model in ONLINE_MODELS if model.name in wanted),
    )
