"""Kafka clients as this project uses them: librdkafka's options, and a writer that knows what has arrived."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from cryptoviz.errors import Retryable, UserError
from cryptoviz.kafka_security import refusal, security_options
from cryptoviz.settings import Settings

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
QUEUE_FULL = "Kafka's send queue is full"


def client_config(settings: Settings, client_id: str) -> dict[str, Any]:
    """The options every client shares."""
    address = {"bootstrap.servers": settings.kafka, "client.id": client_id, "log_level": 4}
    return address | security_options(settings)


def producer_config(settings: Settings, client_id: str) -> dict[str, Any]:
    """An idempotent producer that waits for all replicas and never gives a message up by time."""
    return client_config(settings, client_id) | {
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": 0,
        "linger.ms": 5,
        "compression.type": "lz4",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 512 * 1024,
        "reconnect.backoff.max.ms": 2000,
    }


def consumer_config(settings: Settings, client_id: str, group: str) -> dict[str, Any]:
    """A consumer that commits by hand and starts a new group at the beginning of the log."""
    return client_config(settings, client_id) | {
        "group.id": group,
        "group.instance.id": client_id,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 3_000,
        "isolation.level": "read_committed",
        # Of each partition at a time, packed: unpacked it may be thirteen times that. A longer message comes whole.
        "fetch.message.max.bytes": 1024 * 1024,
        "reconnect.backoff.max.ms": 2000,
    }


@dataclass(eq=False, slots=True)
class Shipment:
    """What was handed over between two marks of a writer, and, until it has arrived, the shipment before it."""

    before: Shipment | None = None
    failures: list[KafkaError] = field(default_factory=list)
    """What the broker has refused for good, of all shipments of a writer."""
    pending: int = 0
    pending_bytes: int = 0

    @property
    def arrived(self) -> bool:
        """Whether the broker has all of it and all that was handed over before it."""
        if self.before is not None and self.before.arrived:
            self.before = None  # or the line of them would grow for ever
        return self.pending == 0 and self.before is None

    @property
    def line(self) -> Iterator[Shipment]:
        """This one and those before it."""
        shipment: Shipment | None = self
        while shipment is not None:
            yield shipment
            shipment = shipment.before

    def reported(self, error: KafkaError | None, message: Message) -> None:
        """One message has arrived, or, with an error, never will: called for each, so that it does nothing more."""
        self.pending -= 1
        self.pending_bytes -= len(message)
        if error is not None:
            self.failures.append(error)


class Writer:
    """A producer that counts what is on its way and says when all of it has arrived.

    A message the broker refuses for good is remembered and raised by the next `check`, `flush` or `send`; so is a
    broker that refuses us before it has taken anything. One that does so later is waited for: what is on its way would
    be lost.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)
        self._producer = Producer(self._config | {"error_cb": self._heard}, logger=logger)
        self._refusal: UserError | None = None
        self._sent = 0
        self._shipment = Shipment()

    @property
    def pending(self) -> int:
        """Messages handed over and not yet acknowledged by the broker."""
        return sum([shipment.pending for shipment in self._shipment.line])

    @property
    def pending_bytes(self) -> int:
        """What their values come to."""
        return sum([shipment.pending_bytes for shipment in self._shipment.line])

    def send(
        self, topic: str, partition: int, value: bytes, key: bytes | None = None,
        headers: list[tuple[str, str | bytes | None]] | None = None,
    ) -> None:  # fmt: skip
        """Hand one message over; raises `Retryable` when the queue is full, `KafkaException` after a refusal."""
        self.check()
        try:
            self._producer.produce(topic, value, key, partition, on_delivery=self._shipment.reported, headers=headers)
        except BufferError as error:
            self._producer.poll(0)
            raise Retryable(QUEUE_FULL) from error
        self._handed_over(1, len(value))

    def send_all(self, topic: str, partition: int, messages: list[dict[str, Any]]) -> None:
        """Hand several, each with its `value` and `key`, over in their order, for half of what `send` costs each.

        Raises what `send` raises, and `KafkaException` for a message that is too long; others may be on their way then.
        """
        self.check()
        taken = self._producer.produce_batch(topic, messages, partition, on_delivery=self._shipment.reported)
        refused = [] if taken == len(messages) else [message for message in messages if "_error" in message]
        self._handed_over(taken, _size(messages) - _size(refused))
        if refused:
            self._producer.poll(0)
            error: KafkaError = refused[0]["_error"]
            raise Retryable(QUEUE_FULL) if error.code() == KafkaError._QUEUE_FULL else KafkaException(error)

    def _handed_over(self, count: int, size: int) -> None:
        self._sent += count
        self._shipment.pending += count
        self._shipment.pending_bytes += size

    def mark(self) -> Shipment:
        """What has been handed over until now; what follows belongs to another shipment."""
        shipment = self._shipment
        self._shipment = Shipment(shipment, shipment.failures)
        return shipment

    @property
    def marked(self) -> bool:
        """Whether all that is on its way was handed over before the last mark."""
        return self._shipment.pending == 0

    def poll(self) -> None:
        """Serve delivery reports without waiting."""
        self._producer.poll(0)

    def hurry(self, timeout_s: float) -> None:
        """Send at once what waits for more to go with it, and serve delivery reports until all is there, or so long."""
        self._producer.flush(timeout_s)

    def check(self) -> None:
        """Raise `KafkaException` if the broker has refused a message for good, `UserError` if it refuses us."""
        if self._refusal is not None:
            raise self._refusal
        if self._shipment.failures:
            raise KafkaException(self._shipment.failures[0])

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything has arrived, at most `timeout_s`; whether it has."""
        deadline = time.monotonic() + timeout_s
        while self.pending and time.monotonic() < deadline:
            self._producer.poll(min(0.1, timeout_s))
            self.check()
        return self.pending == 0

    def _heard(self, error: KafkaError) -> None:
        if self._sent == self.pending:  # nothing has been taken yet
            self._refusal = refusal(error, self._config)


def _size(messages: list[dict[str, Any]]) -> int:
    return sum([len(message["value"]) for message in messages])
