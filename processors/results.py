"""Result messages: bars, statistics, indicators, predictions and signals of many series at once, as dicts to encode."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from cryptoviz.messages import Bar, Indicators, Origin, Prediction, Signal, Stats, result_id
from processors.bars import ClosedBar
from processors.forecasts import CONSENSUS, CONSENSUS_VERSION, Forecasts
from processors.indicators.base import Values
from processors.models.base import Floats, Model
from processors.rules import MS, STATS_WINDOWS_S, Rules
from processors.signals import decide, ma_trend
from processors.statistics import WindowStats

NOT_ENOUGH_POINTS = "not_enough_points"
STATISTICS = ("points", "min", "max", "mean", "std", "variation", "volatility")
INDICATOR_FIELDS = tuple(name for name, hint in get_type_hints(Indicators).items() if hint == float | None)


@dataclass(frozen=True)
class Moment:
    """The series of one source whose bars ended at `at`, in ms; arrays of results follow `assets`."""

    assets: tuple[str, ...]
    source: str
    at: int
    origin: Origin
    stale: tuple[bool, ...]
    """Per asset, whether its last quote is too old to be called a price."""

    def header(self, asset: str, interval_s: int, time_field: str) -> dict[str, Any]:
        """The fields all results of one series at this moment start with."""
        return {
            "id": result_id(asset, self.source, interval_s, self.at),
            "asset": asset,
            "source": self.source,
            "interval_s": interval_s,
            time_field: self.at,
            "origin": self.origin,
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


def stats_messages(moment: Moment, windows: Sequence[WindowStats], rules: Rules) -> Iterator[Stats]:
    """Statistics of every window, one message per asset; `windows` follow `STATS_WINDOWS_S`."""
    columns = [[getattr(window, name).tolist() for name in STATISTICS] for window in windows]
    for row, asset in enumerate(moment.assets):
        message: Any = moment.header(asset, rules.interval_s, "at")
        message["windows"] = [
            {"window_s": window_s} | {name: column[row] for name, column in zip(STATISTICS, window, strict=True)}
            for window_s, window in zip(STATS_WINDOWS_S, columns, strict=True)
        ]
        yield message


def indicator_messages(moment: Moment, values: Values, rules: Rules) -> Iterator[Indicators]:
    """Every indicator's values, one message per asset; a value without a field of its own goes into `more`."""
    fields = {name: values[name].tolist() for name in INDICATOR_FIELDS if name in values}
    others = {name: said.tolist() for name, said in values.items() if name not in INDICATOR_FIELDS}
    for row, asset in enumerate(moment.assets):
        message: Any = moment.header(asset, rules.interval_s, "at") | dict.fromkeys(INDICATOR_FIELDS)
        message |= {name: None if math.isnan(said[row]) else said[row] for name, said in fields.items()}
        message["more"] = {name: said[row] for name, said in others.items() if not math.isnan(said[row])}
        yield message


def prediction_messages(moment: Moment, made: Forecasts, models: Sequence[Model], rules: Rules) -> Iterator[Prediction]:
    """All models and the consensus for all horizons, one message per asset."""
    names = [(model.name, model.version) for model in models] + [(CONSENSUS, CONSENSUS_VERSION)]
    forecasts = [*made.forecast.tolist(), made.consensus.tolist()]
    variations = [*_variation(made.forecast, made.price).tolist(), _variation(made.consensus, made.price).tolist()]
    confidences = [*made.confidence.tolist(), made.consensus_confidence.tolist()]
    prices, points = made.price.tolist(), made.points.tolist()
    for row, asset in enumerate(moment.assets):
        message: Any = moment.header(asset, rules.interval_s, "made_at")
        message["price"], message["points"] = prices[row], points[row]
        message["forecasts"] = [
            {
                "horizon_s": horizon_s,
                "target_at": moment.at + horizon_s * MS,
                "model": name,
                "version": version,
                **_numbers(forecasts[m][h][row], variations[m][h][row], confidences[m][h][row]),
                "bounds": [],
            }
            for m, (name, version) in enumerate(names)
            for h, horizon_s in enumerate(rules.horizons_s)
        ]
        yield message


def signal_messages(moment: Moment, made: Forecasts, models: Sequence[Model], rules: Rules) -> Iterator[Signal]:
    """The signals for all horizons, one message per asset."""
    names = [model.name for model in models]
    short, long = (made.forecast[names.index(name), 0].tolist() for name in ("ma_short", "ma_long"))
    variations, confidences = _variation(made.consensus, made.price).tolist(), made.mean_confidence.tolist()
    prices = made.price.tolist()
    for row, asset in enumerate(moment.assets):
        message: Any = moment.header(asset, rules.interval_s, "made_at")
        message["price"] = prices[row]
        message["signals"] = [
            {"horizon_s": horizon_s, "ma_trend": ma_trend(short[row], long[row])}
            | _signal(variations[h][row], confidences[h][row], rules)
            for h, horizon_s in enumerate(rules.horizons_s)
        ]
        yield message


def _variation(forecast: Floats, price: Floats) -> Floats:
    change: Floats = (forecast - price) / price * 100
    return change


def _numbers(forecast: float, variation: float, confidence: float) -> dict[str, Any]:
    if math.isnan(forecast):
        return {"forecast": None, "variation": None, "confidence": None, "reason": NOT_ENOUGH_POINTS}
    return {"forecast": forecast, "variation": variation, "confidence": confidence, "reason": ""}


def _signal(variation: float, confidence: float, rules: Rules) -> dict[str, Any]:
    signal, reason = decide(variation, confidence, rules.thresholds)
    missing = math.isnan(variation)
    return {
        "signal": signal,
        "variation": None if missing else variation,
        "confidence": None if missing else confidence,
        "reason": reason,
    }
