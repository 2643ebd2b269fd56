"""The bars a fit is made from, read from ClickHouse: the consecutive run that ends at the newest forecast time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from clickhouse_connect.driver.client import Client

from cryptoviz.clickhouse import rows
from cryptoviz.settings import HOUR_S, Settings
from processors.models.base import Floats
from processors.rules import MS


@dataclass(frozen=True)
class Series:
    """Closes of consecutive bars, oldest first; the last bar ends at `made_at` (ms), the time of the forecast."""

    asset: str
    source: str
    interval_s: int
    made_at: int
    closes: Floats


def newest_times(client: Client, settings: Settings, now_ms: int) -> dict[tuple[str, str], int]:
    """By (asset, source), the newest forecast time at which a bar ends, of those that are recent enough to file.

    From older prices nobody should look ahead: the next forecast time comes after `forecast_seconds`, and a bar is
    stored some seconds after its grace. Raises `Retryable` without ClickHouse.
    """
    late_s = settings.forecast_seconds + settings.bar_seconds + settings.grace_seconds
    end = "toUnixTimestamp64Milli(start) + {interval_ms:Int64}"
    sql = (
        f"SELECT asset, source, max({end}) FROM {settings.clickhouse_database}.bars "
        "WHERE source IN {sources:Array(String)} AND interval_s = {interval_s:UInt32} "
        f"AND start >= fromUnixTimestamp64Milli({{since:Int64}}) AND ({end}) % {{forecast_ms:Int64}} = 0 "
        "GROUP BY asset, source"
    )
    found = rows(
        client, sql, settings, sources=list(settings.batch_sources), interval_s=settings.bar_seconds,
        interval_ms=settings.bar_seconds * MS, forecast_ms=settings.forecast_seconds * MS,
        since=now_ms - (settings.forecast_seconds + late_s + settings.bar_seconds) * MS,
    )  # fmt: skip
    return {(asset, source): made_at for asset, source, made_at in found}


def read_series(client: Client, settings: Settings, asset: str, source: str, made_at: int) -> Series:
    """The run that ends at `made_at`, within the history that fits look at; raises `Retryable` without ClickHouse."""
    sql = (
        f"SELECT toUnixTimestamp64Milli(start), close FROM {settings.clickhouse_database}.bars FINAL "
        "WHERE asset = {asset:String} AND source = {source:String} AND interval_s = {interval_s:UInt32} "
        "AND start >= fromUnixTimestamp64Milli({since:Int64}) AND start < fromUnixTimestamp64Milli({made_at:Int64}) "
        "ORDER BY start"
    )
    found = rows(
        client, sql, settings, asset=asset, source=source, interval_s=settings.bar_seconds, made_at=made_at,
        since=made_at - settings.batch_history_hours * HOUR_S * MS,
    )  # fmt: skip
    starts, closes = np.array([row[0] for row in found]), np.array([row[1] for row in found], dtype=np.float64)
    run = closes[_run(starts, settings.bar_seconds * MS) :]
    return Series(asset, source, settings.bar_seconds, made_at, run)


def _run(starts: np.ndarray, interval_ms: int) -> int:
    """Where the consecutive run at the end begins."""
    breaks = np.flatnonzero(np.diff(starts) != interval_ms)
    return int(breaks[-1]) + 1 if len(breaks) else 0
