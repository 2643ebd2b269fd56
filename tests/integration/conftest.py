"""Fixtures of the integration tests: one Kafka broker and one ClickHouse for all of them, and names of one's own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from servers import ClickHouseServer, KafkaServer, Server

from cryptoviz.local.ports import free_ports
from cryptoviz.settings import Settings, load_settings


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses a server is marked, so that `-m "not stack"` leaves it out."""
    for item in items:
        if {"kafka", "broker", "clickhouse", "secured"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("stack")


def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The broker's process, for tests that only read from it; to kill one, make a `KafkaServer` of your own."""
    yield from _running(KafkaServer(tmp_path_factory.mktemp("kafka")))


@pytest.fixture(scope="session")
def kafka(kafka_server: KafkaServer) -> str:
    """Bootstrap address of the broker that all tests share."""
    return kafka_server.address


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A broker of one file's own, for tests of parts whose topics and groups have fixed names."""
    yield from _running(KafkaServer(tmp_path_factory.mktemp("broker")))


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The ClickHouse that all tests share: `url`, `port`, `user`, `password`."""
    yield from _running(ClickHouseServer(tmp_path_factory.mktemp("clickhouse")))


@pytest.fixture
def clickhouse_to_kill(tmp_path: Path) -> Iterator[Server]:
    """A ClickHouse of one test's own."""
    yield from _running(ClickHouseServer(tmp_path))


@pytest.fixture
def database(clickhouse: ClickHouseServer) -> str:
    """The name of a database that nobody else uses; `migrate` makes it."""
    return f"test_{secrets.token_hex(4)}"


@pytest.fixture
def make_topic(kafka: str) -> Callable[..., str]:
    """Creates a topic with a name of its own: `make_topic(partitions=4, **config)`."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})

    def make(partitions: int = 1, **config: str) -> str:
        name = f"test-{secrets.token_hex(6)}"
        new = NewTopic(name, partitions, 1, config={key.replace("_", "."): value for key, value in config.items()})
        admin.create_topics([new])[name].result(20)
        return name

    return make


@pytest.fixture
def stack_settings(kafka: str, clickhouse: ClickHouseServer, database: str, tmp_path: Path) -> Settings:
    """Settings of a part that talks to the shared servers, with a home, a database and ports of its own."""
    worker, producer, sink = free_ports(3)
    return load_settings(
        home=tmp_path / "home", kafka=kafka, clickhouse_url=clickhouse.url, clickhouse_user=clickhouse.user,
        clickhouse_password=clickhouse.password, clickhouse_database=database, worker_port=worker,
        producer_port=producer, sink_port=sink,
    )  # fmt: skip
