"""Forecasts of all models for many series and horizons at once, their consensus and confidences. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.models.base import Floats, Mask, Model, ModelParams, points_of

CONFIDENCE_POINTS = 20
CONSENSUS = "consensus"
CONSENSUS_VERSION = "1"


@dataclass(frozen=True)
class Forecasts:
    """What all models say, NaN where one has too few points; arrays are [models, horizons, series] unless said."""

    points: np.ndarray
    """[series] number of points."""
    broken: Mask
    """[series] whether there are bars before the points, so that a gap is what ended them."""
    price: Floats
    """[series] the current price."""
    volatility: Floats
    """[series] of the last 20 points, in percent, which lowers confidences."""
    forecast: Floats
    confidence: Floats
    """Percent."""
    consensus: Floats
    """[horizons, series]; NaN without a member."""
    consensus_confidence: Floats
    """[horizons, series] weighted mean of the members' confidences."""
    mean_confidence: Floats
    """[horizons, series] plain mean of the members' confidences, which the signal looks at."""


def trailing_run(closes: Floats) -> Mask:
    """Which of closes[series, slots] (NaN where there is no bar) belong to the consecutive run at the end."""
    missing = np.isnan(closes)
    slots = closes.shape[1]
    begin = np.where(missing.any(axis=1), slots - missing[:, ::-1].argmax(axis=1), 0)
    run: Mask = np.arange(slots) >= begin[:, None]
    return run


def make_forecasts(closes: Floats, models: tuple[Model, ...], hours: Floats, params: ModelParams) -> Forecasts:
    """Forecasts from closes[series, slots], oldest first, NaN where there is no bar; `hours` is [horizons].

    Only the consecutive bars that end in the last slot count. The number of slots is the history and must not
    change from call to call: sums are taken over all of them, so that equal input gives equal bits.
    """
    # A short history (an hour's bars, say) has fewer slots than some models look back: give them empty ones.
    lacking = max(model.needs(params) for model in models) - closes.shape[1]
    if lacking > 0:
        closes = np.pad(closes, ((0, 0), (lacking, 0)), constant_values=np.nan)
    mask = trailing_run(closes)
    prices = np.ascontiguousarray(np.where(mask, closes, 0.0))
    points, price = points_of(mask), closes[:, -1]
    horizons = hours[:, None]
    shape = (len(hours), len(prices))
    enough = np.stack([points >= model.needs(params) for model in models])[:, None, :]
    said = [np.broadcast_to(model.forecast(prices, mask, horizons, params), shape) for model in models]
    forecast = np.where(enough, np.stack(said), np.nan)
    volatility = volatility_of(prices, mask)
    confidence = confidence_of(forecast, price, volatility)
    weights = np.array([model.weight for model in models])
    return Forecasts(
        points=points,
        broken=(~np.isnan(closes)).sum(axis=-1) > points,
        price=price,
        volatility=volatility,
        forecast=forecast,
        confidence=confidence,
        consensus=_weighted(forecast, weights),
        consensus_confidence=_weighted(confidence, weights),
        mean_confidence=_weighted(confidence, (weights > 0).astype(np.float64)),
    )


def volatility_of(prices: Floats, mask: Mask) -> Floats:
    """Population standard deviation over mean of the last 20 prices (fewer if there are fewer), in percent."""
    last, valid = prices[:, -CONFIDENCE_POINTS:], mask[:, -CONFIDENCE_POINTS:]
    count = np.maximum(valid.sum(axis=-1), 1)
    change = np.where(valid, last - last[:, -1:], 0.0)
    mean_change = change.sum(axis=-1) / count
    mean = last[:, -1] + mean_change
    squares = np.where(valid, change - mean_change[:, None], 0.0) ** 2
    volatility: Floats = np.sqrt(squares.sum(axis=-1) / count) / mean * 100
    return volatility


def confidence_of(forecast: Floats, price: Floats, volatility: Floats) -> Floats:
    """`clip(max(0, 100 - |forecast - price| / price * 100) * (1 - volatility / 200), 0, 100)`."""
    base = np.maximum(0.0, 100 - np.abs(forecast - price) / price * 100)
    return np.clip(base * (1 - volatility / 200), 0.0, 100.0)


def _weighted(values: Floats, weights: Floats) -> Floats:
    """Mean over the first axis with weights renormalised over those that are not NaN; NaN where all are."""
    # A sum in the models' order, one after the other: numpy's own over a leading axis takes another order of eight and
    # more models where there is but one series and one horizon, and a series must have the same bits alone.
    weighted, total = np.zeros(values.shape[1:]), np.zeros(values.shape[1:])
    for value, weight in zip(values, weights.tolist(), strict=True):
        if weight > 0:
            there = ~np.isnan(value)
            weighted += np.where(there, value, 0.0) * weight
            total += np.where(there, weight, 0.0)
    mean: Floats = np.where(total > 0, weighted / np.where(total > 0, total, 1.0), np.nan)
    return mean
