"""Batches into ClickHouse, in threads of their own: each is tried until it is in, and waits out an outage."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set, wait_exponential_jitter
from tenacity.nap import sleep_using_event

from cryptoviz.errors import Retryable
from cryptoviz.settings import Settings
from processors.sink_batch import Batch
from processors.sink_client import Client, TableWriter
from processors.sink_lists import Lines
from processors.sink_metrics import SinkMetrics
from processors.sink_outage import Outage
from processors.sink_rows import Rows

logger = logging.getLogger(__name__)

# While ClickHouse takes the batch of one, the other makes the next one ready; more would only take turns with these.
THREADS = 2
LONGEST_WAIT_S = 5.0
SLOW_S = 5.0  # an insert usually takes a tenth of a second, and is given up after a minute


class Inserter:
    """Takes batches, puts each into ClickHouse, and hands it back through `done` when all of its rows are in.

    Several are under way at once and may come back in any order: whoever needs one waits before putting the next.
    `failure` is what ended the threads: a `UserError` for a refusal that waiting does not mend, or a bug.
    """

    def __init__(self, connect: Callable[[], Client], settings: Settings, metrics: SinkMetrics) -> None:
        self._connect = connect
        self._settings = settings
        self._metrics = metrics
        self._todo: queue.Queue[Batch | None] = queue.Queue()
        self.done: queue.Queue[Batch | None] = queue.Queue()
        self.failure: BaseException | None = None
        self._given_up = threading.Event()
        self._outage = Outage(metrics)
        self._threads = [threading.Thread(target=self._run, name="insert", daemon=True) for _ in range(THREADS)]
        self._inserting_since: dict[int, float] = {}

    def start(self) -> None:
        """Begin taking batches."""
        for thread in self._threads:
            thread.start()

    def put(self, batch: Batch) -> None:
        """Hand a batch over."""
        self._todo.put(batch)

    @property
    def waiting(self) -> bool:
        """Whether ClickHouse is being waited for."""
        return self._outage.lasts

    @property
    def slow(self) -> bool:
        """Whether ClickHouse has been at one insert for long."""
        now = time.monotonic()
        return any(now - since > SLOW_S for since in list(self._inserting_since.values()))

    def close(self) -> None:
        """Stop, even in the middle of waiting; what is not in is not handed back."""
        self._given_up.set()
        for _ in self._threads:
            self._todo.put(None)

    def _run(self) -> None:
        writer = TableWriter(self._connect, self._settings)
        try:
            while (batch := self._todo.get()) is not None:
                for rows in batch.tables.values():
                    self._persist(writer, rows, batch)
                self.done.put(batch)
        except Retryable:
            logger.info("stopped while waiting for ClickHouse; what was not stored will be read again")
        except BaseException as error:
            self.failure = self.failure or error
            self.close()
        self.done.put(None)  # wakes who waits for a batch that will not come

    def _persist(self, writer: TableWriter, rows: Rows | Lines, batch: Batch) -> None:
        attempts = Retrying(
            retry=retry_if_exception_type(Retryable),
            wait=wait_exponential_jitter(multiplier=0.1, max=LONGEST_WAIT_S, jitter=0.2),
            stop=stop_when_event_set(self._given_up),
            sleep=sleep_using_event(self._given_up),
            before_sleep=self._wait,
            reraise=True,
        )
        began = self._inserting_since[threading.get_ident()] = time.monotonic()
        attempts(writer.insert, rows, batch.token(rows.table))
        del self._inserting_since[threading.get_ident()]
        self._outage.end()
        self._count(rows, batch, time.monotonic() - began)

    def _wait(self, state: RetryCallState) -> None:
        self._outage.wait(state.outcome.exception() if state.outcome else None)

    def _count(self, rows: Rows | Lines, batch: Batch, seconds: float) -> None:
        self._metrics.rows.labels(rows.table).inc(rows.count)
        self._metrics.insert_seconds.labels(rows.table).observe(seconds)
        self._metrics.batch_rows.labels(rows.table).observe(rows.count)
        for reach in batch.reach.values():
            self._metrics.delay_seconds.labels(rows.table).observe(max(0.0, time.time() - reach.filed_at / 1000))
