"""One round of looking: what each part counts, how far consumers are behind, what ClickHouse and the disk hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clickhouse_connect.driver.client import Client

from cryptoviz.clickhouse import rows
from cryptoviz.monitor.samples import Increases, Sample, Series, read
from cryptoviz.monitor.targets import Target
from cryptoviz.running import fetch
from cryptoviz.settings import Settings
from cryptoviz.status import lag_of_consumers

DISK_BLOCK = 512
DISK = "SELECT {} AS labels, toFloat64({}) AS value FROM system.disks WHERE name = 'default'"
TABLES = (
    "SELECT map('table', table), toFloat64({}) FROM system.parts "
    "WHERE active AND database = {{database:String}} GROUP BY table"
)
STORED = {
    "cryptoviz_disk_bytes": " UNION ALL ".join(
        DISK.format(f"map('kind', '{kind}')", f"{kind}_space") for kind in ("free", "total")
    ),
    "cryptoviz_table_bytes": TABLES.format("sum(bytes_on_disk)"),
    "cryptoviz_table_parts": TABLES.format("count()"),
    "cryptoviz_quote_age_seconds": "SELECT map('source', source), age_s FROM {database:Identifier}.v_quote_ages",
    "cryptoviz_delay_seconds": "SELECT map('from', kind, 'quantile', toString(quantile)), value "
    "FROM {database:Identifier}.v_delays_now",
}
"""Per metric, the question whose rows are (labels, value)."""


def of_parts(found: Sequence[Target], increases: Increases) -> list[Sample]:
    """Whether each part answers, and what it counts; one that answers nonsense counts as down."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda target: _asked(target[1]), found))
    samples = []
    for (part, _), values in zip(found, answers, strict=True):
        samples.append(Sample(part, "cryptoviz_up", float(values is not None)))
        samples += increases.samples(part, values or {})
    return samples


def _asked(address: str) -> Mapping[Series, float] | None:
    answer = fetch(f"{address}/metrics")
    if answer is None or answer[0] != 200:
        return None
    try:
        return read(answer[1].decode("utf-8", "replace"))
    except ValueError:
        return None


def of_consumers(settings: Settings) -> list[Sample]:
    """Messages not yet read by each consumer, per topic; raises `Retryable` while the broker does not answer."""
    return [
        Sample("kafka", "cryptoviz_consumer_lag_messages", left, {"consumer": group, "topic": topic})
        for group, topics in lag_of_consumers(settings)
        for topic, left in topics.items()
    ]


def of_clickhouse(client: Client, settings: Settings) -> list[Sample]:
    """What is stored, how old it is and how long it took; raises `Retryable` while ClickHouse does not answer."""
    return [
        Sample("clickhouse", name, float(value), labels)
        for name, sql in STORED.items()
        for labels, value in rows(client, sql, settings, database=settings.clickhouse_database)
    ]


def of_folder(folder: Path) -> list[Sample]:
    """What the embedded broker's logs take on the disk; nothing where it is another machine's."""
    if not folder.is_dir():
        return []
    return [Sample("kafka", "cryptoviz_kafka_bytes", float(sum(_sizes(folder))))]


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        try:
            yield path.stat().st_blocks * DISK_BLOCK  # index files are large and hollow until they are closed
        except OSError:
            continue  # Kafka deletes segments as it likes
