"""Every model against the formulas written a second time, at every number of points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from independent import MODELS as DEFINED
from independent import expected, same_percent, same_price

from processors.forecasts import CONSENSUS, make_forecasts
from processors.models import MODELS
from processors.models.base import ModelParams
from processors.signals import Thresholds, decide, ma_trend

HOURS = np.array([1.0, 4.0, 24.0])
PARAMS = ModelParams(60)
SLOTS = 1440


def _closes(points: np.ndarray) -> np.ndarray:
    closes = np.full((1, SLOTS), np.nan)
    closes[0, SLOTS - len(points) :] = points
    return closes


def _walk(seed: int, points: int, scale: float = 1e-3, start: float = 100.0) -> np.ndarray:
    return start * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, scale, points)))


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value


@pytest.mark.parametrize("points", [*range(1, 76), 500, 1439, 1440])
@pytest.mark.parametrize("start", [9e-6, 1.0, 98_000.0])
def test_models_equal_the_formulas_for_every_number_of_points(points: int, start: float) -> None:
    prices = _walk(points, points, 3e-3, start)
    made = make_forecasts(_closes(prices), MODELS, HOURS, PARAMS)
    names = [model.name for model in MODELS]
    for index, hours in enumerate(HOURS):
        wanted = expected(prices.tolist(), 60_000, hours)
        for row, name in enumerate(names):
            if name not in DEFINED:  # one that came later, and has tests of its own
                continue
            assert same_price(_finite(made.forecast[row, index, 0]), wanted.forecast.get(name)), (name, hours)
            assert same_percent(_finite(made.confidence[row, index, 0]), wanted.confidence.get(name)), (name, hours)
        assert same_price(_finite(made.consensus[index, 0]), wanted.forecast.get(CONSENSUS))
        assert same_percent(_finite(made.consensus_confidence[index, 0]), wanted.confidence.get(CONSENSUS))
        assert same_percent(_finite(made.mean_confidence[index, 0]), wanted.mean_confidence)


def test_a_series_gives_the_same_bits_alone_and_among_others() -> None:
    closes = np.vstack([_closes(_walk(seed, 30 + 200 * seed)) for seed in range(7)])
    together = make_forecasts(closes, MODELS, HOURS, PARAMS)
    for row in range(len(closes)):
        alone = make_forecasts(closes[row : row + 1].copy(), MODELS, HOURS, PARAMS)
        assert np.array_equal(alone.forecast[:, :, 0], together.forecast[:, :, row], equal_nan=True)
        assert np.array_equal(alone.consensus[:, 0], together.consensus[:, row], equal_nan=True)
        assert np.array_equal(alone.confidence[:, :, 0], together.confidence[:, :, row], equal_nan=True)


@pytest.mark.parametrize("more", range(12))
def test_one_series_and_one_horizon_give_the_same_bits_with_any_number_of_models(more: int) -> None:
    members = tuple(model for model in MODELS if model.weight)
    models = (*members, *members[:1] * more)
    closes = np.vstack([_closes(_walk(seed, 100)) for seed in range(7)])
    together = make_forecasts(closes, models, HOURS, PARAMS)
    for row in range(len(closes)):
        for index in range(len(HOURS)):
            alone = make_forecasts(closes[row : row + 1], models, HOURS[index : index + 1], PARAMS)
            assert alone.consensus[0, 0] == together.consensus[index, row]
            assert alone.consensus_confidence[0, 0] == together.consensus_confidence[index, row]
            assert alone.mean_confidence[0, 0] == together.mean_confidence[index, row]


def test_only_the_consecutive_bars_at_the_end_count() -> None:
    whole = _closes(_walk(1, 1440))
    broken = whole.copy()
    broken[0, SLOTS - 31] = np.nan
    made, wanted = make_forecasts(broken, MODELS, HOURS, PARAMS), _closes(whole[0, -30:])
    assert made.points.tolist() == [30]
    assert np.array_equal(made.forecast, make_forecasts(wanted, MODELS, HOURS, PARAMS).forecast, equal_nan=True)


@pytest.mark.parametrize("slots", [1, 6, 24, 40])
def test_a_history_shorter_than_a_model_looks_back_is_no_error(slots: int) -> None:
    prices = _walk(1, slots)
    params = ModelParams(3600, long=100, momentum=30)
    made = make_forecasts(prices[None, :], MODELS, HOURS, params)
    assert made.points.tolist() == [slots]
    assert [bool(np.isnan(row).all()) for row in made.forecast] == [slots < model.needs(params) for model in MODELS]


def test_flat_prices_are_forecast_exactly_and_are_neutral() -> None:
    made = make_forecasts(_closes(np.full(1440, 0.1)), MODELS, HOURS, PARAMS)
    assert (made.forecast == 0.1).all()
    assert (made.consensus_confidence == 100).all()
    assert ma_trend(made.forecast[0, 0, 0], made.forecast[1, 0, 0]) == "neutral"


def test_a_negative_forecast_stays_as_it_is() -> None:
    falling = np.linspace(100, 1, 60)
    made = make_forecasts(_closes(falling), MODELS, HOURS, PARAMS)
    trend = [model.name for model in MODELS].index("trend")
    assert made.forecast[trend, 2, 0] < 0
    assert made.confidence[trend, 2, 0] == 0


def test_no_model_changes_its_input() -> None:
    closes = _closes(_walk(3, 100))
    before = closes.copy()
    make_forecasts(closes, MODELS, HOURS, PARAMS)
    assert np.array_equal(closes, before, equal_nan=True)


@pytest.mark.parametrize(
    ("variation", "confidence", "signal", "reason"),
    [
        (2.1, 61.0, "BUY", "variation_above_threshold"),
        (-2.1, 61.0, "SELL", "variation_below_threshold"),
        (2.0, 99.0, "HOLD", "variation_within_threshold"),
        (-2.0, 99.0, "HOLD", "variation_within_threshold"),
        (5.0, 60.0, "HOLD", "confidence_too_low"),
        (math.nan, math.nan, "HOLD", "not_enough_points"),
    ],
)
def test_signal_follows_the_thresholds(variation: float, confidence: float, signal: str, reason: str) -> None:
    assert decide(variation, confidence, Thresholds()) == (signal, reason)


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("variation", [-9.0, 0.0, 9.0])
def test_an_old_price_is_no_reason_to_act_however_far_its_forecast_goes(variation: float, broken: bool) -> None:
    assert decide(variation, 99.0, Thresholds(), broken=broken, stale=True) == ("HOLD", "stale_source")


@pytest.mark.parametrize(("broken", "reason"), [(True, "series_broken"), (False, "not_enough_points")])
@pytest.mark.parametrize("stale", [False, True])
def test_without_a_consensus_the_reason_is_where_the_points_are(broken: bool, stale: bool, reason: str) -> None:
    assert decide(math.nan, math.nan, Thresholds(), broken=broken, stale=stale) == ("HOLD", reason)


def test_a_gap_breaks_enough_points_as_little_as_enough_time() -> None:
    assert decide(9.0, 99.0, Thresholds(), broken=True) == ("BUY", "variation_above_threshold")


@pytest.mark.parametrize("slots", [6, 60, SLOTS])
def test_a_series_is_broken_where_bars_come_before_its_points(slots: int) -> None:
    closes = np.full((5, slots), 1.0)
    closes[1, -3] = np.nan  # two points, and bars before
    closes[2, :-2] = np.nan  # two points, and nothing before
    closes[3, 0] = np.nan  # it begins with the second slot
    closes[4, 1] = np.nan  # all but the first, which is apart
    made = make_forecasts(closes, MODELS, HOURS, PARAMS)
    assert made.broken.tolist() == [False, True, False, False, True]
    assert made.points.tolist() == [slots, 2, 2, slots - 1, slots - 2]


@pytest.mark.parametrize(
    ("short", "long", "trend"),
    [(2.0, 1.0, "bullish"), (1.0, 2.0, "bearish"), (1.0, 1.0, "neutral"), (1.0, math.nan, None), (math.nan, 1.0, None)],
)
def test_ma_trend_compares_the_averages(short: float, long: float, trend: str | None) -> None:
    assert ma_trend(short, long) == trend
