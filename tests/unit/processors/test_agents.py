"""The agents' own part: what comes from strangers is set aside, and what follows is taken as if it had not come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from fakes import Acknowledged, FakeWriter
from unit.processors.streams import MINUTE, T0, heartbeat, message, quote

from cryptoviz.assets import AssetRegistry
from processors.agents import Analysing, Normalising, Received
from processors.delivery import Delivery
from processors.metrics import LATE, QUOTES, REJECTED
from processors.normalise import Normaliser, Position
from processors.outbox import Outbox
from processors.rules import Rules

CENTURY_MS = 100 * 365 * 86_400_000


class EmptyLog:
    """A reader of a log that holds nothing, so that every partition starts anew."""

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """No messages but raw ones, a few more than have been normalised."""
        return 0, 200 if topic == "quotes.raw" else 0

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Any]:
        """None of them."""
        return iter(())


def _analysing(writer: FakeWriter) -> tuple[Analysing, Delivery]:
    outbox = Outbox(cast(Any, writer))
    delivery = Delivery(outbox, print)
    log, sources = cast(Any, EmptyLog()), AssetRegistry().sources
    analysing = Analysing({0: ("BTC",)}, sources, Rules(), outbox, log, delivery=delivery, worker_id="worker")
    return analysing, delivery


async def _analyse(received: list[Received]) -> FakeWriter:
    writer, acknowledged = FakeWriter(), Acknowledged()
    analysing, delivery = _analysing(writer)
    await analysing.batch(received, acknowledged)
    await delivery.finished()
    assert sum(acknowledged.batches) == len(received)
    return writer


def _received(*messages: Any) -> list[Received]:
    return [
        (Position("quotes.normalized", 0, offset, T0 + 5 * MINUTE), json.dumps(entry).encode())
        for offset, entry in enumerate(messages)
    ]


@pytest.mark.parametrize(
    ("strange", "reason"),
    [
        ({"received_at": T0 + CENTURY_MS}, "future"),
        ({"interval_s": 300}, "wrong_interval"),
        ({"topic": "quotes"}, "wrong_place"),
        ({"partition": 1}, "wrong_place"),
        ({"offset": 2**70}, "wrong_schema"),
        ({"offset": 200}, "wrong_place"),
        ({"offset": 2**62}, "wrong_place"),
        ({"quotes": [quote(at=T0 + CENTURY_MS)]}, "received_after_message"),
        ({"quotes": [quote(at=T0, event_at=T0 + CENTURY_MS)]}, "future"),
        ({"quotes": [quote(at=T0, received_at=T0 - 5_001)]}, "future"),
        ({"source": "strangers-0815"}, "unknown_source"),
        ({"source": "all"}, "unknown_source"),
        ({"poll_interval_s": 1e300}, "wrong_schema"),
    ],
)
def test_a_strangers_message_is_set_aside_and_leaves_the_clock_alone(strange: dict[str, Any], reason: str) -> None:
    before, after = message([quote(at=T0)], offset=0), message([quote(at=T0 + MINUTE)], offset=2)
    beat = heartbeat(T0 + 4 * MINUTE, offset=3)
    stranger = dict(heartbeat(T0 + MINUTE // 2, offset=1)) | strange
    writer = asyncio.run(_analyse(_received(before, stranger, after, beat)))
    [letter] = writer.on("quotes.normalized.dead")
    assert (letter["reason"], letter["offset"]) == (reason, 1)
    assert json.loads(letter["payload"]) == stranger
    bars = [bar for bar in writer.on("bars") if bar["source"] == "binance"]
    assert [(bar["start"], bar["quotes"]) for bar in bars] == [(T0, 1), (T0 + MINUTE, 1), (T0 + 2 * MINUTE, 0)]


def test_strangers_add_no_series_to_the_metrics() -> None:
    def series() -> int:
        return sum(len(metric.samples) for metric in (*REJECTED.collect(), *LATE.collect(), *QUOTES.collect()))

    async def normalise(sources: list[str]) -> None:
        outbox = Outbox(cast(Any, FakeWriter()))
        values = [json.dumps(dict(heartbeat(T0, offset=0)) | {"source": source}).encode() for source in sources]
        received = [(Position("quotes.raw", 0, n, T0), value) for n, value in enumerate(values)]
        delivery = Delivery(outbox, print)
        await Normalising(Normaliser(AssetRegistry(), 1, 60), outbox, delivery).batch(received, Acknowledged())
        await delivery.finished()

    asyncio.run(normalise(["stranger"]))
    asyncio.run(_analyse(_received(dict(heartbeat(T0, offset=0)) | {"source": "stranger"})))
    before = series()
    strangers = [f"stranger-{number}" for number in range(50)]
    asyncio.run(normalise(strangers))
    asyncio.run(_analyse(_received(*(dict(heartbeat(T0, offset=0)) | {"source": name} for name in strangers))))
    assert series() == before


def test_a_batch_is_acknowledged_with_its_own_state_though_the_next_one_has_been_computed() -> None:
    async def run() -> tuple[FakeWriter, list[int]]:
        writer, acknowledged = FakeWriter(), Acknowledged()
        analysing, delivery = _analysing(writer)
        received = _received(*(heartbeat(T0 + n * MINUTE, offset=n) for n in range(5)))
        await analysing.batch(received[:1], acknowledged)
        await delivery.finished()
        writer.away = True
        await analysing.batch(received[1:3], acknowledged)
        second = asyncio.create_task(analysing.batch(received[3:], acknowledged))
        await asyncio.wait({second}, timeout=0.1)
        assert not second.done()
        assert acknowledged.batches == [1]
        writer.away = False
        await asyncio.wait_for(second, 30)
        await delivery.finished()
        return writer, acknowledged.batches

    writer, acknowledged = asyncio.run(run())
    assert acknowledged == [1, 2, 2]
    assert [state["offset"] for state in writer.on("worker.state") if "offset" in state] == [0, 2, 4]
