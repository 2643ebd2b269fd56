from __future__ import annotations

import random
from threading import Event

import pytest
from fakes import FakeTime
from hypothesis import given
from hypothesis import strategies as st

from producers.budget import Budget, Ticks
from producers.failures import Stopped


class _Leap(Event):
    """An event whose wait takes no time: the clock leaps instead."""

    def __init__(self, time: FakeTime) -> None:
        super().__init__()
        self.time = time

    def wait(self, timeout: float | None = None) -> bool:
        self.time.now += timeout or 0.0
        return self.is_set()


@given(st.floats(0.2, 60), st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_no_minute_ever_holds_more_requests_than_the_budget(per_minute: float, pauses: list[float]) -> None:
    time = FakeTime()
    budget, stop, taken = Budget(per_minute, time), _Leap(time), []
    for pause in pauses:
        time.now += pause
        budget.take(stop)
        taken.append(time.now)
    size = max(1, int(per_minute))
    span_s = 60 * size / per_minute
    for first, last in zip(taken, taken[size:], strict=False):
        assert last - first >= span_s - 1e-6


def test_waiting_for_the_budget_ends_with_the_process() -> None:
    time, stop = FakeTime(), Event()
    budget = Budget(1, time)
    budget.take(stop)
    stop.set()
    with pytest.raises(Stopped):
        budget.take(stop)


def test_ticks_jitter_a_little_and_do_not_drift() -> None:
    time = FakeTime()
    ticks, polls = Ticks(10, time, random.Random(1)), []
    for _ in range(1000):
        time.now += ticks.delay_s()
        polls.append(time.now - 1000)
        time.now += 0.3  # the poll itself takes time
    late = [poll - 10 * number for number, poll in enumerate(polls)]
    assert polls[0] == 0
    assert min(late) >= 0
    assert 0.4 < max(late) <= 0.5 + 1e-6


def test_ticks_that_have_passed_are_left_out() -> None:
    time = FakeTime()
    ticks = Ticks(10, time, random.Random(1))
    ticks.delay_s()
    time.now += 34
    assert 6 <= ticks.delay_s() <= 6.5
