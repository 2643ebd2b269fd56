"""Forecasts of the batch models whose target has come, against the bars in ClickHouse."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from cryptoviz.clickhouse import rows
from cryptoviz.messages import Score, Scores, Void
from cryptoviz.settings import DAY_S, HOUR_S, Settings
from processors.batch.results import batch_id
from processors.models.base import Floats
from processors.rules import MS, Rules
from processors.score_messages import Header, intervals, none_for_nan, score
from processors.scoring import LEVELS, judge

LOOK_BACK_DAYS = 30
PATIENCE_MS = HOUR_S * MS
"""A series may have no bar any more: this long after its target a forecast is void though no later bar came."""


@dataclass(frozen=True)
class Filed:
    """A forecast that waits for its score; times in ms."""

    asset: str
    source: str
    made_at: int
    horizon_s: int
    target_at: int
    model: str
    version: str
    price: float
    forecast: float
    confidence: float | None
    bounds: Sequence[tuple[float, float, float]]
    """(level, lower, upper)."""

    @property
    def key(self) -> tuple[str, str, int, int, str]:
        """Its id, the length of its bars aside."""
        return self.asset, self.source, self.made_at, self.horizon_s, self.model


@dataclass(frozen=True)
class Known:
    """Bars of one series by their end in ms, and how far its own bars and those of its source go."""

    bars: Mapping[int, tuple[float, int]]
    """(close, quotes)."""
    until: int
    source_until: int


def unscored(client: Client, settings: Settings, models: Iterable[str], now_ms: int) -> list[Filed]:
    """Forecasts of these models whose target has come and that have no score; raises `Retryable` without ClickHouse."""
    key = "asset, source, interval_s, made_at, horizon_s, model"
    ours = "model IN {models:Array(String)} AND made_at >= fromUnixTimestamp64Milli({since:Int64})"
    sql = (
        "SELECT asset, source, toUnixTimestamp64Milli(made_at), horizon_s, toUnixTimestamp64Milli(target_at), model, "
        f"version, price, forecast, confidence, bounds FROM {settings.clickhouse_database}.predictions FINAL "
        f"WHERE {ours} AND interval_s = {{interval_s:UInt32}} AND forecast IS NOT NULL "
        "AND target_at <= fromUnixTimestamp64Milli({now:Int64}) "
        f"AND ({key}) NOT IN (SELECT {key} FROM {settings.clickhouse_database}.scores WHERE {ours}) "
        "ORDER BY asset, source, target_at, model, horizon_s"
    )
    found = rows(
        client, sql, settings, models=list(models), interval_s=settings.bar_seconds, now=now_ms,
        since=now_ms - LOOK_BACK_DAYS * DAY_S * MS,
    )  # fmt: skip
    return [Filed(*(*row[:-1], [_bound(bound) for bound in row[-1]])) for row in found]


def _bound(bound: Any) -> tuple[float, float, float]:
    level, lower, upper = bound.values() if isinstance(bound, dict) else bound
    return level, lower, upper


def known_bars(client: Client, settings: Settings, rules: Rules, waiting: Sequence[Filed]) -> Known:
    """The bars that decide about forecasts of one series; raises `Retryable` without ClickHouse."""
    table, interval_ms = f"{settings.clickhouse_database}.bars", rules.interval_ms
    source = "source = {source:String} AND interval_s = {interval_s:UInt32}"
    asked: dict[str, Any] = {
        "asset": waiting[0].asset, "source": waiting[0].source, "interval_s": rules.interval_s,
        "since": min(one.target_at for one in waiting) - rules.stale_ms - interval_ms,
        "until": max(one.target_at for one in waiting),
    }  # fmt: skip
    ((own, every),) = rows(
        client,
        "SELECT toUnixTimestamp64Milli(maxIf(start, asset = {asset:String})), toUnixTimestamp64Milli(max(start)) "
        f"FROM {table} WHERE {source}",
        settings,
        **asked,
    )
    found = rows(
        client,
        f"SELECT toUnixTimestamp64Milli(start), close, quotes FROM {table} FINAL WHERE {source} "
        "AND asset = {asset:String} AND start >= fromUnixTimestamp64Milli({since:Int64}) "
        "AND start < fromUnixTimestamp64Milli({until:Int64})",
        settings,
        **asked,
    )
    bars = {start + interval_ms: (close, quotes) for start, close, quotes in found}
    return Known(bars, own + interval_ms, every + interval_ms)


def score_messages(waiting: Iterable[Filed], known: Known, rules: Rules) -> Iterator[Scores]:
    """One message per target of a series that can be judged by now; `waiting` is in the order of targets."""
    for target_at, group in groupby(waiting, key=lambda one: one.target_at):
        void = judged(target_at, known, rules)
        if void is None:
            continue
        filed = list(group)
        actual = None if void == "no_bar" else known.bars[target_at][0]
        asset, source = filed[0].asset, filed[0].source
        yield {
            "id": batch_id(asset, source, rules.interval_s, target_at),
            "asset": asset,
            "source": source,
            "interval_s": rules.interval_s,
            "target_at": target_at,
            "scored_at": target_at + rules.grace_ms,  # when the bar closed, so that a score comes twice the same
            "actual": actual,
            "void": void,
            "scores": list(_scores(filed, math.nan if void or actual is None else actual)),
        }


def judged(target_at: int, known: Known, rules: Rules) -> Void | None:
    """'' or why a forecast for this moment cannot be judged; None while a bar may still come."""
    if target_at not in known.bars:
        gone = known.until > target_at or known.source_until >= target_at + PATIENCE_MS
        return "no_bar" if gone else None
    empty, end = 0, target_at
    while known.bars.get(end, (0.0, 1))[1] == 0:
        empty, end = empty + 1, end - rules.interval_ms
    return "stale_source" if rules.is_stale(empty) else ""


def _scores(filed: Sequence[Filed], actual: float) -> Iterator[Score]:
    """Each forecast judged by the price that came, by nothing where that is NaN."""
    price = np.array([[one.price for one in filed]])
    did = judge(np.array([[[one.forecast for one in filed]]]), price, _bounds(filed), np.full(len(filed), actual))
    for n, one in enumerate(filed):
        header = Header(one.made_at, one.horizon_s, one.model, one.version, "live")
        figures = (did.error[0, 0, n], did.naive_error[0, n], did.relative_error[0, 0, n], did.hit[0, 0, n])
        inside, width, winkler = (side[:, 0, 0, n].tolist() for side in (did.inside, did.width, did.winkler))
        (held,) = intervals(inside, width, winkler, [len(LEVELS)])
        yield score(header, [one.price, one.forecast, one.confidence, *none_for_nan(np.array(figures))], held)


def _bounds(filed: Sequence[Filed]) -> tuple[Floats, Floats]:
    """Lower and upper bounds [levels, 1, 1, forecasts], NaN where a forecast has none of that level."""
    said = [{level: (lower, upper) for level, lower, upper in one.bounds} for one in filed]
    sides = np.array([[bounds.get(level, (math.nan, math.nan)) for bounds in said] for level in LEVELS])
    return sides[:, None, None, :, 0], sides[:, None, None, :, 1]
