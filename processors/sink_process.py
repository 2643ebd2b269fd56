"""Running the sink as a process: clients, signals, metrics, and the topics it needs."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from functools import partial

from confluent_kafka import Consumer

from cryptoviz.clickhouse import connect
from cryptoviz.errors import UserError
from cryptoviz.kafka import Writer, consumer_config, producer_config
from cryptoviz.kafka_access import Access
from cryptoviz.metrics import serve
from cryptoviz.progress import SINK_GROUP
from cryptoviz.settings import Settings
from processors.garbage import search_rarely
from processors.sink import OnCommit, OnError, Sink
from processors.sink_insert import Inserter
from processors.sink_metrics import SinkMetrics
from processors.sink_rows import TOPICS

logger = logging.getLogger(__name__)

NAME = "cryptoviz-sink"
TOPICS_WAIT_S = 30.0
QUIET = {"log_level": 2}  # the library would log each of several vain connections a second; the sink says it once
# Of all partitions together, since they share the queue of the group's member; one answer of a broker may go beyond it.
FETCHED_AHEAD_KIB = 64 * 1024
# Reading and inserting share the interpreter; at the usual 5 ms each piece sent waits that long to go on (12 % slower).
SWITCH_S = 0.0005


def run(settings: Settings) -> None:
    """Run the sink until SIGTERM or Ctrl-C; raises `UserError` for what the user can mend."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sys.setswitchinterval(SWITCH_S)
    search_rarely()
    metrics = SinkMetrics()
    require_topics(settings, stop)
    if stop.is_set():
        return
    inserter = Inserter(partial(connect, settings), settings, metrics)
    writer = Writer(producer_config(settings, NAME) | QUIET)
    sink = Sink(partial(_consumer, settings), inserter, writer, settings, metrics)
    server = serve(settings.host, settings.sink_port, "CRYPTOVIZ_SINK_PORT", metrics.registry, sink.health)
    logger.info("copying %d topics into %s", len(TOPICS), settings.clickhouse_url)
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


def _consumer(settings: Settings, on_commit: OnCommit, on_error: OnError) -> Consumer:
    return Consumer(
        consumer_config(settings, NAME, SINK_GROUP)
        | QUIET
        | {"on_commit": on_commit, "error_cb": on_error, "queued.max.messages.kbytes": FETCHED_AHEAD_KIB}
    )
