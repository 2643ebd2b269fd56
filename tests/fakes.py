"""Fakes of what tests cannot have for real, each written once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True)
class Sent:
    """One message handed to `FakeWriter`."""

    topic: str
    partition: int
    value: dict[str, Any]
    key: bytes | None


@dataclass
class FakeWriter:
    """Stands for `cryptoviz.kafka.Writer`; while `away` nothing arrives and `pending` grows."""

    away: bool = False
    pending: int = 0
    sent: list[Sent] = field(default_factory=list)

    def send(self, topic: str, partition: int, value: bytes, key: bytes | None = None) -> None:
        """Remember the message, decoded."""
        self.sent.append(Sent(topic, partition, orjson.loads(value), key))
        self.pending += 1
        self.poll()

    def poll(self) -> None:
        """Everything arrives at once, unless Kafka is away."""
        if not self.away:
            self.pending = 0

    def check(self) -> None:
        """Nothing is ever refused."""

    def flush(self, timeout_s: float) -> bool:
        """Whether all has arrived."""
        self.poll()
        return self.pending == 0

    def on(self, topic: str) -> list[dict[str, Any]]:
        """The values sent to one topic, in order."""
        return [sent.value for sent in self.sent if sent.topic == topic]


@dataclass
class FakeTime:
    """A clock in seconds that moves only when told to."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now
