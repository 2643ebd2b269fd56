"""Messages to rows: which table and columns each topic fills. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

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
from processors.normalise import Position, dead_letter
from processors.reading import Reader

QUOTE = (
    "asset", "name", "symbol", "ref", "currency", "price", "open", "high", "low", "volume", "percent_change_24h",
    "market_cap", "volume_24h", "event_at", "received_at", "at", "item", "feeds",
)  # fmt: skip
QUOTES = ("source", "origin", "topic", "partition", "offset")
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
STATUS = ("since", "state", "until", "reason")
LETTER = ("topic", "partition", "offset", "item", "source", "reason", "detail", "at", "encoding", "payload")
FILED = ("filed_at", "precedence")

COLUMNS: dict[str, tuple[str, ...]] = {
    "quotes": (*QUOTE, "repeated", *QUOTES, "precedence"),
    "bars": (*BAR, *FILED),
    "stats": (*STATS, *WINDOW, *FILED),
    "indicators": (*INDICATORS, *FILED),
    "predictions": (*PREDICTION, *FORECAST, "bounds", "weight", *FILED),
    "signals": (*SIGNAL, *SIGNAL_AT, *FILED),
    "scores": (*SCORES, *SCORE, "covered", "intervals", *FILED),
    "dead_letters": ("letter", *LETTER, *FILED),
    "source_health": ("source", "asset", *STATUS, "last_seen"),
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


@dataclass
class Rows:
    """Rows of one table, each a tuple in the order of its `COLUMNS`."""

    table: str
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rows)


Tables = dict[str, Rows]


def precedence(at: Position) -> int:
    """Falls with Kafka's time and offset, so that of two rows with one key the first filed has the greater."""
    return U63 - 1 - (at.timestamp * _WRAP + at.offset % _WRAP)


def _filed(at: Position) -> tuple[int, int]:
    return at.timestamp, precedence(at)


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
        _of(tables, "source_health").rows.extend([(source, "", *_status(status), seen)])
        self._last[source] = (state, seen)


def _add_quotes(message: NormalizedQuotes, at: Position, tables: Tables) -> None:
    if quotes := message["quotes"]:
        same = (*_quotes(message), precedence(at))
        _of(tables, "quotes").rows.extend([(*_quote(one), one.get("repeated", False), *same) for one in quotes])


def _add_bar(message: Bar, at: Position, tables: Tables) -> None:
    _of(tables, "bars").rows.extend([(*_bar(message), *_filed(at))])


def _add_stats(message: Stats, at: Position, tables: Tables) -> None:
    if windows := message["windows"]:
        head, filed = _stats(message), _filed(at)
        _of(tables, "stats").rows.extend([(*head, *_window(one), *filed) for one in windows])


def _add_indicators(message: Indicators, at: Position, tables: Tables) -> None:
    _of(tables, "indicators").rows.extend([(*_indicators(message), *_filed(at))])


def _add_prediction(message: Prediction, at: Position, tables: Tables) -> None:
    if forecasts := message["forecasts"]:
        head, filed = _prediction(message), _filed(at)
        _of(tables, "predictions").rows.extend([
            (*head, *_forecast(one), list(map(_bound, one["bounds"])), one.get("weight"), *filed) for one in forecasts
        ])  # fmt: skip


def _add_signal(message: Signal, at: Position, tables: Tables) -> None:
    if signals := message["signals"]:
        head, filed = _signal(message), _filed(at)
        _of(tables, "signals").rows.extend([(*head, *_signal_at(one), *filed) for one in signals])


def _add_scores(message: Scores, at: Position, tables: Tables) -> None:
    if scores := message["scores"]:
        head, filed = _scores(message), _filed(at)
        _of(tables, "scores").rows.extend([
            (*head, *_score(one), list(map(_covered, one["intervals"])), list(map(_judged, one["intervals"])), *filed)
            for one in scores
        ])  # fmt: skip


def _add_entry(message: LedgerEntry, at: Position, tables: Tables) -> None:
    source, asset, since, state, reason = _entry(message)
    _of(tables, "source_health").rows.extend([(source, asset, since, state, None, reason, since)])


def _add_letter(message: DeadLetter, at: Position, tables: Tables) -> None:
    place = (message["topic"], message["partition"], message["offset"], message["item"])
    if message["offset"] is None:  # it was set aside before it had a place in the log: the letter's own place is its id
        place = (at.topic, at.partition, at.offset, None)
    letter = "/".join("" if part is None else str(part) for part in place)
    _of(tables, "dead_letters").rows.extend([(letter, *_letter(message), *_filed(at))])


# Each takes the fields of a message, or of an item in its list, in the order of the columns.
_quote, _quotes, _bar, _stats, _window = (itemgetter(*names) for names in (QUOTE, QUOTES, BAR, STATS, WINDOW))
_indicators, _prediction, _forecast = (itemgetter(*names) for names in (INDICATORS, PREDICTION, FORECAST))
_signal, _signal_at, _scores, _score = (itemgetter(*names) for names in (SIGNAL, SIGNAL_AT, SCORES, SCORE))
_entry, _status, _letter = (itemgetter(*names) for names in (ENTRY, STATUS, LETTER))
_bound, _covered, _judged = (
    itemgetter(*names) for names in (("level", "lower", "upper"), ("level", "inside"), ("level", "width", "winkler"))
)

_ADD: dict[str, tuple[Reader[Any], Callable[[Any, Position, Tables], None]]] = {
    topics.NORMALIZED.name: (Reader(NormalizedQuotes, LIMITS), _add_quotes),
    topics.BARS.name: (Reader(Bar, LIMITS), _add_bar),
    topics.STATS.name: (Reader(Stats, LIMITS), _add_stats),
    topics.INDICATORS.name: (Reader(Indicators, LIMITS), _add_indicators),
    topics.PREDICTIONS.name: (Reader(Prediction, LIMITS), _add_prediction),
    topics.SIGNALS.name: (Reader(Signal, LIMITS), _add_signal),
    topics.LEDGER.name: (Reader(LedgerEntry, LIMITS), _add_entry),
    topics.SCORES.name: (Reader(Scores, LIMITS), _add_scores),
}
_ADD_LETTER = (Reader(DeadLetter, LIMITS), _add_letter)
DEAD_TOPICS = tuple(topic.name for topic in topics.TOPICS if topic.keeping == "dead")
TOPICS = (*_ADD, *DEAD_TOPICS)


def add_message(value: bytes, at: Position, tables: Tables, health: Health) -> Mapping[str, Any]:
    """Append the rows of one message to `tables` and return it; raises `Invalid` for one that cannot be read."""
    reader, add = _ADD.get(at.topic, _ADD_LETTER)
    message: Mapping[str, Any] = reader.read(value)
    if at.topic == topics.NORMALIZED.name and (status := message.get("status")):
        health.add(message["source"], status, message["received_at"], tables)
    add(message, at, tables)
    return message


def add_unreadable_letter(value: bytes, error: Invalid, at: Position, tables: Tables) -> None:
    """Append what is known of a dead letter that cannot itself be read: where it lay, why, and its bytes."""
    known = dead_letter(value, Invalid("unreadable_letter", str(error)), at)
    _add_letter(known, at, tables)
