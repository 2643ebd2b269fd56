"""Forecasts on demand: the models of the stream over the bars stored in ClickHouse, for parameters of one's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from cryptoviz.clickhouse import rows
from cryptoviz.errors import UserError
from cryptoviz.messages import ALL
from cryptoviz.settings import HOUR_S, Settings
from processors.forecasts import CONSENSUS, Forecasts, make_forecasts
from processors.models import MODELS
from processors.models.base import Floats, Model, ModelParams
from processors.rules import MS
from processors.signals import Thresholds, decide, ma_trend

Bars = Sequence[tuple[int, float, int]]
"""(start in ms, close, number of quotes), oldest first, each start once."""


@dataclass(frozen=True)
class Question:
    """What is asked: the series, how far back and ahead to look, the windows in bars, and which models."""

    asset: str
    source: str = ALL
    history_h: int = 24
    horizon_h: int = 4
    short: int = 20
    long: int = 50
    momentum: int = 14
    models: tuple[Model, ...] = MODELS
    thresholds: Thresholds = field(default_factory=Thresholds)


def ask(client: Client, settings: Settings, question: Question) -> dict[str, Any]:
    """The answer from the bars stored now; raises `UserError` where there are none, `Retryable` without ClickHouse."""
    interval_s = stored_interval_s(client, settings)
    bars = stored_bars(client, settings, question, interval_s)
    if not bars:
        raise UserError(_why_nothing(client, settings, question, interval_s))
    return answer(question, bars, interval_s, settings.stale_seconds)


def stored_interval_s(client: Client, settings: Settings) -> int:
    """Length of the bars everything in this database was made from."""
    sql = f"SELECT value FROM {settings.clickhouse_database}.home_settings FINAL WHERE name = 'bar_seconds'"
    found = rows(client, sql, settings)
    return int(found[0][0]) if found else settings.bar_seconds


def stored_bars(client: Client, settings: Settings, question: Question, interval_s: int) -> Bars:
    """The bars of the series that end within the history, or the stale time if that is longer, before its last end."""
    table = f"{settings.clickhouse_database}.bars"
    series = "asset = {asset:String} AND source = {source:String} AND interval_s = {interval_s:UInt32}"
    sql = (
        f"SELECT toUnixTimestamp64Milli(start), close, quotes FROM {table} FINAL WHERE {series} AND start > "
        f"(SELECT max(start) FROM {table} WHERE {series}) - toIntervalSecond({{back_s:UInt32}}) ORDER BY start"
    )
    found = rows(
        client, sql, settings,
        asset=question.asset, source=question.source, interval_s=interval_s,
        back_s=max(question.history_h * HOUR_S, settings.stale_seconds),
    )  # fmt: skip
    return [(start, close, quotes) for start, close, quotes in found]


def _why_nothing(client: Client, settings: Settings, question: Question, interval_s: int) -> str:
    sql = (
        f"SELECT DISTINCT source FROM {settings.clickhouse_database}.bars "
        "WHERE asset = {asset:String} AND interval_s = {interval_s:UInt32} ORDER BY source"
    )
    sources = [source for (source,) in rows(client, sql, settings, asset=question.asset, interval_s=interval_s)]
    if sources:
        return f"no bars of {question.asset} from source {question.source!r}; there are some from {', '.join(sources)}"
    return (
        f"no bars of {question.asset} are stored yet: is the pipeline running (`cryptoviz status`)? "
        "The first bar is there a little more than one bar length after the first quote"
    )


def answer(question: Question, bars: Bars, interval_s: int, stale_s: int) -> dict[str, Any]:
    """What the models say after the last of `bars` (at least one), for people and programs; times in ms, UTC.

    A series that ends in `stale_s` seconds of bars without a quote has an old price, and no signal but HOLD.
    """
    question = replace(question, models=_members(question.models))
    params = ModelParams(interval_s, question.short, question.long, question.momentum)
    closes = _on_grid(question, bars, params)
    made = make_forecasts(closes, question.models, np.array([float(question.horizon_h)]), params)
    made_at = bars[-1][0] + interval_s * MS
    return {
        "asset": question.asset,
        "source": question.source,
        "interval_s": interval_s,
        "made_at": made_at,
        "horizon_s": question.horizon_h * HOUR_S,
        "target_at": made_at + question.horizon_h * HOUR_S * MS,
        "parameters": {
            "history_hours": question.history_h,
            "short": question.short,
            "long": question.long,
            "momentum": question.momentum,
        },
        "price": float(made.price[0]),
        "volatility": float(made.volatility[0]),
        "points": int(made.points[0]),
        "forecasts": _forecasts(question.models, made),
        "signal": _signal(question, made, _empty_bars(bars) * interval_s >= stale_s),
    }


def _members(models: tuple[Model, ...]) -> tuple[Model, ...]:
    """The models chosen; where none of them is a member of the stream's consensus, they make one of equal weights."""
    return models if any(model.weight > 0 for model in models) else tuple(replace(m, weight=1.0) for m in models)


def _on_grid(question: Question, bars: Bars, params: ModelParams) -> Floats:
    """closes[1, slots] as models want them: the history, and room for every window where that is shorter."""
    slots = question.history_h * HOUR_S // params.interval_s
    last = bars[-1][0]
    closes = np.full((1, max(slots, *(model.needs(params) for model in question.models))), np.nan)
    for start, close, _ in bars:
        back = (last - start) // (params.interval_s * MS)
        if back < slots:
            closes[0, -1 - back] = close
    return closes


def _empty_bars(bars: Bars) -> int:
    """How many bars without a quote the series ends in."""
    return sum(1 for _ in takewhile(lambda bar: not bar[2], reversed(bars)))


def _forecasts(models: Sequence[Model], made: Forecasts) -> list[dict[str, Any]]:
    names = [*(model.name for model in models), CONSENSUS]
    values = [*made.forecast[:, 0, 0].tolist(), float(made.consensus[0, 0])]
    confidences = [*made.confidence[:, 0, 0].tolist(), float(made.consensus_confidence[0, 0])]
    price = float(made.price[0])
    return [
        {
            "model": name,
            "forecast": _known(value),
            "variation": _known((value - price) / price * 100),
            "confidence": _known(confidence),
            "reason": "not_enough_points" if math.isnan(value) else "",
        }
        for name, value, confidence in zip(names, values, confidences, strict=True)
    ]


def _signal(question: Question, made: Forecasts, stale: bool) -> dict[str, Any]:
    price, consensus = float(made.price[0]), float(made.consensus[0, 0])
    variation, confidence = (consensus - price) / price * 100, float(made.mean_confidence[0, 0])
    broken = bool(made.broken[0])
    signal, reason = decide(variation, confidence, question.thresholds, broken=broken, stale=stale)
    said = dict(zip((model.name for model in question.models), made.forecast[:, 0, 0].tolist(), strict=True))
    return {
        "signal": signal,
        "variation": _known(variation),
        "confidence": _known(confidence),
        "ma_trend": ma_trend(said.get("ma_short", math.nan), said.get("ma_long", math.nan)),
        "reason": reason,
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
