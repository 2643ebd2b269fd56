"""The end of a batch goes on while the next batch is computed: what follows from it is delivered, then acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from cryptoviz.kafka import Shipment
from processors.outbox import Outbox

Acknowledge = Callable[[int], Awaitable[None]]
"""Told how many more messages of a batch, in their order, are done for good."""


class Delivery:
    """Endings in the order of their batches, one at a time; who begins another waits until the last one is through.

    A batch ends when the broker has all that its outbox was given before. Endings are tasks of their own, so that an
    agent that is started anew, as Faust does when partitions are shared out, leaves none half done. `failed` is told at
    once what went wrong, for there may be no next batch to tell.
    """

    def __init__(self, outbox: Outbox, failed: Callable[[BaseException], object]) -> None:
        self._outbox = outbox
        self._failed = failed
        self._last: asyncio.Task[None] | None = None

    async def begin(self, ending: Callable[[], Awaitable[None]]) -> None:
        """Let this batch end when its outputs have arrived and the one before has ended, and wait for the latter.

        Raises what went wrong with the one before.
        """
        before, outputs = self._last, self._outbox.mark()
        # Before anything is waited for: what an agent has counted as written must not get lost when it is cancelled.
        self._last = asyncio.create_task(self._end(before, outputs, ending))
        await _through(before)

    async def finished(self) -> None:
        """Wait for all that has begun; raises what went wrong."""
        await _through(self._last)

    async def _end(
        self, before: asyncio.Task[None] | None, outputs: Shipment, ending: Callable[[], Awaitable[None]]
    ) -> None:  # fmt: skip
        await _through(before)
        try:
            await self._outbox.arrived(outputs)
            await ending()
        except Exception as error:
            self._failed(error)
            raise


async def _through(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        await asyncio.wait({task})  # not the task itself: it must outlive whoever waits
        task.result()
