"""Judging forecasts: the figures of single cases worked by hand, and all cases against a judge of their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from independent_scores import Filed, Scored, scored

from processors.scoring import LEVELS, Judged, judge

PRICES = st.one_of(st.sampled_from([1e-30, 1e30, 1.0, 100.0, 100.5]), st.floats(1e-6, 1e9))


def _judge(forecast: float, price: float, bounds: list[tuple[float, float]], actual: float) -> Judged:
    lower, upper = np.array(bounds or [(math.nan, math.nan)] * 3).T[:, :, None, None, None]
    return judge(np.full((1, 1, 1), forecast), np.full((1, 1), price), (lower, upper), np.array([actual]))


def _only(array: np.ndarray) -> Any:
    return array.ravel()[0].item()


@pytest.mark.parametrize(
    ("forecast", "actual", "hit"),
    [(101, 102, 1), (101, 99, 0), (99, 98, 1), (99, 101, 0), (100, 101, None), (101, 100, None), (100, 100, None),
     (100.0000001, 1e9, 1)],
)  # fmt: skip
def test_a_hit_is_a_change_of_the_same_sign_and_no_change_is_neither(
    forecast: float, actual: float, hit: int | None
) -> None:
    found = _only(_judge(forecast, 100.0, [], actual).hit)
    assert math.isnan(found) if hit is None else found == hit


def test_errors_have_the_sign_of_forecast_less_actual() -> None:
    judged = _judge(103.0, 100.0, [], 101.0)
    assert (_only(judged.error), _only(judged.naive_error), _only(judged.relative_error)) == (2.0, -1.0, 2.0)


def test_there_is_no_relative_error_where_the_price_stayed() -> None:
    assert math.isnan(_only(_judge(103.0, 100.0, [], 100.0).relative_error))


@pytest.mark.parametrize(("actual", "inside", "winkler"), [
    (90.0, [True] * 3, [20.0, 40.0, 60.0]), (110.0, [True] * 3, [20.0, 40.0, 60.0]), (100.0, [True] * 3, [20, 40, 60]),
    (115.0, [False, True, True], [20 + 4 * 5, 40, 60]), (125.0, [False, False, True], [20 + 4 * 15, 40 + 10 * 5, 60]),
    (60.0, [False] * 3, [20 + 4 * 30, 40 + 10 * 20, 60 + 40 * 10]),
])  # fmt: skip
def test_the_winkler_score_is_the_width_and_a_fine_for_the_distance_outside(
    actual: float, inside: list[bool], winkler: list[float]
) -> None:
    judged = _judge(100.0, 100.0, [(90.0, 110.0), (80.0, 120.0), (70.0, 130.0)], actual)
    assert judged.inside.ravel().tolist() == inside
    assert judged.width.ravel().tolist() == [20.0, 40.0, 60.0]
    assert judged.winkler.ravel() == pytest.approx(winkler)


@settings(max_examples=200, deadline=None)
@given(PRICES, PRICES, PRICES, st.lists(st.floats(0, 1e6), min_size=3, max_size=3).map(sorted))
def test_every_figure_is_that_of_its_definition(
    forecast: float, price: float, actual: float, halves: list[float]
) -> None:
    bounds = [(forecast - half, forecast + half) for half in halves]
    wanted = scored(Filed(0, 60_000, "m", price, forecast, bounds), {60_000: (actual, 1)}, 60_000)
    _same(_judge(forecast, price, bounds, actual), wanted)


def _same(judged: Judged, wanted: Scored) -> None:
    assert (_only(judged.error), _only(judged.naive_error)) == (wanted.error, wanted.naive_error)
    for mine, known in ((judged.relative_error, wanted.relative_error), (judged.hit, wanted.hit)):
        assert math.isnan(_only(mine)) if known is None else _only(mine) == pytest.approx(float(known), rel=1e-12)
    for level, (inside, width, winkler) in enumerate(wanted.intervals):
        assert (judged.inside.ravel()[level], judged.width.ravel()[level]) == (inside, width)
        assert judged.winkler.ravel()[level] == pytest.approx(winkler, rel=1e-12)


def test_what_is_not_there_is_not_judged_and_its_neighbours_are() -> None:
    forecast = np.array([[[1.0, math.nan, 3.0]]])
    bounds = np.full((len(LEVELS), 1, 1, 3), 2.0)
    judged = judge(forecast, np.full((1, 3), 2.5), (bounds - 1, bounds + 1), np.array([2.0, 2.0, math.nan]))
    for array in (judged.error, judged.relative_error, judged.hit):
        assert np.isnan(array).ravel().tolist() == [False, True, True]
    assert judged.hit.ravel()[0] == 1.0
