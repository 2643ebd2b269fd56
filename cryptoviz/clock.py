"""Our own time: UTC milliseconds that never step back, whatever happens to the machine's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

NS_PER_MS = 1_000_000
FUTURE_MS = 5_000
"""How far a source's clock may be ahead of ours: clocks differ a little; beyond this the stamp is wrong."""


def _monotonic_ns() -> int:
    # Linux's plain monotonic clock stands still while a laptop sleeps; the boot-time clock does not.
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic_ns()


class ReceiptClock:
    """Milliseconds since 1970, anchored to the wall clock once and then counted by the monotonic clock."""

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = _monotonic_ns
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._offset_ns = wall_ns() - monotonic_ns()

    def now_ms(self) -> int:
        """The time now; two calls never go backwards."""
        return (self._monotonic_ns() + self._offset_ns) // NS_PER_MS


def utc(ms: int) -> datetime:
    """Milliseconds since 1970 as an aware datetime."""
    return datetime.fromtimestamp(ms / 1000, UTC)
