from __future__ import annotations

import logging

import pytest

from producers.condition import Condition
from producers.failures import Failure
from producers.metrics import Metrics

T = 1_735_787_045_000


def _condition() -> tuple[Condition, Metrics]:
    metrics = Metrics()
    return Condition("binance", 10, T, metrics), metrics


def test_a_condition_is_logged_when_it_comes_changes_and_clears_and_counted_at_every_poll(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    condition, metrics = _condition()
    for poll in range(3):
        condition.failed(Failure("failing", "timeout", "took too long"), T + poll, None)
    for poll in range(3):
        condition.failed(Failure("rate_limited", "http_429", "slow down"), T + 10 + poll, T + 60_000)
    condition.answered(T + 20)
    condition.answered(T + 30)
    condition.failed(Failure("failing", "timeout", "took too long"), T + 40, None)
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 4
    assert "timeout" in texts[0]
    assert "next try at 2025-01-02T03:05:05Z" in texts[1]
    assert "answers again after 6 failed polls" in texts[2]
    assert "timeout" in texts[3]
    counted = {"source": "binance", "reason": "timeout"}
    assert metrics.registry.get_sample_value("cryptoviz_producer_failures_total", counted) == 4


def test_the_status_says_since_when() -> None:
    condition, _ = _condition()
    assert condition.status(T)["state"] == "late"
    condition.answered(T + 5)
    condition.answered(T + 15)
    assert condition.status(T + 20) == {"state": "available", "since": T + 5, "until": None, "reason": ""}
    condition.failed(Failure("rate_limited", "http_429", ""), T + 25, T + 90_000)
    told = condition.status(T + 30)
    assert told == {"state": "rate_limited", "since": T + 25, "until": T + 90_000, "reason": "http_429"}


def test_a_source_that_neither_answers_nor_fails_becomes_late() -> None:
    condition, _ = _condition()
    condition.answered(T)
    assert condition.status(T + 30_000)["state"] == "available"
    assert condition.status(T + 30_001)["state"] == "late"


def test_a_source_told_to_wait_is_not_late_while_it_waits() -> None:
    condition, _ = _condition()
    condition.failed(Failure("rate_limited", "http_429", ""), T, T + 600_000)
    assert condition.status(T + 600_000)["state"] == "rate_limited"
    assert condition.status(T + 631_000)["state"] == "late"


def test_the_state_is_a_metric_with_one_of_all_states_set() -> None:
    condition, metrics = _condition()
    condition.failed(Failure("blocked", "http_451", ""), T, None)
    condition.answered(T)
    values = {
        state: metrics.registry.get_sample_value(
            "cryptoviz_producer_source_state", {"source": "binance", "state": state}
        )
        for state in ("available", "blocked", "failing")
    }
    assert values == {"available": 1, "blocked": 0, "failing": 0}


def test_reasons_that_come_in_turns_are_each_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    condition, metrics = _condition()
    for poll, reason in enumerate(["http_502", "http_503", "timeout", "http_500", "timeout", "http_502"]):
        condition.failed(Failure("failing", reason, ""), T + poll, None)
    assert len(caplog.records) == 2
    counted = {"source": "binance", "reason": "http_502"}
    assert metrics.registry.get_sample_value("cryptoviz_producer_failures_total", counted) == 2
    condition.failed(Failure("rate_limited", "http_429", ""), T + 10, T + 60_000)
    condition.failed(Failure("failing", "timeout", ""), T + 20, None)
    assert len(caplog.records) == 4
