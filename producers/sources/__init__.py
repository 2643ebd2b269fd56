"""The sources there are; a new one is a file beside these and a line below."""

from __future__ import annotations

from producers.source import Source
from producers.sources.binance import Binance
from producers.sources.coingecko import CoinGecko
from producers.sources.coinmarketcap import CoinMarketCap

SOURCES: dict[str, type[Source]] = {
    source.name: source
    for source in (
        CoinGecko,
        CoinMarketCap,
        Binance,
    )
}
