"""A worker that is alive but does not get on, against a real broker: it says so and ends itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from servers import KafkaServer
from unit.processors.streams import T0
from waiting import wait_until

from cryptoviz.kafka import Writer, producer_config
from cryptoviz.local.ports import free_ports
from cryptoviz.local.stack_parts import environment
from cryptoviz.settings import Settings, load_settings
from cryptoviz.topics import RAW
from cryptoviz.topics_admin import ensure_topics
from processors.watch import EXIT_STUCK
from producers.raw import Envelope

TESTS = Path(__file__).parents[1]


@pytest.fixture
def settings(broker: KafkaServer, tmp_path: Path) -> Settings:
    """Those of a worker at a broker with topics and some heartbeats."""
    settings = load_settings(home=tmp_path / "home", kafka=broker.address, worker_port=free_ports(1)[0])
    ensure_topics(settings)
    writer = Writer(producer_config(settings, "test"))
    for partition, value in Envelope("binance", "replay", 60, 10.0, settings.partitions).heartbeats(T0):
        writer.send(RAW.name, partition, value)
    assert writer.flush(60)
    return settings


@contextmanager
def _worker(settings: Settings, log: Path, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, *argv], env=environment(settings), stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("how", ["waits", "blocks"])
def test_a_worker_that_stands_still_ends_itself_and_says_why(how: str, settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with _worker(settings, log, str(TESTS / "stuck_worker.py"), how) as process:
        wait_until(lambda: process.poll() is not None, 90, f"the worker to end (log: {log})")
    assert process.returncode == EXIT_STUCK
    assert "nothing was committed for" in log.read_text()
    assert "('quotes.raw', 0)" in log.read_text()


def test_a_worker_that_gets_on_says_how_far_it_is(settings: Settings, tmp_path: Path) -> None:
    def through() -> bool:
        try:
            answer = requests.get(f"http://127.0.0.1:{settings.worker_port}/health", timeout=5)
        except requests.RequestException:
            return False
        places = answer.json()["partitions"]
        return (
            answer.status_code == 200
            and set(places) == {f"{topic}/{n}" for topic in ("quotes.raw", "quotes.normalized") for n in range(4)}
            and all(place["end"] > 0 and place["behind"] == 0 for place in places.values())
        )

    with _worker(settings, tmp_path / "worker.log", "-m", "cryptoviz", "process") as process:
        wait_until(through, 90, f"the worker to be through (log: {tmp_path / 'worker.log'})")
        assert process.poll() is None
