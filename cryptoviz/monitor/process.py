"""Running the monitor as a process: clients, signals and its own port."""

from __future__ import annotations

import logging
import signal
import threading
import time
from functools import partial

from prometheus_client import REGISTRY

from cryptoviz.clickhouse import connect
from cryptoviz.metrics import serve
from cryptoviz.monitor.monitor import Monitor
from cryptoviz.monitor.targets import targets
from cryptoviz.settings import Settings

logger = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Sample until SIGTERM or Ctrl-C; raises `UserError` for what the user can mend."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    monitor = Monitor(settings, connect=partial(connect, settings, connect_timeout_s=3, timeout_s=30),
                      now_ms=lambda: time.time_ns() // 1_000_000)  # fmt: skip
    logger.info("asking %s every %g s", ", ".join(part for part, _ in targets(settings)), settings.monitor_seconds)
    server = serve(settings.host, settings.monitor_port, "CRYPTOVIZ_MONITOR_PORT", REGISTRY, monitor.health)
    try:
        monitor.run(stop)
    finally:
        server.shutdown()
    logger.info("stopped")
