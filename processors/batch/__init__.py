"""The registry of batch models: a new one is a file of its own and one line here."""

from __future__ import annotations

from collections.abc import Iterable

from processors.batch.auto_arima import AUTO_ARIMA
from processors.batch.auto_ets import AUTO_ETS
from processors.batch.base import BatchModel
from processors.batch.prophet import PROPHET

BATCH_MODELS: tuple[BatchModel, ...] = (
    AUTO_ARIMA,
    AUTO_ETS,
    PROPHET,
)


def available_models(models: Iterable[BatchModel] = BATCH_MODELS) -> tuple[BatchModel, ...]:
    """Those whose library is installed."""
    return tuple(model for model in models if model.is_available)
