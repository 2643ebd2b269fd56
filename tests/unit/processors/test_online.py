"""The online regression: it learns what there is to learn, says nothing without points, and survives a restart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
import pytest

from processors.models.online import LEARNING_RATE, MOST, OnlineRegression

INTERVAL_S = 300
HOURS = np.array([1.0, 4.0])
LOOK_BACK = 4 * 12 + 1
HOUR = 12
MOVE = np.array([1.0])


def _model() -> OnlineRegression:
    return OnlineRegression(INTERVAL_S, HOURS)


def _forecast(model: OnlineRegression, rows: list[int], closes: np.ndarray, move: np.ndarray) -> np.ndarray:
    """The price that it expects [horizons, rows]."""
    price, said = closes[:, -1], model.forecast(rows, model.features(closes, move))
    return np.asarray(price + price * (said * (move / 100 * np.sqrt(model._hours)[:, None])))


def _learn(
    model: OnlineRegression, rows: list[int], horizon: int, closes: np.ndarray, move: np.ndarray, actual: np.ndarray
) -> None:
    moved = (actual - closes[:, -1]) / closes[:, -1] / (move / 100 * math.sqrt(model._hours[horizon]))
    model.learn(rows, horizon, model.features(closes, move), moved)


def _momentum(seed: int, bars: int, strength: float) -> np.ndarray:
    """A price whose next change follows `strength` of the mean of the last hour's changes, 1 % an hour of noise."""
    rng, noise = np.random.default_rng(seed), 0.01 / math.sqrt(HOUR)
    change = [0.0] * HOUR
    for _ in range(bars):
        change.append(strength * sum(change[-HOUR:]) / HOUR + rng.normal(0, noise))
    return np.asarray(100 * np.cumprod(1 + np.array(change[HOUR:])))


