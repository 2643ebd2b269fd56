"""Errors over time are ratios of sums over the last steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cryptoviz.report.over_time import DAY_S, Errors, errors_plot, relative_errors, step_of

START = datetime(2024, 6, 1, tzinfo=UTC)


def _errors(values: list[tuple[int, float, float]], step_s: int = DAY_S) -> Errors:
    """From (number of the step, sum of errors, sum of naive errors)."""
    at = {"source": "all", "model": "trend", "horizon_s": 3600}
    step = timedelta(seconds=step_s)
    made = [
        at | {"step": START + number * step, "error": error, "naive_error": naive} for number, error, naive in values
    ]
    return Errors(step_s, tuple(made))


def test_a_point_is_the_ratio_of_the_sums_so_far_at_the_end_of_its_step() -> None:
    line = relative_errors(_errors([(1, 3.0, 1.0), (0, 1.0, 1.0)]))["trend", 3600]
    assert line == [(START + timedelta(days=1), 1.0), (START + timedelta(days=2), 2.0)]


def test_days_look_back_a_week_and_hours_a_day() -> None:
    for step_s, back in ((DAY_S, 7), (3600, 24)):
        line = relative_errors(_errors([(0, 100.0, 1.0), *((n, 1.0, 1.0) for n in range(1, back + 1))], step_s))
        values = [value for _, value in line["trend", 3600]]
        assert values[back - 1] == pytest.approx((99 + back) / back)
        assert values[back] == 1.0


def test_a_step_in_which_the_price_did_not_move_has_no_point() -> None:
    assert len(relative_errors(_errors([(0, 1.0, 0.0), (1, 1.0, 1.0)]))["trend", 3600]) == 1


def test_short_replays_are_looked_at_by_the_hour() -> None:
    assert (step_of(2 * DAY_S), step_of(30 * DAY_S)) == (3600, DAY_S)


def test_one_point_is_no_line() -> None:
    assert errors_plot("errors", _errors([(0, 1.0, 1.0)]), ["trend"]) == ""
    assert "trend" in errors_plot("errors", _errors([(0, 1.0, 1.0), (1, 2.0, 1.0)]), ["trend", "naive"])


def test_errors_of_other_sources_stay_out() -> None:
    assert _errors([(0, 1.0, 1.0)]).of("kraken").rows == ()
