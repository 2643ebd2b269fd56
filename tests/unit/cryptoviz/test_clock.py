"""Our clock goes on evenly when the machine's is corrected a little, and follows when it was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from cryptoviz.clock import ReceiptClock, utc

SECOND = 1_000_000_000
START_MS = 1_700_000_000_000


@dataclass
class Machine:
    """The clocks of a machine, in ns, and ours on it."""

    wall: int = START_MS * 1_000_000
    monotonic: int = 5_000_000

    def __post_init__(self) -> None:
        self.clock = ReceiptClock(lambda: self.wall, lambda: self.monotonic)

    def later(self, seconds: float, set_by_s: float = 0) -> int:
        """What our clock says, in ms since the start, after so long and after the wall clock was set by so much."""
        self.monotonic += int(seconds * SECOND)
        self.wall += int((seconds + set_by_s) * SECOND)
        return self.clock.now_ms() - START_MS


def test_a_wall_clock_that_wavers_or_is_set_back_a_little_changes_nothing() -> None:
    machine = Machine()
    assert [machine.later(1, step) for step in (0, 0.9, -0.9, -29, 29)] == [1000, 2000, 3000, 4000, 5000]


def test_a_wall_clock_set_forward_is_followed(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    assert machine.later(1, 3600) == 3_601_000
    assert machine.later(1) == 3_602_000
    assert caplog.messages == ["the machine's clock was set by 3600.0 s; ours follows"]


def test_a_wall_clock_set_back_by_more_than_the_broker_would_let_pass_is_followed() -> None:
    machine = Machine()
    assert machine.later(1, 3600) == 3_601_000
    assert machine.later(1, -3600) == 2_000
    assert machine.later(1, -20) == 3_000
    assert machine.later(1, -20) == 4_000 - 40_000


def test_the_real_clocks_agree_with_the_time_of_day() -> None:
    now = ReceiptClock().now_ms()
    assert abs(now - datetime.now(UTC).timestamp() * 1000) < 60_000
    assert utc(0) == datetime(1970, 1, 1, tzinfo=UTC)
