"""When a source may be asked: a rate budget that nothing exceeds, and ticks that jitter without drifting."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from threading import Event, Lock

from producers.failures import Stopped

JITTER_SHARE = 0.05  # of the interval: enough to keep processes apart, too little to be seen in a chart
JITTER_MAX_S = 1.0


class Budget:
    """At most `per_minute` requests in any 60 s; below one a minute, one in any 60 / per_minute seconds."""

    def __init__(self, per_minute: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._size = max(1, int(per_minute))
        self._span_s = 60.0 * self._size / per_minute
        self._now_s = now_s
        self._taken: deque[float] = deque(maxlen=self._size)
        self._lock = Lock()

    def delay_s(self) -> float:
        """Seconds until the next request is allowed; 0 means now."""
        if len(self._taken) < self._size:
            return 0.0
        return max(0.0, self._taken[0] + self._span_s - self._now_s())

    def take(self, stop: Event) -> None:
        """Wait for the next allowed request and count it; raises `Stopped` when the process ends first."""
        with self._lock:
            while (delay_s := self.delay_s()) > 0:
                if stop.wait(delay_s):
                    raise Stopped
            self._taken.append(self._now_s())


class Ticks:
    """The times of the polls: every `interval_s` from the first one, each a little late by chance."""

    def __init__(
        self, interval_s: float, now_s: Callable[[], float] = time.monotonic, rng: random.Random | None = None
    ) -> None:
        self._interval_s = interval_s
        self._now_s = now_s
        self._rng = rng or random.Random()
        self._start = now_s()
        self._next = 0

    def delay_s(self) -> float:
        """Seconds until the next poll; ticks that have passed meanwhile are left out."""
        passed = (self._now_s() - self._start) / self._interval_s
        self._next = max(self._next, int(passed) + 1) if self._next else 0
        due = self._start + self._next * self._interval_s
        jitter_s = self._rng.uniform(0, min(self._interval_s * JITTER_SHARE, JITTER_MAX_S)) if self._next else 0.0
        self._next += 1
        return max(0.0, due + jitter_s - self._now_s())
