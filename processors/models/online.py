"""Online regression: learns from every score how far recent moves carry on, one small model per series and horizon."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from river import linear_model, optim

from cryptoviz.settings import HOUR_S
from processors.models.base import Floats

WINDOWS_H = {"15m": 0.25, "1h": 1.0, "4h": 4.0}
LEARNING_RATE = 0.0005
MOST = 5.0
"""Moves count for no more than so many usual ones, so that one jump does not undo what was learned."""


class OnlineModel(Protocol):
    """A model that learns from its scores; one object serves all series of one source in a partition."""

    name: str
    version: str

    def __init__(self, interval_s: int, hours: Floats) -> None:
        """For bars of `interval_s` and these horizons."""

    def features(self, closes: Floats, move: Floats) -> Floats:
        """What it looks at, [series, features], from closes[series, slots], the current price last, and the usual
        move[series] over an hour, in percent.

        NaN where there are too few points; `closes` is NaN where there is no bar. Nothing learned goes into it, so
        that series of any sources may be looked at together.
        """

    def forecast(self, rows: Sequence[int], features: Floats) -> Floats:
        """The moves it expects, [horizons, rows], in usual ones of those times; NaN for lack of points."""

    def learn(self, rows: Sequence[int], horizon: int, features: Floats, moved: Floats) -> None:
        """How far prices moved[rows] after forecasts with features[rows], in usual moves; either may be NaN."""

    def dump(self) -> Any:
        """Its state as JSON can hold it, for `restore`."""

    def restore(self, kept: Any, rows: Mapping[int, int], horizons: Mapping[int, int]) -> None:
        """Take over a state whose row and horizon numbers were those on the left; others are forgotten."""


class OnlineRegression:
    """Linear regression by stochastic gradient descent (river) of the move over a horizon on the last moves.

    Moves are relative changes over the last 15 minutes, hour and 4 hours, and over the horizon, each divided by the
    usual move over that time, so that one rate of learning fits every price and horizon. A beginner says "no change".
    """

    name = "online"
    version = "1"

    def __init__(self, interval_s: int, hours: Floats) -> None:
        self._bars = {name: max(1, round(window_h * HOUR_S / interval_s)) for name, window_h in WINDOWS_H.items()}
        self._longest = max(self._bars.values())
        self._windows = np.array([bars * interval_s / HOUR_S for bars in self._bars.values()])
        self._hours = hours
        self._models: dict[tuple[int, int], linear_model.LinearRegression] = {}

    def features(self, closes: Floats, move: Floats) -> Floats:
        """See `OnlineModel`; needs 4 hours of points."""
        if closes.shape[1] <= self._longest:
            return np.full((len(closes), len(self._bars)), np.nan)
        last = closes[:, -1 - self._longest :]
        before = last[:, [-1 - bars for bars in self._bars.values()]]
        moved = (last[:, -1:] - before) / before / (move[:, None] / 100 * np.sqrt(self._windows))
        consecutive = ~np.isnan(last).any(axis=1, keepdims=True)
        return np.where(consecutive, np.clip(moved, -MOST, MOST), np.nan)

    def forecast(self, rows: Sequence[int], features: Floats) -> Floats:
        """See `OnlineModel`."""
        said = np.full((len(self._hours), len(rows)), np.nan)
        for i, (row, named) in enumerate(zip(rows, self._named(features), strict=True)):
            if named is not None:
                models = [self._models.get((row, horizon)) for horizon in range(len(self._hours))]
                said[:, i] = [0.0 if model is None else _limited(_predict(model, named)) for model in models]
        return said

    def learn(self, rows: Sequence[int], horizon: int, features: Floats, moved: Floats) -> None:
        """See `OnlineModel`."""
        for row, named, target in zip(rows, self._named(features), moved.tolist(), strict=True):
            if named is not None and not math.isnan(target):
                if (row, horizon) not in self._models:
                    self._models[row, horizon] = self._new(horizon)
                self._models[row, horizon].learn_one(named, _limited(target))

    def dump(self) -> list[Any]:
        """See `OnlineModel`."""
        return [[*at, model.intercept, list(model.weights.items())] for at, model in self._models.items()]

    def restore(self, kept: Any, rows: Mapping[int, int], horizons: Mapping[int, int]) -> None:
        """See `OnlineModel`."""
        for row, horizon, intercept, weights in kept:
            if row in rows and horizon in horizons:
                model = self._models[rows[row], horizons[horizon]] = self._new(horizons[horizon])
                model.intercept = intercept
                for name, weight in weights:
                    model._weights[name] = weight

    def _new(self, horizon: int) -> linear_model.LinearRegression:
        # Neighbouring forecasts of a long horizon share most of their outcome, so each teaches less.
        rate = LEARNING_RATE / (1 + float(self._hours[horizon]))
        return linear_model.LinearRegression(optimizer=optim.SGD(rate), intercept_lr=rate)

    def _named(self, features: Floats) -> list[dict[str, float] | None]:
        """The features of each row by name; None where one is missing."""
        return [
            None if math.isnan(sum(values)) else dict(zip(self._bars, values, strict=True))
            for values in features.tolist()
        ]


def _predict(model: linear_model.LinearRegression, features: dict[str, float]) -> float:
    return float(model.predict_one(features))  # type: ignore[no-untyped-call]


def _limited(move: float) -> float:
    return max(-MOST, min(MOST, move))
