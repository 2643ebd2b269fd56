"""The writer on a real broker: what it says is on its way comes back to nothing, by number and by size."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from waiting import wait_until

from cryptoviz.errors import Retryable
from cryptoviz.kafka import MAX_MESSAGE_BYTES, Writer, producer_config
from cryptoviz.local.ports import free_ports
from cryptoviz.settings import load_settings
from cryptoviz.topics import ALERTS
from cryptoviz.topics_admin import ensure_topics
from processors.outbox import Outbox


def _writer(kafka: str, more: Mapping[str, Any]) -> Writer:
    settings = load_settings(kafka=kafka)
    ensure_topics(settings, topics=[ALERTS])
    return Writer({**producer_config(settings, "test-writer"), **more})


def _end(kafka: str) -> int:
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "test-writer"})
    try:
        return int(reader.get_watermark_offsets(TopicPartition(ALERTS.name, 0), timeout=30)[1])
    finally:
        reader.close()


def _read(kafka: str, start: int, count: int) -> list[Message]:
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "test-writer"})
    try:
        reader.assign([TopicPartition(ALERTS.name, 0, start)])
        return reader.consume(count, 30)
    finally:
        reader.close()


def test_what_is_on_its_way_is_counted_until_it_has_arrived(kafka: str) -> None:
    writer = _writer(kafka, {})
    for size in (0, 10, 100_000):
        writer.send(ALERTS.name, 0, b"x" * size)
    assert (writer.pending, writer.pending_bytes) == (3, 100_010)
    assert writer.flush(30)
    assert (writer.pending, writer.pending_bytes) == (0, 0)


def _together(*values: bytes) -> list[dict[str, Any]]:
    return [{"value": value, "key": b"%d" % number} for number, value in enumerate(values)]


def test_messages_handed_over_together_arrive_in_their_order(kafka: str) -> None:
    writer = _writer(kafka, {})
    before = _end(kafka)
    writer.send_all(ALERTS.name, 0, _together(b"first", b"second", b"x" * 100_000))
    writer.send(ALERTS.name, 0, b"last")
    shipment = writer.mark()
    assert (writer.pending, writer.pending_bytes, shipment.pending) == (4, 100_015, 4)
    assert writer.flush(30)
    assert (writer.pending, writer.pending_bytes, shipment.arrived) == (0, 0, True)
    found = [(message.key(), (message.value() or b"")[:6]) for message in _read(kafka, before, 4)]
    assert found == [(b"0", b"first"), (b"1", b"second"), (b"2", b"xxxxxx"), (None, b"last")]


def test_of_messages_handed_over_together_one_that_is_too_long_is_told_and_the_others_arrive(kafka: str) -> None:
    writer = _writer(kafka, {"message.max.bytes": 2_000})
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        writer.send_all(ALERTS.name, 0, _together(b"short", b"x" * 3_000, b"shorter"))
    assert (writer.pending, writer.pending_bytes) == (2, 12)
    assert writer.flush(30)


def test_more_messages_together_than_the_queue_takes_are_to_be_sent_again() -> None:
    nowhere = {"bootstrap.servers": f"127.0.0.1:{free_ports(1)[0]}", "log_level": 0}
    writer = Writer(nowhere | {"queue.buffering.max.messages": 10})
    with pytest.raises(Retryable, match="queue is full"):
        writer.send_all(ALERTS.name, 0, _together(*[b"x"] * 20))
    assert (writer.pending, writer.pending_bytes) == (10, 10)


def test_a_message_the_broker_refuses_is_told_however_much_was_handed_over_since(kafka: str) -> None:
    writer = _writer(kafka, {"message.max.bytes": 2 * MAX_MESSAGE_BYTES, "compression.type": "none"})
    writer.send(ALERTS.name, 0, b"x" * (MAX_MESSAGE_BYTES + 1))
    before = writer.mark()
    writer.send(ALERTS.name, 0, b"after")
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        writer.flush(30)
    after = writer.mark()
    wait_until(lambda: writer.poll() or after.arrived, 30, "the rest")
    assert before.arrived  # no longer in line, yet what went wrong with it is
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        writer.send(ALERTS.name, 0, b"more")


def test_what_is_gathered_for_long_goes_at_once_when_it_is_waited_for(kafka: str) -> None:
    writer = _writer(kafka, {"linger.ms": 600_000})
    outbox = Outbox(writer, hurries=True)

    async def send_and_wait() -> None:
        for n in range(100):
            await outbox.send(ALERTS.name, 0, b"%d" % n)
        assert writer.pending == 100
        await asyncio.wait_for(outbox.delivered(), 30)

    asyncio.run(send_and_wait())
    assert (writer.pending, writer.pending_bytes) == (0, 0)


def test_what_is_being_gathered_is_not_sent_for_the_sake_of_what_went_before(kafka: str) -> None:
    writer = _writer(kafka, {"linger.ms": 600_000})
    outbox = Outbox(writer, hurries=True)

    async def send_and_wait() -> None:
        await outbox.send(ALERTS.name, 0, b"before")
        before = outbox.mark()
        await outbox.send(ALERTS.name, 0, b"after")
        arriving = asyncio.create_task(outbox.arrived(before))
        await asyncio.wait({arriving}, timeout=0.3)
        assert (arriving.done(), writer.pending) == (False, 2)
        after = outbox.mark()  # nothing more is gathered
        await asyncio.wait_for(arriving, 30)
        await asyncio.wait_for(outbox.arrived(after), 30)

    asyncio.run(send_and_wait())
    assert writer.pending == 0
