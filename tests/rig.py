"""A poller with everything real but Kafka, to be pointed at a local server."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event

from fakes import FakeWriter

from cryptoviz.assets import AssetRegistry
from cryptoviz.clock import ReceiptClock
from producers.asking import Asker
from producers.budget import Budget
from producers.condition import Condition
from producers.http import HttpClient
from producers.metrics import Metrics
from producers.outbox import Outbox
from producers.poller import Poller
from producers.raw import Envelope
from producers.source import Source


@dataclass
class Rig:
    """One source's poller with what it talks to; `stop` ends waits."""

    url: str
    source: Source
    registry: AssetRegistry = field(default_factory=AssetRegistry)
    limit: int = 1000
    timeout_s: float = 5.0
    per_minute: float = 10_000
    interval_s: float = 1.0
    key: str = ""
    stop: Event = field(default_factory=Event)
    writer: FakeWriter = field(default_factory=FakeWriter)

    def __post_init__(self) -> None:
        self.metrics = Metrics()
        self.clock = ReceiptClock()
        name = self.source.name
        self.outbox = Outbox(self.writer, self.clock, self.limit, 4, metrics=self.metrics)
        self.condition = Condition(name, self.interval_s, self.clock.now_ms(), self.metrics)
        header = (self.source.key_header, self.key) if self.source.key_header and self.key else None
        client = HttpClient(self.url, self.timeout_s, self.clock.now_ms, header)
        self.asker = Asker(name, client, budget=Budget(self.per_minute), metrics=self.metrics, stop=self.stop)
        self.poller = Poller(
            self.source, self.registry, Envelope(name, "live", 60, self.interval_s, 4),
            asker=self.asker, outbox=self.outbox, condition=self.condition, metrics=self.metrics,
        )  # fmt: skip

    @property
    def state(self) -> str:
        """The state its heartbeats tell."""
        return self.condition.status(self.clock.now_ms())["state"]

    @property
    def reason(self) -> str:
        """Why it is in that state."""
        return self.condition.status(self.clock.now_ms())["reason"]

    def quotes(self) -> list[dict]:
        """All quotes published so far."""
        return [quote for message in self.writer.on("quotes.raw") for quote in message["quotes"]]

    def letters(self) -> list[dict]:
        """All dead letters so far."""
        return self.writer.on("quotes.raw.dead")

    def count(self, metric: str, **labels: str) -> float:
        """A counter's value, 0 where it has never counted."""
        name = f"cryptoviz_producer_{metric}"
        return self.metrics.registry.get_sample_value(name, {"source": self.source.name} | labels) or 0.0
