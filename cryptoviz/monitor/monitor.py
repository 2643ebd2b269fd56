"""The loop of `cryptoviz monitor`: looks around every few seconds and stores what it saw."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from cryptoviz.clickhouse import judged, rows
from cryptoviz.clock import utc
from cryptoviz.errors import Retryable
from cryptoviz.monitor import rounds
from cryptoviz.monitor.samples import Increases, Sample
from cryptoviz.monitor.targets import targets
from cryptoviz.settings import Settings

logger = logging.getLogger(__name__)

COLUMNS = ("at", "part", "name", "labels", "value")
SEEN_UNTIL = (
    "SELECT toUnixTimestamp64Milli(max(at)) / 1000 FROM {database:Identifier}.metrics WHERE name = 'cryptoviz_up'"
)
KEPT_ROUNDS = 1_000
"""Rounds that wait while ClickHouse is away; the oldest go first."""
ROUNDS_LATE = 8
"""Rounds that may fail to end before /health says so."""

Row = tuple[datetime, str, str, dict[str, str], float]


class Monitor:
    """`run` returns after `stop` is set; raises `UserError` for what the user can mend.

    `connect` makes a ClickHouse client, `now_ms` is the wall clock, `now_s` one that never steps back.
    """

    def __init__(
        self, settings: Settings, *, connect: Callable[[], Client], now_ms: Callable[[], int],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._settings, self._connect, self._now_ms, self._now_s = settings, connect, now_ms, now_s
        self._client: Client | None = None
        self._increases: Increases | None = None
        self._waiting: deque[list[Row]] = deque(maxlen=KEPT_ROUNDS)
        self._troubles: dict[str, str] = {}
        self._turned_at = now_s()

    def run(self, stop: threading.Event) -> None:
        """Look every `monitor_seconds` until `stop`."""
        while not stop.is_set():
            began_s = self._now_s()
            self.look()
            stop.wait(max(0.0, self._settings.monitor_seconds - (self._now_s() - began_s)))

    def look(self) -> None:
        """One round: what can be asked is sampled, what can be stored is stored; an outage is logged once."""
        with self._spared("clickhouse"):
            self._begin()
        samples = rounds.of_parts(targets(self._settings), self._increases) if self._increases else []
        at = utc(self._now_ms() + 1)  # after everything that was just counted, also within this millisecond
        with self._spared("clickhouse"):
            samples += rounds.of_clickhouse(self._opened(), self._settings)
        with self._spared("kafka"):
            samples += rounds.of_consumers(self._settings)
        samples += rounds.of_folder(self._settings.home / "kafka")
        self._waiting.append([_row(at, sample) for sample in samples])
        with self._spared("clickhouse"):
            self._store()
        self._turned_at = self._now_s()

    def health(self) -> dict[str, Any]:
        """What /health says; called from another thread."""
        silent_s = self._now_s() - self._turned_at
        return {
            "ok": silent_s < ROUNDS_LATE * max(self._settings.monitor_seconds, 5),
            "part": "monitor",
            "state": "; ".join(filter(None, self._troubles.values())) or "running",
            "waiting_rounds": len(self._waiting),
        }

    def _opened(self) -> Client:
        self._client = self._client or self._connect()
        return self._client

    def _begin(self) -> None:
        """Before the first round: until when were samples stored by an earlier run of this command?"""
        if self._increases is None:
            ((seen_until_s,),) = rows(
                self._opened(), SEEN_UNTIL, self._settings, database=self._settings.clickhouse_database
            )
            self._increases = Increases(seen_until_s)

    def _store(self) -> None:
        while self._waiting:
            try:
                self._opened().insert("metrics", self._waiting[0], COLUMNS, database=self._settings.clickhouse_database)
            except (ClickHouseError, OSError) as error:
                raise judged(error, self._settings) from error
            self._waiting.popleft()

    @contextmanager
    def _spared(self, server: str) -> Iterator[None]:
        try:
            yield
        except Retryable as error:
            self._client = None if server == "clickhouse" else self._client
            if not self._troubles.get(server):
                logger.warning("%s; trying again every %g s", error, self._settings.monitor_seconds)
            self._troubles[server] = str(error)
        else:
            self._troubles[server] = ""


def _row(at: datetime, sample: Sample) -> Row:
    return at, sample.part, sample.name, dict(sample.labels), sample.value
