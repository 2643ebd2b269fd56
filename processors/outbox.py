"""What an agent publishes: bounded on its way out, and waited for before its input is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from cryptoviz.kafka import Shipment, Writer

MAX_PENDING = 50_000
MAX_PENDING_BYTES = 32 * 1024 * 1024  # far below what the library holds before it refuses
POLL_S = 0.002
HURRY_S = 0.001  # so long the event loop stands still at a time


class Outbox:
    """A writer inside an event loop: `send` waits while too much is on its way, `delivered` for what was sent before.

    `hurries` is for a writer that lingers for longer than a wait should take: what it has gathered is then sent at
    once, unless more is being sent meanwhile. For one that lingers briefly it costs more than it gains.
    """

    def __init__(self, writer: Writer, *, hurries: bool = False) -> None:
        self._writer = writer
        self._hurries = hurries

    async def send(self, topic: str, partition: int, value: bytes, key: bytes | None = None) -> None:
        """Hand one message over, waiting for room."""
        if not self._has_room():
            await self._room()
        self._writer.send(topic, partition, value, key)

    async def send_all(self, topic: str, partition: int, messages: list[dict[str, Any]]) -> None:
        """Hand several over, each with its `value` and `key`, waiting for room for the first only."""
        if not self._has_room():
            await self._room()
        self._writer.send_all(topic, partition, messages)

    def mark(self) -> Shipment:
        """What has been sent until now, to be waited for with `arrived`."""
        return self._writer.mark()

    async def arrived(self, shipment: Shipment) -> None:
        """Wait until the broker has all sent before this mark; raises `KafkaException` if it refused some for good."""
        await self._until(lambda: shipment.arrived)

    async def delivered(self) -> None:
        """Wait until the broker has everything sent before now; what others send meanwhile is not waited for."""
        await self.arrived(self.mark())

    async def _room(self) -> None:
        await self._until(lambda: self._has_room(share=0.5))

    def _has_room(self, share: float = 1.0) -> bool:
        """Whether less than this share of the most there may be is on its way."""
        return self._writer.pending < MAX_PENDING * share and self._writer.pending_bytes < MAX_PENDING_BYTES * share

    async def _until(self, condition: Callable[[], bool]) -> None:
        while True:
            if self._hurries and self._writer.marked:
                self._writer.hurry(HURRY_S)
            else:
                self._writer.poll()
            self._writer.check()
            if condition():
                return
            await asyncio.sleep(POLL_S)
