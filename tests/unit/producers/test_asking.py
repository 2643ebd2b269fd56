from __future__ import annotations

import time
from collections.abc import Iterable
from threading import Event, Timer
from typing import Any

import pytest
from fakes import FakeTime

from producers.asking import ATTEMPTS, Asker
from producers.budget import Budget
from producers.failures import Failure, Stopped
from producers.metrics import Metrics
from producers.source import Request


class _Client:
    """Raises or returns what it was given, in order; the last one again and again."""

    def __init__(self, outcomes: Iterable[Any]) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    def get(self, request: Request) -> Any:
        outcome = self.outcomes[min(self.calls, len(self.outcomes) - 1)]
        self.calls += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def _asker(client: _Client, per_minute: float = 1000, stop: Event | None = None) -> Asker:
    return Asker("x", client, budget=Budget(per_minute), metrics=Metrics(), stop=stop or Event())


def test_what_may_help_is_tried_again() -> None:
    client = _Client([Failure("failing", "timeout", "", again=True), [1]])
    assert _asker(client).ask(Request("/"), 30) == [1]
    assert client.calls == 2


def test_it_gives_up_after_a_few_attempts() -> None:
    client = _Client([Failure("failing", "http_503", "", again=True)])
    with pytest.raises(Failure, match="http_503"):
        _asker(client).ask(Request("/"), 60)
    assert client.calls == ATTEMPTS


def test_a_refusal_is_not_repeated_at_once() -> None:
    client = _Client([Failure("rate_limited", "http_429", "", retry_after_s=0.01)])
    with pytest.raises(Failure, match="http_429"):
        _asker(client).ask(Request("/"), 60)
    assert client.calls == 1


def test_a_wait_the_source_names_is_obeyed_within_a_poll() -> None:
    client = _Client([Failure("failing", "http_503", "", again=True, retry_after_s=0.7), [1]])
    started = time.monotonic()
    assert _asker(client).ask(Request("/"), 30) == [1]
    assert time.monotonic() - started >= 0.7


def test_a_wait_that_does_not_fit_ends_the_poll() -> None:
    client, started = _Client([Failure("failing", "http_503", "", again=True, retry_after_s=120)]), time.monotonic()
    with pytest.raises(Failure) as caught:
        _asker(client).ask(Request("/"), 8)
    assert (client.calls, caught.value.retry_after_s) == (1, 120)
    assert time.monotonic() - started < 30


def test_retries_count_against_the_budget() -> None:
    client, stop = _Client([Failure("failing", "timeout", "", again=True)]), Event()
    asker = _asker(client, per_minute=2, stop=stop)
    Timer(1.5, stop.set).start()
    with pytest.raises(Stopped):
        asker.ask(Request("/"), 600)
    assert client.calls == 2


def test_a_pause_is_shared_by_all_who_ask() -> None:
    clock = FakeTime()
    asker = Asker("x", _Client([1]), budget=Budget(60), metrics=Metrics(), stop=Event(), now_s=clock)
    asker.pause(30)
    asker.pause(10)
    assert (asker.paused_s(), asker.next_s()) == (30, 30)
    clock.now += 31
    assert asker.paused_s() == 0
