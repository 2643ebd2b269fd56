"""The sink against a real broker and a real ClickHouse: what goes in comes out, once, whatever is killed meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import orjson
import pytest
import sink_messages as made
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr
from row_columns import columns, store
from servers import ClickHouseServer, KafkaServer
from sink_process import PER_NUMBER, SinkProcess, ask, counts, everything, send, wait_caught_up
from waiting import wait_until

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect
from cryptoviz.local.ports import free_ports
from cryptoviz.progress import SINK_GROUP, consumer_lag
from cryptoviz.settings import Settings
from cryptoviz.topics_admin import ensure_topics
from processors.normalise import Position
from processors.sink_client import TableWriter
from processors.sink_columns import TIMES
from processors.sink_lists import LISTS
from processors.sink_rows import TOPICS, Health, Tables, add_message

pytestmark = pytest.mark.stack
_numbers = count()


@pytest.fixture
def settings(stack_settings: Settings, broker: KafkaServer) -> Settings:
    """Topics and tables are there, and the sink's group has read all there was before this test."""
    settings = stack_settings.model_copy(update={"kafka": broker.address})
    ensure_topics(settings)
    migrate(settings)
    return settings


@pytest.fixture
def sink(settings: Settings, tmp_path: Path) -> Iterator[SinkProcess]:
    process = SinkProcess(settings, tmp_path)
    yield process
    if process.process is not None:
        process.end(signal.SIGKILL)


def fresh(length: int) -> range:
    """Numbers that no other test of this file has used."""
    start = next(_numbers) * 100_000
    return range(start, start + length)


def expected(length: int) -> dict[str, int]:
    return {table: rows * length for table, rows in PER_NUMBER.items()}


def test_messages_of_every_topic_become_rows_and_the_metrics_say_so(settings: Settings, sink: SinkProcess) -> None:
    numbers = fresh(20)
    send(settings, everything(numbers))
    sink.start()
    wait_caught_up(settings)
    assert counts(settings) == expected(20)
    first = numbers.start
    assert ask(settings, "SELECT close FROM {db}.bars FINAL ORDER BY start LIMIT 1") == [(2.0 + first,)]
    assert ask(settings, "SELECT DISTINCT state, asset FROM {db}.source_health FINAL") == [("available", "")]
    forecasts = ask(
        settings,
        "SELECT model, forecast, bounds, reason, filed_at > made_at FROM {db}.predictions FINAL "
        "ORDER BY made_at, model LIMIT 3",
    )
    assert forecasts[0] == ("ma_long", None, [], "not_enough_points", True)
    assert forecasts[2][:2] == ("trend", 101.0)
    assert [tuple(bound.values()) if isinstance(bound, dict) else bound for bound in forecasts[2][2]] == [
        (0.8, 90.0, 110.0)
    ]
    judged = (
        "SELECT hit, relative_error, absolute_error, covered.inside, intervals.winkler, origin FROM {db}.scores FINAL"
    )
    assert ask(settings, f"{judged} ORDER BY target_at, horizon_s LIMIT 2") == [
        (True, 0.5, 1.0, [False], [6.0], "live"),
        (None, None, 1.0, [], [], "backfill"),
    ]
    columns = ask(settings, "SELECT symbol, price, source FROM {db}.crypto_prices ORDER BY timestamp LIMIT 1")
    assert columns == [("BTC", 60_000.0 + first, "binance")]
    assert ask(settings, "SELECT asset, source, price FROM {db}.v_latest") == [
        ("BTC", "binance", 60_000.0 + numbers[-1])
    ]
    with urlopen(f"http://127.0.0.1:{settings.sink_port}/metrics", timeout=5) as answer:
        assert b'cryptoviz_sink_rows_total{table="quotes"} 60.0' in answer.read()
    with urlopen(f"http://127.0.0.1:{settings.sink_port}/health", timeout=5) as answer:
        assert orjson.loads(answer.read())["ok"] is True


def test_a_stop_stores_and_commits_what_was_read_and_exits_0(settings: Settings, sink: SinkProcess) -> None:
    sink.start()
    wait_until(lambda: "copying" in sink.text(), 30, "the sink to run")
    send(settings, everything(fresh(5)))
    wait_until(lambda: counts(settings)["quotes"] == 15, 30, "the quotes to be stored")
    began = time.monotonic()
    assert sink.end() == 0
    assert time.monotonic() - began < 15
    assert not any(consumer_lag(settings, SINK_GROUP, TOPICS).values())
    assert counts(settings) == expected(5)


