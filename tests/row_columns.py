"""Rows of a table as one list per column, which tests read more easily, and a way to store them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from clickhouse_connect.driver.client import Client

from cryptoviz.settings import load_settings
from processors.sink_client import TableWriter
from processors.sink_columns import COLUMNS, FILED
from processors.sink_lists import LISTS, Lines
from processors.sink_rows import Rows, Tables


def columns(rows: Rows | Lines) -> dict[str, list[Any]]:
    """By name, in the table's order."""
    made = rows.rows if isinstance(rows, Rows) else [row for line in rows.lines for row in _unfolded(rows.table, line)]
    return {name: [row[place] for row in made] for place, name in enumerate(COLUMNS[rows.table])}


def store(client: Client, database: str, tables: Tables, times: int = 1) -> None:
    """Insert rows as the sink does, more than once to have every row doubled."""
    writer = TableWriter(lambda: client, load_settings(clickhouse_database=database))
    for number in range(times):
        for rows in tables.values():
            writer.insert(rows, f"{id(rows)}-{number}")


def _unfolded(table: str, line: bytes) -> Iterator[tuple[Any, ...]]:
    of = LISTS[table]
    *head, items, filed_at, precedence = orjson.loads(line)
    for item in items:
        found = dict(zip((*of.head, *of.item[1], *FILED), (*head, *item, filed_at, precedence), strict=True))
        if table == "scores":
            judged = found["intervals"]
            found["covered"] = [[level, inside] for level, inside, _, _ in judged]
            found["intervals"] = [[level, width, winkler] for level, _, width, winkler in judged]
        yield tuple(list(map(tuple, value)) if isinstance(value := found[name], list) else value
                    for name in COLUMNS[table])  # fmt: skip
