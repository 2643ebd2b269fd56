"""A database filled with what the pipeline makes of a generated market, as the sink would store it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from clickhouse_connect.driver.client import Client
from row_columns import store

from cryptoviz.messages import NormalizedQuotes
from processors.engine import Engine
from processors.normalise import Position
from processors.rules import Rules
from processors.sink_rows import Health, Tables, add_message

PRICES = {"BTC": 98_000.0, "DOGE": 0.000009, "ETH": 3_400.0}
SOURCES = {"binance": 0.0, "coingecko": 0.0008, "coinmarketcap": -0.0015}
"""How far each source is from the market, as a share of the price."""
EVERY_MS = 20_000
RULES = replace(Rules(), horizons_s=(3600, 4 * 3600))


def market(until_ms: int, minutes: int, seed: int = 7) -> Iterator[NormalizedQuotes]:
    """Polls of three sources until then; one of them is silent, and says so, in the last third but for the end."""
    rng = np.random.default_rng(seed)
    prices, since = dict(PRICES), until_ms - minutes * 60_000
    quiet = range(since + minutes * 40_000, since + minutes * 50_000)
    for number, now in enumerate(range(since, until_ms + 1, EVERY_MS)):
        for asset in prices:
            prices[asset] *= float(np.exp(rng.normal(0, 0.002)))
        for place, (source, offset) in enumerate(SOURCES.items()):
            silent = source == "coinmarketcap" and now in quiet
            quotes = [] if silent else [_quote(asset, now, price * (1 + offset)) for asset, price in prices.items()]
            state, reason = ("rate_limited", "it's 429") if silent else ("available", "")
            began = quiet.start if silent else since if now < quiet.stop else quiet.stop
            status: Any = {"state": state, "since": began, "until": None, "reason": reason}
            made: Any = {
                "source": source, "origin": "live", "received_at": now, "interval_s": 60, "poll_interval_s": 20.0,
                "quotes": quotes, "topic": "quotes.raw", "partition": 0, "offset": 3 * number + place,
                "status": status,
            }  # fmt: skip
            yield made


def made(until_ms: int, minutes: int) -> Tables:
    """Run that market through the engine: the rows the sink would store."""
    engine, health, tables = Engine(tuple(PRICES), RULES), Health(), Tables()
    for offset, message in enumerate(market(until_ms, minutes)):
        at = Position("quotes.normalized", 0, offset, message["received_at"] + 5)
        add_message(orjson.dumps(message), at, tables, health)
        for topic, _, result in engine.apply(message, offset):
            add_message(orjson.dumps(result), Position(topic, 0, offset, message["received_at"] + 50), tables, health)
    return tables


def fill(client: Client, database: str, until_ms: int, minutes: int, copies: int = 1) -> None:
    """Store what is made of that market, more than once to have every row doubled."""
    store(client, database, made(until_ms, minutes), copies)


def _quote(asset: str, at: int, price: float) -> dict[str, Any]:
    return {
        "asset": asset, "name": asset, "symbol": f"{asset}USDT", "ref": "", "currency": "USDT", "price": price,
        "open": None, "high": None, "low": None, "volume": None, "percent_change_24h": None, "market_cap": None,
        "volume_24h": None, "event_at": at - 1000, "received_at": at, "at": at, "item": 0, "feeds": True,
        "repeated": False,
    }  # fmt: skip
