"""The monitor against a real broker, a real ClickHouse and parts that really serve their metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from pydantic import SecretStr
from servers import ClickHouseServer
from waiting import wait_until

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect, rows
from cryptoviz.kafka import Writer, producer_config
from cryptoviz.metrics import serve
from cryptoviz.monitor.monitor import Monitor
from cryptoviz.progress import SINK_GROUP
from cryptoviz.settings import Settings
from cryptoviz.topics import BARS
from cryptoviz.topics_admin import ensure_topics

LATE = "cryptoviz_quotes_late_total"


class Looking:
    """A monitor of these settings that looks when it is told to, and what it has stored."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.monitor = Monitor(
            settings,
            connect=partial(connect, settings, connect_timeout_s=1),
            now_ms=lambda: time.time_ns() // 1_000_000,
        )

    def look(self) -> None:
        self.monitor.look()

    def stored(self, name: str) -> list[tuple[Any, ...]]:
        """(part, labels, value) of a metric's samples, in the order of their times."""
        client = connect(self.settings)
        table = f"{self.settings.clickhouse_database}.metrics"
        sql = f"SELECT part, labels, value FROM {table} WHERE name = '{name}' ORDER BY at"
        return rows(client, sql, self.settings)


@pytest.fixture
def looking(stack_settings: Settings) -> Looking:
    migrate(stack_settings)
    return Looking(stack_settings)


@pytest.fixture
def late(looking: Looking) -> Iterator[Counter]:
    """What worker-1 serves on its port."""
    registry = CollectorRegistry()
    counter = Counter("cryptoviz_quotes_late", "late quotes", ["source"], registry=registry)
    settings = looking.settings
    server = serve(settings.host, settings.worker_port, "CRYPTOVIZ_WORKER_PORT", registry, dict)
    yield counter
    server.shutdown()
    server.server_close()


def test_it_stores_what_parts_count_and_whether_they_answer(looking: Looking, late: Counter) -> None:
    late.labels("binance").inc(3)
    looking.look()
    late.labels("binance").inc(2)
    late.labels("kraken").inc()
    looking.look()
    assert looking.stored(LATE) == [
        ("worker-1", {"source": "binance"}, 3.0),
        ("worker-1", {"source": "binance"}, 2.0),
        ("worker-1", {"source": "kraken"}, 1.0),
    ]
    assert {(part, value) for part, _, value in looking.stored("cryptoviz_up")} == {
        ("worker-1", 1.0), ("sink", 0.0), ("produce", 0.0)
    }  # fmt: skip


def test_one_that_is_started_anew_counts_nothing_twice(looking: Looking, late: Counter) -> None:
    late.labels("binance").inc(3)
    looking.look()
    late.labels("binance").inc(4)
    again = Looking(looking.settings)
    again.look()
    late.labels("binance").inc(2)
    again.look()
    assert [value for _, _, value in again.stored(LATE)] == [3.0, 0.0, 2.0]


def test_it_stores_the_lag_of_consumers_and_the_size_of_tables(looking: Looking) -> None:
    settings = looking.settings
    ensure_topics(settings)
    writer = Writer(producer_config(settings, "test"))
    before = _lag(looking)
    for _ in range(5):
        writer.send(BARS.name, 0, b"x")
    assert writer.flush(60)
    assert _lag(looking) - before == 5
    sizes = dict(rows(connect(settings), f"SELECT labels['kind'], value FROM {settings.clickhouse_database}.metrics "
                                         "WHERE name = 'cryptoviz_disk_bytes' ORDER BY at", settings))  # fmt: skip
    assert 0 < sizes["free"] < sizes["total"]
    assert any(
        labels == {"table": "metrics"} and value > 0 for _, labels, value in looking.stored("cryptoviz_table_bytes")
    )


def _lag(looking: Looking) -> float:
    """How much of the bars' topic the sink has not read, as sampled now."""

    def sampled() -> list[float]:
        looking.look()
        found = looking.stored("cryptoviz_consumer_lag_messages")
        return [value for _, labels, value in found if labels == {"consumer": SINK_GROUP, "topic": BARS.name}]

    return wait_until(sampled, 60, "the broker to say how far the sink is")[-1]


@pytest.fixture
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A ClickHouse that may be killed."""
    server = ClickHouseServer(tmp_path_factory.mktemp("outage"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_an_outage_of_clickhouse_loses_no_sample(mortal: ClickHouseServer, stack_settings: Settings) -> None:
    settings = stack_settings.model_copy(update={
        "clickhouse_url": mortal.url, "clickhouse_user": mortal.user,
        "clickhouse_password": SecretStr(mortal.password),
    })  # fmt: skip
    migrate(settings)
    looking = Looking(settings)
    looking.look()
    mortal.kill()
    looking.look()
    looking.look()
    health = looking.monitor.health()
    assert (health["ok"], health["waiting_rounds"]) == (True, 2)
    assert "is not available" in health["state"]
    mortal.start()
    looking.look()
    assert looking.monitor.health()["waiting_rounds"] == 0
    assert len(looking.stored("cryptoviz_up")) == 4 * 3


def test_an_outage_of_kafka_loses_no_sample_of_the_others(stack_settings: Settings) -> None:
    settings = stack_settings.model_copy(update={"kafka": "127.0.0.1:1"})
    migrate(settings)
    looking = Looking(settings)
    looking.look()
    assert "the broker does not say" in looking.monitor.health()["state"]
    assert len(looking.stored("cryptoviz_up")) == 3
