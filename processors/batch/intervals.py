"""Intervals of the batch models from their own past errors: split conformal, by series, model and horizon."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from clickhouse_connect.driver.client import Client

from cryptoviz.clickhouse import rows
from cryptoviz.messages import Bound
from cryptoviz.settings import Settings
from processors.batch.series import Series
from processors.scoring import LEVELS

FEWEST_SCORES = 20
MOST_SCORES = 500  # the newest ones: markets change

Errors = dict[tuple[str, int], list[float]]
"""|error| / price at made_at of the scored forecasts, by (model, horizon_s)."""


def read_errors(client: Client, settings: Settings, series: Series, models: Sequence[str]) -> Errors:
    """What has been scored of this series up to the time of the forecast; raises `Retryable` without ClickHouse."""
    sql = (
        f"SELECT model, horizon_s, abs(error) / price FROM {settings.clickhouse_database}.scores FINAL "
        "WHERE asset = {asset:String} AND source = {source:String} AND interval_s = {interval_s:UInt32} "
        "AND model IN {models:Array(String)} AND void = '' AND error IS NOT NULL "
        "AND toUnixTimestamp64Milli(target_at) <= {made_at:UInt64} "
        f"ORDER BY target_at DESC LIMIT {MOST_SCORES} BY model, horizon_s"
    )
    found = rows(
        client, sql, settings, asset=series.asset, source=series.source, interval_s=series.interval_s,
        models=list(models), made_at=series.made_at,
    )  # fmt: skip
    errors: Errors = {}
    for model, horizon_s, error in found:
        errors.setdefault((model, horizon_s), []).append(error)
    return errors


def bounds(errors: Sequence[float], forecast: float, price: float) -> list[Bound]:
    """Intervals around `forecast` that would have held so many of the past errors; none with too few of them.

    Of n errors the ceil((n + 1) * level)-th smallest is taken, which holds the next one with that probability when it
    is exchangeable with them. Vovk, Gammerman and Shafer (2005), "Algorithmic Learning in a Random World".
    """
    if len(errors) < FEWEST_SCORES:
        return []
    ordered = np.sort(np.asarray(errors, dtype=np.float64))
    ranks = {level: math.ceil((len(ordered) + 1) * level) for level in LEVELS}
    return [_around(forecast, price * float(ordered[rank - 1]), level) for level, rank in ranks.items()]


def _around(forecast: float, reach: float, level: float) -> Bound:
    return {"level": level, "lower": max(0.0, forecast - reach), "upper": forecast + reach}
