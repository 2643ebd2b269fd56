"""The loop of `cryptoviz forecast`: scores what has come true, and fits and files each series when it is due."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Any, Protocol

import numpy as np
from clickhouse_connect.driver.client import Client

from cryptoviz import topics
from cryptoviz.errors import Retryable
from cryptoviz.messages import Bound
from cryptoviz.settings import Settings
from processors.batch.base import FEWEST_POINTS, BatchModel, Fit, points_for_fit
from processors.batch.fitting import FitFailed, Fitter, Stopped
from processors.batch.intervals import bounds, read_errors
from processors.batch.metrics import BatchMetrics
from processors.batch.results import Outcome, in_time, prediction_message
from processors.batch.scoring import known_bars, score_messages, unscored
from processors.batch.series import Series, newest_times, read_series
from processors.models.base import Floats
from processors.results import NOT_ENOUGH_POINTS
from processors.rules import MS, Rules

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 15.0
ALIVE_S = 120.0

Outgoing = tuple[topics.Topic, str, Any]
"""(topic, asset, message)."""
Followed = tuple[str, str]
"""(asset, source) of a series."""


class Publish(Protocol):
    """Sends messages and returns once Kafka has all of them; raises `Retryable` if it has not within its time."""

    def __call__(self, messages: Sequence[Outgoing]) -> None: ...


class Fits(Protocol):
    """What runs fits, as `Fitter` does."""

    def fit(self, fit: Fit, closes: Floats, interval_s: int, horizons_s: Sequence[int]) -> Floats:
        """Forecasts [horizons]; raises `FitFailed` or `Stopped`."""
        ...


MakeFitter = Callable[[float, threading.Event], AbstractContextManager[Fits]]
"""Given the longest time of a fit in seconds, and what says that we are to end."""


class Forecaster:
    """`run` returns after `stop` is set; raises `UserError` when ClickHouse refuses for good.

    `connect` makes a ClickHouse client, `now_ms` is the wall clock, `now_s` a clock that never steps back, and `fitter`
    makes what runs the fits of one round.
    """

    def __init__(
        self, settings: Settings, models: Sequence[BatchModel], assets: Iterable[str], *,
        connect: Callable[[], Client], publish: Publish, metrics: BatchMetrics, now_ms: Callable[[], int],
        now_s: Callable[[], float] = time.monotonic, fitter: MakeFitter = Fitter,
    ) -> None:  # fmt: skip
        self._settings, self._models, self._metrics = settings, tuple(models), metrics
        self._connect, self._publish, self._now_ms, self._now_s = connect, publish, now_ms, now_s
        self._make_fitter, self._rules = fitter, Rules.of(settings)
        self._followed: list[Followed] = [(asset, source) for source in settings.batch_sources for asset in assets]
        self._client: Client | None = None
        self._filed: dict[Followed, int] = {}
        self._scored: set[tuple[Any, ...]] = set()
        self._trouble = ""
        self._turned_at = now_s()

    def run(self, stop: threading.Event) -> None:
        """Look now and then until `stop`."""
        while not stop.is_set():
            self.look(stop)
            stop.wait(LOOK_EVERY_S)

    def look(self, stop: threading.Event) -> None:
        """Score what has come true, then fit and file what is due; waits out what `Retryable` says."""
        try:
            client = self._client = self._client or self._connect()
            self._score(client)
            self._forecast(client, stop)
        except Retryable as error:
            self._client = None
            if not self._trouble:
                logger.warning("%s; trying again every %g s", error, LOOK_EVERY_S)
            self._trouble = str(error)
        except Stopped:
            return
        else:
            self._trouble = ""
        self._turned_at = self._now_s()

    def health(self) -> dict[str, Any]:
        """What /health says; called from another thread."""
        silent_s = self._now_s() - self._turned_at
        return {
            "ok": silent_s < ALIVE_S + self._settings.batch_fit_seconds,
            "part": "forecaster",
            "state": self._trouble or "running",
            "models": [model.name for model in self._models],
            "series": len(self._followed),
            "filed": len(self._filed),
        }

    def _forecast(self, client: Client, stop: threading.Event) -> None:
        newest = newest_times(client, self._settings, self._now_ms())
        due = [followed for followed in self._followed if self._is_due(newest.get(followed), self._filed.get(followed))]
        with self._make_fitter(self._settings.batch_fit_seconds, stop) as fitter:
            for followed in due:
                if stop.is_set():
                    return
                series = read_series(client, self._settings, *followed, newest[followed])
                self._file(client, series, [self._fit(fitter, model, series) for model in self._models])
                self._filed[followed] = series.made_at

    def _is_due(self, newest: int | None, filed: int | None) -> bool:
        """Whether the newest forecast time lies in a later period than the one filed last.

        Periods are counted from 1970, so that forecasts are made on the hour, from where those of an hour ahead do not
        overlap; the first one after a start is made at once.
        """
        every_ms = self._settings.batch_seconds * MS
        return newest is not None and (filed is None or newest // every_ms > filed // every_ms)

    def _fit(self, fitter: Fits, model: BatchModel, series: Series) -> Outcome:
        if len(points_for_fit(series.closes, series.interval_s)) < FEWEST_POINTS:
            self._metrics.fits.labels(model.name, NOT_ENOUGH_POINTS).inc()
            return Outcome(model, None, NOT_ENOUGH_POINTS)
        began = self._now_s()
        try:
            said = fitter.fit(model.fit_and_forecast, series.closes, series.interval_s, self._rules.horizons_s)
        except FitFailed as error:
            logger.warning("%s of %s/%s: %s (%s)", model.name, series.asset, series.source, error.reason, error)
            self._metrics.fits.labels(model.name, error.reason).inc()
            return Outcome(model, None, error.reason)
        finally:
            self._turned_at = self._now_s()
        self._metrics.fits.labels(model.name, "ok").inc()
        self._metrics.fit_seconds.labels(model.name).observe(self._now_s() - began)
        return Outcome(model, np.asarray(said))

    def _file(self, client: Client, series: Series, outcomes: Sequence[Outcome]) -> None:
        errors = read_errors(client, self._settings, series, [model.name for model in self._models])

        def bounds_of(model: str, horizon_s: int, forecast: float, price: float) -> list[Bound]:
            return bounds(errors.get((model, horizon_s), ()), forecast, price)

        message = prediction_message(series, self._rules.horizons_s, outcomes, bounds_of)
        message_in_time = in_time(message, self._now_ms())
        if message_in_time is None:
            return
        self._publish([(topics.PREDICTIONS, series.asset, message_in_time)])
        self._metrics.filed_at.set(self._now_ms() / MS)
        for forecast in message_in_time["forecasts"]:
            if forecast["forecast"] is not None:
                self._metrics.forecasts.labels(forecast["model"]).inc()

    def _score(self, client: Client) -> None:
        models = [model.name for model in self._models]
        waiting = unscored(client, self._settings, models, self._now_ms())
        # What was sent and is not in ClickHouse yet is still waiting there, and only that has to be remembered.
        self._scored &= {one.key for one in waiting}
        left = [one for one in waiting if one.key not in self._scored]
        for _, group in groupby(left, key=lambda one: (one.asset, one.source)):
            filed = list(group)
            messages = list(score_messages(filed, known_bars(client, self._settings, self._rules, filed), self._rules))
            if messages:
                self._publish([(topics.SCORES, message["asset"], message) for message in messages])
            done = {message["target_at"] for message in messages}
            for one in filed:
                if one.target_at in done:
                    self._scored.add(one.key)
                    self._metrics.scores.labels(one.model).inc()
