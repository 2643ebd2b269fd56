"""Aggregators' stamps: old as in the recorded answers, and never going back."""

from __future__ import annotations

from itertools import pairwise

from cryptoviz.assets import AssetRegistry
from cryptoviz.local.market.coingecko import CoinGecko
from cryptoviz.local.market.coinmarketcap import CoinMarketCap

NOW = 1_795_180_004_349


def test_stamps_are_30_to_270_seconds_old_and_never_go_back() -> None:
    for source in (CoinGecko(7, AssetRegistry()), CoinMarketCap(7, AssetRegistry())):
        stamps = [(now, source._updates.visible("BTC", now)) for now in range(NOW, NOW + 7_200_000, 5_000)]
        ages_s = [(now - at) / 1000 for now, at in stamps]
        assert 30 <= min(ages_s) <= max(ages_s) <= 270
        assert all(before[1] <= after[1] for before, after in pairwise(stamps))
        assert len({at for _, at in stamps}) > 50


def test_coins_are_not_all_updated_at_once() -> None:
    updates = CoinGecko(7, AssetRegistry())._updates
    assert len({updates.visible(ticker, NOW) for ticker in ("BTC", "ETH", "SOL", "XRP")}) == 4
