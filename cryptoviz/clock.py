"""Our own time: UTC milliseconds that go on evenly while the machine's clock is being corrected."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

logger = logging.getLogger(__name__)

NS_PER_MS = 1_000_000
FORWARD_NS, BACK_NS = 1_000_000_000, 30_000_000_000
"""So far the machine's clock may be set without ours following: ahead, most quotes would soon be ahead of us
(`FUTURE_MS`); back, the broker stamps with that clock and what is far ahead of it is refused."""
FUTURE_MS = 5_000
"""How far a source's clock may be ahead of ours: clocks differ a little; beyond this the stamp is wrong."""


def _monotonic_ns() -> int:
    # Linux's plain monotonic clock stands still while a laptop sleeps; the boot-time clock does not.
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic_ns()


class ReceiptClock:
    """Milliseconds since 1970 by the machine's clock as it was first seen, then counted by the monotonic clock.

    It does not step back, unless the machine's clock is set back by more than half a minute: that one it follows, as it
    does one set forward (a machine without a clock of its own gets the time late, a paused one loses it).
    """

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = _monotonic_ns
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._offset_ns = wall_ns() - monotonic_ns()

    def now_ms(self) -> int:
        """The time now; a wall clock that wavers does not show."""
        counted_ns = self._monotonic_ns()
        offset_ns = self._wall_ns() - counted_ns
        if not -BACK_NS <= offset_ns - self._offset_ns <= FORWARD_NS:
            logger.warning("the machine's clock was set by %.1f s; ours follows", (offset_ns - self._offset_ns) / 1e9)
            self._offset_ns = offset_ns
        return (counted_ns + self._offset_ns) // NS_PER_MS


def utc(ms: int) -> datetime:
    """Milliseconds since 1970 as an aware datetime."""
    return datetime.fromtimestamp(ms / 1000, UTC)
