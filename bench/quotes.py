"""The quotes of the section same-work: made from a seed, written to topics, and what must come out of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from confluent_kafka import Producer

from bench.engines.work import SYMBOLS, WINDOW
from cryptoviz.partitions import partition_of

PARTITIONS, BATCH, SEED, BAD_EVERY = 4, 200, 7, 997
START_MS = 1_760_000_000_000
NAMES = sorted(SYMBOLS)


@dataclass(frozen=True)
class Expected:
    """What every engine must have said at the end: how many results, and each symbol's last mean and deviation."""

    results: int
    last: dict[str, tuple[float, float]]


def quotes(count: int) -> Iterator[dict[str, Any]]:
    """Symbols in turn, prices on a random walk; now and then a price or a symbol that must be refused."""
    steps = np.random.default_rng(SEED).normal(0, 0.001, count)
    logs = [float(place % 7) for place in range(len(NAMES))]
    for number in range(count):
        place = number % len(NAMES)
        logs[place] += steps[number]
        at, price = START_MS + number, round(float(np.exp(logs[place])), 8)
        bad = number % BAD_EVERY == BAD_EVERY - 1
        yield {
            "asset": NAMES[place], "name": f"Asset {place}", "symbol": f"{NAMES[place]}USDT", "ref": "",
            "currency": "USDT", "price": -price if bad else price, "open": None, "high": None, "low": None,
            "volume": None, "percent_change_24h": 1.25, "market_cap": 1e9, "volume_24h": 2e7, "event_at": at - 40,
            "received_at": at, "at": at,
        }  # fmt: skip


def expected(count: int) -> Expected:
    """Computed anew from all prices, in no engine's way."""
    prices: dict[str, list[float]] = {}
    for quote in quotes(count):
        if quote["price"] > 0:
            prices.setdefault(quote["asset"], []).append(quote["price"])
    last = {name: (float(np.mean(mine[-WINDOW:])), float(np.std(mine[-WINDOW:]))) for name, mine in prices.items()}
    return Expected(sum(map(len, prices.values())), last)


def differences(wanted: Expected, results: int, last: dict[str, tuple[float, float]]) -> list[str]:
    """In what an engine's results are not what they must be; nothing if they are equal to 1e-9 of the price."""
    said = [] if results == wanted.results else [f"{results} results, not {wanted.results}"]
    for name, (mean, std) in wanted.last.items():
        mine = last.get(name)
        if mine is None or max(abs(mine[0] - mean), abs(mine[1] - std)) > 1e-9 * mean:
            said.append(f"{name}: {mine}, not {(mean, std)}")
    return said


def fill(broker: str, topic: str, count: int, batched: bool) -> None:
    """Write the quotes, one a message keyed by symbol, or up to 200 of one partition a message."""
    producer = Producer({
        "bootstrap.servers": broker, "compression.type": "lz4", "linger.ms": 20, "enable.idempotence": True,
        "queue.buffering.max.messages": 1_000_000,
    })  # fmt: skip
    waiting: dict[int, list[dict[str, Any]]] = {partition: [] for partition in range(PARTITIONS)}
    for number, quote in enumerate(quotes(count)):
        partition = partition_of(quote["asset"], PARTITIONS)
        if batched:
            waiting[partition].append(quote)
            if len(waiting[partition]) == BATCH:
                _write(producer, topic, partition, waiting)
        else:
            producer.produce(topic, orjson.dumps(quote), quote["asset"], partition)
        if number % 10_000 == 0:
            producer.flush() if not batched else producer.poll(0)
    for partition, mine in waiting.items():
        if mine:
            _write(producer, topic, partition, waiting)
    producer.flush()


def _write(producer: Producer, topic: str, partition: int, waiting: dict[int, list[dict[str, Any]]]) -> None:
    mine = waiting[partition]
    message = {
        "source": "bench", "origin": "live", "received_at": mine[-1]["received_at"], "interval_s": 60,
        "poll_interval_s": 10.0, "quotes": mine,
    }  # fmt: skip
    producer.produce(topic, orjson.dumps(message), str(partition), partition)
    waiting[partition] = []
