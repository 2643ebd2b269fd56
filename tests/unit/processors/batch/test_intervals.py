"""Intervals from past errors hold as often as they say."""

from __future__ import annotations

import numpy as np

from processors.batch.intervals import FEWEST_SCORES, bounds


def test_there_are_none_before_the_least_sample() -> None:
    assert bounds([0.01] * (FEWEST_SCORES - 1), 100.0, 100.0) == []
    assert [bound["level"] for bound in bounds([0.01] * FEWEST_SCORES, 100.0, 100.0)] == [0.5, 0.8, 0.95]


def test_of_n_errors_the_one_at_the_corrected_rank_is_taken() -> None:
    errors = [n / 1000 for n in range(1, 100)]  # ranks 50, 80 and 95 of 99
    said = bounds(errors[::-1], 110.0, 100.0)
    assert [(round(one["lower"], 9), round(one["upper"], 9)) for one in said] == [
        (105.0, 115.0), (102.0, 118.0), (100.5, 119.5),
    ]  # fmt: skip


def test_the_least_sample_reaches_the_widest_level() -> None:
    *_, widest = bounds([n / 1000 for n in range(1, FEWEST_SCORES + 1)], 100.0, 100.0)
    assert round(widest["upper"], 9) == 102.0


def test_no_price_falls_below_nothing() -> None:
    assert all(bound["lower"] == 0.0 for bound in bounds([2.0] * 30, 1.0, 1.0))


def test_they_hold_the_next_error_as_often_as_they_say() -> None:
    rng = np.random.default_rng(11)
    inside = np.zeros(3)
    for _ in range(2000):
        *past, now = rng.standard_t(3, 61) / 100
        said = bounds(np.abs(past).tolist(), 100.0, 100.0)
        inside += [one["lower"] <= 100 + 100 * now <= one["upper"] for one in said]
    assert np.allclose(inside / 2000, [0.5, 0.8, 0.95], atol=0.03)
