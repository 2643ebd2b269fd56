"""Messages to rows: which table and columns each topic fills, column by column, without an object per row. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cryptoviz import topics
from cryptoviz.errors import Invalid
from cryptoviz.messages import (
    Bar,
    DeadLetter,
    Indicators,
    LedgerEntry,
    NormalizedQuotes,
    Prediction,
    Scores,
    Signal,
    SourceStatus,
    Stats,
)
from processors.normalise import Position, dead_letter, first_problem

QUOTE = (
    "asset", "name", "symbol", "ref", "currency", "price", "open", "high", "low", "volume", "percent_change_24h",
    "market_cap", "volume_24h", "event_at", "received_at", "at", "item", "feeds",
)  # fmt: skip
BAR = (
    "asset", "source", "interval_s", "start", "open", "high", "low", "close", "volume", "quotes", "origin",
)  # fmt: skip
STATS = ("asset", "source", "interval_s", "at", "origin")
WINDOW = ("window_s", "points", "min", "max", "mean", "std", "variation", "volatility")
INDICATORS = (
    "asset", "source", "interval_s", "at", "origin", "rsi", "macd", "macd_signal", "macd_histogram", "bollinger_lower",
    "bollinger_middle", "bollinger_upper", "stochastic_k", "stochastic_d", "atr", "ewma_volatility", "more",
)  # fmt: skip
PREDICTION = ("asset", "source", "interval_s", "made_at", "price", "points", "origin")
FORECAST = ("horizon_s", "target_at", "model", "version", "forecast", "variation", "confidence", "reason")
SIGNAL = ("asset", "source", "interval_s", "made_at", "price", "origin")
SIGNAL_AT = ("horizon_s", "signal", "variation", "confidence", "ma_trend", "reason")
SCORES = ("asset", "source", "interval_s", "target_at", "actual", "void", "scored_at")
SCORE = (
    "made_at", "horizon_s", "model", "version", "origin", "price", "forecast", "confidence", "error", "naive_error",
    "relative_error", "hit",
)  # fmt: skip
ENTRY = ("source", "asset", "since", "state", "reason")
LETTER = ("topic", "partition", "offset", "item", "source", "reason", "detail", "at", "encoding", "payload")
FILED = ("filed_at", "precedence")

COLUMNS: dict[str, tuple[str, ...]] = {
    "quotes": (*QUOTE, "repeated", "source", "origin", "topic", "partition", "offset", "precedence"),
    "bars": (*BAR, *FILED),
    "stats": (*STATS, *WINDOW, *FILED),
    "indicators": (*INDICATORS, *FILED),
    "predictions": (*PREDICTION, *FORECAST, "bounds", "weight", *FILED),
    "signals": (*SIGNAL, *SIGNAL_AT, *FILED),
    "scores": (*SCORES, *SCORE, "covered", "intervals", *FILED),
    "dead_letters": ("letter", *LETTER, *FILED),
    "source_health": ("source", "asset", "since", "state", "until", "reason", "last_seen"),
}

# What each whole number must stay below: beyond it a column cannot hold it, and one message would stop the sink.
# Times end in 2100, the last year ClickHouse sorts into months.
U16, U32, U63, END_MS = 2**16, 2**32, 2**63, 4_102_444_800_000
LIMITS = (
    dict.fromkeys(
        ("at", "start", "made_at", "target_at", "event_at", "received_at", "since", "until", "scored_at"), END_MS
    )
    | dict.fromkeys(("interval_s", "window_s", "horizon_s", "points", "item"), U32)
    | {"partition": U16, "offset": U63, "quotes": U63}
)

MOST_SOURCES = 1_000  # whose state is remembered; a stranger may name any number of them
HEALTH_EVERY_MS = 60_000  # a source's state is written when it changes, and this often to say it still holds
_WRAP = 2**20


class Rows:
    """Rows of one table as one list per column."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS[table]}
        self.count = 0

    def extend(self, count: int, varying: Mapping[str, Sequence[Any]], same: Mapping[str, Any]) -> None:
        """Append `count` rows; raises `Invalid`, appending nothing, if a whole number does not fit its column."""
        for name, values in varying.items():
            if name in LIMITS:
                known = [value for value in values if value is not None]
                _check_fits(name, min(known, default=None))
                _check_fits(name, max(known, default=None))
        for name, value in same.items():
            _check_fits(name, value)
        for name, values in varying.items():
            self.columns[name].extend(values)
        for name, value in same.items():
            if count == 1:
                self.columns[name].append(value)
            else:
                self.columns[name].extend(repeat(value, count))
        self.count += count


