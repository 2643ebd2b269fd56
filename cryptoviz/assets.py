"""The registry of assets: what each is called, and its id or pair at every source that has it.

Adding an asset is one entry in `REGISTRY`. A source's symbol is looked up here and nowhere else, because several
coins share a ticker. Of the pairs listed for a source the first feeds bars and `all`; the others are only stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from cryptoviz.errors import UserError

AssetClass = Literal["crypto", "stock", "forex"]
AGGREGATORS = frozenset({"coingecko", "coinmarketcap"})  # they name coins by id and quote them in USD
CURRENCIES = ("USDT", "USDC", "USD")


@dataclass(frozen=True)
class Listing:
    """One symbol of one source: whose price it is, in which currency, and whether it feeds bars."""

    asset: str
    source: str
    symbol: str
    currency: str
    feeds: bool


@dataclass(frozen=True)
class Asset:
    """An asset by its ticker; `symbols` holds, per source, its id or its pairs (USD, then USDT, then USDC)."""

    ticker: str
    name: str
    symbols: Mapping[str, tuple[str, ...]]
    asset_class: AssetClass = "crypto"

    def listings(self) -> Iterable[Listing]:
        """Every symbol of this asset at every source, the feeding one of each source first."""
        for source, symbols in self.symbols.items():
            for index, symbol in enumerate(symbols):
                yield Listing(self.ticker, source, symbol, _currency(self.ticker, source, symbol), index == 0)


def _currency(ticker: str, source: str, symbol: str) -> str:
    if source in AGGREGATORS:
        return "USD"
    quote = _plain(symbol).removeprefix(ticker)
    return quote if quote in CURRENCIES else "USD"  # a perpetual contract (BTC-PERP) is quoted in USD


def _plain(symbol: str) -> str:
    """Exchanges write one pair as BTC-USD, BTC/USD, BTC_USD or BTCUSD, some differently per API."""
    return symbol.upper().replace("-", "").replace("/", "").replace("_", "")


def _asset(ticker: str, name: str, coingecko: str, coinmarketcap: int, **pairs: str) -> Asset:
    exchanges = {source: tuple(listed.split()) for source, listed in pairs.items()}
    return Asset(ticker, name, {"coingecko": (coingecko,), "coinmarketcap": (str(coinmarketcap),), **exchanges})


# fmt: off
REGISTRY: tuple[Asset, ...] = (
    _asset("BTC", "Bitcoin", "bitcoin", 1, binance="BTCUSDT BTCUSDC", binance_us="BTC-USD BTC-USDT BTC-USDC",
           binance_futures="BTCUSDT", bybit="BTCUSDT", coinbase="BTC-USD BTC-USDT BTC-USDC", ftx="BTC-PERP",
           kraken="BTC-USD BTC-USDT BTC-USDC", yahoo="BTC-USD"),
    _asset("ETH", "Ethereum", "ethereum", 1027, binance="ETHUSDT ETHUSDC", binance_us="ETH-USD ETH-USDT ETH-USDC",
           bybit="ETHUSDT", coinbase="ETH-USD ETH-USDT ETH-USDC", kraken="ETH-USD ETH-USDT ETH-USDC", yahoo="ETH-USD"),
    _asset("SOL", "Solana", "solana", 5426, binance="SOLUSDT SOLUSDC", binance_us="SOL-USD SOL-USDT", bybit="SOLUSDT",
           coinbase="SOL-USD SOL-USDT", kraken="SOL-USD SOL-USDT", yahoo="SOL-USD"),
    _asset("XRP", "XRP", "ripple", 52, binance="XRPUSDT XRPUSDC", binance_us="XRP-USD XRP-USDT", bybit="XRPUSDT",
           coinbase="XRP-USD XRP-USDT", kraken="XRP-USD XRP-USDT", yahoo="XRP-USD"),
    _asset("BNB", "BNB", "binancecoin", 1839, binance="BNBUSDT BNBUSDC", binance_us="BNB-USD BNB-USDT",
           yahoo="BNB-USD"),
    _asset("DOGE", "Dogecoin", "dogecoin", 74, binance="DOGEUSDT DOGEUSDC", binance_us="DOGE-USD DOGE-USDT",
           bybit="DOGEUSDT", coinbase="DOGE-USD DOGE-USDT", kraken="DOGE-USD DOGE-USDT", yahoo="DOGE-USD"),
    _asset("TRX", "TRON", "tron", 1958, binance="TRXUSDT TRXUSDC", kraken="TRX-USD", yahoo="TRX-USD"),
    _asset("ADA", "Cardano", "cardano", 2010, binance="ADAUSDT ADAUSDC", binance_us="ADA-USD ADA-USDT",
           coinbase="ADA-USD ADA-USDT", kraken="ADA-USD ADA-USDT", yahoo="ADA-USD"),
    _asset("USDC", "USD Coin", "usd-coin", 3408, binance="USDCUSDT", binance_us="USDC-USDT",
           kraken="USDC-USD USDC-USDT", yahoo="USDC-USD"),
    _asset("USDT", "Tether", "tether", 825, binance_us="USDT-USD", coinbase="USDT-USD USDT-USDC",
           kraken="USDT-USD", yahoo="USDT-USD"),
    _asset("LINK", "Chainlink", "chainlink", 1975, binance="LINKUSDT LINKUSDC", binance_us="LINK-USD LINK-USDT",
           coinbase="LINK-USD LINK-USDT", kraken="LINK-USD LINK-USDT", yahoo="LINK-USD"),
    _asset("AVAX", "Avalanche", "avalanche-2", 5805, binance="AVAXUSDT AVAXUSDC", binance_us="AVAX-USD AVAX-USDT",
           coinbase="AVAX-USD AVAX-USDT", kraken="AVAX-USD AVAX-USDT", yahoo="AVAX-USD"),
)
# fmt: on


@dataclass(frozen=True)
class AssetRegistry:
    """The assets being followed, with the look-ups that every part needs."""

    assets: tuple[Asset, ...] = field(default=REGISTRY)

    @cached_property
    def by_ticker(self) -> dict[str, Asset]:
        """Assets by ticker."""
        return {asset.ticker: asset for asset in self.assets}

    @cached_property
    def _listings(self) -> dict[tuple[str, str], Listing]:
        return {
            (listing.source, _key(listing.source, listing.symbol)): listing
            for asset in self.assets
            for listing in asset.listings()
        }

    @cached_property
    def sources(self) -> frozenset[str]:
        """Every source that lists anything, followed or not."""
        return frozenset(source for asset in (*REGISTRY, *self.assets) for source in asset.symbols)

    def listing(self, source: str, symbol: str) -> Listing | None:
        """What `symbol` is at `source`, or None where the registry does not know it."""
        return self._listings.get((source, _key(source, symbol)))

    def feeding(self, source: str) -> tuple[Listing, ...]:
        """The symbols to ask `source` for: one per asset it lists, in the registry's order."""
        return tuple(entry for entry in self._listings.values() if entry.source == source and entry.feeds)

    def select(self, tickers: Iterable[str]) -> AssetRegistry:
        """Only these tickers, all when empty; raises `UserError` naming one that is not in the registry."""
        wanted = tuple(ticker.upper() for ticker in tickers)
        unknown = sorted(set(wanted) - set(self.by_ticker))
        if unknown:
            known = ", ".join(self.by_ticker)
            raise UserError(f"CRYPTOVIZ_ASSETS: unknown asset {', '.join(unknown)}; known are {known}")
        return AssetRegistry(tuple(self.by_ticker[ticker] for ticker in dict.fromkeys(wanted))) if wanted else self


def _key(source: str, symbol: str) -> str:
    return symbol if source in AGGREGATORS else _plain(symbol)
