"""The models beside the consensus against plain loops: any number of points, bars of any length, any neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from independent import FURTHER, further_at, further_needs, holt_state, same_percent, same_price

from processors.forecasts import make_forecasts
from processors.models import MODELS
from processors.models.base import Floats, Mask, Model, ModelParams

HOURS = np.array([1.0, 4.0, 24.0])
NAMED = {model.name: model for model in MODELS}
MODELS_HERE = tuple(NAMED[name] for name in FURTHER)
SLOTS = 1440


def _walks(lengths: list[int], seed: int = 1, start: float = 100.0) -> tuple[Floats, Mask]:
    """prices[series, slots] and mask, as a model is given them."""
    rng = np.random.default_rng(seed)
    prices, mask = np.zeros((len(lengths), SLOTS)), np.zeros((len(lengths), SLOTS), bool)
    for row, points in enumerate(lengths):
        prices[row, SLOTS - points :] = start * np.exp(np.cumsum(rng.normal(0, 2e-3, points)))
        mask[row, SLOTS - points :] = True
    return prices, mask


def _closes(prices: Floats, mask: Mask) -> Floats:
    return np.where(mask, prices, np.nan)


@pytest.mark.parametrize("interval_s", [60, 300, 900, 3600])
@pytest.mark.parametrize("start", [9e-6, 98_000.0])
def test_models_equal_plain_loops_for_series_of_any_age_in_one_call(interval_s: int, start: float) -> None:
    lengths = [*range(1, 30), 47, 48, 49, 59, 60, 61, 239, 240, 241, 700, 1439, 1440, 1440]
    prices, mask = _walks(lengths, interval_s, start)
    made = make_forecasts(_closes(prices, mask), MODELS_HERE, HOURS, ModelParams(interval_s))
    said = dict.fromkeys(FURTHER, 0)
    for row, points in enumerate(lengths):
        for horizon, wanted in enumerate(further_at(prices[row, -points:].tolist(), interval_s * 1000, HOURS.tolist())):
            for index, name in enumerate(FURTHER):
                value, confidence = made.forecast[index, horizon, row], made.confidence[index, horizon, row]
                assert np.isnan(value) == (name not in wanted.forecast), (name, points)
                if name in wanted.forecast:
                    assert same_price(value, wanted.forecast[name]), (name, points, horizon)
                    assert same_percent(confidence, wanted.confidence[name]), (name, points, horizon)
                    said[name] += 1
    assert all(count >= 3 * 6 for count in said.values()), said


def test_holt_equals_its_recursion_on_every_prefix() -> None:
    walk = _walks([400], 5)[0][0, -400:]
    hours = np.array([[1 / 12], [1.0], [24.0]])
    for points in range(2, 401):
        prices, mask = np.zeros((1, 400)), np.zeros((1, 400), bool)
        prices[0, 400 - points :], mask[0, 400 - points :] = walk[:points], True
        level, trend = holt_state(walk[:points].tolist(), 1 / 12)
        for said, bars in zip(NAMED["holt"].forecast(prices, mask, hours, ModelParams(300)), (1, 12, 288), strict=True):
            phi = 0.5 ** (1 / 12)
            assert same_price(said[0], level + trend * sum(phi**k for k in range(1, bars + 1))), (points, bars)


def test_the_price_stays_the_same_bit_by_bit() -> None:
    rng = np.random.default_rng(2)
    closes = 10 ** rng.uniform(-9, 9, (200, 30))
    made = make_forecasts(closes, (NAMED["naive"],), HOURS, ModelParams(60))
    assert (made.forecast[0] == closes[:, -1]).all()
    assert make_forecasts(closes[:1, -1:], (NAMED["naive"],), HOURS, ModelParams(60)).points.tolist() == [1]


@pytest.mark.parametrize("price", [0.1, 9e-6, 98_000.7, 1 / 3])
@pytest.mark.parametrize("points", [240, 241, 1000, 1440])
def test_flat_prices_give_exactly_that_price(price: float, points: int) -> None:
    closes = np.full((2, SLOTS), np.nan)
    closes[0, SLOTS - points :], closes[1] = price, np.linspace(1, 2, SLOTS)
    made = make_forecasts(closes, MODELS_HERE, HOURS, ModelParams(60))
    assert (made.forecast[:, :, 0] == price).all()


@pytest.mark.parametrize("model", MODELS_HERE, ids=lambda model: model.name)
def test_neighbours_and_their_number_change_no_bit(model: Model) -> None:
    prices, mask = _walks([300, 1440, 241, 1440, 0, 1, 700])
    together = model.forecast(prices, mask, HOURS[:, None], ModelParams(60))
    for row in (0, 1, 2, 3, 6):
        alone = model.forecast(
            prices[row : row + 1].copy(), mask[row : row + 1].copy(), HOURS[:, None], ModelParams(60)
        )
        assert np.array_equal(np.broadcast_to(alone, (3, 1))[:, 0], np.broadcast_to(together, (3, 7))[:, row])


@pytest.mark.parametrize("model", MODELS_HERE, ids=lambda model: model.name)
def test_points_before_a_gap_do_not_count(model: Model) -> None:
    prices, mask = _walks([900], 3)
    closes = _closes(prices, mask)
    closes[0, SLOTS - 301] = np.nan
    after = _closes(prices, mask)
    after[0, : SLOTS - 300] = np.nan
    broken, wanted = (make_forecasts(c, (model,), HOURS, ModelParams(60)).forecast for c in (closes, after))
    assert np.array_equal(broken, wanted)
    whole = make_forecasts(_closes(prices, mask), (model,), HOURS, ModelParams(60)).forecast
    assert np.array_equal(whole, wanted) == (model.name == "naive")


@pytest.mark.parametrize("model", MODELS_HERE, ids=lambda model: model.name)
def test_they_are_no_members_of_the_consensus(model: Model) -> None:
    closes = _closes(*_walks([1440]))
    members = tuple(other for other in MODELS if other.weight)
    with_it, without = (make_forecasts(closes, m, HOURS, ModelParams(60)) for m in ((*members, model), members))
    assert np.array_equal(with_it.consensus, without.consensus)
    assert np.array_equal(with_it.mean_confidence, without.mean_confidence)


@pytest.mark.parametrize("model", MODELS_HERE, ids=lambda model: model.name)
def test_bars_of_one_and_of_five_minutes_mean_the_same(model: Model) -> None:
    minutes = np.arange(-1439, 1) / 60
    wave = 100 + np.sin(minutes / 3) + 0.1 * minutes
    fine, coarse = wave[None, :], wave[None, 4::5]
    said = [
        make_forecasts(closes, (model,), HOURS, ModelParams(interval_s)).forecast[0, :, 0]
        for closes, interval_s in ((fine, 60), (coarse, 300))
    ]
    assert said[0] == pytest.approx(said[1], abs=0.03)


@pytest.mark.parametrize("interval_s", [1, 60, 300, 900, 3600])
def test_what_they_need_in_points_is_what_it_says_in_hours(interval_s: int) -> None:
    needs = {name: NAMED[name].needs(ModelParams(interval_s)) for name in FURTHER}
    assert needs == {name: further_needs(name, interval_s / 3600) for name in FURTHER}


def test_the_trend_of_a_straight_line_is_carried_on_damped() -> None:
    line = np.linspace(100, 124, 1440)[None, :]  # one a bar of a minute, 60 minutes an hour: about 1 an hour
    holt = make_forecasts(line, (NAMED["holt"],), HOURS, ModelParams(60)).forecast[0, :, 0]
    drift = make_forecasts(line, (NAMED["drift"],), HOURS, ModelParams(60)).forecast[0, :, 0]
    assert drift == pytest.approx(124 + HOURS * 24 / 1439 * 60)
    assert (np.diff(holt) > 0).all()
    assert (holt < drift).all()
