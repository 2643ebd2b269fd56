"""Raw messages for measuring: a seeded market of twelve assets at three sources, as candles or as ticks. Pure.

Messages are what a producer or a replay writes: the quotes of one source and one partition, in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cryptoviz.assets import AssetRegistry, Listing
from cryptoviz.settings import Settings
from producers.raw import Envelope

SOURCES = ("coingecko", "coinmarketcap", "yahoo")
MINUTE_MS = 60_000
START_MS = 1_788_220_800_000  # 2026-09-01
Message = tuple[int, bytes]
"""(partition, value)"""


@dataclass(frozen=True)
class Feed:
    """`minutes` of the market with so many quotes per minute and series; one of them is a candle.

    A message holds up to `per_message` quotes, as a poll or a flush would bring them together.
    """

    minutes: int
    per_minute: int = 1
    per_message: int = 200
    partitions: int = 4
    seed: int = 7

    @property
    def quotes(self) -> int:
        """How many quotes all messages hold."""
        return self.minutes * self.per_minute * sum(len(_listings(source)) for source in SOURCES)


def messages(feed: Feed) -> Iterator[Message]:
    """Every message, and a heartbeat of each source at the end, which closes the last bars."""
    rng = np.random.default_rng(feed.seed)
    step_ms = MINUTE_MS // feed.per_minute
    assets = len(AssetRegistry().assets)
    envelopes = {
        source: Envelope(source, "replay", MINUTE_MS // 1000, step_ms / 1000, feed.partitions) for source in SOURCES
    }
    prices = 10.0 ** rng.uniform(-1, 4.5, assets)
    together = max(1, min(feed.per_minute, feed.per_message * feed.partitions // assets))
    steps = feed.minutes * feed.per_minute
    for first in range(0, steps, together):
        moves = rng.normal(0, 8e-4 / np.sqrt(feed.per_minute), (min(together, steps - first), assets))
        walk = prices * np.exp(np.cumsum(moves, axis=0))
        prices = walk[-1]
        for source, envelope in envelopes.items():
            quotes = [
                _quote(listing, walk[n, row], START_MS + (first + n + 1) * step_ms - 1, feed.per_minute == 1)
                for n in range(len(walk))
                for row, listing in enumerate(_listings(source))
            ]
            yield from envelope.messages(quotes)
    for envelope in envelopes.values():
        yield from envelope.heartbeats(START_MS + (feed.minutes + 1) * MINUTE_MS)


def live_messages(source: str, quotes: int, now_ms: int, settings: Settings) -> Iterator[Message]:
    """So many quotes of a source received now, spread over its assets."""
    envelope = Envelope(source, "live", settings.bar_seconds, 1.0, settings.partitions)
    listings = _listings(source)
    prices = 100 + np.random.default_rng(now_ms).random(quotes)
    yield from envelope.messages(
        _quote(listings[n % len(listings)], price, now_ms, False) | {"ref": str(n)} for n, price in enumerate(prices)
    )


def _listings(source: str) -> tuple[Listing, ...]:
    return AssetRegistry().feeding(source)


def _quote(listing: Listing, price: float, at: int, candle: bool) -> Any:
    price = float(price)
    return {
        "asset": listing.asset, "name": listing.asset, "symbol": listing.symbol, "ref": "",
        "currency": listing.currency, "price": price, "open": price * 0.9995 if candle else None,
        "high": price * 1.001 if candle else None, "low": price * 0.999 if candle else None,
        "volume": 1.5 if candle else None, "percent_change_24h": None, "market_cap": None, "volume_24h": None,
        "event_at": at, "received_at": at, "at": at,
    }  # fmt: skip
