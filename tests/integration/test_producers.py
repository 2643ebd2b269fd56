"""The producer against real servers: the embedded broker, ClickHouse, and the demo market over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import orjson
import pytest
import requests
from confluent_kafka import Consumer, KafkaException, TopicPartition
from local_http import Asked, Reply, as_json, local_http
from pydantic import TypeAdapter
from servers import KafkaServer
from waiting import wait_until

from cryptoviz.assets import AssetRegistry
from cryptoviz.clickhouse import connect
from cryptoviz.kafka import Writer, producer_config
from cryptoviz.local.ports import free_ports
from cryptoviz.messages import RawQuotes
from cryptoviz.partitions import partition_of
from cryptoviz.settings import Settings, SourceSettings, load_settings
from cryptoviz.topics import RAW
from cryptoviz.topics_admin import ensure_topics
from producers.runner import Runner
from producers.sources.binance import Binance
from producers.stored import last_stored
from sql.migrate import migrate

RAW_QUOTES = TypeAdapter(RawQuotes)
Read = Callable[[], list[tuple[int, dict]]]


def _reader(address: str) -> Read:
    """Reads quotes.raw from where it ends now; each call returns all (partition, message) so far."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "log_level": 0})

    def end_of(partition: int) -> tuple[int, ...]:
        with suppress(KafkaException):  # a topic just made has no leader yet
            return (consumer.get_watermark_offsets(TopicPartition(RAW.name, partition), timeout=5)[1],)
        return ()

    ends = [wait_until(lambda number=number: end_of(number), 30, "the end of the log")[0] for number in range(4)]
    consumer.assign([TopicPartition(RAW.name, number, end) for number, end in enumerate(ends)])
    found: list[tuple[int, dict]] = []

    def read() -> list[tuple[int, dict]]:
        for message in consumer.consume(5000, timeout=0.2):
            assert message.error() is None
            found.append((message.partition(), orjson.loads(message.value())))
        return found

    return read


def _variables(settings: Settings, **more: str) -> dict[str, str]:
    names = ("kafka", "clickhouse_url", "clickhouse_user", "clickhouse_database", "producer_port")
    ours = {f"CRYPTOVIZ_{name.upper()}": str(getattr(settings, name)) for name in names}
    password = {"CRYPTOVIZ_CLICKHOUSE_PASSWORD": settings.clickhouse_password.get_secret_value()}
    return os.environ | ours | password | {f"CRYPTOVIZ_{name}": value for name, value in more.items()}


