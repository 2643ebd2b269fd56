"""The end of a batch goes on while the next batch is computed: what follows from it is delivered, then acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Acknowledge = Callable[[int], Awaitable[None]]
"""Told how many more messages of a batch, in their order, are done for good."""


class Delivery:
    """Endings in the order of their batches, one at a time; who begins another waits until the last one is through.

    They are tasks of their own, so that an agent that is started anew, as Faust does when partitions are shared out,
    leaves none half done. `failed` is told at once what went wrong, for there may be no next batch to tell.
    """

    def __init__(self, failed: Callable[[BaseException], object]) -> None:
        self._failed = failed
        self._last: asyncio.Task[None] | None = None

    async def begin(self, ending: Callable[[], Awaitable[None]]) -> None:
        """Let this batch end after the one before, and wait for that; raises what went wrong with it."""
        before = self._last
        # Before anything is waited for: what an agent has counted as written must not get lost when it is cancelled.
        self._last = asyncio.create_task(self._end(before, ending))
        await _through(before)

    async def finished(self) -> None:
        """Wait for all that has begun; raises what went wrong."""
        await _through(self._last)

    async def _end(self, before: asyncio.Task[None] | None, ending: Callable[[], Awaitable[None]]) -> None:
        await _through(before)
        try:
            await ending()
        except Exception as error:
            self._failed(error)
            raise


async def _through(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        await asyncio.wait({task})  # not the task itself: it must outlive whoever waits
        task.result()
