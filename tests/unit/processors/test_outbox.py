"""What a worker has on its way to a broker that does not take it: bounded by number and by size, and waited for."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from fakes import FakeWriter

from processors.outbox import MAX_PENDING, MAX_PENDING_BYTES, Outbox

MIB = 1024 * 1024


async def _held_while_away(size: int, at_a_time: int = 1) -> int:
    """Send twice what may be held: how many messages were held when sending stood still; all arrive in the end."""
    writer, value = FakeWriter(away=True), b'"%s"' % (b"x" * size)
    outbox = Outbox(cast(Any, writer))
    many = 2 * min(MAX_PENDING, MAX_PENDING_BYTES // size)

    async def send_all() -> None:
        for _ in range(many // at_a_time):
            if at_a_time == 1:
                await outbox.send("bars", 0, value)
            else:
                await outbox.send_all("bars", 0, [{"value": value, "key": None}] * at_a_time)
        await outbox.delivered()

    sending = asyncio.create_task(send_all())
    await asyncio.wait({sending}, timeout=0.3)
    assert not sending.done()
    held = writer.pending
    writer.away = False
    await asyncio.wait_for(sending, 30)
    assert len(writer.sent) == many
    return held


def test_a_broker_that_takes_nothing_stops_the_worker_at_a_number_of_messages() -> None:
    held = asyncio.run(_held_while_away(10))
    assert held == MAX_PENDING


def test_large_messages_stop_it_at_their_size() -> None:
    held = asyncio.run(_held_while_away(4 * MIB))
    assert held <= MAX_PENDING_BYTES // (4 * MIB)


def test_messages_handed_over_together_stop_it_too() -> None:
    assert asyncio.run(_held_while_away(10, at_a_time=100)) == MAX_PENDING
