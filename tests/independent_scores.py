"""Scores, widths of intervals and shares once more, written from their definitions in plain Python, as the judge.

Nothing of the product's own computation is imported here. Everything is of one series (asset, source): bars by their
end in ms, forecasts as they were filed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEVELS = (0.5, 0.8, 0.95)
NORMAL = (0.6744897501960817, 1.2815515655446004, 1.959963984540054)
"""How far from its mean a normal variable lies at most with these probabilities, in standard deviations."""
MIN_SCORES = 30
HOUR_MS = 3_600_000
STALE_MS = 600_000
NO_MEMBERS = ("consensus", "consensus_adaptive")
Bars = Mapping[int, tuple[float, int]]
"""(close, number of quotes) by the bar's end in ms."""


@dataclass(frozen=True)
class Filed:
    """One forecast as it was filed; bounds as (lower, upper) in the order of `LEVELS`."""

    made_at: int
    horizon_ms: int
    model: str
    price: float
    forecast: float
    bounds: Sequence[tuple[float, float]] = ()

    @property
    def target_at(self) -> int:
        """When it is judged, in ms."""
        return self.made_at + self.horizon_ms


@dataclass(frozen=True)
class Scored:
    """What became of it; intervals as (inside, width, Winkler score)."""

    actual: float | None
    void: str = ""
    error: float | None = None
    naive_error: float | None = None
    relative_error: float | None = None
    hit: bool | None = None
    intervals: tuple[tuple[bool, float, float], ...] = ()


def scored(filed: Filed, bars: Bars, interval_ms: int, stale_ms: int = STALE_MS) -> Scored:
    """Judge a forecast by the bar that ends at its target."""
    if filed.target_at not in bars:
        return Scored(None, "no_bar")
    actual, _ = bars[filed.target_at]
    if empty_bars(bars, filed.target_at, interval_ms) * interval_ms >= stale_ms:
        return Scored(actual, "stale_source")
    error, naive = filed.forecast - actual, filed.price - actual
    said, came = filed.forecast - filed.price, actual - filed.price
    return Scored(
        actual, "", error, naive, abs(error) / abs(naive) if naive else None,
        (said > 0) == (came > 0) if said and came else None,
        tuple(_interval(actual, level, *bounds) for level, bounds in zip(LEVELS, filed.bounds, strict=False)),
    )  # fmt: skip


def empty_bars(bars: Bars, end: int, interval_ms: int) -> int:
    """How many bars without a quote the series ends in at `end`."""
    found = 0
    while end in bars and not bars[end][1]:
        found, end = found + 1, end - interval_ms
    return found


def _interval(actual: float, level: float, lower: float, upper: float) -> tuple[bool, float, float]:
    width = upper - lower
    if actual < lower:
        return False, width, width + 2 / (1 - level) * (lower - actual)
    if actual > upper:
        return False, width, width + 2 / (1 - level) * (actual - upper)
    return True, width, width


def usual_moves(bars: Bars, times: Sequence[int], interval_ms: int) -> dict[int, float | None]:
    """Per time the usual move over an hour in percent, from the bars of 72 h; None without two bars in a row."""
    first, last = min(bars), max(bars)
    closes = np.full((last - first) // interval_ms + 1, np.nan)
    for end, (close, _) in bars.items():
        closes[(end - first) // interval_ms] = close
    square = np.full(len(closes), np.nan)  # of the change that the bar in this place ended
    square[1:] = (np.diff(closes) / closes[:-1]) ** 2
    moves: dict[int, float | None] = {}
    for at in times:
        place = (at - first) // interval_ms
        whole = _mean(square[max(0, place + 2 - 72 * HOUR_MS // interval_ms) : place + 1])
        late = _mean(square[max(0, place + 1 - 4 * HOUR_MS // interval_ms) : place + 1])
        variance = None if whole is None else (whole + (whole if late is None else late)) / 2
        moves[at] = None if variance is None else max(1e-4, 100 * math.sqrt(variance * HOUR_MS / interval_ms))
    return moves


def _mean(squares: np.ndarray) -> float | None:
    known = squares[~np.isnan(squares)]
    return float(known.mean()) if len(known) else None


class Learner:
    """What one series has learned for one horizon, by model; forecasts are made every `spacing_ms`."""

    def __init__(self, horizon_ms: int, spacing_ms: int) -> None:
        self.hours = horizon_ms / HOUR_MS
        self.under_way = max(1.0, horizon_ms / spacing_ms)
        self.fade = 0.5 ** (spacing_ms / (72 * HOUR_MS))
        self.logs: dict[str, list[float]] = {}
        self.seen: dict[str, int] = {}
        self.losses: dict[str, tuple[float, float]] = {}

    def scale(self, price: float, move: float) -> float:
        """What the price usually moves until the target."""
        return price * move / 100 * math.sqrt(self.hours)

    def learn(self, model: str, error: float, scale: float) -> None:
        """Take in the error of a forecast that was made when the scale was this."""
        seen = self.seen[model] = self.seen.get(model, 0) + 1
        logs = self.logs.get(model, [math.log(quantile) for quantile in NORMAL])
        step = min(1 / self.under_way, max(1 / seen, 0.25 / self.under_way))
        widest = -math.log(1000)
        moved = []
        for level, log in zip(LEVELS, logs, strict=True):
            outside = abs(error) > math.exp(log) * scale
            widest = max(widest, log + step * level if outside else log - step * (1 - level))
            moved.append(min(widest, math.log(1000)))
        self.logs[model] = moved
        if model not in NO_MEMBERS:
            loss, count = self.losses.get(model, (0.0, 0.0))
            square = min((error / scale) ** 2, 100.0)
            self.losses[model] = loss * self.fade + square, count * self.fade + 1

    def bounds(self, model: str, forecast: float, scale: float) -> list[tuple[float, float]]:
        """The intervals around a forecast made now; none while it has too few scores."""
        if self.seen.get(model, 0) < MIN_SCORES:
            return []
        halves = [math.exp(log) * scale for log in self.logs[model]]
        return [(forecast - half, forecast + half) for half in halves]

    def shares(self, models: Sequence[str]) -> dict[str, float]:
        """How much each of these, which have a forecast, counts in the adaptive consensus."""
        merits = {}
        for model in models:
            loss, count = self.losses.get(model, (0.0, 0.0))
            merits[model] = ((count + 1) / (loss + 1)) ** 2
        total = sum(merits.values())
        return {model: merit / total for model, merit in merits.items()}
