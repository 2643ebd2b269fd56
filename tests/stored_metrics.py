"""What `cryptoviz monitor` would have stored of a pipeline, without one."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from clickhouse_connect.driver.client import Client
from row_columns import store
from sink_messages import letter

from cryptoviz.clock import utc
from cryptoviz.monitor.monitor import COLUMNS
from cryptoviz.monitor.samples import Sample
from cryptoviz.progress import SINK_GROUP, WORKER_GROUP
from processors.normalise import Position
from processors.sink_rows import Health, Tables, add_message

EVERY_MS = 15_000
SOURCES = ("binance", "coingecko", "coinmarketcap")
PARTS = ("produce", "sink", "worker-1")


def fill_metrics(client: Client, database: str, until_ms: int, minutes: int) -> None:
    """A sample every 15 s until then, in which everything a monitor stores occurs."""
    rows = [
        (utc(at), sample.part, sample.name, dict(sample.labels), sample.value)
        for number, at in enumerate(range(until_ms - minutes * 60_000, until_ms + 1, EVERY_MS))
        for sample in _round(number)
    ]
    client.insert("metrics", rows, COLUMNS, database=database)


def fill_letters(client: Client, database: str, until_ms: int) -> None:
    """Three letters of the last minutes, as the sink stores them."""
    tables, health = Tables(), Health()
    for number in range(3):
        at = Position("quotes.raw.dead", 0, number, until_ms - number * 60_000 - 1_000)
        add_message(orjson.dumps(letter(number)), at, tables, health)
    store(client, database, tables)


def _round(number: int) -> Iterator[Sample]:
    for part in PARTS:
        yield Sample(part, "cryptoviz_up", 1.0)
        yield Sample(part, "process_resident_memory_bytes", 150e6)
    for group, topic in ((WORKER_GROUP, "quotes.raw"), (SINK_GROUP, "bars")):
        yield Sample("kafka", "cryptoviz_consumer_lag_messages", number % 7, {"consumer": group, "topic": topic})
    for source in SOURCES:
        yield from _of_source(source, number)
    for name, value in (("batch_rows_sum", 360.0), ("insert_seconds_count", 2.0), ("insert_seconds_sum", 0.05),
                        ("delay_seconds_sum", 1.1)):  # fmt: skip
        yield Sample("sink", f"cryptoviz_sink_{name}", value, {"table": "quotes"})
    yield from _of_servers(number)


def _of_source(source: str, number: int) -> Iterator[Sample]:
    own = {"source": source}
    yield Sample("worker-1", "cryptoviz_quotes_normalized_total", 12.0, own)
    yield Sample("worker-1", "cryptoviz_quotes_late_total", float(number % 50 == 0), own)
    yield Sample("produce", "cryptoviz_producer_rejected_total", 1.0, own | {"reason": "duplicate"})
    yield Sample("clickhouse", "cryptoviz_quote_age_seconds", 3.0 + number % 10, own)


def _of_servers(number: int) -> Iterator[Sample]:
    for kind in ("answer to quote", "bar to forecast"):
        for quantile, value in (("0.5", 0.4), ("0.99", 0.9)):
            yield Sample("clickhouse", "cryptoviz_delay_seconds", value, {"from": kind, "quantile": quantile})
    for kind, value in (("free", 50e9 - number * 1e6), ("total", 100e9)):
        yield Sample("clickhouse", "cryptoviz_disk_bytes", value, {"kind": kind})
    yield Sample("clickhouse", "cryptoviz_table_bytes", 1e9 + number * 1e6, {"table": "quotes"})
    yield Sample("kafka", "cryptoviz_kafka_bytes", 5e8)
