"""How the running pipeline is doing: gathers it from the parts, Kafka and ClickHouse, each of which may be down."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from clickhouse_connect.driver.client import Client

from cryptoviz.clickhouse import connect, rows
from cryptoviz.errors import CryptovizError
from cryptoviz.kafka_access import Access
from cryptoviz.progress import SINK_GROUP, WORKER_GROUP, consumer_lag
from cryptoviz.running import Part, parts, settings_of, stack_health, worker_metrics
from cryptoviz.settings import Settings
from cryptoviz.topics import NORMALIZED, RAW, TOPICS

TABLES = ("quotes", "bars", "stats", "indicators", "predictions", "signals", "scores", "dead_letters", "source_health")
FORECAST_METRIC = re.compile(r"^cryptoviz_forecast_seconds_(sum|count)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
GROUPS = {
    WORKER_GROUP: (RAW.name, NORMALIZED.name),
    SINK_GROUP: tuple(topic.name for topic in TOPICS if topic.message is not None and topic != RAW),
}
T = TypeVar("T")


@dataclass
class Status:
    """What is known; None or empty where a part that knows it is down, which `problems` then says."""

    at: float
    parts: list[Part] = field(default_factory=list)
    lag: dict[str, dict[str, int]] = field(default_factory=dict)
    quote_age_s: dict[str, dict[str, float]] = field(default_factory=dict)
    """Seconds since the last quote, by asset and source."""
    bars_24h: int | None = None
    assets: int | None = None
    sources: int | None = None
    rows: dict[str, int] = field(default_factory=dict)
    forecast_s: float | None = None
    """Mean time of a computation that ended in forecasts, from the workers."""
    filed_after_s: float | None = None
    """Median time from the end of a forecast's last bar to its place in Kafka, in the last 24 h; the grace included."""
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every part is up and everything could be asked."""
        return not self.problems and all(part.up for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        """For programs; keys as the fields above."""
        return {"ok": self.ok} | asdict(self)


def gather(settings: Settings, now_s: Callable[[], float] = time.time) -> Status:
    """Ask everybody; takes a few seconds at most when parts are down."""
    health = stack_health(settings)
    settings = settings_of(settings, health)
    status = Status(now_s(), parts(settings, health))
    up = {part.name for part in status.parts if part.up}
    status.problems = [f"{part.name} is down ({part.state})" for part in status.parts if not part.up and _matters(part)]
    if "kafka" in up:
        _tried(lambda: _ask_kafka(settings, status), None, status)
    if "clickhouse" in up:
        _tried(lambda: _ask_clickhouse(settings, status), None, status)
    status.forecast_s = mean_forecast_seconds(worker_metrics(settings))
    return status


def _matters(part: Part) -> bool:
    return part.name not in {"grafana", "forecaster", "monitor"}  # nobody waits for them, and not everybody has them


def _tried(ask: Callable[[], T], otherwise: T, status: Status) -> T:
    try:
        return ask()
    except CryptovizError as error:
        status.problems.append(str(error))
        return otherwise


def _ask_kafka(settings: Settings, status: Status) -> None:
    for group, lag in lag_of_consumers(settings):
        status.lag[group] = lag


def lag_of_consumers(settings: Settings) -> Iterator[tuple[str, dict[str, int]]]:
    """Each consumer group and the messages it has not read yet, by topic.

    Raises `Retryable` while Kafka is away, `UserError` if it refuses us.
    """
    access = Access(settings, "cryptoviz-status")
    access.ask()
    for group, topics in GROUPS.items():
        yield group, consumer_lag(settings, group, topics, access.admin)


def _ask_clickhouse(settings: Settings, status: Status) -> None:
    client = connect(settings, connect_timeout_s=3, timeout_s=30)
    try:
        _ask_ages(client, settings, status)
        _ask_counts(client, settings, status)
    finally:
        client.close()


def _ask_ages(client: Client, settings: Settings, status: Status) -> None:
    sql = (
        "SELECT asset, source, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(max(at)) AS age "
        f"FROM {settings.clickhouse_database}.quotes GROUP BY asset, source ORDER BY asset, source"
    )
    for asset, source, age_ms in rows(client, sql, settings):
        status.quote_age_s.setdefault(asset, {})[source] = age_ms / 1000


def _ask_counts(client: Client, settings: Settings, status: Status) -> None:
    database = settings.clickhouse_database
    for table in TABLES:
        status.rows[table] = rows(client, f"SELECT count() FROM {database}.{table} FINAL", settings)[0][0]
    status.bars_24h, status.assets, status.sources = rows(
        client,
        "SELECT count(), uniqExact(asset), uniqExactIf(source, source != 'all') "
        f"FROM {database}.bars FINAL WHERE interval_s = {settings.bar_seconds} AND start > now() - INTERVAL 24 HOUR",
        settings,
    )[0]
    ((number, delay_s),) = rows(
        client,
        "SELECT count(), quantileExact((toUnixTimestamp64Milli(filed_at) - toUnixTimestamp64Milli(made_at)) / 1000) "
        f"FROM {database}.predictions FINAL WHERE origin = 'live' AND made_at > now() - INTERVAL 24 HOUR",
        settings,
    )
    status.filed_after_s = float(delay_s) if number else None


def mean_forecast_seconds(metrics: Iterable[str]) -> float | None:
    """The mean over all workers of what their metrics say a computation takes; None before the first one."""
    totals = {"sum": 0.0, "count": 0.0}
    for text in metrics:
        for what, value in FORECAST_METRIC.findall(text):
            totals[what] += float(value)
    return totals["sum"] / totals["count"] if totals["count"] else None
