"""The stream of a fault run: the raw messages of one simulated market, the same for the same seed. Pure.

It has what real logs have: sources of several speeds, pairs that feed bars and pairs that are only stored, silences of
all lengths, quotes that come late, items and whole messages that cannot be used, and heartbeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge

import numpy as np

from cryptoviz.assets import AssetRegistry, Listing
from cryptoviz.messages import Quote
from producers.raw import Envelope

MINUTE_MS = 60_000
START_MS = 1_720_000_800_000  # a whole hour of July 2024
POLL_S = {"binance": 10, "kraken": 20, "coingecko": 60, "coinmarketcap": 300}
SILENCES_MIN = (1, 3, 20, 45)
"""One of each length per source, if the stream is long enough: more than a bar, than freshness, than is bridged."""
LATE, STRANGE, UNREADABLE = 0.002, 0.001, 0.0005
"""Shares: of quotes that count for a bar long closed, of items and of messages that cannot be used."""

Message = tuple[int, bytes]
"""(partition, value)"""
_Timed = tuple[int, str, int, bytes]
"""(time, source, partition, value)"""


@dataclass(frozen=True)
class Shape:
    """How much of a stream, and for which home."""

    minutes: int
    bar_seconds: int = 60
    partitions: int = 4

    @property
    def end_ms(self) -> int:
        """When the last poll is over."""
        return START_MS + self.minutes * MINUTE_MS


def stream(seed: int, shape: Shape) -> Iterator[Message]:
    """The messages in the order in which they are sent; the last ones close every bar."""
    envelopes = {name: Envelope(name, "replay", shape.bar_seconds, POLL_S[name], shape.partitions) for name in POLL_S}
    sources = [_source(envelope, seed, shape) for envelope in envelopes.values()]
    for _, _, partition, value in merge(*sources, key=lambda message: message[:2]):
        yield partition, value
    for envelope in envelopes.values():
        yield from envelope.heartbeats(shape.end_ms + MINUTE_MS)


def _source(envelope: Envelope, seed: int, shape: Shape) -> Iterator[_Timed]:
    name = envelope.source
    rng = np.random.default_rng([seed, *name.encode()])
    listings = [one for asset in AssetRegistry().assets for one in asset.listings() if one.source == name]
    prices = 10.0 ** rng.uniform(-1, 4, len(listings))
    silent = _silences(rng, shape)
    poll_ms = POLL_S[name] * 1000
    for at in range(START_MS, shape.end_ms, poll_ms):
        prices = prices * np.exp(rng.normal(0, 0.0005, len(listings)))
        received_at = at + int(rng.integers(1, 900))
        quotes = [_quote(one, price, received_at, rng) for one, price in zip(listings, prices.tolist(), strict=True)]
        for partition, value in () if at // MINUTE_MS in silent else envelope.messages(quotes):
            yield received_at, name, partition, value
            if rng.random() < UNREADABLE:
                yield received_at, name, partition, value[: len(value) // 2]
        for beat in range(-(-at // MINUTE_MS) * MINUTE_MS + 950, at + poll_ms, MINUTE_MS):
            for partition, value in envelope.heartbeats(beat):
                yield beat, name, partition, value


def _silences(rng: np.random.Generator, shape: Shape) -> set[int]:
    """The minutes, counted from 1970, at which a source does not answer."""
    starts = rng.integers(0, shape.minutes, len(SILENCES_MIN)) + START_MS // MINUTE_MS
    lengths = zip(starts.tolist(), SILENCES_MIN, strict=True)
    return {
        minute for start, length in lengths if 4 * length < shape.minutes for minute in range(start, start + length)
    }


def _quote(listing: Listing, price: float, received_at: int, rng: np.random.Generator) -> Quote:
    chance = rng.random()
    return {
        "asset": listing.asset, "name": listing.asset, "symbol": listing.symbol, "ref": "",
        "currency": listing.currency, "price": -price if chance < STRANGE else price, "open": None, "high": None,
        "low": None, "volume": None, "percent_change_24h": None, "market_cap": None, "volume_24h": None,
        "event_at": None, "received_at": received_at,
        "at": received_at - 10 * MINUTE_MS if chance > 1 - LATE else received_at,
    }  # fmt: skip
