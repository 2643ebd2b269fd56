"""One user's share of the endpoint: threads, queries at once, requests waiting, time for each; others keep theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from cryptoviz.local.clickhouse.failures import TOO_MANY_QUERIES, QueryError
from cryptoviz.local.clickhouse.policy import READER_REQUEST_S, READERS_AT_ONCE

T = TypeVar("T")

WRITER_THREADS = 4
# As many as the real server lets in by default before it says that there are too many.
REQUESTS = 100


class Lane:
    """The share of the user `name`; `longest_s` is for a whole request with its answer, if not None."""

    def __init__(self, name: str, threads: int, at_once: int, longest_s: float | None) -> None:
        self.longest_s = longest_s
        self._pool = ThreadPoolExecutor(threads, f"clickhouse-{name}")
        self._slots = asyncio.Semaphore(at_once)
        self._requests = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """While a request is read, waits, runs and is answered; raises `QueryError` when there are too many."""
        if self._requests >= REQUESTS:
            raise QueryError(TOO_MANY_QUERIES, f"Too many simultaneous queries: {REQUESTS} are waiting")
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    async def take_slot(self) -> None:
        """Wait until another query may be open; `release_slot` once it is closed, even if its client went long ago."""
        await self._slots.acquire()

    def release_slot(self) -> None:
        self._slots.release()

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a blocking function in one of the user's threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def close_later(self, close: Callable[[], None]) -> None:
        """Close a query that its client has left, then release its slot."""
        with suppress(RuntimeError):  # the endpoint is ending, and the engine with it
            closing = asyncio.get_running_loop().run_in_executor(self._pool, close)
            closing.add_done_callback(lambda _: self.release_slot())

    def shutdown(self) -> None:
        """Let go of the threads; they end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def lane_of(name: str, readonly: bool, reader_request_s: float = READER_REQUEST_S) -> Lane:
    """A reader has a thread for each query that may be open; a writer's are many and short."""
    if readonly:
        return Lane(name, READERS_AT_ONCE, READERS_AT_ONCE, reader_request_s)
    return Lane(name, WRITER_THREADS, REQUESTS, None)
