"""From quotes.raw to rows in ClickHouse with everything on: how many quotes and rows a second, and what it costs whom.

Broker, ClickHouse, workers and sink are processes of their own, as `cryptoviz up` starts them. All quotes are in the
log before workers and sink start; time runs from their being ready to the last row stored and committed.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer
from rich.console import Console
from servers import ClickHouseServer, KafkaServer
from waiting import wait_until

from bench.feed import Feed, messages
from bench.figures import Figure, told
from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect
from cryptoviz.errors import Retryable
from cryptoviz.kafka import producer_config
from cryptoviz.local.ports import free_ports
from cryptoviz.local.stack_parts import environment
from cryptoviz.progress import Stage, admin_client, consumer_lag, log_ends, stages, wait_until_through
from cryptoviz.settings import Settings, load_settings
from cryptoviz.topics import RAW
from cryptoviz.topics_admin import ensure_topics
from processors.sink_rows import TOPICS

# Half a minute and more: a broker that is new to its work compiles for ten seconds.
TICK_MINUTES, TICKS_A_MINUTE = 180, 200
CANDLE_MINUTES = 1_600  # beyond a day, so that the forecasts of all horizons come due
READY_WITHIN_S = 60
Parts = Mapping[str, psutil.Process]
TABLES = ("quotes", "bars", "stats", "indicators", "predictions", "signals", "scores")


@dataclass(frozen=True)
class Servers:
    """A running broker and ClickHouse, and the settings that lead to them."""

    kafka: KafkaServer
    clickhouse: ClickHouseServer
    settings: Settings

    @property
    def folder(self) -> Path:
        """Where everything of this run is."""
        return self.settings.home.parent

    @property
    def processes(self) -> dict[str, psutil.Process]:
        """By name."""
        both = {"kafka": self.kafka.process, "clickhouse": self.clickhouse.process}
        return {name: psutil.Process(process.pid) for name, process in both.items() if process}


@dataclass(frozen=True)
class Passed:
    """What went through, and the seconds of CPU and MB of memory it took each process.

    `seconds` count from the first commit, so that the start of Python does not; `share` is what was left by then.
    """

    quotes: int
    rows: Mapping[str, int]
    share: float
    seconds: float
    cpu_s: Mapping[str, float]
    memory_mb: Mapping[str, float]
    disk_bytes: Mapping[str, int] = field(default_factory=dict)

    @property
    def quotes_per_s(self) -> float:
        """How fast quotes went through."""
        return self.quotes * self.share / self.seconds

    @property
    def cores(self) -> str:
        """How many processors each process kept busy, in words."""
        return "cores: " + ", ".join(f"{part} {used / self.seconds:.2f}" for part, used in self.cpu_s.items())

    @property
    def details(self) -> dict[str, dict[str, Any]]:
        """What the file gets beside a figure."""
        return {"cpu_s": dict(self.cpu_s), "memory_mb": dict(self.memory_mb), "rows": dict(self.rows)}

    def rows_per_s(self, *, with_quotes: bool) -> float:
        """How fast rows were made, or stored."""
        rows = sum(rows for table, rows in self.rows.items() if with_quotes or table != "quotes")
        return rows * self.share / self.seconds


@contextmanager
def servers(folder: Path, **rules: object) -> Iterator[Servers]:
    """A broker and a ClickHouse with topics and tables, in `folder`."""
    kafka, clickhouse = KafkaServer(folder), ClickHouseServer(folder)
    settings = load_settings(
        home=folder / "home", kafka=kafka.address, clickhouse_url=clickhouse.url, clickhouse_user=clickhouse.user,
        clickhouse_password=clickhouse.password, sink_port=free_ports(1)[0], **rules,
    )  # fmt: skip
    try:
        kafka.start()
        clickhouse.start()
        ensure_topics(settings)
        migrate(settings)
        yield Servers(kafka, clickhouse, settings)
    finally:
        clickhouse.stop()
        kafka.stop()


def together(feed: Feed, workers: int = 1, **rules: object) -> Passed:
    """The feed through workers and sink that run at the same time, as they do live."""
    with (
        _filled(feed, rules) as running,
        parts(running.settings, running.folder, workers=workers, sink=True) as started,
    ):
        return _through(running, started, feed, stages(TOPICS))


def one_by_one(feed: Feed, **rules: object) -> tuple[Passed, Passed]:
    """The feed through one worker, then what came of it through the sink: the speed of each with nothing beside it."""
    with _filled(feed, rules) as running:
        normalising, computing, storing = stages(TOPICS)
        with parts(running.settings, running.folder, workers=1) as started:
            worker = _through(running, started, feed, (normalising, computing))
        with parts(running.settings, running.folder, sink=True) as started:
            sink = _through(running, started, feed, (storing,))
        return worker, sink


@contextmanager
def _filled(feed: Feed, rules: Mapping[str, object]) -> Iterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="cryptoviz-bench-") as folder, servers(Path(folder), **rules) as running:
        fill(running.settings, feed)
        yield running


def _through(running: Servers, started: Parts, feed: Feed, steps: Sequence[Stage]) -> Passed:
    processes = running.processes | started
    wait_until(lambda: _left(running.settings, steps[0]) < 1, READY_WITHIN_S, f"{steps[0].doing} to begin")
    share = _left(running.settings, steps[0])
    before = {name: cpu_s(process) for name, process in processes.items()}
    began = time.monotonic()
    wait_until_through(running.settings, steps)
    seconds = time.monotonic() - began
    used = {name: cpu_s(process) - before[name] for name, process in processes.items()}
    memory_mb = {name: process.memory_info().rss / 2**20 for name, process in processes.items()}
    disk = {name: disk_bytes(running.folder / name) for name in ("kafka", "clickhouse")}
    return Passed(feed.quotes, _rows(running.settings), share, seconds, used, memory_mb, disk)


def fill(settings: Settings, feed: Feed) -> None:
    """Write the whole feed to quotes.raw."""
    producer = Producer(producer_config(settings, "bench-feed") | {"log_level": 2})
    for partition, value in messages(feed):
        while len(producer) > 5_000:
            producer.poll(0.01)
        producer.produce(RAW.name, value, partition=partition)
    producer.flush()


@contextmanager
def parts(
    settings: Settings, folder: Path, *, workers: int = 0, sink: bool = False, monitor: bool = False
) -> Iterator[Parts]:
    """Workers, a sink and a monitor as `cryptoviz up` starts them, ended afterwards; their logs are in `folder`."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    with (folder / "parts.log").open("ab") as log:

        def start(name: str, command: str, **own: str) -> None:
            argv = [sys.executable, "-m", "cryptoviz", command]
            started[name] = subprocess.Popen(argv, env=environment(settings) | own, stdout=log, stderr=log)

        try:
            if sink:
                start("sink", "sink")
            if monitor:
                start("monitor", "monitor", CRYPTOVIZ_MONITOR_PORT=str(free_ports(1)[0]))
            for number, port in enumerate(free_ports(workers), 1):
                name = f"worker-{number}"
                start(name, "process", CRYPTOVIZ_WORKER_ID=name, CRYPTOVIZ_WORKER_PORT=str(port))
            yield {name: psutil.Process(process.pid) for name, process in started.items()}
        finally:
            for process in started.values():
                process.terminate()
            for process in started.values():
                process.wait(20)