def _check_fits(name: str, value: Any) -> None:
    limit = LIMITS.get(name)
    if limit is not None and value is not None and not 0 <= value < limit:
        raise Invalid("out_of_range", name)


Tables = dict[str, Rows]
Unpack = Callable[[Sequence[Mapping[str, Any]]], dict[str, Sequence[Any]]]


def precedence(at: Position) -> int:
    """Falls with Kafka's time and offset, so that of two rows with one key the first filed has the greater."""
    return U63 - 1 - (at.timestamp * _WRAP + at.offset % _WRAP)


def _unpack(names: tuple[str, ...]) -> Unpack:
    pick = itemgetter(*names)
    return lambda items: dict(zip(names, zip(*map(pick, items), strict=True), strict=True))


_quote_columns, _window_columns, _forecast_columns = map(_unpack, (QUOTE, WINDOW, FORECAST))
_signal_columns, _score_columns = map(_unpack, (SIGNAL_AT, SCORE))


def _filed(at: Position) -> dict[str, int]:
    return {"filed_at": at.timestamp, "precedence": precedence(at)}


def _of(tables: Tables, table: str) -> Rows:
    if table not in tables:
        tables[table] = Rows(table)
    return tables[table]


class Health:
    """Rows of source_health: one per state of a source, renewed every minute while it lasts."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[tuple[Any, ...], int]] = {}

    def add(self, source: str, status: SourceStatus, seen: int, tables: Tables) -> None:
        """Note what the source's heartbeat said at `seen`; every partition carries the same."""
        state = (status["state"], status["since"], status["until"], status["reason"])
        known, written = self._last.pop(source, (None, 0))
        if state == known and seen < written + HEALTH_EVERY_MS:
            self._last[source] = (state, written)
            return
        if len(self._last) >= MOST_SOURCES:
            del self._last[next(iter(self._last))]
        row = {"source": source, "asset": "", "last_seen": seen} | status
        _of(tables, "source_health").extend(1, {}, {name: row[name] for name in COLUMNS["source_health"]})
        self._last[source] = (state, seen)


def _add_quotes(message: NormalizedQuotes, at: Position, tables: Tables) -> None:
    quotes = message["quotes"]
    if not quotes:
        return
    varying = _quote_columns(quotes) | {"repeated": [quote.get("repeated", False) for quote in quotes]}
    same = _named(message, ("source", "origin", "topic", "partition", "offset"))
    _of(tables, "quotes").extend(len(quotes), varying, same | {"precedence": precedence(at)})


def _add_bar(message: Bar, at: Position, tables: Tables) -> None:
    _of(tables, "bars").extend(1, {}, _named(message, BAR) | _filed(at))


def _add_stats(message: Stats, at: Position, tables: Tables) -> None:
    if windows := message["windows"]:
        same = _named(message, STATS) | _filed(at)
        _of(tables, "stats").extend(len(windows), _window_columns(windows), same)


def _add_indicators(message: Indicators, at: Position, tables: Tables) -> None:
    _of(tables, "indicators").extend(1, {}, _named(message, INDICATORS) | _filed(at))