@pytest.fixture
def market(tmp_path: Path) -> Iterator[str]:
    """The demo market without faults."""
    (port,) = free_ports(1)
    argv = [sys.executable, "-m", "cryptoviz.local.market", "--port", str(port), "--faults", "none"]
    with (tmp_path / "market.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(f"{url}/ping"), 30, "the market")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False


def _ordered(messages: list[tuple[int, dict]]) -> None:
    """What the processors build on: per source and partition, received_at never decreases."""
    last: dict[tuple[str, int], int] = {}
    for partition, message in messages:
        RAW_QUOTES.validate_python(message)
        log = (message["source"], partition)
        assert message["received_at"] >= last.get(log, 0)
        last[log] = message["received_at"]
        assert all(partition_of(quote["asset"], 4) == partition for quote in message["quotes"])


def test_the_command_publishes_history_then_quotes_and_ends_when_told(
    stack_settings: Settings, market: str, tmp_path: Path
) -> None:
    ensure_topics(stack_settings)
    migrate(connect(stack_settings), stack_settings)
    read = _reader(stack_settings.kafka)
    sources = {
        f"{name.upper()}_{what}": value
        for name in ("coingecko", "coinmarketcap", "binance")
        for what, value in (("URL", f"{market}/{name}"), ("API_KEY", "demo"), ("INTERVAL_SECONDS", "1"))
    }
    env = _variables(stack_settings, BACKFILL_HOURS="2", HEARTBEAT_SECONDS="0.5", **sources)
    with (tmp_path / "produce.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "cryptoviz", "produce"], env=env, stdout=log, stderr=log)

    def live() -> set[str]:
        return {message["source"] for _, message in read() if message["origin"] == "live" and message["quotes"]}

    try:
        wait_until(lambda: live() == {"coingecko", "coinmarketcap", "binance"}, 60, "quotes of all three sources")
        health = requests.get(f"http://127.0.0.1:{stack_settings.producer_port}/health", timeout=5).json()
        assert {state["state"] for state in health["sources"].values()} == {"available"}
    finally:
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(15)
    assert (code, time.monotonic() - started < 14) == (0, True), (tmp_path / "produce.log").read_text()
    messages = read()
    _ordered(messages)
    history = [message for _, message in messages if message["origin"] == "backfill"]
    candles = [quote for message in history if message["source"] == "binance" for quote in message["quotes"]]
    assert len(candles) == pytest.approx(120 * len(AssetRegistry().feeding("binance")), abs=24)
    assert {message["source"] for message in history} == {"binance", "coingecko"}
    origins = [message["origin"] for _, message in messages]
    first_live = {partition: next(m["received_at"] for p, m in messages if p == partition and m["origin"] == "live")
                  for partition in {partition for partition, _ in messages}}  # fmt: skip
    assert "live" in origins
    assert all(m["received_at"] <= first_live[p] for p, m in messages if m["origin"] == "backfill")


def _tickers(asked: Asked) -> Reply:
    return as_json([{"symbol": symbol, "lastPrice": "10.5"} for symbol in json.loads(asked.params["symbols"])])


def test_a_broker_that_dies_and_comes_back_costs_no_quote_and_no_order(tmp_path: Path) -> None:
    server = KafkaServer(tmp_path)
    (port,) = free_ports(1)
    settings = load_settings(kafka=server.address, backfill_hours=0, heartbeat_seconds=0.2, producer_port=port)
    stop, errors = Event(), []
    try:
        server.start()
        ensure_topics(settings)
        read = _reader(server.address)
        with local_http(_tickers) as api:
            runner = Runner(settings, AssetRegistry(), Writer(producer_config(settings, "test")), stop)
            runner.add(Binance(), SourceSettings(url=api.url, interval_seconds=0.2))

            def run() -> None:
                try:
                    runner.run()
                except BaseException as error:
                    errors.append(error)

            thread = Thread(target=run)
            thread.start()
            wait_until(lambda: any(message["quotes"] for _, message in read()), 30, "a quote")
            server.kill()
            asked = len(api.asked)
            wait_until(lambda: len(api.asked) > asked + 10, 30, "polls while the broker is away")
            server.start()
            asked = len(api.asked)
            wait_until(lambda: len(api.asked) > asked + 5, 30, "polls after it is back")
            stop.set()
            thread.join(15)
        assert errors == []
        count = runner.metrics.registry.get_sample_value
        published = count("cryptoviz_producer_quotes_total", {"source": "binance", "origin": "live"}) or 0
        wait_until(lambda: sum(len(message["quotes"]) for _, message in read()) >= published, 30, "all quotes")
        messages = read()
        _ordered(messages)
        ids = [(quote["symbol"], quote["at"]) for _, message in messages for quote in message["quotes"]]
        assert len(ids) == len(set(ids)) == published
    finally:
        stop.set()
        server.stop()


def test_the_last_stored_quotes_are_found(stack_settings: Settings) -> None:
    assert last_stored(stack_settings, Event(), 5) == {}
    client = connect(stack_settings)
    migrate(client, stack_settings)
    assert last_stored(stack_settings, Event(), 5) == {}
    database, now = stack_settings.clickhouse_database, time.time_ns() // 1_000_000
    rows = [("BTC", "binance", now - 5_000), ("BTC", "binance", now - 60_000), ("ETH", "coingecko", now - 9_000),
            ("BTC", "coingecko", now - 100 * 3_600_000)]  # fmt: skip
    row = "('{}', '{}', fromUnixTimestamp64Milli({}, 'UTC'), 1)"
    values = ", ".join(row.format(*values) for values in rows)
    client.command(f"INSERT INTO {database}.quotes (asset, source, at, price) VALUES {values}")
    expected = {("binance", "BTC"): now - 5_000, ("coingecko", "ETH"): now - 9_000}
    assert last_stored(stack_settings, Event(), 5) == expected


def test_topics_that_do_not_fit_the_settings_are_one_clear_line(stack_settings: Settings) -> None:
    ensure_topics(stack_settings)
    chosen = {"SOURCES": "binance", "BINANCE_URL": "http://127.0.0.1:1", "BACKFILL_HOURS": "0", "PARTITIONS": "8"}
    env = _variables(stack_settings, **chosen)
    argv = [sys.executable, "-m", "cryptoviz", "produce"]
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == 1
    assert "run `cryptoviz topics` first" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("argv", "code", "told"),
    [
        (["gecko"], 1, "unknown source gecko; known are coingecko, coinmarketcap, binance"),
        (["coinmarketcap"], 1, "there is no source to poll"),
    ],
)
def test_what_cannot_be_polled_is_one_clear_line(argv: list[str], code: int, told: str) -> None:
    command = [sys.executable, "-m", "cryptoviz", "produce", *argv]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == code
    assert told in ended.stderr.splitlines()[-1]
