"""Batches of a stream: all that is there, in order, and never a wait for more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from processors.batches import BYTES, MESSAGES, batches


@dataclass(frozen=True)
class Message:
    """What a batch looks at of a message."""

    value: bytes | None


@dataclass(frozen=True)
class Event:
    """One that a stream gives."""

    message: Message


class Stream:
    """Stands for Faust's stream, and for its channel."""

    def __init__(self, *values: bytes | None) -> None:
        self.enable_acks = True
        self.channel: asyncio.Queue[Event] = asyncio.Queue()
        self.is_emptied = False
        self.put(*values)

    def put(self, *values: bytes | None) -> None:
        """What comes next."""
        for value in values:
            self.channel.put_nowait(Event(Message(value)))

    async def events(self) -> AsyncIterator[Event]:
        """What is in the channel."""
        while True:
            await asyncio.sleep(0)
            event = await self.channel.get()
            if event.message.value == b"broken":
                raise ValueError("broken")
            yield event
            while self.is_emptied and not self.channel.empty():
                self.channel.get_nowait()


async def _next(taken: AsyncIterator[list[Any]]) -> list[Any]:
    return [event.message.value for event in await asyncio.wait_for(anext(taken), 30)]


def test_a_batch_is_what_is_there_and_nothing_is_waited_for() -> None:
    async def run() -> None:
        stream = Stream(b"1", None, b"3")
        taken = batches(stream)
        assert await _next(taken) == [b"1", None, b"3"]
        waiting = asyncio.create_task(_next(taken))
        await asyncio.wait({waiting}, timeout=0.05)
        assert not waiting.done()
        stream.put(b"4")
        assert await waiting == [b"4"]
        assert not stream.enable_acks  # whoever takes them acknowledges them

    asyncio.run(run())


def test_what_was_read_is_handed_out_though_the_queue_is_emptied_meanwhile() -> None:
    """As Faust does when partitions are shared out anew, and then waits until what was read is acknowledged."""

    async def run() -> None:
        stream = Stream(b"1", b"2", b"3")
        stream.is_emptied = True
        assert await _next(batches(stream)) == [b"1"]

    asyncio.run(run())


def test_an_error_of_the_stream_reaches_whoever_takes() -> None:
    async def run() -> None:
        stream = Stream(b"1", b"broken")
        taken = batches(stream)
        assert await _next(taken) == [b"1"]
        with pytest.raises(ValueError, match="broken"):
            await _next(taken)

    asyncio.run(run())


def test_no_more_than_a_batch_is_read_ahead() -> None:
    async def run() -> None:
        stream = Stream(*[b"small"] * (3 * MESSAGES))
        taken = batches(stream)
        assert len(await _next(taken)) == MESSAGES
        while stream.channel.qsize() > MESSAGES:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert stream.channel.qsize() == MESSAGES

    asyncio.run(run())


def test_a_batch_has_a_most_of_messages_and_of_bytes() -> None:
    async def run() -> None:
        taken = batches(Stream(*[b"small"] * (MESSAGES + 1)))
        assert [len(await _next(taken)), len(await _next(taken))] == [MESSAGES, 1]
        taken = batches(Stream(*[b"x" * (BYTES // 2)] * 3))
        assert [len(await _next(taken)), len(await _next(taken))] == [2, 1]

    asyncio.run(run())
