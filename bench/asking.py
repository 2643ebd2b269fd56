"""Puts every question of the dashboards to ClickHouse as Grafana would, and takes the time of each."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psutil
from clickhouse_connect.driver.client import Client
from grafana_sql import Period, Value, expand

from cryptoviz.dashboards import DASHBOARDS
from cryptoviz.dashboards.dashboard import Asked, Dashboard
from cryptoviz.dashboards.variable import ALL, Variable

PERIODS_S = {"1 h": 3600, "6 h": 6 * 3600, "24 h": 86_400, "7 d": 7 * 86_400, "30 d": 30 * 86_400}
SLOW_S = 3.0
"""What takes longer is asked fewer times: the figure is clear enough."""


@dataclass(frozen=True)
class Question:
    """One query of a dashboard for a period and with some choices, as it reaches ClickHouse."""

    dashboard: str
    where: str
    number: int
    period: str
    choices: str
    sql: str


@dataclass(frozen=True)
class Timing:
    """How long it took, through HTTP and up to the last row, and how many rows ClickHouse read for it.

    `cpu_ms` is the time that ClickHouse's process was busy meanwhile, the mean of all times, 0 where that is unknown:
    on a machine that is busy with other things it says more.
    """

    question: Question
    median_ms: float
    max_ms: float
    cpu_ms: float
    rows_read: int
    rows: int


def questions(reader: Client, until_s: int) -> Iterator[Question]:
    """Every query once: for each period, with what is chosen at first, and with as much as can be chosen."""
    seen = set()
    for dashboard in DASHBOARDS:
        for period, seconds in PERIODS_S.items():
            for choices in ("first", "all"):
                chosen = {each.name: _chosen(reader, each, choices) for each in dashboard.variables}
                for question in _asked(dashboard, Period(until_s - seconds, until_s), chosen, period, choices):
                    if question.sql not in seen:
                        seen.add(question.sql)
                        yield question


def _asked(
    dashboard: Dashboard, period: Period, chosen: Mapping[str, Value], name: str, choices: str
) -> Iterator[Question]:
    for number, asked in enumerate(dashboard.asked()):
        sql = expand(asked.query.sql, period, _repeated(asked, chosen))
        yield Question(dashboard.uid.removeprefix("cryptoviz-"), asked.where, number, name, choices, sql)


def _repeated(asked: Asked, chosen: Mapping[str, Value]) -> Mapping[str, Value]:
    """Where a panel is repeated, its variable has one value."""
    value = chosen.get(asked.repeat, "")
    return {**chosen, asked.repeat: value[0]} if value and not isinstance(value, str) else chosen


def _chosen(reader: Client, variable: Variable, choices: str) -> Value:
    asked = reader.query(variable.query.sql).result_rows if variable.query else ()
    options = [*variable.values, *(row[0] for row in asked)] or [""]
    if choices == "all":
        return options if variable.multi else options[-1] if variable.values else options[0]
    there = options if variable.default == (ALL,) else [each for each in variable.default if each in options]
    found = there or options[:1]
    return found if variable.multi else found[0]


def timed(reader: Client, question: Question, times: int, server: psutil.Process | None = None) -> Timing:
    """The question asked so often, after once to warm up; `server` is ClickHouse's process, if it is at hand."""
    took: list[float] = []
    answer: Any = None
    busy_s = 0.0
    while len(took) <= times and not (len(took) > 1 and took[0] > SLOW_S):
        busy_s = _busy_s(server) if len(took) == 1 else busy_s
        began = time.perf_counter()
        answer = reader.query(question.sql)
        took.append(time.perf_counter() - began)
    warm = took[1:]
    return Timing(
        question, statistics.median(warm) * 1000, max(warm) * 1000, (_busy_s(server) - busy_s) / len(warm) * 1000,
        int(answer.summary.get("read_rows", 0)), answer.row_count,
    )  # fmt: skip


def _busy_s(server: psutil.Process | None) -> float:
    if server is None:
        return 0.0
    times = server.cpu_times()
    return float(times.user + times.system)
