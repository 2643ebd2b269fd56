"""`make soak`: the whole pipeline at a steady rate for an hour, to see whether anything grows that should not.

Every ten seconds the memory of each process and the lag of each group are taken down. At the end each process's memory
is fitted with a robust line over the second half, when heaps and caches have filled: growth beyond the limit fails.
"""

from __future__ import annotations

import csv
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.delay import feed_live
from bench.ending import end_on_sigterm
from bench.stack import Parts, disk_bytes, parts, servers
from cryptoviz.clickhouse import connect
from cryptoviz.errors import Retryable
from cryptoviz.progress import SINK_GROUP, WORKER_GROUP, consumer_lag, stages, wait_until_through
from cryptoviz.settings import Settings
from processors.sink_rows import TOPICS

SAMPLES = Path(__file__).parent / "results" / "soak.csv"
EVERY_S = 10.0
GROWTH_PERCENT_AN_HOUR, GROWTH_MB_AN_HOUR = 5.0, 20.0
"""A process fails that grows by more than both of these."""
LAG_S = 10.0
"""A group fails that is behind by more messages, at the end, than come in so many seconds."""


@dataclass
class Samples:
    """What was seen, by time in seconds since the start: MB by process, messages behind by group."""

    at_s: list[float] = field(default_factory=list)
    memory_mb: dict[str, list[float]] = field(default_factory=dict)
    lag: dict[str, list[int]] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """All of it as CSV."""
        columns = {"seconds": self.at_s} | {f"{name} MB": values for name, values in self.memory_mb.items()}
        columns |= {f"{name} lag": list(map(float, values)) for name, values in self.lag.items()}
        with file.open("w", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(columns)
            rows.writerows(zip(*columns.values(), strict=True))


@dataclass(frozen=True)
class Growth:
    """How a process's memory went: MB at a sixth of the time, at the end, and per hour over the second half."""

    early_mb: float
    last_mb: float
    mb_an_hour: float

    @property
    def grows(self) -> bool:
        """Whether it would not stay where it is."""
        return self.mb_an_hour > max(GROWTH_MB_AN_HOUR, self.last_mb * GROWTH_PERCENT_AN_HOUR / 100)


def growth(at_s: Sequence[float], memory_mb: Sequence[float]) -> Growth:
    """The line through the second half is Theil's and Sen's: the median of the slopes of all pairs."""
    at, memory = np.array(at_s), np.array(memory_mb)
    half = at >= at[-1] / 2
    first, second = np.triu_indices(int(half.sum()), 1)
    late_at, late = at[half], memory[half]
    slopes = (late[second] - late[first]) / (late_at[second] - late_at[first])
    early = float(memory[np.searchsorted(at, at[-1] / 6)])
    return Growth(early, float(np.median(late[-5:])), float(np.median(slopes)) * 3600)


@contextmanager
def _sampled(settings: Settings, processes: Parts, samples: Samples) -> Iterator[None]:
    stop, began = threading.Event(), time.monotonic()

    def sample() -> None:
        while not stop.wait(EVERY_S):
            try:
                lag = {group: sum(consumer_lag(settings, group).values()) for group in (WORKER_GROUP, SINK_GROUP)}
            except Retryable:
                continue
            samples.at_s.append(time.monotonic() - began)
            for group, messages in lag.items():
                samples.lag.setdefault(group, []).append(messages)
            for name, process in processes.items():
                samples.memory_mb.setdefault(name, []).append(process.memory_info().rss / 2**20)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield
    finally:
        stop.set()
        sampler.join()


def table_of(samples: Samples) -> Table:
    """A row per process and per group."""
    table = Table("", "at 1/6", "at the end", "an hour", "", title="memory, MB; messages behind", title_justify="left")
    for name, memory in samples.memory_mb.items():
        one = growth(samples.at_s, memory)
        verdict = "GROWS" if one.grows else "flat"
        table.add_row(name, f"{one.early_mb:.0f}", f"{one.last_mb:.0f}", f"{one.mb_an_hour:+.1f}", verdict)
    for group, lag in samples.lag.items():
        table.add_row(group, f"{lag[len(lag) // 6]:,}", f"{lag[-1]:,}", "", f"at most {max(lag):,}")
    return table


def failures(samples: Samples, messages_per_s: float, missing: int) -> list[str]:
    """What is not as it should be."""
    found = [f"{name} grows" for name, memory in samples.memory_mb.items() if growth(samples.at_s, memory).grows]
    for group, lag in samples.lag.items():
        if np.median(lag[-5:]) > LAG_S * messages_per_s:
            found.append(f"{group} falls behind")
    return found + ([f"{missing} quotes are missing in ClickHouse"] if missing else [])


def _stored(settings: Settings) -> int:
    client = connect(settings)
    try:
        counted = client.query(f"SELECT count() FROM {settings.clickhouse_database}.quotes FINAL")
        return int(counted.result_rows[0][0])
    finally:
        client.close()


@click.command(context_settings={"show_default": True})
@click.option("--minutes", default=float(os.environ.get("SOAK_MINUTES", "60")), help="How long.")
@click.option("--rate", default=int(os.environ.get("SOAK_RATE", "5000")), help="Quotes a second.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("bench/results/soak.csv"), help="Where samples go."
)
def main(*, minutes: float, rate: int, out: Path) -> None:
    """Feed at a steady rate, then say what grew."""
    end_on_sigterm()
    console = Console()
    samples = Samples()
    with TemporaryDirectory(prefix="cryptoviz-soak-") as name, servers(Path(name), horizon_hours=(1,)) as running:
        with parts(running.settings, running.folder, workers=1, sink=True, monitor=True) as started:
            everything: Mapping[str, object] = running.processes | started
            console.print(f"{rate:,} quotes/s for {minutes:g} minutes; {', '.join(everything)}; logs in {name}")
            with _sampled(running.settings, running.processes | started, samples):
                fed = feed_live(running.settings, rate, minutes * 60, console.print)
            wait_until_through(running.settings, stages(TOPICS))
            stored = _stored(running.settings)
        sizes = {part: disk_bytes(running.folder / part) / 2**20 for part in ("kafka", "clickhouse")}
    out.parent.mkdir(parents=True, exist_ok=True)
    samples.write(out)
    console.print(table_of(samples))
    console.print(f"fed {fed.quotes:,}, stored {stored:,}; disk MB: {sizes}; samples: {out}")
    wrong = failures(samples, fed.messages / (minutes * 60), fed.quotes - stored)
    console.print("\n".join(wrong) or "nothing grows, nothing is missing")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
