"""What the sink counts, in one registry per process, served on its port."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)
ROWS = (1, 10, 100, 1_000, 10_000, 50_000, 100_000, 500_000)


class SinkMetrics:
    """The sink's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.rows = self._counter("rows", "Rows inserted", ("table",))
        self.messages = self._counter("messages", "Messages read", ("topic",))
        self.rejected = self._counter("rejected", "Messages that could not be read", ("topic", "reason"))
        self.conflicts = self._counter("conflicting_forecasts", "Forecasts that differ from the first filed", ())
        self.failures = self._counter("insert_failures", "Inserts that ClickHouse did not take at once", ())
        self.insert_seconds = self._histogram("insert_seconds", "Time of one insert", SECONDS)
        self.batch_rows = self._histogram("batch_rows", "Rows of one insert", ROWS)
        self.delay_seconds = self._histogram("delay_seconds", "From Kafka's time of a batch to its insert", SECONDS)
        self.lag = Gauge("cryptoviz_sink_lag_messages", "Messages not yet read", ("topic",), registry=self.registry)
        self.waiting = Gauge("cryptoviz_sink_waiting", "1 while ClickHouse is waited for", registry=self.registry)

    def count_read(self, topics: Iterable[str | None]) -> None:
        """Count messages read, each given by its topic: many at once, as a counter's lock costs as much as a row."""
        for topic, read in Tally(topics).items():
            self.messages.labels(topic).inc(read)

    def _counter(self, name: str, what: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"cryptoviz_sink_{name}", what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"cryptoviz_sink_{name}", what, ("table",), buckets=buckets, registry=self.registry)
