"""The `predictions` message of the batch models for one series: what they said, or why they said nothing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cryptoviz.messages import Bound, Forecast, Prediction, result_id
from processors.batch.base import BatchModel
from processors.batch.series import Series
from processors.forecasts import confidence_of, volatility_of
from processors.models.base import Floats
from processors.rules import MS

ID_SUFFIX = "/batch"
"""Keeps the ids apart from those of the stream's messages of the same series and moment."""

BoundsOf = Callable[[str, int, float, float], list[Bound]]


@dataclass(frozen=True)
class Outcome:
    """What one fit came to: forecasts[horizons], or None and the reason."""

    model: BatchModel
    forecasts: Floats | None
    reason: str = ""


def batch_id(asset: str, source: str, interval_s: int, at: int) -> str:
    """The id of a message with results of the batch models."""
    return result_id(asset, source, interval_s, at) + ID_SUFFIX


def prediction_message(
    series: Series, horizons_s: Sequence[int], outcomes: Sequence[Outcome], bounds_of: BoundsOf
) -> Prediction:
    """All outcomes for all horizons; `bounds_of(model, horizon_s, forecast, price)` gives a forecast's intervals."""
    return {
        "id": batch_id(series.asset, series.source, series.interval_s, series.made_at),
        "asset": series.asset,
        "source": series.source,
        "interval_s": series.interval_s,
        "made_at": series.made_at,
        "price": float(series.closes[-1]),
        "points": len(series.closes),
        "origin": "live",
        "forecasts": [
            _forecast(series, horizon_s, number, outcome, bounds_of)
            for outcome in outcomes
            for number, horizon_s in enumerate(horizons_s)
        ],
    }


def in_time(message: Prediction, now_ms: int) -> Prediction | None:
    """The message without forecasts whose target has come, which would be no forecasts; None if none is left."""
    left = [forecast for forecast in message["forecasts"] if forecast["target_at"] > now_ms]
    return {**message, "forecasts": left} if left else None


def _forecast(series: Series, horizon_s: int, number: int, outcome: Outcome, bounds_of: BoundsOf) -> Forecast:
    price = float(series.closes[-1])
    value = None if outcome.forecasts is None else float(outcome.forecasts[number])
    return {
        "horizon_s": horizon_s,
        "target_at": series.made_at + horizon_s * MS,
        "model": outcome.model.name,
        "version": outcome.model.version,
        "forecast": value,
        "variation": None if value is None else (value - price) / price * 100,
        "confidence": None if value is None else _confidence(value, series.closes),
        "reason": outcome.reason,
        "bounds": [] if value is None else bounds_of(outcome.model.name, horizon_s, value, price),
    }


def _confidence(value: float, closes: Floats) -> float:
    """The same formula as that of the stream's models."""
    prices = closes[None, :]
    volatility = volatility_of(prices, np.ones(prices.shape, dtype=np.bool_))
    return float(confidence_of(np.array([value]), prices[:, -1], volatility)[0])
