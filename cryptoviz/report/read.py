"""Reads from ClickHouse what a report of a replay, and the scoreboard, are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from cryptoviz.clickhouse import connect, judged
from cryptoviz.report.over_time import Errors, step_of
from cryptoviz.report.scoreboard import Row, Scoreboard, scored
from cryptoviz.settings import Settings

COLUMNS = "DESCRIBE TABLE {database}.scoreboard"
SCOREBOARD = (
    "SELECT * FROM {database}.scoreboard WHERE kind = 'back_test' AND period = 'all' "
    "ORDER BY source, horizon_s, asset, model"
)
OF_A_PERIOD = (
    "SELECT * FROM {database}.scoreboard WHERE period = {{period:String}} "
    "ORDER BY kind, source, horizon_s, asset, model"
)
ERRORS = (
    "SELECT source, model, horizon_s, toStartOfInterval(target_at, toIntervalSecond({{step_s:UInt32}})) AS step, "
    "sum(abs(error) / price) AS error, sum(abs(naive_error) / price) AS naive_error "
    "FROM {database}.scored WHERE kind = 'back_test' AND void = '' GROUP BY source, model, horizon_s, step"
)
CALIBRATION = "SELECT * FROM {database}.calibration WHERE kind = 'back_test' ORDER BY source, horizon_s, asset, model"


@dataclass(frozen=True)
class Figures:
    """Everything a report shows.

    `columns` and `rows` are those of the view `scoreboard`, `calibration` the rows of the view of that name.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    errors: Errors
    calibration: tuple[Row, ...]

    def of(self, source: str) -> tuple[Scoreboard, Errors, tuple[Row, ...]]:
        """Scoreboard, errors over time and calibration of one source."""
        stated = tuple(row for row in self.calibration if row["source"] == source)
        return scored(self.rows, source), self.errors.of(source), stated


def read_figures(settings: Settings) -> Figures:
    """What the replay's own ClickHouse holds; raises `Retryable` or `UserError` as `connect` does."""
    client = connect(settings, timeout_s=600)
    try:
        columns = tuple(row["name"] for row in _rows(client, settings, COLUMNS))  # a result of no rows names none
        rows = _rows(client, settings, SCOREBOARD)
        step_s = step_of(_duration_s(rows))
        errors = Errors(step_s, _rows(client, settings, ERRORS, step_s=step_s))
        return Figures(columns, rows, errors, _rows(client, settings, CALIBRATION))
    finally:
        client.close()


def read_scoreboard(settings: Settings, period: str) -> tuple[Row, ...]:
    """The view `scoreboard` over one of its periods, of every kind; raises as `read_figures` does."""
    client = connect(settings, timeout_s=600)
    try:
        return _rows(client, settings, OF_A_PERIOD, period=period)
    finally:
        client.close()


def _duration_s(rows: Sequence[Row]) -> float:
    """From the first forecast to the last outcome."""
    longest = max((row["counts_until"] for row in rows), default=None)
    earliest = min((row["counts_from"] for row in rows), default=None)
    return (longest - earliest if longest and earliest else timedelta()).total_seconds()


def _rows(client: Client, settings: Settings, sql: str, **parameters: Any) -> tuple[Row, ...]:
    try:
        found = client.query(sql.format(database=settings.clickhouse_database), parameters=parameters or None)
    except (ClickHouseError, OSError) as error:
        raise judged(error, settings) from error
    return tuple(dict(row) for row in found.named_results())
