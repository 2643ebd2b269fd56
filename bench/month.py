"""A month of one-minute candles of twelve assets at three sources, with everything on: how long, how many rows.

Once with all models, once with only those that make the consensus and the signals.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from bench.feed import Feed
from bench.figures import Figure, told
from bench.passing import Passed
from bench.whole_stream import together
from processors.models import MODELS

MINUTES = 30 * 24 * 60
BEGUN = 0.999  # of it is left when timing begins: all but the start of Python counts
WAYS = {"all models": (), "the four models": tuple(model.name for model in MODELS if model.weight > 0)}
"""What `models` is set to."""


def run(console: Console, rounds: int, scale: float, only: str) -> dict[str, Any]:
    """Each way whose name contains `only` once, whatever the rounds, because it takes its time."""
    feed = Feed(max(60, int(MINUTES * scale)))
    passed = {name: together(feed, warm=BEGUN, models=models) for name, models in WAYS.items() if only in name}
    return told(console, "a month", (figure for name, one in passed.items() for figure in _figures(name, one)))


def _figures(name: str, passed: Passed) -> Iterator[Figure]:
    rows = sum(passed.rows.values())
    yield Figure(f"{name}: from the first quote to the last row", "minutes", [passed.whole_s / 60], passed.cores,
                 passed.details)  # fmt: skip
    yield Figure(f"{name}: quotes", "quotes/s", [passed.quotes_per_s], f"of {passed.quotes:,}")
    yield Figure(f"{name}: results", "rows/s", [passed.rows_per_s(with_quotes=False)], f"{rows:,} rows in all")
    for part, size in passed.disk_bytes.items():
        yield Figure(f"{name}: {part} on disk", "GB", [size / 1e9])
