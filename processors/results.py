"""Result messages: bars, statistics, indicators, predictions and signals of many series at once, as dicts to encode."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, NamedTuple, TypeVar, get_type_hints

import numpy as np

from cryptoviz.messages import (
    Bar,
    Bound,
    Forecast,
    Indicators,
    Origin,
    Prediction,
    Signal,
    Stats,
    StatsWindow,
    result_id,
)
from processors.bars import ClosedBar
from processors.forecasts import Forecasts
from processors.indicators.base import Values
from processors.learning import Said
from processors.models.base import Floats, Mask, Model
from processors.rules import MS, STATS_WINDOWS_S, Rules
from processors.scoring import LEVELS
from processors.signals import decide, ma_trend
from processors.statistics import WindowStats

Entry = TypeVar("Entry")
NOT_ENOUGH_POINTS = "not_enough_points"
INDICATOR_FIELDS = tuple(name for name, hint in get_type_hints(Indicators).items() if hint == float | None)


class Named(NamedTuple):
    """A series at a moment; `stale` if its last quote is too old to be called a price."""

    asset: str
    source: str
    origin: Origin
    stale: bool


@dataclass(frozen=True)
class Moment:
    """The series, of one source or several, whose bars ended at `at`, in ms; arrays of results follow `series`."""

    at: int
    series: Sequence[Named]

    def headers(self, interval_s: int, time_field: str) -> Iterator[dict[str, Any]]:
        """The fields all results of each series at this moment start with."""
        at = self.at
        for asset, source, origin, _ in self.series:
            yield {
                "id": result_id(asset, source, interval_s, at),
                "asset": asset,
                "source": source,
                "interval_s": interval_s,
                time_field: at,
                "origin": origin,
            }


def bar_message(asset: str, source: str, bar: ClosedBar) -> Bar:
    """One closed bar."""
    interval_s = bar.length_ms // MS
    return {
        "id": result_id(asset, source, interval_s, bar.start),
        "asset": asset,
        "source": source,
        "interval_s": interval_s,
        "start": bar.start,
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
        "quotes": bar.quotes,
        "origin": bar.origin,
    }


def stats_messages(moment: Moment, windows: WindowStats, rules: Rules) -> Iterator[Stats]:
    """Statistics of every window, one message per asset; `windows` are those of `STATS_WINDOWS_S`."""
    columns = [column.tolist() for column in windows]
    headers: Iterator[Any] = moment.headers(rules.interval_s, "at")
    for message, *of_row in zip(headers, *columns, strict=True):
        message["windows"] = list(map(_window, zip(STATS_WINDOWS_S, *of_row, strict=True)))
        yield message


def _window(numbers: tuple[Any, ...]) -> StatsWindow:
    window_s, points, lowest, highest, mean, std, variation, volatility = numbers
    return {
        "window_s": window_s,
        "points": points,
        "min": lowest,
        "max": highest,
        "mean": mean,
        "std": std,
        "variation": variation,
        "volatility": volatility,
    }


def indicator_messages(moment: Moment, values: Values, rules: Rules) -> Iterator[Indicators]:
    """Every indicator's values, one message per asset; a value without a field of its own goes into `more`."""
    fields = {name: values[name].tolist() for name in INDICATOR_FIELDS if name in values}
    others = {name: said.tolist() for name, said in values.items() if name not in INDICATOR_FIELDS}
    for row, header in enumerate(moment.headers(rules.interval_s, "at")):
        message: Any = header | dict.fromkeys(INDICATOR_FIELDS)
        message |= {name: None if math.isnan(said[row]) else said[row] for name, said in fields.items()}
        message["more"] = {name: said[row] for name, said in others.items() if not math.isnan(said[row])}
        yield message


