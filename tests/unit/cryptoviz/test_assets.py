"""The registry of assets: complete, unambiguous, and looked up by the source's own names."""

from __future__ import annotations

import pytest

from cryptoviz.assets import CURRENCIES, REGISTRY, AssetRegistry
from cryptoviz.errors import UserError
from producers.sources import SOURCES

TWELVE = {"BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "TRX", "ADA", "USDC", "USDT", "LINK", "AVAX"}


def test_the_twelve_assets_are_there_with_an_id_at_every_source_that_lists_them() -> None:
    registry = AssetRegistry()
    assert set(registry.by_ticker) >= TWELVE
    for source in SOURCES:
        listed = {listing.asset for listing in registry.feeding(source)}
        assert listed >= TWELVE - ({"USDT"} if source == "binance" else set()), source


def test_no_two_assets_claim_one_symbol_of_a_source() -> None:
    listings = [(entry.source, entry.symbol) for asset in REGISTRY for entry in asset.listings()]
    assert len(listings) == len(set(listings))


def test_one_pair_per_source_feeds_and_dollars_come_before_stablecoins() -> None:
    for asset in REGISTRY:
        for source in asset.symbols:
            entries = [entry for entry in asset.listings() if entry.source == source]
            assert [entry.feeds for entry in entries] == [True] + [False] * (len(entries) - 1)
            order = ["USD", *CURRENCIES[:2]]
            ranks = [order.index(entry.currency) for entry in entries]
            assert ranks == sorted(ranks), (asset.ticker, source)


@pytest.mark.parametrize(
    ("source", "symbol", "asset", "currency", "feeds"),
    [
        ("binance", "BTCUSDT", "BTC", "USDT", True),
        ("binance", "BTCUSDC", "BTC", "USDC", False),
        ("binance_us", "BTC-USD", "BTC", "USD", True),
        ("binance_us", "BTCUSD", "BTC", "USD", True),
        ("kraken", "BTC/USDT", "BTC", "USDT", False),
        ("ftx", "BTC-PERP", "BTC", "USD", True),
        ("coingecko", "avalanche-2", "AVAX", "USD", True),
        ("coinmarketcap", "3408", "USDC", "USD", True),
        ("binance", "USDCUSDT", "USDC", "USDT", True),
        ("coinbase", "USDT-USDC", "USDT", "USDC", False),
    ],
)
def test_a_symbol_is_known_by_its_source(source: str, symbol: str, asset: str, currency: str, feeds: bool) -> None:
    listing = AssetRegistry().listing(source, symbol)
    assert listing is not None
    assert (listing.asset, listing.currency, listing.feeds) == (asset, currency, feeds)


@pytest.mark.parametrize(
    ("source", "symbol"), [("coingecko", "BTC"), ("coingecko", "avalanche2"), ("binance", "BTC"), ("nobody", "BTCUSDT")]
)
def test_a_ticker_alone_is_nobody(source: str, symbol: str) -> None:
    assert AssetRegistry().listing(source, symbol) is None


def test_selecting_keeps_the_order_asked_for_and_names_what_is_unknown() -> None:
    assert [asset.ticker for asset in AssetRegistry().select(["eth", "BTC", "ETH"]).assets] == ["ETH", "BTC"]
    assert AssetRegistry().select([]).assets == REGISTRY
    with pytest.raises(UserError, match=r"unknown asset FOO; known are BTC"):
        AssetRegistry().select(["BTC", "FOO"])
