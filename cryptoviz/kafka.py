"""Kafka clients as this project uses them: librdkafka's options, and a writer that knows what has arrived."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
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


@dataclass(eq=False)
class Shipment:
    """What was handed over between two marks of a writer, and, until it has arrived, the shipment before it."""

    before: Shipment | None = None
    pending: int = 0

    @property
    def arrived(self) -> bool:
        """Whether the broker has all of it and all that was handed over before it."""
        if self.before is not None and self.before.arrived:
            self.before = None  # or the line of them would grow for ever
        return self.pending == 0 and self.before is None


class Writer:
    """A producer that counts what is on its way and says when all of it has arrived.

    `pending` is the number of messages handed over and not yet acknowledged by the broker, `pending_bytes` what their
    values come to. A message the broker refuses for good is remembered and raised by the next `check`, `flush` or
    `send`; so is a broker that refuses us before it has taken anything. One that does so later is waited for: what is
    on its way would be lost.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)
        self._producer = Producer(self._config | {"error_cb": self._heard}, logger=logger)
        self._failure: KafkaError | None = None
        self._refusal: UserError | None = None
        self._sent = 0
        self.pending = 0
        self.pending_bytes = 0
        self._begin(Shipment())

    def send(
        self, topic: str, partition: int, value: bytes, key: bytes | None = None,
        headers: list[tuple[str, str | bytes | None]] | None = None,
    ) -> None:  # fmt: skip
        """Hand one message over; raises `Retryable` when the queue is full, `KafkaException` after a refusal."""
        self.check()
        try:
            self._producer.produce(topic, value, key, partition, on_delivery=self._on_delivery, headers=headers)
        except BufferError as error:
            self._producer.poll(0)
            raise Retryable(QUEUE_FULL) from error
        self._handed_over(1, len(value))

    def send_all(self, topic: str, partition: int, messages: list[dict[str, Any]]) -> None:
        """Hand several, each with its `value` and `key`, over in their order, for half of what `send` costs each.

        Raises what `send` raises, and `KafkaException` for a message that is too long; others may be on their way then.
        """
        self.check()
        taken = self._producer.produce_batch(topic, messages, partition, on_delivery=self._on_delivery)
        refused = [] if taken == len(messages) else [message for message in messages if "_error" in message]
        self._handed_over(taken, _size(messages) - _size(refused))
        if refused:
            self._producer.poll(0)
            error: KafkaError = refused[0]["_error"]
            raise Retryable(QUEUE_FULL) if error.code() == KafkaError._QUEUE_FULL else KafkaException(error)

    def _handed_over(self, count: int, size: int) -> None:
        self._sent += count
        self.pending += count
        self.pending_bytes += size
        self._shipment.pending += count

    def mark(self) -> Shipment:
        """What has been handed over until now; what follows belongs to another shipment."""
        shipment = self._shipment
        self._begin(Shipment(shipment))
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
        if self._failure is not None:
            raise KafkaException(self._failure)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything has arrived, at most `timeout_s`; whether it has."""
        deadline = time.monotonic() + timeout_s
        while self.pending and time.monotonic() < deadline:
            self._producer.poll(min(0.1, timeout_s))
            self.check()
        return self.pending == 0

    def _begin(self, shipment: Shipment) -> None:
        self._shipment = shipment
        self._on_delivery = partial(self._delivered, shipment)

    def _delivered(self, shipment: Shipment, error: KafkaError | None, message: Message) -> None:
        shipment.pending -= 1
        self.pending -= 1
        self.pending_bytes -= len(message)
        if error is not None:
            self._failure = error

    def _heard(self, error: KafkaError) -> None:
        if self._sent == self.pending:  # nothing has been taken yet
            self._refusal = refusal(error, self._config)


def _size(messages: list[dict[str, Any]]) -> int:
    return sum([len(message["value"]) for message in messages])
