"""The formulas once more, written from their definitions with plain numpy, as the judge of what the product computes.

Nothing of the product's own computation is imported here. Bars come as rows (start in ms, close) of one series.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MODELS = ("ma_short", "ma_long", "trend", "momentum")
WEIGHTS = {"ma_short": 0.3, "ma_long": 0.2, "trend": 0.3, "momentum": 0.2}
HOUR_MS = 3_600_000
FURTHER = {"naive": 0.0, "drift": 1.0, "ewma": 1.0, "holt": 4.0}
"""Models that are no members of the consensus, and the hours of points each needs."""


@dataclass(frozen=True)
class Expected:
    """What the consensus and each model should say for one horizon."""

    forecast: dict[str, float]
    confidence: dict[str, float]
    signal: str
    ma_trend: str | None
    mean_confidence: float | None
    reason: str = ""
    """The rule that decided the signal."""


def points_before(closes: Mapping[int, float], made_at: int, interval_ms: int, history_ms: int) -> list[float]:
    """Closes of the consecutive bars that end at `made_at`, within the history, oldest first; closes by bar end."""
    points: list[float] = []
    end = made_at
    while end > made_at - history_ms and end in closes:
        points.append(closes[end])
        end -= interval_ms
    return points[::-1]


def is_broken(closes: Mapping[int, float], made_at: int, interval_ms: int, history_ms: int) -> bool:
    """Whether the history has bars before those that `points_before` finds."""
    first = made_at - (len(points_before(closes, made_at, interval_ms, history_ms)) - 1) * interval_ms
    return any(end in closes for end in range(first - interval_ms, made_at - history_ms, -interval_ms))


def is_stale(quotes: Mapping[int, int], made_at: int, interval_ms: int, stale_ms: int) -> bool:
    """Whether the bars of the last `stale_ms` before `made_at` are there and none has a quote; counts by bar end."""
    return all(quotes.get(made_at - back_ms) == 0 for back_ms in range(0, stale_ms, interval_ms))


def expected(points: Sequence[float], interval_ms: int, horizon_h: float) -> Expected:
    """Forecasts, confidences and signal for `points`, with the default parameters."""
    return expected_at(points, interval_ms, [horizon_h])[0]


def expected_at(
    points: Sequence[float], interval_ms: int, horizons_h: Sequence[float], broken: bool = False, stale: bool = False
) -> list[Expected]:
    """The same for several horizons, of a series that a gap cut short, or that has had no quote for long."""
    p = np.array(points, dtype=float)
    line = _line(p, interval_ms / HOUR_MS)
    return [_expected(p, line, horizon_h, broken, stale) for horizon_h in horizons_h]


def _expected(p: np.ndarray, line: tuple[float, float], horizon_h: float, broken: bool, stale: bool) -> Expected:
    forecast = _forecasts(p, line, horizon_h)
    confidence = {model: _confidence(p, value) for model, value in forecast.items()}
    members = list(forecast)
    if not members:
        return Expected({}, {}, "HOLD", None, None, "series_broken" if broken else "not_enough_points")
    total = sum(WEIGHTS[model] for model in members)
    consensus = sum(WEIGHTS[model] * forecast[model] for model in members) / total
    consensus_confidence = sum(WEIGHTS[model] * confidence[model] for model in members) / total
    mean_confidence = sum(confidence[model] for model in members) / len(members)
    variation = (consensus - p[-1]) / p[-1] * 100
    reason = "stale_source" if stale else _rule(variation, mean_confidence)
    return Expected(
        forecast | {"consensus": consensus},
        confidence | {"consensus": consensus_confidence},
        {"variation_above_threshold": "BUY", "variation_below_threshold": "SELL"}.get(reason, "HOLD"),
        _ma_trend(forecast),
        mean_confidence,
        reason,
    )


def _rule(variation: float, mean_confidence: float) -> str:
    if -2 <= variation <= 2:
        return "variation_within_threshold"
    if mean_confidence <= 60:
        return "confidence_too_low"
    return "variation_above_threshold" if variation > 2 else "variation_below_threshold"


def _line(p: np.ndarray, step_h: float) -> tuple[float, float]:
    hours = (np.arange(len(p)) - (len(p) - 1)) * step_h
    design = np.vstack([hours, np.ones(len(p))]).T
    slope, intercept = np.linalg.lstsq(design, p, rcond=None)[0]
    return float(slope), float(intercept)


def _forecasts(p: np.ndarray, line: tuple[float, float], horizon_h: float) -> dict[str, float]:
    found: dict[str, float] = {}
    n = len(p)
    if n >= 20:
        found["ma_short"] = float(np.mean(p[-20:]))
    if n >= 50:
        found["ma_long"] = float(np.mean(p[-50:]))
    if n >= 10:
        found["trend"] = line[0] * horizon_h + line[1]
    if n >= 14 + 10:
        found["momentum"] = float(p[-1] + np.mean([p[i] - p[i - 14] for i in range(n - 10, n)]) * horizon_h)
    return found


def further_at(points: Sequence[float], interval_ms: int, horizons_h: Sequence[float]) -> list[Expected]:
    """What the models of `FURTHER` that have enough points say, per horizon; the signal is none of theirs."""
    p, step_h = np.array(points, dtype=float), interval_ms / HOUR_MS
    level, trend = holt_state(points, step_h) if len(p) > 1 else (p[-1], 0.0)
    weights = [0.5 ** ((len(p) - 1 - i) * step_h / 0.25) for i in range(len(p))]
    mean = float(np.dot(weights, p) / np.sum(weights))
    said = []
    for horizon_h in horizons_h:
        drift = float(np.diff(p).sum() / max(len(p) - 1, 1)) / step_h
        damped = sum(0.5 ** (step_h * k) for k in range(1, round(horizon_h / step_h) + 1))
        every = {
            "naive": float(p[-1]), "drift": p[-1] + drift * horizon_h, "ewma": mean, "holt": level + damped * trend,
        }  # fmt: skip
        forecast = {name: value for name, value in every.items() if len(p) >= further_needs(name, step_h)}
        confidence = {name: _confidence(p, value) for name, value in forecast.items()}
        said.append(Expected(forecast, confidence, "HOLD", None, None))
    return said


def further_needs(name: str, step_h: float) -> int:
    """Points without which a model of `FURTHER` says nothing."""
    return 1 if name == "naive" else max(10, math.ceil(round(FURTHER[name] / step_h, 9)))


def holt_state(points: Sequence[float], step_h: float) -> tuple[float, float]:
    """Level and trend of the damped recursion after the last point, for at least two."""
    alpha, beta, phi = 1 - 0.5 ** (step_h * 12), 1 - 0.5 ** (step_h / 4), 0.5**step_h
    level, trend = points[0], points[1] - points[0]
    for price in points[1:]:
        before = level
        level = alpha * price + (1 - alpha) * (before + phi * trend)
        trend = beta * (level - before) + (1 - beta) * phi * trend
    return level, trend


def _confidence(p: np.ndarray, forecast: float) -> float:
    base = max(0.0, 100 - abs(forecast - p[-1]) / p[-1] * 100)
    volatility = float(np.std(p[-20:]) / np.mean(p[-20:]) * 100)
    return float(np.clip(base * (1 - volatility / 200), 0, 100))


def _ma_trend(forecast: Mapping[str, float]) -> str | None:
    if "ma_short" not in forecast or "ma_long" not in forecast:
        return None
    short, long = forecast["ma_short"], forecast["ma_long"]
    if abs(short - long) <= 1e-12 * long:
        return "neutral"
    return "bullish" if short > long else "bearish"


def expected_stats(closes: Mapping[int, float], at: int, window_ms: int) -> dict[str, float]:
    """Statistics over the closes (by bar end) with end in (at - window, at]."""
    x = np.array([closes[end] for end in sorted(closes) if at - window_ms < end <= at])
    return {
        "points": len(x),
        "min": float(x.min()),
        "max": float(x.max()),
        "mean": float(x.mean()),
        "std": float(x.std()),
        "variation": float((x[-1] / x[0] - 1) * 100),
        "volatility": float(x.std() / x.mean() * 100),
    }


def same_price(actual: float | None, wanted: float | None) -> bool:
    """Equal to 1e-9, relative; both may be missing."""
    if actual is None or wanted is None:
        return actual is wanted
    return abs(actual - wanted) <= 1e-9 * abs(wanted)


def same_percent(actual: float | None, wanted: float | None) -> bool:
    """Equal to 1e-9 * max(1, |value|); both may be missing."""
    if actual is None or wanted is None:
        return actual is wanted
    return abs(actual - wanted) <= 1e-9 * max(1.0, abs(wanted))
