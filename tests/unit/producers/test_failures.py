from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.failures import MAX_RETRY_AFTER_S, ban_end, error_text, failure_of, retry_after

NOW = 1_735_787_045_000


def test_retry_after_is_seconds_or_a_date() -> None:
    later = format_datetime(datetime.fromtimestamp(NOW / 1000 + 90, UTC), usegmt=True)
    assert retry_after("120", NOW) == 120
    assert retry_after(later, NOW) == 90
    assert retry_after("-5", NOW) == 0
    assert retry_after("Wed, 01 Jan 2020 00:00:00 GMT", NOW) == 0
    assert retry_after("1e12", NOW) == MAX_RETRY_AFTER_S


@pytest.mark.parametrize("value", [None, "", "soon", "nan"])
def test_a_retry_after_that_says_nothing_is_none(value: str | None) -> None:
    assert retry_after(value, NOW) is None


@given(st.text())
def test_no_retry_after_breaks_anything(value: str) -> None:
    wait = retry_after(value, NOW)
    assert wait is None or 0 <= wait <= MAX_RETRY_AFTER_S


def test_binance_says_the_end_of_a_ban_in_its_text() -> None:
    assert ban_end(f"IP banned until {NOW + 60_000}. Please wait.", NOW) == 60
    assert ban_end("Too much request weight used", NOW) is None


def test_a_ban_lasts_as_long_as_the_longer_of_header_and_text() -> None:
    body = {"code": -1003, "msg": f"IP banned until {NOW + 60_000}."}
    assert failure_of(418, {"Retry-After": "10"}, body, NOW).retry_after_s == 60
    assert failure_of(418, {"Retry-After": "100"}, body, NOW).retry_after_s == 100


@pytest.mark.parametrize(
    ("status", "state", "reason", "again"),
    [
        (302, "failing", "redirect", False),
        (400, "failing", "http_400", False),
        (401, "blocked", "http_401", False),
        (403, "blocked", "http_403", False),
        (404, "failing", "http_404", False),
        (408, "failing", "http_408", True),
        (418, "rate_limited", "http_418", False),
        (429, "rate_limited", "http_429", False),
        (451, "blocked", "http_451", False),
        (500, "failing", "http_500", True),
        (503, "failing", "http_503", True),
    ],
)
def test_each_status_is_a_decision(status: int, state: str, reason: str, again: bool) -> None:
    failure = failure_of(status, {}, None, NOW)
    assert (failure.state, failure.reason, failure.again) == (state, reason, again)


def test_error_bodies_are_read_in_all_their_shapes() -> None:
    assert error_text({"code": -1121, "msg": "Invalid symbol."}) == "Invalid symbol."
    assert error_text({"error": "Missing parameter"}) == "Missing parameter"
    assert error_text({"error": {"message": "no"}}) == "no"
    assert error_text({"status": {"error_message": "slow down"}}) == "slow down"
    assert error_text({"status": 500, "error": "Internal"}) == "Internal"
    assert error_text(["?"]) == ""
    assert "\n" not in error_text({"msg": "two\nlines"})
