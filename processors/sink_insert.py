"""Batches into ClickHouse, in a thread of their own: each is tried until it is in, and waits out an outage."""

from __future__ import annotations

import hashlib
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from clickhouse_connect.driver.exceptions import ClickHouseError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set, wait_exponential_jitter
from tenacity.nap import sleep_using_event

from cryptoviz.clickhouse import judged
from cryptoviz.errors import Retryable
from cryptoviz.settings import Settings
from processors.normalise import Position
from processors.sink_metrics import SinkMetrics
from processors.sink_rows import COLUMNS, Rows, Tables

logger = logging.getLogger(__name__)

LONGEST_WAIT_S = 5.0
SLOW_S = 5.0  # an insert usually takes a tenth of a second, and is given up after a minute
# A replayed history may touch more months at once than the 100 partitions an insert may by default.
INSERT_SETTINGS = {"max_partitions_per_insert_block": 0, "async_insert": 0}
_PROCESS = uuid4().hex


class Client(Protocol):
    """What is needed of a clickhouse-connect client."""

    @property
    def create_insert_context(self) -> Callable[..., Any]: ...
    @property
    def insert(self) -> Callable[..., Any]: ...
    @property
    def close(self) -> Callable[[], None]: ...


@dataclass
class Reach:
    """The messages of one partition in a batch: the first offset, the one after the last, Kafka's time of the last."""

    first: int
    next: int
    filed_at: int


@dataclass
class Batch:
    """Rows of some tables and the messages they come from."""

    lane: str
    tables: Tables = field(default_factory=dict)
    reach: dict[tuple[str, int], Reach] = field(default_factory=dict)
    began: float = 0.0
    messages: int = 0
    size_bytes: int = 0
    number: int = field(default_factory=itertools.count().__next__)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(rows.count for rows in self.tables.values())

    def include(self, at: Position, size_bytes: int, now: float) -> None:
        """Note that the message at this position, of so many bytes, is in the batch."""
        self.began = self.began or now
        self.messages += 1
        self.size_bytes += size_bytes
        reach = self.reach.setdefault((at.topic, at.partition), Reach(at.offset, at.offset, at.timestamp))
        reach.next, reach.filed_at = at.offset + 1, at.timestamp

    def token(self, table: str) -> str:
        """Names this batch of this process: ClickHouse takes a second attempt at the same insert for what it is."""
        places = sorted(f"{topic}/{part}:{reach.first}-{reach.next}" for (topic, part), reach in self.reach.items())
        return hashlib.sha256(" ".join((_PROCESS, str(self.number), table, *places)).encode()).hexdigest()


class Inserter:
    """Takes batches in order, puts each into ClickHouse, and hands it back through `done`.

    `failure` is what ended the thread: a `UserError` for a refusal that waiting does not mend, or a bug.
    """

    def __init__(self, connect: Callable[[], Client], settings: Settings, metrics: SinkMetrics) -> None:
        self._connect = connect
        self._settings = settings
        self._metrics = metrics
        self._todo: queue.Queue[Batch | None] = queue.Queue()
        self.done: queue.Queue[Batch | None] = queue.Queue()
        self.failure: BaseException | None = None
        self._given_up = threading.Event()
        self._away_since: float | None = None
        self._inserting_since: float | None = None
        self._client: Client | None = None
        self._types: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._run, name="insert", daemon=True)

    def start(self) -> None:
        """Begin taking batches."""
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Hand a batch over."""
        self._todo.put(batch)

    @property
    def waiting(self) -> bool:
        """Whether ClickHouse is being waited for."""
        return self._away_since is not None

    @property
    def slow(self) -> bool:
        """Whether ClickHouse has been at one insert for long."""
        since = self._inserting_since
        return since is not None and time.monotonic() - since > SLOW_S

    def close(self) -> None:
        """Stop, even in the middle of waiting; what is not in is not handed back."""
        self._given_up.set()
        self._todo.put(None)

    def _run(self) -> None:
        try:
            while (batch := self._todo.get()) is not None:
                for rows in batch.tables.values():
                    self._persist(rows, batch)
                self.done.put(batch)
        except Retryable:
            logger.info("stopped while waiting for ClickHouse; what was not stored will be read again")
        except BaseException as error:
            self.failure = error
        self.done.put(None)  # wakes who waits for a batch that will not come

    def _persist(self, rows: Rows, batch: Batch) -> None:
        attempts = Retrying(
            retry=retry_if_exception_type(Retryable),
            wait=wait_exponential_jitter(multiplier=0.1, max=LONGEST_WAIT_S, jitter=0.2),
            stop=stop_when_event_set(self._given_up),
            sleep=sleep_using_event(self._given_up),
            before_sleep=self._gone,
            reraise=True,
        )
        began = self._inserting_since = time.monotonic()
        attempts(self._insert, rows, batch.token(rows.table))
        self._inserting_since = None
        self._is_back()
        self._count(rows, batch, time.monotonic() - began)

    def _insert(self, rows: Rows, token: str) -> None:
        database, names = self._settings.clickhouse_database, COLUMNS[rows.table]
        try:
            client = self._client = self._client or self._connect()
            if rows.table not in self._types:
                context = client.create_insert_context(rows.table, names, database=database)
                self._types[rows.table] = context.column_types
            client.insert(
                rows.table, rows.rows, names, database=database, column_types=self._types[rows.table],
                settings=INSERT_SETTINGS | {"insert_deduplication_token": token},
            )  # fmt: skip
        except (ClickHouseError, OSError) as error:
            self._forget_client()
            raise judged(error, self._settings) from error

    def _forget_client(self) -> None:
        client, self._client = self._client, None
        self._types.clear()
        if client is not None:
            client.close()

    def _gone(self, state: RetryCallState) -> None:
        self._metrics.failures.inc()
        if self._away_since is None:
            self._away_since = time.monotonic()
            self._metrics.waiting.set(1)
            logger.warning("%s; nothing is lost, waiting for it", state.outcome and state.outcome.exception())

    def _is_back(self) -> None:
        if self._away_since is not None:
            logger.info("ClickHouse is back after %.1f s", time.monotonic() - self._away_since)
            self._away_since = None
            self._metrics.waiting.set(0)

    def _count(self, rows: Rows, batch: Batch, seconds: float) -> None:
        self._metrics.rows.labels(rows.table).inc(rows.count)
        self._metrics.insert_seconds.labels(rows.table).observe(seconds)
        self._metrics.batch_rows.labels(rows.table).observe(rows.count)
        for reach in batch.reach.values():
            self._metrics.delay_seconds.labels(rows.table).observe(max(0.0, time.time() - reach.filed_at / 1000))