def _left(settings: Settings, first: Stage) -> float:
    """The share of its messages that a stage has still to commit; 1 until it has begun."""
    try:
        ends = log_ends(settings, first.topics, admin_client(settings))
        return sum(consumer_lag(settings, first.group, first.topics).values()) / max(1, sum(ends.values()))
    except Retryable:  # the broker is only just there
        return 1.0


def cpu_s(process: psutil.Process) -> float:
    """Seconds of CPU that a process has taken so far."""
    times = process.cpu_times()
    return times.user + times.system


def disk_bytes(folder: Path) -> int:
    """What a folder takes on the disk; Kafka's index files are longer than that, with holes."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def _rows(settings: Settings) -> dict[str, int]:
    client = connect(settings)
    try:
        return {
            table: client.query(f"SELECT count() FROM {settings.clickhouse_database}.{table}").result_rows[0][0]
            for table in TABLES
        }
    finally:
        client.close()


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
                    f"round {number + 1} {what}: {passed.quotes_per_s:,.0f} quotes/s in {passed.seconds:.1f} s"
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
    if "worker alone" not in name:
        rows = [one.rows_per_s(with_quotes=alone) for one in passed]
        yield Figure(name, "rows/s" if alone else "result rows/s", rows, last.cores, last.details)
    if "one worker" in name:
        for part in last.disk_bytes:
            sizes = [one.disk_bytes[part] / one.quotes for one in passed]
            yield Figure(f"{name}: {part} on disk", "bytes/quote", sizes)
