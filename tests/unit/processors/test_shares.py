"""Shares in the adaptive consensus: they add up, and go from those who miss to those who hit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from independent_scores import Learner

from processors.shares import HALF_LIFE_S, Shares, sum_of

ERRORS = st.one_of(st.just(math.nan), st.floats(-30, 30), st.sampled_from([1e60, -1e-60]))
ONE = np.ones((1, 1))


def _learn(shares: Shares, *errors: float, spacing_s: float = 300.0) -> None:
    shares.learn([0], np.array(errors)[:, None, None], ONE, spacing_s)


def _of(shares: Shares, *forecasts: float) -> list[float]:
    return shares.of([0], np.array(forecasts)[:, None, None]).ravel().tolist()


def test_before_any_score_all_that_speak_count_the_same() -> None:
    assert _of(Shares(4, 1, 1), 1.0, 2.0, math.nan, 4.0) == pytest.approx([1 / 3, 1 / 3, math.nan, 1 / 3], nan_ok=True)


def test_where_no_model_speaks_there_are_no_shares() -> None:
    assert all(map(math.isnan, _of(Shares(2, 1, 1), math.nan, math.nan)))


def test_a_model_that_loses_fades_and_one_that_gets_better_comes_back() -> None:
    shares, seen = Shares(3, 1, 1), []
    for errors in ((1.0, 1.0, 5.0), (1.0, 1.0, 1.0), (5.0, 1.0, 1.0)):
        for _ in range(1500):
            _learn(shares, *errors)
        seen.append(_of(shares, 1.0, 1.0, 1.0))
    assert seen[0][2] < 0.02
    assert seen[0][0] == seen[0][1]
    assert seen[0][2] < seen[1][2] < seen[2][2]
    assert seen[2][0] < seen[1][0]
    assert min(map(min, seen)) > 0


def test_one_jump_does_not_decide_for_days() -> None:
    shares = Shares(2, 1, 1)
    for _ in range(500):
        _learn(shares, 1.0, 1.0)
    _learn(shares, 1e6, 0.0)
    assert _of(shares, 1.0, 1.0)[0] > 0.35


def test_a_model_that_said_nothing_keeps_what_it_had() -> None:
    shares = Shares(2, 1, 1)
    _learn(shares, 2.0, 2.0)
    before = shares.loss[1].item(), shares.scores[1].item()
    _learn(shares, 3.0, math.nan)
    assert (shares.loss[1].item(), shares.scores[1].item()) == before


def test_a_score_counts_half_after_three_days_whatever_the_spacing() -> None:
    for spacing_s in (300.0, 3600.0):
        shares = Shares(1, 1, 1)
        _learn(shares, 4.0, spacing_s=spacing_s)
        for _ in range(round(HALF_LIFE_S / spacing_s)):
            _learn(shares, 0.0, spacing_s=spacing_s)
        assert shares.loss.item() == pytest.approx(8.0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(ERRORS, ERRORS, ERRORS), max_size=40), st.sets(st.integers(0, 2), min_size=1))
def test_shares_add_up_to_one_and_are_those_of_their_definition(
    errors: list[tuple[float, float, float]], speaking: set[int]
) -> None:
    shares, judge = Shares(3, 1, 1), Learner(3_600_000, 300_000)
    for three in errors:
        _learn(shares, *three)
        for model, error in enumerate(three):
            if not math.isnan(error):
                judge.learn(str(model), error, 1.0)
    found = _of(shares, *(1.0 if model in speaking else math.nan for model in range(3)))
    wanted = judge.shares([str(model) for model in sorted(speaking)])
    assert sum(share for share in found if not math.isnan(share)) == pytest.approx(1, rel=1e-12)
    for model, share in enumerate(found):
        assert share == pytest.approx(wanted.get(str(model), math.nan), rel=1e-9, nan_ok=True)


def test_the_bits_of_a_series_do_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(5)
    errors, scale = rng.standard_normal((100, 9, 2, 11)), rng.uniform(0.1, 3, (2, 11))
    forecast = np.where(rng.random((9, 2, 11)) < 0.2, np.nan, 1.0)
    together, alone = Shares(9, 2, 11), [Shares(9, 2, 1) for _ in range(11)]
    for error in errors:
        together.learn([0, 1], error, scale, 300.0)
        for row, one in enumerate(alone):
            one.learn([0, 1], error[..., [row]], scale[:, [row]], 300.0)
    shares = together.of(range(11), forecast)
    for row, one in enumerate(alone):
        assert shares[..., row].tobytes() == one.of([0], forecast[..., [row]])[..., 0].tobytes()


def test_a_sum_leaves_out_what_is_missing_and_is_missing_where_all_are() -> None:
    values = np.array([[1.0, math.nan, math.nan], [2.0, 3.0, math.nan]])
    assert sum_of(values) == pytest.approx([3.0, 3.0, math.nan], nan_ok=True)
