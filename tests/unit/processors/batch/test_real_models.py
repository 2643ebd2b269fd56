"""AutoARIMA, AutoETS and Prophet on series whose course is known; skipped where they are not installed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from processors.batch import BATCH_MODELS
from processors.batch.base import FEWEST_POINTS, BatchModel
from processors.batch.fitting import Fitter
from processors.models.base import Floats

HORIZONS_S = (3600, 14400, 86400)
HOURS = np.array(HORIZONS_S) / 3600
MINUTES = 72 * 60
Fitted = Callable[..., Floats]
MODELS = [
    pytest.param(model, id=model.name, marks=pytest.mark.skipif(
        not model.is_available, reason=f"{model.library} is not installed (make setup-forecast)"))
    for model in BATCH_MODELS
]  # fmt: skip
pytestmark = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def fitter() -> Iterator[Fitter]:
    """As the process does it: in a child, whose warnings are not ours."""
    with Fitter(300, threading.Event()) as fitter:
        yield fitter


@pytest.fixture
def fitted(model: BatchModel, fitter: Fitter) -> Fitted:
    """What the model says of these closes, [horizons]."""
    return lambda closes, interval_s=60: fitter.fit(model.fit_and_forecast, closes, interval_s, HORIZONS_S)


def noise(points: int, percent: float, seed: int = 5) -> Floats:
    return np.random.default_rng(seed).normal(0, percent / 100, points)


def test_a_rising_series_is_forecast_upward(fitted: Fitted) -> None:
    hourly = 0.001
    closes = 60_000 * np.exp(hourly / 60 * np.arange(MINUTES) + noise(MINUTES, 0.01))
    rise = np.log(fitted(closes) / closes[-1])
    assert np.allclose(rise, hourly * HOURS, rtol=0.15, atol=0.0003), rise / (hourly * HOURS)


@pytest.mark.parametrize("price", [9e-6, 0.1, 98_000.0])
def test_a_flat_series_stays_flat(fitted: Fitted, price: float) -> None:
    assert np.allclose(fitted(np.full(MINUTES, price)), price, rtol=1e-6)


def test_the_unit_of_the_price_does_not_matter(fitted: Fitted) -> None:
    walk, unit = np.exp(np.cumsum(noise(MINUTES, 0.05))), 2.0**-17  # so that no bit of the closes is rounded
    assert np.allclose(fitted(walk * unit) / unit, fitted(walk), rtol=1e-12)


def test_a_random_walk_is_forecast_within_reach_and_the_same_twice(fitted: Fitted) -> None:
    closes = 100 * np.exp(np.cumsum(noise(MINUTES, 0.05, seed=8)))
    said = fitted(closes)
    daily_percent = 0.05 * np.sqrt(1440)
    assert (np.abs(np.log(said / closes[-1])) * 100 < 4 * daily_percent).all(), said
    assert fitted(closes).tolist() == said.tolist()


@pytest.mark.parametrize("interval_s", [300, 3600])
def test_the_fewest_points_are_enough_whatever_the_bars(fitted: Fitted, interval_s: int) -> None:
    count = FEWEST_POINTS * (900 // interval_s or 1)
    closes = 100 * np.exp(np.cumsum(noise(count, 0.2)))
    said = fitted(closes, interval_s)
    assert (np.abs(said / closes[-1] - 1) < 0.5).all(), said
