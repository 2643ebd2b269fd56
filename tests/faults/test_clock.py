"""A producer whose machine's clock is set forward and back, and which is killed: what it has polled is not refused."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import requests
from confluent_kafka import KafkaException, Message
from faults import set_clock
from faults.under_fire import Part
from servers import KafkaServer
from waiting import wait_until

from cryptoviz.assets import AssetRegistry
from cryptoviz.kafka import client_config
from cryptoviz.local.ports import free_ports
from cryptoviz.local.process import Reaper
from cryptoviz.settings import Settings, load_settings
from cryptoviz.topics import RAW
from cryptoviz.topics_admin import ensure_topics
from processors.normalise import Normaliser, Position
from processors.recovery import LogReader

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(300)]

WITHIN_S = 60
NEAR_MS = 5_000
ENOUGH = 20


class Log:
    """What the producer has written, read from where the last look ended."""

    def __init__(self, settings: Settings) -> None:
        self._reader = LogReader(client_config(settings, "test-clock") | {"group.id": "test-clock"})
        self._next = dict.fromkeys((RAW.name, RAW.dead.name), [0] * settings.partitions)

    def more(self, topic: str) -> list[Message]:
        """Messages since the last call."""
        found, starts = [], self._next[topic]
        try:
            ends = [self._reader.bounds(topic, partition)[1] for partition in range(len(starts))]
        except KafkaException:  # a topic just made has no leader yet
            return []
        for partition, (start, end) in enumerate(zip(starts, ends, strict=True)):
            found += self._reader.read(topic, partition, start, end)
        self._next[topic] = ends
        return found


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    server = KafkaServer(tmp_path)
    server.start()
    try:
        settings = load_settings(kafka=server.address, home=tmp_path / "home", producer_port=free_ports(1)[0])
        ensure_topics(settings)
        yield settings
    finally:
        server.stop()


@pytest.fixture
def warden() -> Iterator[Reaper]:
    warden = Reaper()
    yield warden
    warden.close()


@pytest.fixture
def market(tmp_path: Path, warden: Reaper) -> Iterator[str]:
    (port,) = free_ports(1)
    argv = (sys.executable, "-m", "cryptoviz.local.market", "--port", str(port), "--faults", "none")
    part = Part("market", argv, tmp_path / "market.log", warden)
    part.keep()
    wait_until(lambda: _answers(f"http://127.0.0.1:{port}/ping"), WITHIN_S, "the market")
    yield f"http://127.0.0.1:{port}"
    part.end(10)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False


def _ahead_ms(message: Message) -> int:
    """By how much the producer's clock was ahead of the broker's."""
    return int(orjson.loads(message.value() or b"")["received_at"]) - message.timestamp()[1]


def _is_well(log: Log, settings: Settings) -> None:
    """Return once the clock is right and many quotes have come that a worker takes, and none that it or we refused."""
    wait_until(lambda: any(abs(_ahead_ms(one)) < NEAR_MS for one in log.more(RAW.name)), WITHIN_S, "the right time")
    log.more(RAW.dead.name)
    normaliser, quotes = Normaliser(AssetRegistry(), settings.partitions, settings.bar_seconds), 0
    deadline = time.monotonic() + WITHIN_S
    while quotes < ENOUGH:
        assert time.monotonic() < deadline, f"{quotes} quotes came"
        for message in wait_until(lambda: log.more(RAW.name), WITHIN_S, "quotes"):
            at = Position(RAW.name, message.partition() or 0, message.offset() or 0, message.timestamp()[1])
            normalised, letters = normaliser.normalise(message.value(), at)
            assert normalised is not None
            assert not letters
            assert abs(_ahead_ms(message)) < NEAR_MS
            quotes += len(normalised["quotes"])
    assert not log.more(RAW.dead.name)


def test_a_clock_set_forward_and_back_costs_nothing_once_it_is_right(
    settings: Settings, market: str, warden: Reaper, tmp_path: Path
) -> None:
    clock, log = tmp_path / "clock", Log(settings)
    clock.write_text("-3600")
    argv = (sys.executable, set_clock.__file__, str(clock), "produce", "binance", "coingecko")
    env = {
        "CRYPTOVIZ_KAFKA": settings.kafka, "CRYPTOVIZ_PRODUCER_PORT": str(settings.producer_port),
        "CRYPTOVIZ_BACKFILL_HOURS": "0", "CRYPTOVIZ_HEARTBEAT_SECONDS": "1",
        **{f"CRYPTOVIZ_{name}_URL": f"{market}/{name.lower()}" for name in ("BINANCE", "COINGECKO")},
        **{f"CRYPTOVIZ_{name}_INTERVAL_SECONDS": "1" for name in ("BINANCE", "COINGECKO")},
        "CRYPTOVIZ_COINGECKO_API_KEY": "demo",
    }  # fmt: skip
    producer = Part("produce", argv, tmp_path / "produce.log", warden, env)
    try:
        producer.keep()
        wait_until(lambda: log.more(RAW.dead.name), WITHIN_S, "quotes from the future, by a clock that is late")
        clock.write_text("0")
        _is_well(log, settings)
        clock.write_text("3600")
        wait_until(lambda: any(_ahead_ms(one) > 3_000_000 for one in log.more(RAW.name)), WITHIN_S, "the wrong time")
        clock.write_text("0")
        _is_well(log, settings)
        producer.kill(0)
        producer.keep()
        _is_well(log, settings)
    finally:
        producer.end(10)
    assert "the machine's clock was set by 3600.0 s; ours follows" in (tmp_path / "produce.log").read_text()
