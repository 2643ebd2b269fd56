"""What a stream has, in batches: as much as is there, without waiting for more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

MESSAGES, BYTES = 1000, 8 * 1024 * 1024
"""A batch has no more messages, and gets no more once they come to so many bytes: caches and memory hold them well."""


class Inbox:
    """What has been read of a stream and is in nobody's hands yet: a batch at most, then reading pauses."""

    def __init__(self) -> None:
        self._events: list[Any] = []
        self._size_bytes = 0
        self._filled, self._emptied = asyncio.Event(), asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether it holds a whole batch."""
        return len(self._events) >= MESSAGES or self._size_bytes >= BYTES

    async def read(self, events: AsyncIterator[Any]) -> None:
        """Take in all of these, for ever."""
        async for event in events:
            self._events.append(event)
            self._size_bytes += len(event.message.value or b"")
            self._filled.set()
            if self.full:
                self._emptied.clear()
                await self._emptied.wait()

    async def filled(self) -> None:
        """Wait until there is something."""
        await self._filled.wait()

    def end(self, _: asyncio.Future[None]) -> None:
        """Nothing more will come; whoever waits goes on."""
        self._filled.set()

    def take(self) -> list[Any]:
        """All there is; reading goes on."""
        taken, self._events, self._size_bytes = self._events, [], 0
        self._filled.clear()
        self._emptied.set()
        return taken


async def batches(stream: Any) -> AsyncIterator[list[Any]]:
    """Events of a Faust stream, as many at a time as there are; whoever takes them acknowledges them.

    Faust's own `noack_take` waits its whole time for more, and takes nothing in while its batch is worked on. Events
    are read by a task of their own: Faust empties a stream's queue when partitions are shared out anew, and waits for
    what was read to be acknowledged; whoever waited for one event more would wait for ever.
    """
    stream.enable_acks = False
    inbox = Inbox()
    reading = asyncio.ensure_future(inbox.read(stream.events()))
    reading.add_done_callback(inbox.end)
    try:
        while not reading.done():
            await inbox.filled()
            while not (inbox.full or stream.channel.empty() or reading.done()):
                await asyncio.sleep(0)
            yield inbox.take()
        reading.result()
    finally:
        reading.cancel()