def _errors(model: OnlineRegression, prices: np.ndarray, horizon: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Absolute errors of the model and of "the price stays the same", each forecast made before it is learned from."""
    ahead, model_errors, naive_errors = round(HOURS[horizon] * HOUR), [], []
    for at in range(LOOK_BACK + ahead, len(prices) - ahead):
        made = at - ahead
        _learn(model, [0], horizon, prices[None, made - LOOK_BACK + 1 : made + 1], MOVE, prices[[at]])
        said = _forecast(model, [0], prices[None, at - LOOK_BACK + 1 : at + 1], MOVE)[horizon, 0]
        model_errors.append(abs(said - prices[at + ahead]))
        naive_errors.append(abs(prices[at] - prices[at + ahead]))
    return np.array(model_errors), np.array(naive_errors)


def test_it_learns_a_relation_that_is_there_and_beats_the_naive_forecast() -> None:
    mine, naive = _errors(_model(), _momentum(1, 8000, 0.8))
    late = slice(len(mine) // 2, None)
    assert mine[late].mean() < 0.93 * naive[late].mean()


def test_where_there_is_none_it_does_little_harm() -> None:
    mine, naive = _errors(_model(), _momentum(2, 4000, 0.0))
    assert mine.mean() < 1.02 * naive.mean()


def test_a_beginner_says_no_change() -> None:
    prices = _momentum(3, LOOK_BACK, 0.5)
    assert _forecast(_model(), [0], prices[None], MOVE).ravel().tolist() == [prices[-1]] * 2


@pytest.mark.parametrize("missing", [0, 1, 20, LOOK_BACK - 2])
def test_without_four_hours_of_points_in_a_row_it_says_and_learns_nothing(missing: int) -> None:
    model, prices = _model(), _momentum(4, LOOK_BACK, 0.5)[None]
    prices[0, missing] = np.nan
    assert np.isnan(_forecast(model, [0], prices, MOVE)).all()
    _learn(model, [0], 0, prices, MOVE, np.array([101.0]))
    assert model.dump() == []


def test_neither_does_it_with_too_few_slots_or_without_a_usual_move() -> None:
    model, prices = _model(), _momentum(4, LOOK_BACK, 0.5)[None]
    assert np.isnan(_forecast(model, [0], prices[:, 1:], MOVE)).all()
    assert np.isnan(_forecast(model, [0], prices, np.array([np.nan]))).all()


def test_one_step_is_that_of_gradient_descent_on_half_the_squared_error_doubled() -> None:
    """Weights move by rate times 2 (target - said) times the feature, the rate less for longer horizons."""
    model, prices = _model(), _momentum(5, LOOK_BACK, 0.5)[None]
    for horizon, hours in enumerate(HOURS.tolist()):
        actual = prices[0, -1] * 1.003
        _learn(model, [0], horizon, prices, MOVE, np.array([actual]))
        rate, target = LEARNING_RATE / (1 + hours), 0.003 / (0.01 * math.sqrt(hours))
        moved = [(prices[0, -1] / prices[0, -1 - bars] - 1) / (0.01 * math.sqrt(bars / HOUR)) for bars in (3, 12, 48)]
        row, known, intercept, weights = model.dump()[horizon]
        assert (row, known) == (0, horizon)
        assert intercept == pytest.approx(rate * 2 * target, rel=1e-9)
        assert dict(weights) == pytest.approx(
            {name: rate * 2 * target * x for name, x in zip(("15m", "1h", "4h"), moved, strict=True)}, rel=1e-6
        )


def test_a_jump_counts_for_no_more_than_the_most() -> None:
    prices = _momentum(6, LOOK_BACK, 0.5)[None]
    jumped, most = _model(), _model()
    _learn(jumped, [0], 0, prices, MOVE, prices[:, -1] * 1e9)
    _learn(most, [0], 0, prices, MOVE, prices[:, -1] * (1 + MOST / 100))
    assert jumped.dump()[0][2] == pytest.approx(most.dump()[0][2], rel=1e-9)
    model = _model()
    for _ in range(20_000):
        _learn(model, [0], 0, prices, MOVE, prices[:, -1] * 1e9)
    said = _forecast(model, [0], prices, MOVE)[0, 0]
    assert prices[0, -1] < said <= prices[0, -1] * (1 + MOST / 100) * (1 + 1e-12)


def _taught(rows: int, bars: int = 150) -> tuple[OnlineRegression, np.ndarray]:
    model = _model()
    prices = np.stack([_momentum(10 + row, bars, 0.5) for row in range(rows)])
    for at in range(LOOK_BACK, bars - 20):
        _teach(model, prices, at, list(range(rows)))
    return model, prices


def _teach(model: OnlineRegression, prices: np.ndarray, at: int, rows: list[int]) -> None:
    for horizon in range(2):
        closes = prices[rows, at - LOOK_BACK : at]
        _learn(model, rows, horizon, closes, np.ones(len(rows)), prices[rows, at + 4 * (horizon + 1)])


def _through_json(state: Any) -> Any:
    return orjson.loads(orjson.dumps(state))


def test_what_is_written_down_and_read_back_goes_on_bit_by_bit() -> None:
    model, prices = _taught(3)
    again = _model()
    again.restore(_through_json(model.dump()), {0: 0, 1: 1, 2: 2}, {0: 0, 1: 1})
    assert again.dump() == model.dump()
    for at in range(130, 140):
        for one in (model, again):
            _teach(one, prices, at, [0, 1, 2])
    recent, move = prices[:, -LOOK_BACK:], np.ones(3)
    assert _forecast(again, [0, 1, 2], recent, move).tobytes() == _forecast(model, [0, 1, 2], recent, move).tobytes()


def test_rows_and_horizons_are_found_again_under_other_numbers_and_lost_ones_are_forgotten() -> None:
    model, prices = _taught(3)
    again = OnlineRegression(INTERVAL_S, HOURS[::-1].copy())
    again.restore(_through_json(model.dump()), {2: 0, 0: 5}, {0: 1})
    assert {(row, horizon) for row, horizon, *_ in again.dump()} == {(0, 1), (5, 1)}
    recent, move = prices[:, -LOOK_BACK:], np.ones(3)
    known = _forecast(model, [0, 1, 2], recent, move)
    said = _forecast(again, [5, 1, 0], recent, move)
    assert said[1, [0, 2]].tolist() == known[0, [0, 2]].tolist()
    assert said[:, 1].tolist() == [prices[1, -1]] * 2  # a beginner


def test_the_bits_of_a_series_do_not_depend_on_its_neighbours() -> None:
    together, prices = _taught(3)
    recent = prices[:, -LOOK_BACK:]
    said = _forecast(together, [0, 1, 2], recent, np.ones(3))
    for row in range(3):
        alone = _model()
        for at in range(LOOK_BACK, 130):
            _teach(alone, prices, at, [row])
        assert _forecast(alone, [row], recent[[row]], MOVE)[:, 0].tobytes() == said[:, row].tobytes()


@pytest.mark.parametrize("price", [1e-30, 1e30])
def test_the_least_and_the_greatest_price_stay_finite(price: float) -> None:
    model, prices = _model(), np.full((1, LOOK_BACK), price)
    _learn(model, [0], 0, prices, np.array([1e-4]), np.array([1e30]))
    assert np.isfinite(_forecast(model, [0], prices, np.array([1e-4]))).all()
