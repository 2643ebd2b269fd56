"""Whatever JSON a source sends, its parser gives quotes that keep the contract, rejections, or one of two errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from cryptoviz.assets import AssetRegistry
from cryptoviz.errors import Invalid, Retryable
from cryptoviz.messages import Quote, encode
from producers.outbox import dead_letter
from producers.quote import Parsed
from producers.raw import Envelope
from producers.sources import SOURCES

NOW = 1_735_787_045_678
REGISTRY = AssetRegistry()
QUOTES = TypeAdapter(list[Quote])

numbers = st.integers(-(10**20), 10**20) | st.floats() | st.sampled_from([0, 1, NOW, NOW + 10**6, 64250.5])
texts = st.text(max_size=8) | st.sampled_from(
    ["64250.5", "0.0", "-1", "NaN", "2025-01-02T03:04:05Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"]
)
scalars = st.none() | st.booleans() | numbers | texts
NAMES = [
    "id", "symbol", "current_price", "market_cap", "total_volume", "price_change_percentage_24h", "last_updated",
    "status", "error", "error_code", "error_message", "code", "msg", "data", "quote", "USD", "price", "volume_24h",
    "is_active", "lastPrice", "priceChangePercent", "quoteVolume", "closeTime", "prices", "market_caps",
    "total_volumes", "1", "BTC",
]  # fmt: skip
IDS = ["bitcoin", "BTCUSDT", "ETHUSDT", "ethereum", 1, 1027, "unknown"]
keys = st.sampled_from(NAMES) | st.text(max_size=4)
anything = st.recursive(
    scalars | st.sampled_from(IDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=25,
)
# Items that are nearly right reach deeper than random ones.
gecko = st.fixed_dictionaries(
    {"id": st.sampled_from(IDS), "current_price": scalars},
    optional={"last_updated": scalars, "market_cap": scalars, "total_volume": scalars},
)
ticker = st.fixed_dictionaries(
    {"symbol": st.sampled_from(IDS), "lastPrice": scalars}, optional={"closeTime": scalars, "quoteVolume": scalars}
)
usd = st.fixed_dictionaries({"price": scalars}, optional={"last_updated": scalars, "volume_24h": scalars})
coin = st.fixed_dictionaries(
    {"id": st.sampled_from(IDS), "quote": st.fixed_dictionaries({"USD": usd | scalars})},
    optional={"is_active": scalars, "last_updated": scalars},
)
data = st.lists(coin, max_size=4) | st.dictionaries(st.text(max_size=3), coin | st.lists(coin, max_size=2), max_size=4)
answers = {
    "coingecko": anything | st.lists(gecko | anything, max_size=5),
    "coinmarketcap": anything | st.fixed_dictionaries({"data": data}, optional={"status": anything}),
    "binance": anything | st.lists(ticker | anything, max_size=5),
}
points = st.lists(st.lists(scalars | st.sampled_from([NOW - 60_000, 1_735_786_980_000]), max_size=8), max_size=4)
histories = {
    "coingecko": anything | st.fixed_dictionaries({"prices": points}, optional={"market_caps": anything | points}),
    "binance": anything | points,
}


def _keeps_the_contract(source: str, parsed: Parsed) -> None:
    QUOTES.validate_python(parsed.quotes)
    assert all(0 < quote["price"] < float("inf") for quote in parsed.quotes)
    for _, message in Envelope(source, "live", 60, 10.0, 4).messages(parsed.quotes):
        assert b"NaN" not in message
    for rejection in parsed.rejections:
        encode(dead_letter(source, rejection, NOW))


@pytest.mark.parametrize("name", SOURCES)
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_answer_breaks_a_parser(name: str, data: Any) -> None:
    payload = data.draw(answers.get(name, anything))
    try:
        parsed = SOURCES[name]().parse(payload, REGISTRY, NOW)
    except (Invalid, Retryable):
        return
    _keeps_the_contract(name, parsed)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.history])
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_history_breaks_a_parser(name: str, data: Any) -> None:
    payload, listing = data.draw(histories.get(name, anything)), REGISTRY.feeding(name)[0]
    history = SOURCES[name].history
    assert history is not None
    try:
        parsed = history.parse(payload, REGISTRY, listing, NOW)
    except (Invalid, Retryable):
        return
    _keeps_the_contract(name, parsed)
    assert all(quote["at"] == quote["received_at"] <= NOW for quote in parsed.quotes)
