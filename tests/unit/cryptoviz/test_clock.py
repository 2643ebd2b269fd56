"""Our clock does not step back when the machine's does."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptoviz.clock import ReceiptClock, utc


def test_a_wall_clock_that_steps_changes_nothing() -> None:
    wall, monotonic = [1_700_000_000_000_000_000], [5_000_000]
    clock = ReceiptClock(lambda: wall[0], lambda: monotonic[0])
    assert clock.now_ms() == 1_700_000_000_000
    wall[0] -= 3_600_000_000_000
    monotonic[0] += 2_000_000
    assert clock.now_ms() == 1_700_000_000_002


def test_the_real_clocks_agree_with_the_time_of_day() -> None:
    now = ReceiptClock().now_ms()
    assert abs(now - datetime.now(UTC).timestamp() * 1000) < 60_000
    assert utc(0) == datetime(1970, 1, 1, tzinfo=UTC)