def _add_prediction(message: Prediction, at: Position, tables: Tables) -> None:
    if forecasts := message["forecasts"]:
        bounds = [[(bound["level"], bound["lower"], bound["upper"]) for bound in one["bounds"]] for one in forecasts]
        varying = _forecast_columns(forecasts)
        varying |= {"bounds": bounds, "weight": [one.get("weight") for one in forecasts]}
        _of(tables, "predictions").extend(len(forecasts), varying, _named(message, PREDICTION) | _filed(at))


def _add_signal(message: Signal, at: Position, tables: Tables) -> None:
    if signals := message["signals"]:
        _of(tables, "signals").extend(len(signals), _signal_columns(signals), _named(message, SIGNAL) | _filed(at))


def _add_scores(message: Scores, at: Position, tables: Tables) -> None:
    if scores := message["scores"]:
        judged = [one["intervals"] for one in scores]
        varying = _score_columns(scores) | {
            "covered": [[(one["level"], one["inside"]) for one in intervals] for intervals in judged],
            "intervals": [[(one["level"], one["width"], one["winkler"]) for one in intervals] for intervals in judged],
        }
        _of(tables, "scores").extend(len(scores), varying, _named(message, SCORES) | _filed(at))


def _add_entry(message: LedgerEntry, at: Position, tables: Tables) -> None:
    _of(tables, "source_health").extend(1, {}, _named(message, ENTRY) | {"until": None, "last_seen": message["since"]})


def _add_letter(message: DeadLetter, at: Position, tables: Tables) -> None:
    place = (message["topic"], message["partition"], message["offset"], message["item"])
    if message["offset"] is None:  # it was set aside before it had a place in the log: the letter's own place is its id
        place = (at.topic, at.partition, at.offset, None)
    letter = "/".join("" if part is None else str(part) for part in place)
    _of(tables, "dead_letters").extend(1, {}, _named(message, LETTER) | {"letter": letter} | _filed(at))


def _named(message: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: message[name] for name in names}


_ADD: dict[str, tuple[TypeAdapter[Any], Callable[[Any, Position, Tables], None]]] = {
    topics.NORMALIZED.name: (TypeAdapter(NormalizedQuotes), _add_quotes),
    topics.BARS.name: (TypeAdapter(Bar), _add_bar),
    topics.STATS.name: (TypeAdapter(Stats), _add_stats),
    topics.INDICATORS.name: (TypeAdapter(Indicators), _add_indicators),
    topics.PREDICTIONS.name: (TypeAdapter(Prediction), _add_prediction),
    topics.SIGNALS.name: (TypeAdapter(Signal), _add_signal),
    topics.LEDGER.name: (TypeAdapter(LedgerEntry), _add_entry),
    topics.SCORES.name: (TypeAdapter(Scores), _add_scores),
}
_ADD_LETTER = (TypeAdapter(DeadLetter), _add_letter)
DEAD_TOPICS = tuple(topic.name for topic in topics.TOPICS if topic.keeping == "dead")
TOPICS = (*_ADD, *DEAD_TOPICS)


def add_message(value: bytes, at: Position, tables: Tables, health: Health) -> Mapping[str, Any]:
    """Append the rows of one message to `tables` and return it; raises `Invalid` for one that cannot be read."""
    adapter, add = _ADD.get(at.topic, _ADD_LETTER)
    try:
        message: Mapping[str, Any] = adapter.validate_json(value)
    except ValidationError as error:
        raise Invalid("schema", first_problem(error)) from error
    if at.topic == topics.NORMALIZED.name and (status := message.get("status")):
        health.add(message["source"], status, message["received_at"], tables)
    add(message, at, tables)
    return message


def add_unreadable_letter(value: bytes, error: Invalid, at: Position, tables: Tables) -> None:
    """Append what is known of a dead letter that cannot itself be read: where it lay, why, and its bytes."""
    known = dead_letter(value, Invalid("unreadable_letter", str(error)), at)
    _add_letter(known, at, tables)
