"""An outage of ClickHouse as the sink's insert threads see it: said once when it begins and once when it is over."""

from __future__ import annotations

import logging
import threading
import time

from processors.sink_metrics import SinkMetrics

logger = logging.getLogger(__name__)


class Outage:
    """Which threads wait for ClickHouse; it is over when the last of them has got its rows in."""

    def __init__(self, metrics: SinkMetrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._waiting: set[int] = set()
        self._since = 0.0

    @property
    def lasts(self) -> bool:
        """Whether any thread waits."""
        return bool(self._waiting)

    def wait(self, why: BaseException | None) -> None:
        """Note that this thread's insert did not succeed, and that it will try again."""
        self._metrics.failures.inc()
        with self._lock:
            if not self._waiting:
                self._since = time.monotonic()
                self._metrics.waiting.set(1)
                logger.warning("%s; nothing is lost, waiting for it", why)
            self._waiting.add(threading.get_ident())

    def end(self) -> None:
        """Note that this thread's insert has succeeded, whether it had to wait or not."""
        with self._lock:
            if threading.get_ident() not in self._waiting:
                return
            self._waiting.remove(threading.get_ident())
            if not self._waiting:
                self._metrics.waiting.set(0)
                logger.info("ClickHouse is back after %.1f s", time.monotonic() - self._since)
