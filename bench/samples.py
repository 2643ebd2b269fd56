"""What `cryptoviz monitor` stores in one round, for a pipeline with some sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

SAMPLE_S = 15
PARTS = ("producer", "worker", "sink", "clickhouse", "kafka", "grafana", "monitor")
TABLES = ("bars", "dead_letters", "indicators", "metrics", "predictions", "quotes", "scores", "signals",
          "source_health", "stats")  # fmt: skip
TOPICS = ("quotes.raw", "quotes.normalized", "bars", "stats", "indicators", "predictions", "signals", "scores")
Sample = tuple[str, str, Mapping[str, str], float]
"""(part, metric, labels, usual value)."""


def listed(sources: tuple[str, ...]) -> str:
    """SQL for an array of one round's samples."""
    samples = (*_of_sources(sources), *_of_tables(), *_of_parts(), *_of_the_whole())
    return "[" + ", ".join(_tuple(*sample) for sample in samples) + "]"


def _tuple(part: str, name: str, labels: Mapping[str, str], value: float) -> str:
    said = ", ".join(f"'{label}', '{text}'" for label, text in labels.items()) or "'', ''"
    return f"('{part}', '{name}', map({said}), {value})"


def _of_sources(sources: tuple[str, ...]) -> Iterator[Sample]:
    for source in sources:
        for name in ("requests", "failures", "repeated"):
            yield "producer", f"cryptoviz_producer_{name}_total", {"source": source}, 1.0
        for name in ("normalized", "late"):
            yield "worker", f"cryptoviz_quotes_{name}_total", {"source": source}, 30.0
        for reason in ("duplicate", "price_not_positive"):
            yield "worker", "cryptoviz_quotes_rejected_total", {"source": source, "reason": reason}, 1.0
            yield "producer", "cryptoviz_producer_rejected_total", {"source": source, "reason": reason}, 1.0
        yield "clickhouse", "cryptoviz_quote_age_seconds", {"source": source}, 5.0


def _of_tables() -> Iterator[Sample]:
    for table in TABLES:
        for name in ("batch_rows_sum", "insert_seconds_count", "insert_seconds_sum", "delay_seconds_sum"):
            yield "sink", f"cryptoviz_sink_{name}", {"table": table}, 40.0
        for name, value in (("bytes", 5e8), ("parts", 9.0)):
            yield "clickhouse", f"cryptoviz_table_{name}", {"table": table}, value
    for topic in TOPICS:
        for consumer in ("sink", "worker"):
            yield "kafka", "cryptoviz_consumer_lag_messages", {"consumer": consumer, "topic": topic}, 5.0


def _of_parts() -> Iterator[Sample]:
    for part in PARTS:
        yield part, "cryptoviz_up", {}, 1.0
        yield part, "process_resident_memory_bytes", {}, 2e8


def _of_the_whole() -> Iterator[Sample]:
    for kind in ("free", "total"):
        yield "clickhouse", "cryptoviz_disk_bytes", {"kind": kind}, 5e10
    yield "kafka", "cryptoviz_kafka_bytes", {}, 3e8
    for what in ("answer to quote", "bar to forecast"):
        for quantile in ("0.5", "0.99"):
            yield "clickhouse", "cryptoviz_delay_seconds", {"from": what, "quantile": quantile}, 0.4
