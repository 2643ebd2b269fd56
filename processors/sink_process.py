"""Running the sink as a process: clients, signals, metrics, and the topics it needs."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from functools import partial
from typing import Any

from cryptoviz.clickhouse import connect
from cryptoviz.errors import UserError
from cryptoviz.kafka import Writer, producer_config
from cryptoviz.kafka_access import Access
from cryptoviz.metrics import serve
from cryptoviz.progress import SINK_GROUP
from cryptoviz.settings import Settings
from processors.garbage import search_rarely
from processors.sink import Sink
from processors.sink_consumer import NAME, QUIET, make_consumer
from processors.sink_insert import Inserter
from processors.sink_metrics import SinkMetrics
from processors.sink_rows import TOPICS
from processors.watch import Watch, Watched

logger = logging.getLogger(__name__)

TOPICS_WAIT_S = 30.0
# Reading and inserting share the interpreter; at the usual 5 ms each piece sent waits that long to go on (12 % slower).
SWITCH_S = 0.0005


def run(settings: Settings) -> None:
    """Run the sink until SIGTERM or Ctrl-C; raises `UserError` for what the user can mend."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sys.setswitchinterval(SWITCH_S)
    search_rarely()
    # Where there is one, the client loads it at the first insert to see that rows are no data frame: 0.3 s and 75 MB.
    sys.modules["pandas"] = None  # type: ignore[assignment]
    metrics = SinkMetrics()
    require_topics(settings, stop)
    if stop.is_set():
        return
    inserter = Inserter(partial(connect, settings), settings, metrics)
    writer = Writer(producer_config(settings, NAME) | QUIET)
    sink = Sink(partial(make_consumer, settings), inserter, writer, settings, metrics)
    watch = Watch(settings, Watched(
        "sink", SINK_GROUP, TOPICS, lambda: set(sink.offsets.assigned), sink.work, sink.excused,
    ))  # fmt: skip
    health = partial(_health, sink, watch)
    server = serve(settings.host, settings.sink_port, "CRYPTOVIZ_SINK_PORT", metrics.registry, health)
    logger.info("copying %d topics into %s", len(TOPICS), settings.clickhouse_url)
    watch.start()
    try:
        sink.run(stop)
    finally:
        server.shutdown()
    logger.info("stopped")


def require_topics(settings: Settings, stop: threading.Event, wait_s: float = TOPICS_WAIT_S) -> None:
    """Return once every topic is there; raises `UserError` if Kafka does not answer or lacks one after `wait_s`."""
    access = Access(settings, NAME)
    deadline = time.monotonic() + wait_s
    while not stop.is_set():
        cluster = access.ask()
        missing = sorted(set(TOPICS) - set(cluster.topics if cluster else ()))
        if not missing:
            return
        problem = (
            f"Kafka has no topic {', '.join(missing)}: run `cryptoviz topics` first" if cluster else access.silence
        )
        if time.monotonic() > deadline:
            raise UserError(problem)
        stop.wait(0.3)


def _health(sink: Sink, watch: Watch) -> dict[str, Any]:
    loop, progress = sink.health(), watch.health()
    return loop | progress | {"ok": loop["ok"] and progress["ok"]}