def test_messages_written_twice_are_one_row_and_the_first_forecast_filed_stays(
    settings: Settings, sink: SinkProcess
) -> None:
    numbers = fresh(3)
    send(settings, everything(numbers))
    send(settings, everything(numbers))
    send(settings, [("predictions", n % 4, made.prediction(n, forecast=999.0)) for n in numbers])
    sink.start()
    wait_caught_up(settings)
    assert counts(settings) == expected(3)
    assert ask(settings, "SELECT DISTINCT forecast FROM {db}.predictions FINAL WHERE model = 'trend'") == [(101.0,)]
    with urlopen(f"http://127.0.0.1:{settings.sink_port}/metrics", timeout=5) as answer:
        assert b"cryptoviz_sink_conflicting_forecasts_total 3.0" in answer.read()
    assert "the first one counts" in sink.text()


def test_a_row_that_comes_twice_in_one_insert_is_one_for_readers_though_both_are_written(settings: Settings) -> None:
    rows = Tables()
    for offset in (0, 1):
        at = Position("bars", 0, offset, made.T0)
        add_message(orjson.dumps(made.bar(0) | {"close": 2.0 + offset, "asset": "TWICE"}), at, rows, Health())
    connect(settings).command(f"SYSTEM STOP MERGES {settings.clickhouse_database}.bars")
    try:
        TableWriter(partial(connect, settings), settings).insert(rows["bars"], "twice in one")
        stored = "SELECT close FROM {db}.bars%s WHERE asset = 'TWICE' ORDER BY close"
        assert ask(settings, stored % "") == [(2.0,), (3.0,)]
        assert ask(settings, stored % " FINAL") == [(2.0,)]
    finally:
        connect(settings).command(f"SYSTEM START MERGES {settings.clickhouse_database}.bars")


def test_clickhouse_makes_of_a_line_what_it_says(settings: Settings) -> None:
    extremes = [5e-324, 1.7976931348623157e308, -0.1, 1 / 3, 123456789.12345679, 0.0]
    odd = "it's \u00e9 \\ \t\n\"\x01\u20ac"
    bounds = [[{"level": 0.5, "lower": x, "upper": -x}, {"level": 0.8, "lower": 1.0, "upper": 2.0}] for x in extremes]
    forecasts = [
        made.prediction(1)["forecasts"][0] | {"forecast": x, "variation": None, "model": odd, "bounds": bound}
        for x, bound in zip(extremes, bounds, strict=True)
    ]
    messages: list[tuple[str, Any]] = [
        ("predictions", made.prediction(1) | {"asset": "LINES", "forecasts": forecasts}),
        ("scores", made.scores(1) | {"asset": "LINES"}),
        ("stats", made.stats(1) | {"asset": "LINES"}),
        ("signals", made.signal(1) | {"asset": "LINES"}),
    ]
    tables = Tables()
    for offset, (topic, message) in enumerate(messages):
        add_message(orjson.dumps(message), Position(topic, 0, offset, made.T0 + offset), tables, Health())
    store(connect(settings), settings.clickhouse_database, tables)
    assert set(tables) == set(LISTS)
    mine = "asset = 'LINES'"
    for table, rows in tables.items():
        said = columns(rows)
        asked = ", ".join(f"toUnixTimestamp64Milli({name})" if name in TIMES else name for name in said)
        stored = [tuple(map(unnamed, row)) for row in ask(settings, f"SELECT {asked} FROM {{db}}.{table} WHERE {mine}")]
        assert sorted(stored, key=str) == sorted(zip(*said.values(), strict=True), key=str)


def unnamed(value: Any) -> Any:
    """A column of named tuples as one of tuples."""
    return [tuple(one.values()) for one in value] if isinstance(value, list) else value


def test_lines_sent_twice_with_one_token_are_stored_once(settings: Settings) -> None:
    tables = Tables()
    message = made.prediction(1) | {"asset": "TWICE"}
    add_message(orjson.dumps(message), Position("predictions", 0, 1, made.T0), tables, Health())
    client = connect(settings)
    client.command(f"SYSTEM STOP MERGES {settings.clickhouse_database}.predictions")
    writer = TableWriter(partial(connect, settings), settings)
    try:
        counts = []
        for token in ("one", "one", "another"):
            writer.insert(tables["predictions"], token)
            (counted,) = ask(settings, "SELECT count() FROM {db}.predictions WHERE asset = 'TWICE' SETTINGS final = 0")
            counts += counted
        assert counts == [4, 4, 8]
    finally:
        client.command(f"SYSTEM START MERGES {settings.clickhouse_database}.predictions")


