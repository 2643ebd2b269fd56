"""How fast a feed goes through: timed from when a part of it is through to the last row or result.

The part before is not timed, because it is the start of Python, of the broker's compiler and of everything's memory.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from waiting import wait_until

from bench.feed import Feed
from bench.stack import Parts, Servers, cpu_s, disk_bytes
from cryptoviz.clickhouse import connect
from cryptoviz.errors import Retryable
from cryptoviz.progress import Stage, admin_client, log_ends, progress, stages, wait_until_through
from cryptoviz.settings import Settings
from cryptoviz.topics import NORMALIZED, RAW
from processors.sink_rows import TOPICS

WARM = 0.7
"""The share of the feed that is left when timing begins: a broker new to its work compiles for half a minute."""
WARM_WITHIN_S, LOOK_EVERY_S = 600, 0.2
NORMALISING, COMPUTING, STORING = stages(TOPICS)
TABLES = ("quotes", "bars", "stats", "indicators", "predictions", "signals", "scores")


@dataclass(frozen=True)
class Passed:
    """What went through, and the seconds of CPU and MB of memory it took each process.

    `seconds`, `timed` (rows by table) and `cpu_s` are those from when `share` of the feed was left; `rows` are all.
    """

    quotes: int
    rows: Mapping[str, int]
    timed: Mapping[str, float]
    share: float
    seconds: float
    cpu_s: Mapping[str, float]
    memory_mb: Mapping[str, float]
    disk_bytes: Mapping[str, int] = field(default_factory=dict)

    @property
    def quotes_per_s(self) -> float:
        """How fast quotes went through."""
        return self.quotes * self.share / self.seconds

    @property
    def whole_s(self) -> float:
        """Seconds that the whole feed takes at this rate; NaN for one so small that nothing was left to be timed."""
        return self.seconds / self.share if self.share else math.nan

    @property
    def cores(self) -> str:
        """How many processors each process kept busy, in words."""
        return "cores: " + ", ".join(f"{part} {used / self.seconds:.2f}" for part, used in self.cpu_s.items())

    @property
    def details(self) -> dict[str, dict[str, Any]]:
        """What the file gets beside a figure."""
        return {
            "cpu_s": dict(self.cpu_s), "memory_mb": dict(self.memory_mb), "rows": dict(self.rows),
            "timed_rows": {table: round(rows) for table, rows in self.timed.items()},
        }  # fmt: skip

    def rows_per_s(self, *, with_quotes: bool) -> float:
        """How fast rows were made, or stored."""
        return sum(rows for table, rows in self.timed.items() if with_quotes or table != "quotes") / self.seconds


@dataclass(frozen=True)
class Mark:
    """How things stood at a moment: seconds of CPU by process, rows by table, messages by table they are stored in."""

    at: float
    cpu_s: Mapping[str, float]
    rows: Mapping[str, int]
    messages: Mapping[str, int]


def through(running: Servers, started: Parts, feed: Feed, steps: Sequence[Stage], warm: float = WARM) -> Passed:
    """Wait until the feed has passed these steps; the rows are those stored."""
    return _passed(running, started, feed, steps, warm)[0]


def through_unstored(running: Servers, started: Parts, feed: Feed) -> tuple[Passed, Mapping[str, float]]:
    """The same for workers with nothing stored: no rows, but the share of each table's messages that is timed."""
    passed, before, after = _passed(running, started, feed, (NORMALISING, COMPUTING), WARM)
    return passed, {table: 1 - before.messages.get(table, 0) / max(1, n) for table, n in after.messages.items()}


def _passed(
    running: Servers, started: Parts, feed: Feed, steps: Sequence[Stage], warm: float
) -> tuple[Passed, Mark, Mark]:
    settings, processes = running.settings, running.processes | started
    wait_until(lambda: _left(settings, steps) <= warm, WARM_WITHIN_S, "a first part to be through", LOOK_EVERY_S)
    share, before = _left(settings, steps), _mark(settings, processes)
    wait_until_through(settings, steps)
    after = _mark(settings, processes)
    memory_mb = {name: process.memory_info().rss / 2**20 for name, process in processes.items()}
    disk = {name: disk_bytes(running.folder / name) for name in ("kafka", "clickhouse")}
    timed, used = _more(before.rows, after.rows), _more(before.cpu_s, after.cpu_s)
    passed = Passed(feed.quotes, after.rows, timed, share, after.at - before.at, used, memory_mb, disk)
    return passed, before, after


def _left(settings: Settings, steps: Sequence[Stage]) -> float:
    """The share of the feed that the step which bounds the others has still to commit.

    That is the computing, whose messages are one for each raw one, or else the storing.
    """
    admin = admin_client(settings)
    step, whole = (COMPUTING, (RAW.name,)) if COMPUTING in steps else (STORING, STORING.topics)
    try:
        done = sum(reached.next for reached in progress(settings, step.group, step.topics, admin).values())
        return 1 - done / max(1, sum(log_ends(settings, whole, admin).values()))
    except Retryable:  # the broker is only just there
        return 1.0


def _mark(settings: Settings, processes: Parts) -> Mark:
    messages = {
        "quotes" if topic == NORMALIZED.name else topic: count
        for topic, count in log_ends(settings, (NORMALIZED.name, *TABLES[1:])).items()
    }
    rows = _rows(settings)
    return Mark(time.monotonic(), {name: cpu_s(process) for name, process in processes.items()}, rows, messages)


def _more(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: value - before[name] for name, value in after.items()}


def _rows(settings: Settings) -> dict[str, int]:
    client = connect(settings)
    try:
        return {
            table: client.query(f"SELECT count() FROM {settings.clickhouse_database}.{table}").result_rows[0][0]
            for table in TABLES
        }
    finally:
        client.close()
