"""Forecasts and what became of them, made up by tests: as the messages the stream files, and as rows of a database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from clickhouse_connect.driver.client import Client
from row_columns import store

from cryptoviz.messages import result_id
from processors.normalise import Position
from processors.sink_rows import Health, Tables, add_message

INTERVAL_S = 60
SOON_MS = 11_000  # a forecast is filed that long after its moment, unless it is said to be late


@dataclass(frozen=True)
class Judged:
    """One forecast, what happened (None: no bar), and its bounds as level: (lower, upper)."""

    made_at: int
    horizon_s: int
    price: float
    forecast: float
    actual: float | None
    model: str = "trend"
    asset: str = "BTC"
    source: str = "all"
    confidence: float | None = None
    bounds: tuple[tuple[float, float, float], ...] = ()
    void: str = ""
    origin: str = "live"
    late: bool = False
    signal: str | None = None

    @property
    def target_at(self) -> int:
        """When it is judged, in ms."""
        return self.made_at + self.horizon_s * 1000


def file_all(client: Client, database: str, forecasts: Iterable[Judged], offset: int = 0) -> None:
    """Store what the sink would make of the messages about these forecasts, in its own rows."""
    tables: Tables = {}
    for topic, message, filed_at in messages(list(forecasts)):
        add_message(orjson.dumps(message), Position(topic, 0, offset, filed_at), tables, Health())
    store(client, database, tables)


def messages(forecasts: list[Judged]) -> Iterator[tuple[str, Any, int]]:
    """(topic, message, Kafka's time) of scores, predictions and signals; of filled-in history only scores are filed."""
    by_target: dict[Any, list[Judged]] = defaultdict(list)
    by_moment: dict[Any, list[Judged]] = defaultdict(list)
    for one in forecasts:
        by_target[one.asset, one.source, one.target_at, one.actual, one.void].append(one)
        by_moment[one.asset, one.source, one.made_at, one.price, one.origin, one.late].append(one)
    for group in by_target.values():
        yield "scores", scores_message(group), group[0].target_at + SOON_MS
    for group in by_moment.values():
        filed_at = max(one.target_at for one in group) + SOON_MS if group[0].late else group[0].made_at + SOON_MS
        if group[0].origin != "backfill":
            yield "predictions", prediction_message(group), filed_at
        if said := {one.horizon_s: one.signal for one in group if one.signal}:
            yield "signals", signal_message(group[0], said), filed_at


def scores_message(group: list[Judged]) -> dict[str, Any]:
    """The scores of one series at one target, computed as they are defined."""
    one = group[0]
    return {
        "id": result_id(one.asset, one.source, INTERVAL_S, one.target_at), "asset": one.asset, "source": one.source,
        "interval_s": INTERVAL_S, "target_at": one.target_at, "scored_at": one.target_at + 10_000,
        "actual": one.actual, "void": one.void, "scores": [_score(each) for each in group],
    }  # fmt: skip


def prediction_message(group: list[Judged]) -> dict[str, Any]:
    """The forecasts of one series at one moment."""
    one = group[0]
    forecasts = [
        {
            "horizon_s": each.horizon_s, "target_at": each.target_at, "model": each.model, "version": "1",
            "forecast": each.forecast, "variation": (each.forecast / each.price - 1) * 100,
            "confidence": each.confidence, "reason": "",
            "bounds": [{"level": level, "lower": lower, "upper": upper} for level, lower, upper in each.bounds],
            "weight": 0.25 if each.model != "naive" else None,
        }
        for each in group
    ]  # fmt: skip
    return {
        "id": result_id(one.asset, one.source, INTERVAL_S, one.made_at), "asset": one.asset, "source": one.source,
        "interval_s": INTERVAL_S, "made_at": one.made_at, "price": one.price, "points": 60, "origin": one.origin,
        "forecasts": forecasts,
    }  # fmt: skip


def signal_message(one: Judged, said: Mapping[int, str]) -> dict[str, Any]:
    """The signals of one series at one moment, by horizon."""
    known = {"variation": 3.0, "confidence": 80.0, "ma_trend": "neutral", "reason": "variation_above_threshold"}
    return {
        "id": result_id(one.asset, one.source, INTERVAL_S, one.made_at), "asset": one.asset, "source": one.source,
        "interval_s": INTERVAL_S, "made_at": one.made_at, "price": one.price, "origin": one.origin,
        "signals": [{"horizon_s": horizon_s, "signal": signal} | known for horizon_s, signal in said.items()],
    }  # fmt: skip


def _score(one: Judged) -> dict[str, Any]:
    known: dict[str, Any] = {
        "made_at": one.made_at, "horizon_s": one.horizon_s, "model": one.model, "version": "1", "origin": one.origin,
        "price": one.price, "forecast": one.forecast, "confidence": one.confidence, "error": None, "naive_error": None,
        "relative_error": None, "hit": None, "intervals": [],
    }  # fmt: skip
    if one.void or one.actual is None:
        return known
    error, naive_error = one.forecast - one.actual, one.price - one.actual
    said, came = one.forecast - one.price, one.actual - one.price
    return known | {
        "error": error,
        "naive_error": naive_error,
        "relative_error": abs(error) / abs(naive_error) if naive_error else None,
        "hit": (said > 0) == (came > 0) if said and came else None,
        "intervals": [_interval(one.actual, *bound) for bound in one.bounds],
    }


def _interval(actual: float, level: float, lower: float, upper: float) -> dict[str, Any]:
    missed_by = max(lower - actual, actual - upper, 0.0)
    return {
        "level": level, "inside": missed_by == 0, "width": upper - lower,
        "winkler": upper - lower + 2 / (1 - level) * missed_by,
    }  # fmt: skip