def test_killed_again_and_again_it_loses_nothing_and_doubles_nothing(settings: Settings, tmp_path: Path) -> None:
    numbers = fresh(2_000)
    killed = settings.model_copy(update={"sink_batch_rows": 500})  # small batches: more borders to be killed at
    sink = SinkProcess(killed, tmp_path)
    send(settings, everything(numbers[:500]))
    for turn in range(1, 4):
        sink.start()
        before = counts(settings)["quotes"]
        wait_until(lambda before=before: counts(settings)["quotes"] > before, 30, "rows before the next kill")  # type: ignore[misc]
        assert sink.end(signal.SIGKILL) == -signal.SIGKILL
        send(settings, everything(numbers[500 * turn : 500 * (turn + 1)]))
    sink.start()
    try:
        wait_caught_up(settings)
        assert counts(settings) == expected(2_000)
        prices = ask(settings, "SELECT sum(price), uniqExact(ref) FROM {db}.quotes FINAL")
        assert prices == [(sum(3 * (60_000.0 + n) for n in numbers), 6_000)]
    finally:
        assert sink.end() == 0


def small_batches_into(server: ClickHouseServer, settings: Settings) -> Settings:
    """For a sink that has its lanes full soon, with the tables in place."""
    access = {"clickhouse_url": server.url, "clickhouse_password": SecretStr(server.password)}
    own = settings.model_copy(update=access | {"sink_batch_rows": 300})
    migrate(own)
    return own


def test_an_outage_of_clickhouse_is_waited_out_by_a_member_of_the_group(
    settings: Settings, broker: KafkaServer, clickhouse_to_kill: ClickHouseServer, tmp_path: Path
) -> None:
    own = small_batches_into(clickhouse_to_kill, settings)
    sink = SinkProcess(own, tmp_path)
    try:
        numbers = fresh(1_500)
        send(own, everything(numbers[:100]))
        sink.start()
        wait_caught_up(own)
        clickhouse_to_kill.kill()
        send(own, everything(numbers[100:]))  # many times more than a batch holds: reading has to pause
        wait_until(lambda: "waiting for it" in sink.text(), 30, "the sink to notice")
        wait_until(lambda: lag_seen(own) == 1_400, 30, "the outage to be seen as lag, nothing committed")
        assert members(broker) == 1
        clickhouse_to_kill.start()
        wait_caught_up(own)
        assert counts(own) == expected(1_500)
        assert sink.text().count("waiting for it") == 1
        assert sink.text().count("ClickHouse is back") == 1
        assert sink.end() == 0
    finally:
        sink.end(signal.SIGKILL)


def test_a_sink_that_waits_for_clickhouse_and_loses_its_place_in_the_group_goes_on_where_it_was(
    settings: Settings, broker: KafkaServer, clickhouse_to_kill: ClickHouseServer, tmp_path: Path
) -> None:
    """Its partitions are paused then, and the same ones are given to it anew."""
    own = small_batches_into(clickhouse_to_kill, settings)
    sink = SinkProcess(own, tmp_path)
    try:
        numbers = fresh(1_500)
        send(own, everything(numbers[:100]))
        sink.start()
        wait_caught_up(own)
        clickhouse_to_kill.kill()
        send(own, everything(numbers[100:]))
        wait_until(lambda: "waiting for it" in sink.text(), 30, "the sink to notice")
        wait_until(lambda: lag_seen(own) == 1_400, 30, "all lanes to be full, nothing committed")
        assert sink.process is not None
        os.kill(sink.process.pid, signal.SIGSTOP)
        wait_until(lambda: members(broker) == 0, 60, "the group to give the sink up")
        os.kill(sink.process.pid, signal.SIGCONT)
        wait_until(lambda: members(broker) == 1, 60, "the sink to join again")
        clickhouse_to_kill.start()
        wait_caught_up(own)
        assert counts(own) == expected(1_500)
    finally:
        sink.end(signal.SIGKILL)


def test_an_outage_of_kafka_is_waited_out_and_said_once(stack_settings: Settings, tmp_path: Path) -> None:
    server = KafkaServer(tmp_path)
    settings = stack_settings.model_copy(update={"kafka": server.address})
    sink = SinkProcess(settings, tmp_path)
    try:
        server.start()
        ensure_topics(settings)
        migrate(settings)
        sink.start()
        send(settings, everything(range(5)))
        wait_caught_up(settings)
        server.kill()
        wait_until(lambda: "Kafka does not answer" in sink.text(), 30, "the sink to notice")
        server.start()
        send(settings, everything(range(5, 10)))
        wait_caught_up(settings)
        assert counts(settings) == expected(10)
        assert sink.text().count("Kafka does not answer") == 1
        assert sink.text().count("Kafka is back") == 1
        assert sink.end() == 0
    finally:
        sink.end(signal.SIGKILL)
        server.stop()


