"""Faust's transport, with a consumer that hands a message to its agent at once where nothing has to be waited for.

Faust makes four tasks and three turns of the event loop of every message, to be able to stop while one waits for room.
Most of them wait for nothing. Agents get what was fetched together, then, and not one message at a time.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any

from faust.transport.drivers import aiokafka
from mode.services import WaitResults

ROOM_S = 0.01
"""So often a full queue is looked at; Faust looks once a second, and a busy agent would stand still until then."""
FETCH_WAIT_MS = 100
"""So long a broker waits for messages of the partitions asked for; those of others are not asked for meanwhile."""


class Started:
    """A coroutine that has been run up to its first wait, to be awaited from there."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waits_for: Any) -> None:
        self._coroutine, self._waits_for = coroutine, waits_for

    def __await__(self) -> Generator[Any, Any, Any]:
        """Go on where it waits; what it waits for is passed on as the coroutine itself would."""
        step = self._waits_for
        while True:
            try:
                yield step
            except BaseException as error:
                resume = partial(self._coroutine.throw, error)
            else:
                resume = partial(self._coroutine.send, None)
            try:
                step = resume()
            except StopIteration as done:
                return done.value


class ConsumerThread(aiokafka.AIOKafkaConsumerThread):
    """Faust's thread of the Kafka client, which has no setting for how long a broker may wait: 1.5 s."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class Consumer(aiokafka.Consumer):
    """Faust's consumer, but it loses no time where it need not."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def wait_first(self, *coros: Any, timeout: Any = None) -> WaitResults:
        """Wait for the first of these, or for the end; Faust asks for each message, with its delivery named first."""
        first, *others = coros
        if self.should_stop or not inspect.iscoroutine(first):
            return await super().wait_first(*coros, timeout=timeout)
        try:
            waits_for = first.send(None)
        except BaseException as end:
            for other in others:
                other.close()
            if isinstance(end, StopIteration):
                return WaitResults([first], [end.value], stopped=False)
            raise
        return await super().wait_first(Started(first, waits_for), *others, timeout=timeout)

    async def _wait_next_records(self, timeout: float) -> Any:
        while self._buffered_partitions and not self._get_active_partitions():
            if self.should_stop or not self.flow_active:
                break
            await asyncio.sleep(ROOM_S)
        return await super()._wait_next_records(ROOM_S if self._buffered_partitions else timeout)


class Transport(aiokafka.Transport):
    """Faust's transport with that consumer."""

    Consumer = Consumer
