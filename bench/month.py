"""A month of one-minute candles of twelve assets at three sources, with everything on: how long, how many rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from bench.feed import Feed
from bench.figures import Figure, told
from bench.whole_stream import Passed, together

MINUTES = 30 * 24 * 60


def run(console: Console, rounds: int, scale: float, only: str) -> dict[str, Any]:
    """Once, whatever the rounds, because it takes its time."""
    return told(console, "a month", _figures(together(Feed(max(60, int(MINUTES * scale))))))


def _figures(passed: Passed) -> Iterator[Figure]:
    rows = sum(passed.rows.values())
    yield Figure("from the first quote to the last row", "minutes", [passed.seconds / 60], passed.cores, passed.details)
    yield Figure("quotes", "quotes/s", [passed.quotes_per_s], f"of {passed.quotes:,}")
    yield Figure("results", "rows/s", [passed.rows_per_s(with_quotes=False)], f"{rows:,} rows in all")
    for part, size in passed.disk_bytes.items():
        yield Figure(f"{part} on disk", "GB", [size / 1e9])
