"""Intervals: they keep their level in the long run, whatever the market does, and never cross or overflow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from independent_scores import Learner

from processors.intervals import FIRST_QUANTILES, MIN_SCORES, Intervals
from processors.scoring import LEVELS

ERRORS = st.one_of(
    st.just(0.0), st.floats(-1e3, 1e3), st.floats(0.3, 3.0), st.sampled_from([1e60, -1e60, 1e-60, math.nan])
)
ONE = np.ones((1, 1))


def _one() -> Intervals:
    return Intervals(1, 1, 1)


def _learn(intervals: Intervals, error: float, scale: float = 1.0, under_way: float = 1.0) -> None:
    intervals.learn([0], np.full((1, 1, 1), error), np.full((1, 1), scale), np.array([under_way]))


def _halves(intervals: Intervals, scale: float = 1.0) -> list[float]:
    _, upper = intervals.bounds([0], np.zeros((1, 1, 1)), np.full((1, 1), scale))
    return upper.ravel().tolist()


def _coverage(errors: np.ndarray, delay: int, scale: np.ndarray) -> np.ndarray:
    """Share of errors inside the bounds that were given before the last `delay` of them were known, per level."""
    intervals, given_, inside = _one(), [], []
    for at in range(len(errors)):
        if at >= delay:
            _learn(intervals, errors[at - delay], scale[at - delay], delay)
        given_.append(_halves(intervals, scale[at]))
        if not math.isnan(given_[at][0]):
            inside.append([abs(errors[at]) <= half for half in given_[at]])
    return np.array(inside).mean(axis=0)


def _overlapping(seed: int, count: int, delay: int) -> np.ndarray:
    """Errors over a horizon of `delay` steps of one random walk: neighbours share most of their steps."""
    steps = np.random.default_rng(seed).standard_normal(count + delay)
    sums = np.cumsum(steps)
    return (sums[delay:] - sums[:-delay]) / math.sqrt(delay)


def test_there_are_no_bounds_before_the_minimum_of_scores() -> None:
    intervals = _one()
    for _ in range(MIN_SCORES):
        assert all(map(math.isnan, _halves(intervals)))
        _learn(intervals, 0.5)
    assert not any(map(math.isnan, _halves(intervals)))


def test_what_is_void_or_has_no_scale_is_no_score() -> None:
    intervals = _one()
    for _ in range(MIN_SCORES):
        _learn(intervals, math.nan)
        _learn(intervals, 1.0, math.nan)
    assert intervals.scores.item() == 0
    assert np.exp(intervals.log_quantile).ravel() == pytest.approx(FIRST_QUANTILES)


def test_bounds_lie_evenly_around_the_forecast_in_its_unit_and_are_missing_where_it_is() -> None:
    intervals = Intervals(2, 1, 2)
    intervals.scores[:] = MIN_SCORES
    forecast = np.array([[[100.0, 5.0]], [[101.0, math.nan]]])
    lower, upper = intervals.bounds([0, 1], forecast, np.array([[2.0, 0.1]]))
    assert (upper + lower)[:, :, :, 0] / 2 == pytest.approx(np.broadcast_to(forecast[:, :, 0], (3, 2, 1)))
    assert (upper - lower)[:, 0, 0, 0] / 2 == pytest.approx(2 * np.array(FIRST_QUANTILES))
    assert (upper - lower)[:, 0, 0, 1] / 2 == pytest.approx(0.1 * np.array(FIRST_QUANTILES))
    assert np.isnan(lower[:, 1, 0, 1]).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(ERRORS, max_size=60), st.sampled_from([1.0, 12.0, 288.0]), st.sampled_from([1e-36, 1.0, 1e90]))
def test_levels_never_cross_nor_overflow_and_go_as_their_definition_says(
    errors: list[float], under_way: float, scale: float
) -> None:
    intervals, judge = _one(), Learner(round(under_way * 300_000), 300_000)
    for error in errors:
        _learn(intervals, error, scale, under_way)
        if not math.isnan(error):
            judge.learn("m", error, scale)
        halves = np.exp(intervals.log_quantile).ravel()
        assert (np.diff(halves) >= 0).all()
        assert ((halves > 0.9e-3) & (halves < 1.1e3)).all()
    if "m" in judge.logs:
        assert intervals.log_quantile.ravel() == pytest.approx(judge.logs["m"], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("delay", [1, 12])
def test_in_the_long_run_a_steady_series_is_inside_as_often_as_the_level_says(delay: int) -> None:
    errors = 3 * _overlapping(1, 6000, delay)  # the scale is far off, and does not matter
    assert _coverage(errors, delay, np.ones(6000)) == pytest.approx(LEVELS, abs=0.03)


@pytest.mark.parametrize("delay", [1, 12])
def test_so_is_one_that_becomes_four_times_as_wild_and_calms_down_again(delay: int) -> None:
    errors = _overlapping(2, 6000, delay)
    errors[2000:4000] *= 4
    assert _coverage(errors, delay, np.ones(6000)) == pytest.approx(LEVELS, abs=0.04)


def test_so_is_one_that_drifts_all_the_time_and_one_whose_errors_have_heavy_tails() -> None:
    rng = np.random.default_rng(3)
    growing = rng.standard_normal(6000) * np.exp(np.linspace(0, 3, 6000))
    assert _coverage(growing, 1, np.ones(6000)) == pytest.approx(LEVELS, abs=0.03)
    assert _coverage(rng.standard_t(2, 6000), 1, np.ones(6000)) == pytest.approx(LEVELS, abs=0.03)


def test_a_price_that_does_not_move_makes_bounds_narrow_but_never_nothing() -> None:
    intervals = _one()
    for _ in range(2000):
        _learn(intervals, 0.0)
    assert _halves(intervals) == pytest.approx([1e-3] * 3)
    for _ in range(200):
        _learn(intervals, 1.0)
    assert min(_halves(intervals)) > 0.9  # and they widen again


def test_the_bits_of_a_series_do_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(4)
    errors, scale = rng.standard_t(2, (200, 3, 2, 9)), rng.uniform(0.1, 3, (200, 2, 9))
    together = Intervals(3, 2, 9)
    alone = [Intervals(3, 2, 1) for _ in range(9)]
    for error, size in zip(errors, scale, strict=True):
        together.learn([0, 1], error, size, np.array([1.0, 12.0]))
        for row, one in enumerate(alone):
            one.learn([0, 1], error[..., [row]], size[:, [row]], np.array([1.0, 12.0]))
    both = together.bounds(range(9), errors[0], scale[0])
    for row, one in enumerate(alone):
        for mine, theirs in zip(both, one.bounds([0], errors[0][..., [row]], scale[0][:, [row]]), strict=True):
            assert mine[..., row].tobytes() == theirs[..., 0].tobytes()


def test_only_the_horizons_that_came_due_learn() -> None:
    intervals = Intervals(2, 3, 1)
    intervals.learn([2], np.full((2, 1, 1), 9.0), ONE, np.array([1.0]))
    assert intervals.scores.ravel().tolist() == [0, 0, 1, 0, 0, 1]
    assert np.exp(intervals.log_quantile[:, :, :2]) == pytest.approx(
        np.broadcast_to(np.array(FIRST_QUANTILES)[:, None, None, None], (3, 2, 2, 1))
    )
