"""Messages to rows: which table and columns each topic fills. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, TypeVar, cast, get_type_hints

from cryptoviz import topics
from cryptoviz.errors import Invalid
from cryptoviz.messages import (
    Bar,
    Bound,
    DeadLetter,
    Indicators,
    LedgerEntry,
    NormalizedQuotes,
    Prediction,
    ScoredInterval,
    Scores,
    Signal,
    SourceStatus,
    Stats,
)
from processors.normalise import Position, dead_letter
from processors.reading import Reader
from processors.sink_columns import (
    BAR,
    ENTRY,
    FORECAST,
    INDICATORS,
    LETTER,
    LIMITS,
    PREDICTION,
    QUOTE,
    QUOTES,
    SCORE,
    SCORES,
    SIGNAL,
    SIGNAL_AT,
    STATS,
    STATUS,
    U63,
    WINDOW,
)
from processors.sink_lists import Lines

MOST_SOURCES = 1_000  # whose state is remembered; a stranger may name any number of them
HEALTH_EVERY_MS = 60_000  # a source's state is written when it changes, and this often to say it still holds
_WRAP = 2**20


Row = tuple[Any, ...]


@dataclass
class Rows:
    """Rows of one table, each a tuple in the order of its `COLUMNS`."""

    table: str
    rows: list[Row] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rows)


Tables = dict[str, Rows | Lines]
R = TypeVar("R", Rows, Lines)


def precedence(at: Position) -> int:
    """Falls with Kafka's time and offset, so that of two rows with one key the first filed has the greater."""
    return U63 - 1 - (at.timestamp * _WRAP + at.offset % _WRAP)


def _filed(at: Position) -> tuple[int, int]:
    return at.timestamp, precedence(at)


def _of(tables: Tables, table: str, kind: type[R]) -> R:
    return cast(R, tables.get(table) or tables.setdefault(table, kind(table)))


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
        _of(tables, "source_health", Rows).rows.extend([(source, "", *_status(status), seen)])
        self._last[source] = (state, seen)


def _add_quotes(message: NormalizedQuotes, at: Position, tables: Tables) -> None:
    if quotes := message["quotes"]:
        same = (*_quotes(message), precedence(at))
        _of(tables, "quotes", Rows).rows.extend([(*_quote(one), one.get("repeated", False), *same) for one in quotes])


def _add_bar(message: Bar, at: Position, tables: Tables) -> None:
    _of(tables, "bars", Rows).rows.extend([(*_bar(message), *_filed(at))])


def _add_stats(message: Stats, at: Position, tables: Tables) -> None:
    _add_list("stats", _stats(message), list(map(_window, message["windows"])), at, tables)


def _add_indicators(message: Indicators, at: Position, tables: Tables) -> None:
    _of(tables, "indicators", Rows).rows.extend([(*_indicators(message), *_filed(at))])


def _add_prediction(message: Prediction, at: Position, tables: Tables) -> None:
    forecasts = [(*_forecast(one), list(map(_bound, one["bounds"])), one.get("weight")) for one in message["forecasts"]]
    _add_list("predictions", _prediction(message), forecasts, at, tables)


def _add_signal(message: Signal, at: Position, tables: Tables) -> None:
    _add_list("signals", _signal(message), list(map(_signal_at, message["signals"])), at, tables)


def _add_scores(message: Scores, at: Position, tables: Tables) -> None:
    scores = [(*_score(one), list(map(_interval, one["intervals"]))) for one in message["scores"]]
    _add_list("scores", _scores(message), scores, at, tables)


def _add_list(table: str, head: Row, items: list[Row], at: Position, tables: Tables) -> None:
    if items:
        _of(tables, table, Lines).add(head, items, _filed(at))


def _add_entry(message: LedgerEntry, at: Position, tables: Tables) -> None:
    source, asset, since, state, reason = _entry(message)
    _of(tables, "source_health", Rows).rows.extend([(source, asset, since, state, None, reason, since)])


def _add_letter(message: DeadLetter, at: Position, tables: Tables) -> None:
    place = (message["topic"], message["partition"], message["offset"], message["item"])
    if message["offset"] is None:  # it was set aside before it had a place in the log: the letter's own place is its id
        place = (at.topic, at.partition, at.offset, None)
    letter = "/".join("" if part is None else str(part) for part in place)
    _of(tables, "dead_letters", Rows).rows.extend([(letter, *_letter(message), *_filed(at))])


# Each takes the fields of a message, or of an item in its list, in the order of the columns.
_quote, _quotes, _bar, _stats, _window = (itemgetter(*names) for names in (QUOTE, QUOTES, BAR, STATS, WINDOW))
_indicators, _prediction, _forecast = (itemgetter(*names) for names in (INDICATORS, PREDICTION, FORECAST))
_signal, _signal_at, _scores, _score = (itemgetter(*names) for names in (SIGNAL, SIGNAL_AT, SCORES, SCORE))
_entry, _status, _letter = (itemgetter(*names) for names in (ENTRY, STATUS, LETTER))
_bound, _interval = (itemgetter(*get_type_hints(kind)) for kind in (Bound, ScoredInterval))

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
