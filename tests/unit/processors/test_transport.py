"""Faust's consumer made to lose no time: what it waits for must come out as if it had waited Faust's way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cryptoviz.settings import load_settings
from processors.app import build
from processors.transport import FETCH_WAIT_MS, Consumer


def _run(test: Callable[[Consumer], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        app = build(load_settings(kafka="127.0.0.1:1"))

        async def never(*called: Any) -> None:
            raise AssertionError(called)

        consumer: Any = app.transport.create_consumer(
            never, on_partitions_revoked=never, on_partitions_assigned=never
        )  # fmt: skip
        assert isinstance(consumer, Consumer)
        return await test(consumer)

    return asyncio.run(run())


def test_what_need_not_wait_is_done_at_once_and_the_other_wait_is_given_up() -> None:
    async def test(consumer: Consumer) -> Any:
        done = []

        async def deliver() -> str:
            done.append("delivered")
            return "result"

        first, other = deliver(), asyncio.Event().wait()
        turns = asyncio.get_running_loop().create_task(asyncio.sleep(0))
        found = await consumer.wait_first(first, other)
        assert not turns.done()  # no turn of the loop was needed
        return done, found.results, found.stopped

    assert _run(test) == (["delivered"], ["result"], False)


@pytest.mark.parametrize("waits", [1, 2, 5])
def test_what_has_to_wait_goes_on_where_it_waited(waits: int) -> None:
    async def test(consumer: Consumer) -> Any:
        gate, steps = asyncio.Event(), []

        async def deliver() -> str:
            for n in range(waits):
                steps.append(n)
                await asyncio.sleep(0.001)
            await gate.wait()
            return "result"

        waiting = asyncio.create_task(consumer.wait_first(deliver(), asyncio.Event().wait()))
        await asyncio.wait({waiting}, timeout=0.1)
        assert not waiting.done()
        gate.set()
        found = await asyncio.wait_for(waiting, 30)
        return steps, found.results

    assert _run(test) == (list(range(waits)), ["result"])


def test_an_error_before_and_after_a_wait_reaches_whoever_waits() -> None:
    async def test(consumer: Consumer) -> None:
        async def at_once() -> None:
            raise ValueError("at once")

        async def later() -> None:
            await asyncio.sleep(0)
            raise ValueError("later")

        with pytest.raises(ValueError, match="at once"):
            await consumer.wait_first(at_once(), asyncio.Event().wait())
        with pytest.raises(ValueError, match="later"):
            await consumer.wait_first(later(), asyncio.Event().wait())

    _run(test)


def test_being_stopped_ends_the_wait_and_the_delivery_learns_of_it() -> None:
    async def test(consumer: Consumer) -> Any:
        stopped, told = asyncio.Event(), []

        async def deliver() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append("cancelled")
                raise

        waiting = asyncio.create_task(consumer.wait_first(deliver(), stopped.wait()))
        await asyncio.wait({waiting}, timeout=0.05)
        stopped.set()
        await asyncio.wait_for(waiting, 30)
        await asyncio.sleep(0)
        return told

    assert _run(test) == ["cancelled"]


def test_the_client_lets_a_broker_wait_no_longer_than_said() -> None:
    async def test(consumer: Consumer) -> Any:
        thread: Any = consumer._new_consumer_thread()
        return thread._create_worker_consumer(consumer.transport)._fetch_max_wait_ms

    assert _run(test) == FETCH_WAIT_MS