def test_a_second_sink_of_the_same_name_takes_over_and_the_first_ends_with_one_line(
    settings: Settings, sink: SinkProcess, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    (port,) = free_ports(1)
    second = SinkProcess(settings.model_copy(update={"sink_port": port}), tmp_path / "second")
    sink.start()
    try:
        send(settings, everything(fresh(1)))
        wait_caught_up(settings)
        second.start()
        assert sink.process is not None
        assert sink.process.wait(60) == 1
        assert "is another one running?" in sink.text().splitlines()[-1]
        send(settings, everything(fresh(1)))
        wait_caught_up(settings)
        assert counts(settings) == expected(2)
        assert second.end() == 0
    finally:
        second.end(signal.SIGKILL)


def lag_seen(settings: Settings) -> int:
    return consumer_lag(settings, SINK_GROUP)["bars"]


def members(broker: KafkaServer) -> int:
    admin = AdminClient({"bootstrap.servers": broker.address})
    return len(admin.describe_consumer_groups([SINK_GROUP])[SINK_GROUP].result(10).members)


def test_a_stop_during_an_outage_exits_0_in_time_and_what_was_not_stored_is_read_again(
    settings: Settings, tmp_path: Path
) -> None:
    lost = settings.model_copy(update={"clickhouse_url": "http://127.0.0.1:1"})
    sink = SinkProcess(lost, tmp_path)
    send(settings, everything(fresh(4)))
    sink.start()
    wait_until(lambda: "waiting for it" in sink.text(), 30, "the sink to wait for ClickHouse")
    began = time.monotonic()
    assert sink.end() == 0
    assert time.monotonic() - began < 15
    sink = SinkProcess(settings, tmp_path)
    sink.start()
    try:
        wait_caught_up(settings)
        assert counts(settings) == expected(4)
    finally:
        sink.end()


GARBAGE = [b"\xff\xfe\x00", b"{", b'{"asset": "BTC"}']


@pytest.mark.parametrize(
    "topic", ["quotes.normalized", "bars", "stats", "indicators", "predictions", "signals", "scores"]
)
def test_garbage_goes_to_the_dead_letters_and_the_rest_goes_on(
    settings: Settings, sink: SinkProcess, broker: KafkaServer, topic: str
) -> None:
    numbers = fresh(2)
    good = everything(numbers)
    send(settings, [*good[:7], *((topic, 0, value) for value in GARBAGE), *good[7:]])
    sink.start()
    wait_until(lambda: counts(settings)["dead_letters"] == 2 + len(GARBAGE), 60, "the dead letters to be stored")
    wait_caught_up(settings)
    assert counts(settings) == expected(2) | {"dead_letters": 2 + len(GARBAGE)}
    found = ask(settings, f"SELECT encoding, payload FROM {{db}}.dead_letters FINAL WHERE topic = '{topic}'")
    assert sorted(found) == [("base64", "//4A"), ("utf-8", "{"), ("utf-8", '{"asset": "BTC"}')]
    assert len(read_all(broker, f"{topic}.dead")) == len(GARBAGE)


def read_all(broker: KafkaServer, topic: str) -> list[bytes]:
    reader = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": f"reader-{topic}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    reader.subscribe([topic])
    try:
        return [message.value() or b"" for message in reader.consume(len(GARBAGE), timeout=20)]
    finally:
        reader.close()


def test_an_unreadable_dead_letter_is_stored_with_what_is_known(settings: Settings, sink: SinkProcess) -> None:
    send(settings, [("bars.dead", 3, b"not JSON")])
    sink.start()
    wait_caught_up(settings)
    found = ask(settings, "SELECT topic, partition, reason, payload FROM {db}.dead_letters FINAL")
    assert found == [("bars.dead", 3, "unreadable_letter", "not JSON")]


def test_missing_tables_are_one_clear_line_and_exit_1(settings: Settings, tmp_path: Path) -> None:
    bare = settings.model_copy(update={"clickhouse_database": "never_made"})
    sink = SinkProcess(bare, tmp_path)
    send(settings, everything(fresh(1)))
    sink.start()
    assert sink.process is not None
    assert sink.process.wait(30) == 1
    assert "run `cryptoviz migrate`" in sink.text().splitlines()[-1]
    sink = SinkProcess(settings, tmp_path)  # leaves the group with everything read, for the next test
    sink.start()
    wait_caught_up(settings)
    assert sink.end() == 0
