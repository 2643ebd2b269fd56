"""The views on the pipeline itself, over samples and ledger lines written by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from servers import ClickHouseServer

from cryptoviz.clickhouse import connect
from cryptoviz.clock import utc
from cryptoviz.monitor.monitor import COLUMNS

pytestmark = pytest.mark.stack
LAG, LATE = "cryptoviz_consumer_lag_messages", "cryptoviz_quotes_late_total"


class Stored:
    """An empty database, its samples counted in seconds before the full minute `now_s`."""

    def __init__(self, client: Client, database: str) -> None:
        self.client, self.database, self.now_s = client, database, int(time.time()) // 60 * 60

    def sample(self, ago_s: float, name: str, value: float, part: str = "sink", **labels: str) -> None:
        row = [utc(int((self.now_s - ago_s) * 1000)), part, name, labels, value]
        self.client.insert("metrics", [row], COLUMNS, database=self.database)

    def stands(self, ago_s: float, state: str, asset: str = "BTC", source: str = "kraken") -> None:
        at = utc(int((self.now_s - ago_s) * 1000))
        names = ("source", "asset", "since", "state", "until", "reason", "last_seen")
        self.client.insert("source_health", [[source, asset, at, state, None, "", at]], names, database=self.database)

    def over(self, view: str, columns: str, seconds: int = 3600, **more: Any) -> list[tuple[Any, ...]]:
        """Rows of a view over the period that ends now; times become seconds before now."""
        given = {"since": f"toDateTime({self.now_s - seconds}, 'UTC')", "until": f"toDateTime({self.now_s}, 'UTC')"}
        arguments = ", ".join(f"{name} = {value!r}" if isinstance(value, str) else f"{name} = {value}"
                              for name, value in more.items())  # fmt: skip
        period = ", ".join(f"{name} = {value}" for name, value in given.items())
        return self.rows(f"SELECT {columns} FROM {self.database}.{view}({period}{', ' + arguments if more else ''})")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return sorted(tuple(row) for row in self.client.query(sql).result_rows)


@pytest.fixture
def stored(clickhouse: ClickHouseServer) -> Iterator[Stored]:
    settings = clickhouse.migrated()
    client = connect(settings)
    yield Stored(client, settings.clickhouse_database)
    client.close()


def test_lag_is_that_of_all_topics_of_a_consumer_and_the_most_of_each_step(stored: Stored) -> None:
    for ago_s, bars, stats in ((100, 5, 1), (70, 2, 9), (40, 0, 3)):
        stored.sample(ago_s, LAG, bars, consumer="sink", topic="bars")
        stored.sample(ago_s, LAG, stats, consumer="sink", topic="stats")
    at = f"toUnixTimestamp(time) - {stored.now_s} AS at"
    assert stored.over("v_lag", f"{at}, consumer, messages", step_s=60) == [(-120, "sink", 11), (-60, "sink", 3)]
    newest = stored.rows(f"SELECT topic, messages FROM {stored.database}.v_lag_now")
    assert newest == [("bars", 0), ("stats", 3)]


def test_a_part_is_down_once_it_does_not_answer_and_remembers_when_it_last_did(stored: Stored) -> None:
    for ago_s, up in ((90, 1), (60, 1), (30, 0)):
        stored.sample(ago_s, "cryptoviz_up", up)
    stored.sample(60, "process_resident_memory_bytes", 1e8)
    sql = f"SELECT part, state, age_s >= 60, memory_bytes FROM {stored.database}.v_parts"
    assert stored.rows(sql) == [("sink", "down", 1, 1e8)]


def test_counts_of_a_source_are_those_of_the_period(stored: Stored) -> None:
    for ago_s in (7200, 1800, 60):
        stored.sample(ago_s, LATE, 2, "worker-1", source="kraken")
        stored.sample(ago_s, "cryptoviz_quotes_rejected_total", 3, "worker-1", source="kraken", reason="future")
        stored.sample(ago_s, "cryptoviz_producer_rejected_total", 1, "produce", source="kraken", reason="duplicate")
    columns = "source, quotes, late, duplicates, rejected"
    assert stored.over("v_source_counts", columns) == [("kraken", 0, 4, 2, 6)]


def test_inserts_are_told_by_their_size_time_and_delay(stored: Stored) -> None:
    for ago_s in (50, 20):
        for name, value in (("batch_rows_sum", 300), ("insert_seconds_count", 2), ("insert_seconds_sum", 0.5),
                            ("delay_seconds_sum", 3)):  # fmt: skip
            stored.sample(ago_s, f"cryptoviz_sink_{name}", value, table="bars")
    columns = "table, rows_per_s, rows_per_insert, insert_s, delay_s"
    assert stored.over("v_inserts", columns, step_s=60) == [("bars", 10, 150, 0.25, 1.5)]


def test_delays_are_the_middle_of_the_medians_and_the_greatest_of_the_others(stored: Stored) -> None:
    for ago_s, half, most in ((50, 0.2, 0.9), (35, 0.4, 5.0), (20, 0.3, 1.0)):
        for quantile, value in (("0.5", half), ("0.99", most)):
            stored.sample(ago_s, "cryptoviz_delay_seconds", value, "clickhouse", quantile=quantile, **{"from": "x"})
    assert stored.over("v_delays", "kind, p50_s, p99_s", step_s=60) == [("x", 0.3, 5.0)]


def test_the_disk_lasts_as_long_as_tables_and_logs_grow_as_they_did(stored: Stored) -> None:
    columns = f"SELECT free_bytes, growth_per_day, days_left FROM {stored.database}.v_disk"

    def sample(ago_s: float, tables: float) -> None:
        for kind, value in (("free", 50e9), ("total", 90e9)):
            stored.sample(ago_s, "cryptoviz_disk_bytes", value, "clickhouse", kind=kind)
        stored.sample(ago_s, "cryptoviz_table_bytes", tables, "clickhouse", table="quotes")
        stored.sample(ago_s, "cryptoviz_kafka_bytes", 1e9, "kafka")

    sample(8640, 1e9)
    assert stored.rows(columns) == [(50e9, None, None)]
    sample(0, 2e9)
    ((free, growth, days),) = stored.rows(columns)
    assert (free, growth, days) == pytest.approx((50e9, 10e9, 5.0))
    sample(-1, 0.5e9)
    assert stored.rows(columns)[0][2] is None


def test_the_ledger_says_from_when_until_when_a_series_stood_how(stored: Stored) -> None:
    for ago_s, state in ((600, "available"), (300, "diverging"), (240, "available")):
        stored.stands(ago_s, state)
    stored.stands(500, "gap", asset="ETH")
    stored.stands(900, "failing", asset="")
    at = f"toUnixTimestamp(time) - {stored.now_s}, toUnixTimestamp(time_end) - {stored.now_s}"
    sql = f"SELECT asset, state, {at} FROM {stored.database}.v_ledger WHERE time_end < toDateTime({stored.now_s - 10})"
    assert stored.rows(sql) == [("BTC", "available", -600, -300), ("BTC", "diverging", -300, -240)]
    now = stored.rows(f"SELECT asset, source, state FROM {stored.database}.v_series_states")
    assert now == [("BTC", "kraken", "available"), ("ETH", "kraken", "gap")]
