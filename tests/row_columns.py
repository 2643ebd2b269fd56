"""Rows of a table as one list per column, which tests read more easily."""

from __future__ import annotations

from typing import Any

from processors.sink_rows import COLUMNS, Rows


def columns(rows: Rows) -> dict[str, list[Any]]:
    """By name, in the table's order."""
    return {name: [row[place] for row in rows.rows] for place, name in enumerate(COLUMNS[rows.table])}
