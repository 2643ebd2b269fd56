"""A month of one-minute candles of twelve assets at three sources, with everything on: how long, how many rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from bench.feed import Feed
from bench.figures import Figure, told
from bench.passing import Passed
from bench.whole_stream import together

MINUTES = 30 * 24 * 60
WARM = 0.95  # a day and a half is through, which takes longer than the broker's compiler


def run(console: Console, rounds: int, scale: float, only: str) -> dict[str, Any]:
    """Once, whatever the rounds, because it takes its time."""
    return told(console, "a month", _figures(together(Feed(max(60, int(MINUTES * scale))), warm=WARM)))


def _figures(passed: Passed) -> Iterator[Figure]:
    rows = sum(passed.rows.values())
    yield Figure(
        "all of it at the rate of its warm part", "minutes", [passed.whole_s / 60], passed.cores, passed.details
    )
    yield Figure("quotes", "quotes/s", [passed.quotes_per_s], f"of {passed.quotes:,}")
    yield Figure("results", "rows/s", [passed.rows_per_s(with_quotes=False)], f"{rows:,} rows in all")
    for part, size in passed.disk_bytes.items():
        yield Figure(f"{part} on disk", "GB", [size / 1e9])
