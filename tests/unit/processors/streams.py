"""Streams of normalized messages for tests of the engine: quotes, candles and heartbeats, made by hand or at random."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from cryptoviz.messages import NormalizedQuotes

MINUTE = 60_000
T0 = 1_700_000_400_000 // 3_600_000 * 3_600_000


def quote(asset: str = "BTC", at: int = T0, price: float = 100.0, **fields: Any) -> dict[str, Any]:
    """One normalized quote of a polled snapshot."""
    return {
        "asset": asset, "name": asset, "symbol": f"{asset}USDT", "ref": "", "currency": "USDT", "price": price,
        "open": None, "high": None, "low": None, "volume": None, "percent_change_24h": None, "market_cap": None,
        "volume_24h": None, "event_at": None, "received_at": at, "at": at, "item": 0, "feeds": True, **fields,
    }  # fmt: skip


def message(
    quotes: Iterable[dict[str, Any]], source: str = "binance", received_at: int | None = None, offset: int = 0,
    origin: str = "live", **fields: Any,
) -> NormalizedQuotes:  # fmt: skip
    """A message of these quotes; `offset` is that of the raw message."""
    quotes = list(quotes)
    latest = max((item["received_at"] for item in quotes), default=0)
    made: Any = {
        "source": source, "origin": origin, "received_at": latest if received_at is None else received_at,
        "interval_s": 60, "poll_interval_s": 10.0, "quotes": quotes, "topic": "quotes.raw", "partition": 0,
        "offset": offset, **fields,
    }  # fmt: skip
    return made


def heartbeat(at: int, source: str = "binance", **fields: Any) -> NormalizedQuotes:
    """Nothing came, but the source's clock moves on."""
    return message([], source, at, **fields)


def random_stream(
    seed: int, minutes: int, assets: tuple[str, ...] = ("BTC", "USDT"), gap: float = 0.05
) -> list[NormalizedQuotes]:
    """Polls of two sources with jitter, gaps of all lengths and late stamps, offsets counted from 0."""
    rng = np.random.default_rng(seed)
    out: list[NormalizedQuotes] = []
    now, prices = T0, dict.fromkeys(assets, 100.0)
    while now < T0 + minutes * MINUTE:
        now += int(rng.integers(1_000, 30_000)) if rng.random() > gap / 10 else int(rng.integers(60_000, 4_000_000))
        source = "binance" if rng.random() < 0.7 else "coingecko"
        quotes = []
        for asset in assets:
            prices[asset] *= float(np.exp(rng.normal(0, 0.002)))
            if rng.random() > gap:
                event_at = None if rng.random() < 0.2 else now - int(rng.integers(0, 300_000))
                quotes.append(quote(asset, now, prices[asset], event_at=event_at))
        out.append(message(quotes, source, now, offset=len(out)))
    return out
