"""Endings of batches: in order, one at a time, never lost by whoever stops waiting, and told of when they fail."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from fakes import FakeWriter

from processors.delivery import Delivery
from processors.outbox import Outbox


def _outbox() -> Outbox:
    return Outbox(cast(Any, FakeWriter()))


async def _turns() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


class Ending:
    """What ends a batch once it is let through."""

    def __init__(self, name: str, happened: list[str]) -> None:
        self.through = asyncio.Event()
        self._name, self._happened = name, happened

    async def __call__(self) -> None:
        self._happened.append(f"{self._name} begins")
        await self.through.wait()
        self._happened.append(f"{self._name} ends")


def test_one_ending_goes_on_while_a_batch_is_computed_and_the_next_waits_for_it() -> None:
    async def run() -> list[str]:
        happened: list[str] = []
        delivery, first, second = Delivery(_outbox(), print), Ending("first", happened), Ending("second", happened)
        await delivery.begin(first)
        await _turns()
        happened.append("computed")
        beginning = asyncio.create_task(delivery.begin(second))
        await _turns()
        assert not beginning.done()
        first.through.set()
        await asyncio.wait_for(beginning, 30)
        second.through.set()
        await asyncio.wait_for(delivery.finished(), 30)
        return happened

    assert asyncio.run(run()) == ["first begins", "computed", "first ends", "second begins", "second ends"]


def test_whoever_is_cancelled_while_he_waits_takes_no_ending_with_him() -> None:
    async def run() -> list[str]:
        happened: list[str] = []
        delivery, first, second = Delivery(_outbox(), print), Ending("first", happened), Ending("second", happened)
        await delivery.begin(first)
        waiting = asyncio.create_task(delivery.begin(second))
        await _turns()
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        first.through.set()
        second.through.set()
        await asyncio.wait_for(delivery.finished(), 30)
        return happened

    assert asyncio.run(run()) == ["first begins", "first ends", "second begins", "second ends"]


def test_a_failure_is_told_at_once_and_nothing_ends_after_it() -> None:
    async def refused() -> None:
        raise ConnectionError("refused")

    async def run() -> tuple[list[BaseException], list[str]]:
        told: list[BaseException] = []
        happened: list[str] = []
        delivery = Delivery(_outbox(), told.append)
        await delivery.begin(refused)
        await _turns()
        assert len(told) == 1  # though nobody has asked
        with pytest.raises(ConnectionError, match="refused"):
            await delivery.begin(Ending("second", happened))
        with pytest.raises(ConnectionError, match="refused"):
            await delivery.finished()
        return told, happened

    told, happened = asyncio.run(run())
    assert (len(told), happened) == (1, [])
