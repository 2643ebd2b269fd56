"""What the producer counts, in one registry per process, served on its port."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

SOURCE = ("source",)
REASON = ("source", "reason")


class Metrics:
    """The producer's metrics; `reason` is one of the short words that the log and the dead letters use."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = self._counter("requests", "HTTP requests sent, retries included", SOURCE)
        self.request_seconds = Histogram(
            "cryptoviz_producer_request_seconds", "Time of one request", SOURCE, registry=self.registry
        )
        self.failures = self._counter("failures", "Polls and history requests that brought nothing", REASON)
        self.rejected = self._counter("rejected", "Items set aside, repeats included", REASON)
        self.quotes = self._counter("quotes", "Quotes published", ("source", "origin"))
        self.repeated = self._counter("repeated", "Quotes with the stamp of the one before", SOURCE)
        self.heartbeats = self._counter("heartbeats", "Heartbeats published, one per partition", SOURCE)
        self.skipped = self._counter("heartbeats_skipped", "Heartbeats left out while Kafka was away", SOURCE)
        self.last_answer = self._gauge("last_answer_timestamp_seconds", "When the last good answer came", SOURCE)
        self.state = self._gauge("source_state", "1 for the state the source is in", ("source", "state"))
        self.pending = self._gauge("pending_messages", "Messages handed over and not yet in Kafka", ())

    def _counter(self, name: str, what: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"cryptoviz_producer_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, labels: tuple[str, ...]) -> Gauge:
        return Gauge(f"cryptoviz_producer_{name}", what, labels, registry=self.registry)