def prediction_messages(
    moment: Moment, made: Forecasts, said: Said, names: Sequence[tuple[str, str]], rules: Rules
) -> Iterator[Prediction]:
    """All models and consensuses for all horizons, one message per asset; `names` are (model, version)."""
    known = [
        (horizon_s, moment.at + horizon_s * MS, model, version)
        for model, version in names
        for horizon_s in rules.horizons_s
    ]
    figures = np.stack([said.forecast, _variation(said.forecast, made.price), said.confidence, said.share], axis=-1)
    bounds_of = map(_bounds, by_level(said.lower), by_level(said.upper), counts_of(said.lower))
    prices, points, moves = made.price.tolist(), made.points.tolist(), said.move.tolist()
    headers: Iterator[Any] = moment.headers(rules.interval_s, "made_at")
    for row, (message, numbers, bounds) in enumerate(zip(headers, by_row(figures), bounds_of, strict=True)):
        message["price"], message["points"] = prices[row], points[row]
        message["usual_move"] = None if math.isnan(moves[row]) else moves[row]
        message["forecasts"] = list(map(_forecast, known, numbers, bounds))
        yield message


def by_row(array: Floats) -> Any:
    """[a, b, rows, ...] as lists [rows][a x b][...]: to take numbers from arrays one by one is slow."""
    return np.moveaxis(array, 2, 0).reshape(array.shape[2], -1, *array.shape[3:]).tolist()


def by_level(array: Floats | Mask) -> Any:
    """[levels, a, b, rows] as lists [rows][a x b x levels]."""
    return array.transpose(3, 1, 2, 0).reshape(array.shape[3], -1).tolist()


def counts_of(array: Floats) -> Any:
    """At how many levels there is a number in [levels, a, b, rows], as lists [rows][a x b]."""
    return by_row((~np.isnan(array)).sum(axis=0))


def shared_out(entries: Iterable[Entry], counts: Iterable[int]) -> list[list[Entry]]:
    """Entries of all levels, made in one go for a whole series, as a list for each of its forecasts."""
    rest = iter(entries)
    return [list(islice(rest, count)) for count in counts]


def _forecast(known: tuple[int, int, str, str], numbers: list[float], bounds: list[Bound]) -> Forecast:
    horizon_s, target_at, model, version = known
    forecast, variation, confidence, share = numbers
    missing = math.isnan(forecast)
    return {
        "horizon_s": horizon_s,
        "target_at": target_at,
        "model": model,
        "version": version,
        "forecast": None if missing else forecast,
        "variation": None if missing else variation,
        "confidence": None if missing else confidence,
        "reason": NOT_ENOUGH_POINTS if missing else "",
        "bounds": bounds,
        "weight": None if math.isnan(share) else share,
    }


def _bounds(lower: list[float], upper: list[float], counts: list[int]) -> list[list[Bound]]:
    bounds: list[Bound] = [
        {"level": level, "lower": low, "upper": high}
        for level, low, high in zip(cycle(LEVELS), lower, upper, strict=False)
        if not math.isnan(low)
    ]
    return shared_out(bounds, counts)


def signal_messages(moment: Moment, made: Forecasts, models: Sequence[Model], rules: Rules) -> Iterator[Signal]:
    """The signals for all horizons, one message per asset."""
    names = [model.name for model in models]
    short, long = (made.forecast[names.index(name), 0].tolist() for name in ("ma_short", "ma_long"))
    variations, confidences = _variation(made.consensus, made.price).tolist(), made.mean_confidence.tolist()
    prices, broken = made.price.tolist(), made.broken.tolist()
    headers: Iterator[Any] = moment.headers(rules.interval_s, "made_at")
    for row, (message, series) in enumerate(zip(headers, moment.series, strict=True)):
        message["price"] = prices[row]
        message["signals"] = [
            {"horizon_s": horizon_s, "ma_trend": ma_trend(short[row], long[row])}
            | _signal(variations[h][row], confidences[h][row], rules, broken[row], series.stale)
            for h, horizon_s in enumerate(rules.horizons_s)
        ]
        yield message


def _variation(forecast: Floats, price: Floats) -> Floats:
    change: Floats = (forecast - price) / price * 100
    return change


def _signal(variation: float, confidence: float, rules: Rules, broken: bool, stale: bool) -> dict[str, Any]:
    signal, reason = decide(variation, confidence, rules.thresholds, broken=broken, stale=stale)
    missing = math.isnan(variation)
    return {
        "signal": signal,
        "variation": None if missing else variation,
        "confidence": None if missing else confidence,
        "reason": reason,
    }
