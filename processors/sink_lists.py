"""Messages that are lists of rows: each is sent as a line of JSON, and ClickHouse makes the rows of it. Pure.

What the rows have in common is written once, and nothing is made of each value on this side.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Union

import typing_extensions

from cryptoviz.messages import (
    Forecast,
    Prediction,
    Score,
    Scores,
    Signal,
    SignalAt,
    Stats,
    StatsWindow,
    encode,
)
from processors.sink_columns import (
    COLUMNS,
    FORECAST,
    PREDICTION,
    SCORE,
    SCORES,
    SIGNAL,
    SIGNAL_AT,
    STATS,
    TIMES,
    WINDOW,
)

FORMAT = "JSONCompactEachRow"
READ_SETTINGS = {
    "input_format_json_named_tuples_as_objects": 0,
    "precise_float_parsing": 1,
    # One after the other, so that the same lines make the same blocks when they are sent again.
    "input_format_parallel_parsing": 0,
    "max_threads": 1,
}
_SCALARS = {str: "String", int: "Int64", float: "Float64", bool: "Bool"}


@dataclass(frozen=True)
class ListOfRows:
    """What a line holds: the fields `head` of a message, then for each item in its list the fields `item`, then FILED.

    A column is the field of its name, or what `made` says of `one` item.
    """

    message: type
    head: tuple[str, ...]
    list: str
    item: tuple[type, tuple[str, ...]]
    made: Mapping[str, str] = field(default_factory=dict)

    def structure(self) -> str:
        """The line's fields and their types, as `input()` wants them."""
        items = ", ".join(_fields(*self.item))
        head = _fields(self.message, self.head)
        return ", ".join((*head, f"{self.list} Array(Tuple({items}))", "filed_at Int64", "precedence UInt64"))

    def column(self, name: str) -> str:
        """The expression that fills a column."""
        value = self.made.get(name) or (f"one.{name}" if name in self.item[1] else name)
        return f"fromUnixTimestamp64Milli({value}, 'UTC')" if name in TIMES else value


LISTS = {
    "stats": ListOfRows(Stats, STATS, "windows", (StatsWindow, WINDOW)),
    "predictions": ListOfRows(Prediction, PREDICTION, "forecasts", (Forecast, (*FORECAST, "bounds", "weight"))),
    "signals": ListOfRows(Signal, SIGNAL, "signals", (SignalAt, SIGNAL_AT)),
    "scores": ListOfRows(
        Scores, SCORES, "scores", (Score, (*SCORE, "intervals")),
        {
            "covered": "arrayMap(each -> (each.level, each.inside), one.intervals)",
            "intervals": "arrayMap(each -> (each.level, each.width, each.winkler), one.intervals)",
        },
    ),
}  # fmt: skip


@dataclass
class Lines:
    """Rows of one table as lines of JSON, each with many of them."""

    table: str
    lines: list[bytes] = field(default_factory=list)
    count: int = 0
    """How many rows there are."""

    def add(self, head: tuple[Any, ...], items: list[tuple[Any, ...]], filed: tuple[int, int]) -> None:
        """Add the rows of one message, one per item."""
        self.lines.append(encode((*head, items, *filed)))
        self.count += len(items)


@cache
def statement(table: str, database: str) -> str:
    """The INSERT that makes rows of a table's lines, up to where they follow."""
    of, columns = LISTS[table], COLUMNS[table]
    return (
        f"INSERT INTO {database}.{table} ({', '.join(columns)}) SELECT {', '.join(map(of.column, columns))} "
        f"FROM input('{of.structure()}') ARRAY JOIN {of.list} AS one FORMAT {FORMAT}"
    )


def _fields(message: type, names: tuple[str, ...]) -> Iterator[str]:
    hints = typing.get_type_hints(message)
    return (f"{name} {_type(hints[name])}" for name in names)


def _type(hint: Any) -> str:
    """ClickHouse's type of a message's field."""
    if typing_extensions.is_typeddict(hint):
        return f"Tuple({', '.join(_fields(hint, tuple(typing.get_type_hints(hint))))})"
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return f"Array({_type(arguments[0])})"
    if origin in (Union, types.UnionType):
        (inner,) = {_type(each) for each in arguments if each is not types.NoneType}
        return f"Nullable({inner})"
    return "String" if origin is Literal else _SCALARS[hint]
