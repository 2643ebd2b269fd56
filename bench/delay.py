"""How old a quote is when it can be queried, and a forecast when it arrives, while quotes come at a steady rate.

A source's answer is a message of quotes received now. The clock that stamps it, the one that sees its rows in
ClickHouse and the one that sees forecasts on `predictions` are one and the same.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from confluent_kafka import Consumer, Producer
from rich.console import Console

from bench.feed import SOURCES, live_messages
from bench.figures import Figure, told
from bench.stack import parts, servers
from cryptoviz.clickhouse import connect
from cryptoviz.kafka import client_config, producer_config
from cryptoviz.settings import Settings
from cryptoviz.topics import PREDICTIONS, RAW

RATES = (1_000, 10_000, 20_000, 40_000)
SECONDS = 60.0
RULES = {"bar_seconds": 10, "forecast_seconds": 10, "grace_seconds": 1}
"""Short bars: a forecast of every series every ten seconds, instead of every five minutes."""
EVERY_S = 0.1
LOOK_EVERY_S = 0.01
WARM_UP_S = 20.0
LONGEST_S = 30.0
"""So far back arrivals are looked for: further than any delay that is worth a figure."""
REMEMBERED = 20_000


@dataclass
class Delays:
    """Seconds, one number per quote or forecast."""

    quotes: list[float] = field(default_factory=list)
    forecasts: list[float] = field(default_factory=list)


def delays(quotes_per_s: int, seconds: float) -> Delays:
    """Feed so many quotes a second for so long, after a warm-up, and take down when they arrive."""
    with tempfile.TemporaryDirectory(prefix="cryptoviz-bench-") as name, servers(Path(name), **RULES) as running:
        settings, found, stop = running.settings, Delays(), threading.Event()
        with parts(settings, running.folder, workers=1, sink=True):
            since_ms = int((time.time() + WARM_UP_S) * 1000)
            fed = Fed()
            watchers = [
                threading.Thread(target=_watch_quotes, args=(settings, since_ms, found, stop)),
                threading.Thread(target=_watch_forecasts, args=(settings, since_ms, fed.closes, found, stop)),
            ]
            for watcher in watchers:
                watcher.start()
            feed_live(settings, quotes_per_s, WARM_UP_S + seconds, fed=fed)
            time.sleep(2)  # what was fed last is on its way
            stop.set()
            for watcher in watchers:
                watcher.join()
        return found


@dataclass
class Fed:
    """What a live feed has sent, and when it closed which bar of which source: (source, end in ms) -> seconds."""

    quotes: int = 0
    messages: int = 0
    closes: dict[tuple[str, int], float] = field(default_factory=dict)


def feed_live(
    settings: Settings, quotes_per_s: int, seconds: float, say: Callable[[str], None] = lambda _: None,
    fed: Fed | None = None,
) -> Fed:  # fmt: skip
    """Send so many quotes a second, received now, every tenth of a second; a minute's progress is said."""
    fed = fed or Fed()
    producer = Producer(producer_config(settings, "bench-feed") | {"log_level": 2})
    per_source = max(1, round(quotes_per_s * EVERY_S / len(SOURCES)))
    began = time.monotonic()
    for turn in range(int(seconds / EVERY_S)):
        time.sleep(max(0.0, began + turn * EVERY_S - time.monotonic()))
        for source in SOURCES:
            now = time.time()
            _note_closed(settings, source, now, fed)
            for partition, value in live_messages(source, per_source, int(now * 1000), settings):
                producer.produce(RAW.name, value, partition=partition)
                fed.messages += 1
            fed.quotes += per_source
            producer.poll(0)
        if turn % int(60 / EVERY_S) == 0:
            say(f"{time.monotonic() - began:6.0f} s  {fed.quotes:,} quotes fed, load {os.getloadavg()[0]:.1f}")
    producer.flush()
    return fed


def _note_closed(settings: Settings, source: str, now: float, fed: Fed) -> None:
    interval_ms = settings.bar_seconds * 1000
    end = (int(now * 1000) - settings.grace_seconds * 1000) // interval_ms * interval_ms
    fed.closes.setdefault((source, end), now)
    fed.closes.setdefault(("all", end), now)


def _watch_quotes(settings: Settings, since_ms: int, found: Delays, stop: threading.Event) -> None:
    client, seen = connect(settings), dict[tuple[str, int, int], None]()
    sql = (
        "SELECT source, partition, toUnixTimestamp64Milli(received_at) AS at, count() "
        f"FROM {settings.clickhouse_database}.quotes "
        "WHERE received_at > fromUnixTimestamp64Milli({since:Int64}, 'UTC') GROUP BY source, partition, at"
    )
    while not stop.is_set():
        since = max(since_ms, int((time.time() - LONGEST_S) * 1000))
        rows = client.query(sql, parameters={"since": since}).result_rows
        now = time.time()
        for source, partition, at, count in rows:
            if (source, partition, at) not in seen:
                seen[source, partition, at] = None
                found.quotes.extend([now - at / 1000] * count)
        while len(seen) > REMEMBERED:
            del seen[next(iter(seen))]
        time.sleep(LOOK_EVERY_S)
    client.close()


def _watch_forecasts(
    settings: Settings, since_ms: int, closes: dict[tuple[str, int], float], found: Delays, stop: threading.Event
) -> None:  # fmt: skip
    config = client_config(settings, "bench-watcher") | {"group.id": "bench-watcher", "auto.offset.reset": "latest"}
    consumer = Consumer(config | {"fetch.wait.max.ms": 10})
    consumer.subscribe([PREDICTIONS.name])
    while not stop.is_set():
        message = consumer.poll(0.1)
        now = time.time()
        if message is None or message.error() is not None:
            continue
        made = orjson.loads(message.value() or b"")
        closed = closes.get((made["source"], made["made_at"]))
        if closed is not None and closed * 1000 > since_ms:
            found.forecasts.append(now - closed)
    consumer.close()


def run(console: Console, rounds: int, scale: float, only: str) -> dict[str, Any]:
    """p50 and p99 at each rate."""
    return told(console, "delay", _figures(rounds, SECONDS * scale, only))


def _figures(rounds: int, seconds: float, only: str) -> Iterator[Figure]:
    for rate in RATES:
        name = f"{rate:,} quotes/s"
        runs = [delays(rate, seconds) for _ in range(rounds if only in name else 0)]
        for what, of in (("answer to queryable quote", "quotes"), ("end of bar to forecast", "forecasts")):
            for quantile in (50, 99) if runs else ():
                values = [float(np.percentile(getattr(found, of), quantile)) * 1000 for found in runs]
                count = sum(len(getattr(found, of)) for found in runs)
                yield Figure(f"{what} at {name}, p{quantile}", "ms", values, f"of {count:,}")
