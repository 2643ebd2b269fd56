"""The writer on a real broker: what it says is on its way comes back to nothing, by number and by size."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from cryptoviz.kafka import Writer, producer_config
from cryptoviz.settings import load_settings
from cryptoviz.topics import ALERTS
from cryptoviz.topics_admin import ensure_topics
from processors.outbox import Outbox


def _writer(kafka: str, more: Mapping[str, Any]) -> Writer:
    settings = load_settings(kafka=kafka)
    ensure_topics(settings, topics=[ALERTS])
    return Writer({**producer_config(settings, "test-writer"), **more})


def test_what_is_on_its_way_is_counted_until_it_has_arrived(kafka: str) -> None:
    writer = _writer(kafka, {})
    for size in (0, 10, 100_000):
        writer.send(ALERTS.name, 0, b"x" * size)
    assert (writer.pending, writer.pending_bytes) == (3, 100_010)
    assert writer.flush(30)
    assert (writer.pending, writer.pending_bytes) == (0, 0)


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
