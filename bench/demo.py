"""What `make demo` takes: seconds to the first forecast, and the memory of each part once everything runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests
from confluent_kafka import Consumer
from rich.console import Console
from waiting import wait_until

from bench.figures import Figure, told
from cryptoviz.kafka import client_config
from cryptoviz.local.ports import free_ports
from cryptoviz.settings import load_settings
from cryptoviz.topics import PREDICTIONS

SECONDS = 60.0
PORTS = (
    "kafka", "kafka_controller", "clickhouse", "grafana", "health", "market", "sink", "producer", "monitor", "worker",
    "forecaster",
)  # fmt: skip
FIRST_WITHIN_S = 180


@dataclass(frozen=True)
class Demo:
    """Seconds from the command to the first forecast, and MB of memory by part some time later."""

    first_forecast_s: float
    memory_mb: Mapping[str, float]


def demo(seconds: float) -> Demo:
    """Run it in a home of its own; everything it needs has been fetched before."""
    with tempfile.TemporaryDirectory(prefix="cryptoviz-bench-") as name:
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        env = os.environ | {"CRYPTOVIZ_HOME": str(Path(name) / "home")}
        env |= {f"CRYPTOVIZ_{part.upper()}_PORT": str(port) for part, port in ports.items()}
        with (Path(name) / "demo.log").open("wb") as log:
            began = time.monotonic()
            argv = [sys.executable, "-m", "cryptoviz", "up", "--demo"]
            process = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
            try:
                first_s = _first_forecast(f"127.0.0.1:{ports['kafka']}") - began
                time.sleep(max(0.0, began + seconds - time.monotonic()))
                return Demo(first_s, _memory_mb(process.pid, ports["health"]))
            finally:
                process.terminate()
                process.wait(30)


def _first_forecast(kafka: str) -> float:
    config = client_config(load_settings(kafka=kafka), "bench-demo") | {
        "group.id": "bench-demo", "auto.offset.reset": "earliest", "log_level": 0,
        "topic.metadata.refresh.interval.ms": 500, "reconnect.backoff.max.ms": 200,
    }  # fmt: skip
    consumer = Consumer(config)
    consumer.subscribe([PREDICTIONS.name])
    try:
        wait_until(lambda: _is_there(consumer), FIRST_WITHIN_S, "a forecast")
        return time.monotonic()
    finally:
        consumer.close()


def _is_there(consumer: Consumer) -> bool:
    message = consumer.poll(0.1)
    return message is not None and message.error() is None


def _memory_mb(supervisor: int, health_port: int) -> dict[str, float]:
    parts = requests.get(f"http://127.0.0.1:{health_port}/health", timeout=5).json()["parts"]
    pids = {name: part["pid"] for name, part in parts.items() if part["pid"]} | {"cryptoviz up": supervisor}
    return {name: psutil.Process(pid).memory_full_info().pss / 2**20 for name, pid in pids.items()}


def run(console: Console, rounds: int, scale: float, only: str) -> dict[str, Any]:
    """The demo, started anew each round; the first round may find files that nobody has read yet."""
    return told(console, "demo", _figures(rounds, SECONDS * scale, only))


def _figures(rounds: int, seconds: float, only: str) -> Iterator[Figure]:
    runs = [demo(seconds) for _ in range(rounds)]
    yield Figure("command to first forecast", "s", [run.first_forecast_s for run in runs])
    total = [sum(run.memory_mb.values()) for run in runs]
    yield Figure("memory of everything", "MB", total, f"after {seconds:.0f} s")
    for part in (part for part in runs[-1].memory_mb if only in part):
        yield Figure(f"memory of {part}", "MB", [run.memory_mb.get(part, 0.0) for run in runs])
