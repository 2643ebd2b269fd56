"""What a stream has, in batches: as much as is there, without waiting for more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

MESSAGES, BYTES = 1000, 8 * 1024 * 1024
"""A batch has no more messages, and gets no more once they come to so many bytes: caches and memory hold them well."""


async def batches(stream: Any) -> AsyncIterator[list[Any]]:
    """Events of a Faust stream, as many at a time as there are; whoever takes them acknowledges them.

    Faust's own `noack_take` waits its whole time for more, and takes nothing in while its batch is worked on.
    """
    stream.enable_acks = False
    events = aiter(stream.events())
    async for event in events:
        batch, size_bytes = [event], len(event.message.value or b"")
        # Partitions that are shared out anew may empty the queue after this look at it. What is in hand waits, then,
        # until Faust reads the partitions again from what was acknowledged, which is before it.
        while len(batch) < MESSAGES and size_bytes < BYTES and not stream.channel.empty():
            batch.append(await anext(events))
            size_bytes += len(batch[-1].message.value or b"")
        yield batch
