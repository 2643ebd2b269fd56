"""The simulated prices: a function of seed and time alone, plausible for ever, history and live in agreement."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoviz.assets import REGISTRY
from cryptoviz.local.market import curves, walk
from cryptoviz.local.market.curves import MINUTE_MS, SOURCE_GAPS, Curve
from cryptoviz.local.market.profiles import PROFILES, profile_of
from cryptoviz.local.market.walk import BLOCK_HOURS, HOUR_MS, Walk

NOW = 1_795_180_004_349
DAY_MS = 24 * HOUR_MS
BTC = Curve(7, "binance", "BTC")


def forget() -> None:
    """Everything that a fresh process would not know."""
    for cached in (walk._block, walk._hour, curves._path, curves._candles, curves._usd):
        cached.cache_clear()


def test_every_asset_of_the_registry_has_a_profile() -> None:
    assert set(PROFILES) == {asset.ticker for asset in REGISTRY}


def test_an_asset_without_a_profile_gets_the_same_made_up_one_each_time() -> None:
    assert profile_of("NEWCOIN") == profile_of("NEWCOIN")
    assert profile_of("NEWCOIN").price > 0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(NOW - 40 * DAY_MS, NOW), min_size=2, max_size=8), st.randoms())
def test_a_price_is_the_same_whichever_order_it_is_asked_in(times: list[int], order: random.Random) -> None:
    forget()
    first = {at: BTC.price(at) for at in times}
    shuffled = list(times)
    order.shuffle(shuffled)
    forget()
    assert {at: BTC.price(at) for at in shuffled} == first
    assert BTC.prices(times).tolist() == [first[at] for at in times]


def test_another_seed_is_another_market() -> None:
    assert Curve(8, "binance", "BTC").price(NOW) != BTC.price(NOW)


@pytest.mark.parametrize("hour", [BLOCK_HOURS * 640, BLOCK_HOURS * 640 + 1, BLOCK_HOURS * 640 + 17])
def test_hours_join_without_a_seam_even_where_blocks_meet(hour: int) -> None:
    curve = Walk(7, "market", 0.02, 1.0, 0.01)
    assert curve.hour(hour - 1)[-1] == curve.hour(hour)[0]


def test_prices_stay_plausible_over_ten_years() -> None:
    times = np.arange(NOW - 10 * 365 * DAY_MS, NOW, 7 * DAY_MS)
    for ticker, profile in PROFILES.items():
        prices = Curve(7, "binance", ticker).prices(times)
        spread = 0.01 if profile.is_stable else 2.0
        assert np.abs(np.log(prices / profile.price)).max() < spread, ticker


def test_stablecoins_stay_within_half_a_percent_of_the_dollar() -> None:
    times = np.arange(NOW - 90 * DAY_MS, NOW, HOUR_MS)
    for ticker in ("USDC", "USDT"):
        assert np.abs(Curve(7, "coingecko", ticker).prices(times) - 1).max() < 0.005


def test_coins_move_with_the_market_and_have_fat_tails() -> None:
    times = np.arange(NOW - 30 * DAY_MS, NOW, HOUR_MS)
    moves = {ticker: np.diff(np.log(Curve(7, "binance", ticker).prices(times))) for ticker in ("BTC", "ETH", "USDC")}
    assert np.corrcoef(moves["BTC"], moves["ETH"])[0, 1] > 0.6
    assert abs(np.corrcoef(moves["BTC"], moves["USDC"])[0, 1]) < 0.3
    minutes = np.diff(np.log(BTC.candles(NOW - 3 * DAY_MS, NOW).close))
    assert (minutes**4).mean() / (minutes**2).mean() ** 2 > 4


def test_sources_keep_their_distance_and_their_side() -> None:
    times = np.arange(NOW - 30 * DAY_MS, NOW, HOUR_MS)
    prices = {source: Curve(7, source, "BTC").prices(times) for source in SOURCE_GAPS}
    for source in ("coingecko", "coinmarketcap"):
        gap = (prices[source] / prices["binance"] - 1).mean()
        assert gap == pytest.approx(SOURCE_GAPS[source] - SOURCE_GAPS["binance"], rel=0.5)


def test_candles_say_what_the_prices_said() -> None:
    start = NOW // MINUTE_MS * MINUTE_MS - 90 * MINUTE_MS
    candles = BTC.candles(start, start + 60 * MINUTE_MS)
    assert candles.start.tolist() == [start + minute * MINUTE_MS for minute in range(60)]
    assert candles.open.tolist() == BTC.prices(candles.start).tolist()
    np.testing.assert_allclose(candles.close, BTC.prices(candles.start + MINUTE_MS - 1), rtol=1e-12)
    every = BTC.prices(np.arange(start, start + MINUTE_MS, 500))
    assert candles.low[0] <= every.min() <= every.max() <= candles.high[0]
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.usd > 0).all()


def test_the_last_candle_is_unfinished_until_its_minute_is_over() -> None:
    minute = NOW // MINUTE_MS * MINUTE_MS
    half, whole = BTC.candles(minute, minute + 30_000), BTC.candles(minute, minute + MINUTE_MS)
    assert half.start.tolist() == whole.start.tolist() == [minute]
    assert half.close[0] == BTC.price(minute + 29_999)
    assert half.usd[0] == pytest.approx(whole.usd[0] / 2)
    assert whole.low[0] <= half.low[0] <= half.high[0] <= whole.high[0]


def test_no_candles_between_two_equal_times() -> None:
    assert len(BTC.candles(NOW, NOW).start) == 0


def test_turnover_adds_up() -> None:
    day = BTC.usd_volume(NOW)
    halves = BTC.usd_volume(NOW, DAY_MS // 2) + BTC.usd_volume(NOW - DAY_MS // 2, DAY_MS // 2)
    assert day == pytest.approx(halves)
    assert 0.2 < day / profile_of("BTC").turnover_usd < 5
