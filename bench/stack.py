"""The servers and parts of a run, as `cryptoviz up` starts them, each a process of its own; and what they take."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from confluent_kafka import Producer
from servers import ClickHouseServer, KafkaServer

from bench.feed import Feed, messages
from cryptoviz.cli.migrate import run as migrate
from cryptoviz.kafka import producer_config
from cryptoviz.local.ports import free_ports
from cryptoviz.local.stack_parts import environment
from cryptoviz.settings import Settings, load_settings
from cryptoviz.topics import RAW
from cryptoviz.topics_admin import ensure_topics

Parts = Mapping[str, psutil.Process]


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


def cpu_s(process: psutil.Process) -> float:
    """Seconds of CPU that a process has taken so far."""
    times = process.cpu_times()
    return times.user + times.system


def disk_bytes(folder: Path) -> int:
    """What a folder takes on the disk; Kafka's index files are longer than that, with holes.

    Files that go while one looks, as those of ClickHouse do when it merges, count nothing.
    """
    return sum(_taken(Path(where, name)) for where, _, names in os.walk(folder) for name in names)


def _taken(file: Path) -> int:
    try:
        return file.stat().st_blocks * 512
    except FileNotFoundError:
        return 0
