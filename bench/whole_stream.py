"""From quotes.raw to rows in ClickHouse with everything on: how many quotes and rows a second, and what it costs whom.

Broker, ClickHouse, workers and sink are processes of their own, as `cryptoviz up` starts them. All quotes are in the
log before workers and sink start; time runs from when a third of them is through to the last row stored and committed.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.feed import Feed
from bench.figures import Figure, told
from bench.passing import COMPUTING, NORMALISING, STORING, WARM, Passed, through, through_unstored
from bench.stack import Servers, fill, parts, servers

TICK_MINUTES, TICKS_A_MINUTE = 300, 200
CANDLE_MINUTES = 3_200  # forecasts of all horizons come due while the time runs


def together(feed: Feed, workers: int = 1, warm: float = WARM, **rules: object) -> Passed:
    """The feed through workers and sink that run at the same time, as they do live."""
    with (
        _filled(feed, rules) as running,
        parts(running.settings, running.folder, workers=workers, sink=True) as started,
    ):
        return through(running, started, feed, (NORMALISING, COMPUTING, STORING), warm)


def one_by_one(feed: Feed, **rules: object) -> tuple[Passed, Passed]:
    """The feed through one worker, then what came of it through the sink: the speed of each with nothing beside it.

    The worker's rows are those stored afterwards, as far as its messages of each kind came while it was timed.
    """
    with _filled(feed, rules) as running:
        with parts(running.settings, running.folder, workers=1) as started:
            worker, timed = through_unstored(running, started, feed)
        with parts(running.settings, running.folder, sink=True) as started:
            sink = through(running, started, feed, (STORING,))
    made = {table: rows * timed.get(table, 0) for table, rows in sink.rows.items()}
    return replace(worker, rows=sink.rows, timed=made), sink


@contextmanager
def _filled(feed: Feed, rules: Mapping[str, object]) -> Iterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="cryptoviz-bench-") as folder, servers(Path(folder), **rules) as running:
        fill(running.settings, feed)
        yield running


def run(console: Console, rounds: int, scale: float, only: str) -> dict[str, Any]:
    """Ticks and candles: whole, by stage, and with two workers, in turn; every figure once per round."""
    feeds = {
        "ticks": Feed(max(3, int(TICK_MINUTES * scale)), per_minute=TICKS_A_MINUTE),
        "candles": Feed(max(60, int(CANDLE_MINUTES * scale))),
    }
    runs: dict[str, list[Passed]] = {}
    for number, (name, feed) in itertools.product(range(rounds), feeds.items()):
        if only in name:
            for what, passed in _ways(name, feed):
                runs.setdefault(what, []).append(passed)
                console.print(
                    f"round {number + 1} {what}: {passed.quotes_per_s:,.0f} quotes/s,"
                    f" {passed.rows_per_s(with_quotes=False):,.0f} result rows/s in {passed.seconds:.1f} s"
                )
    return told(console, "whole stream", (figure for what, passed in runs.items() for figure in _figures(what, passed)))


def _ways(name: str, feed: Feed) -> Iterator[tuple[str, Passed]]:
    yield f"{name}, one worker", together(feed)
    yield f"{name}, two workers", together(feed, workers=2)
    worker, sink = one_by_one(feed)
    yield f"{name}, worker alone", worker
    yield f"{name}, sink alone", sink


def _figures(name: str, passed: Sequence[Passed]) -> Iterator[Figure]:
    last = passed[-1]
    alone = "sink alone" in name
    if not alone:
        yield Figure(name, "quotes/s", [one.quotes_per_s for one in passed], last.cores, last.details)
    rows = [one.rows_per_s(with_quotes=alone) for one in passed]
    yield Figure(name, "rows/s" if alone else "result rows/s", rows, last.cores, last.details)
    if "one worker" in name:
        for part in last.disk_bytes:
            sizes = [one.disk_bytes[part] / one.quotes for one in passed]
            yield Figure(f"{name}: {part} on disk", "bytes/quote", sizes)
