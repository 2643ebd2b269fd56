"""A worker whose agent is slow stops fetching at a number of bytes, and goes on when it has worked some off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from processors import bounded_queue
from processors.app import BYTES, App

pytestmark = [pytest.mark.stack, pytest.mark.timeout(500)]
MIB = 1024 * 1024
PARTITIONS, EACH, MESSAGE = 4, 24, MIB // 2
FETCHED = 1 * MIB
"""What one partition may bring before it is known to be full."""


def _fill(kafka: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 8 * MIB})
    for number in range(PARTITIONS * EACH):
        producer.produce(topic, bytes(MESSAGE), partition=number % PARTITIONS)
    assert producer.flush(60) == 0


async def _until(condition: Callable[[], bool], what: str, within_s: float = 200) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.05)


async def _held_and_taken(kafka: str, topic: str, folder: Path) -> tuple[int, int]:
    """The most bytes held while the agent did nothing, and the messages it took once it went on."""
    app = App(f"{topic}-app", broker=f"kafka://{kafka}", store="memory://", datadir=str(folder), web_enabled=False,
              topic_disable_leader=True, stream_buffer_maxsize=65536)  # fmt: skip
    source, go_on, taken = app.topic(topic, **BYTES), asyncio.Event(), []

    async def slow(stream: Any) -> None:
        async for event in stream.events():
            await go_on.wait()
            taken.append(event.message.offset)

    agent = app.agent(source, name="slow")(slow)
    await app.start()
    try:
        consumer: Any = app.consumer
        await _until(lambda: len(consumer._buffered_partitions) == PARTITIONS, "every partition to pause")
        queue: Any = next(iter(agent._actors)).stream.channel.queue
        held = queue.held_bytes
        assert queue.qsize() * MESSAGE == held
        go_on.set()
        await _until(lambda: len(taken) == PARTITIONS * EACH, "the rest to be fetched")
        assert queue.held_bytes == 0
    finally:
        await app.stop()
    return held, len(taken)


def test_a_slow_agent_makes_the_worker_stop_fetching_at_so_many_bytes(
    kafka: str, make_topic: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_queue, "MOST_BYTES", 4 * MIB)
    topic = make_topic(PARTITIONS)
    _fill(kafka, topic)
    held, taken = asyncio.run(_held_and_taken(kafka, topic, tmp_path))
    assert 4 * MIB <= held <= 4 * MIB + PARTITIONS * (FETCHED + MESSAGE)
    assert taken == PARTITIONS * EACH
