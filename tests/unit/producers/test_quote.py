from __future__ import annotations

import math

import pytest

from cryptoviz.assets import AssetRegistry
from cryptoviz.errors import Invalid
from producers.quote import iso_ms, quote_of, sift

NOW = 1_735_787_045_678
REGISTRY = AssetRegistry()
BTC = REGISTRY.listing("binance", "BTCUSDT")


def test_a_quote_counts_for_when_it_came_and_has_null_for_what_was_not_given() -> None:
    quote = quote_of(REGISTRY, BTC, NOW, {"price": "64250.1", "event_at": NOW - 900})
    assert (quote["asset"], quote["name"], quote["symbol"], quote["currency"]) == ("BTC", "Bitcoin", "BTCUSDT", "USDT")
    assert (quote["price"], quote["at"], quote["received_at"], quote["event_at"]) == (64250.1, NOW, NOW, NOW - 900)
    absent = ("open", "high", "low", "volume", "percent_change_24h", "market_cap", "volume_24h")
    assert [quote[name] for name in absent] == [None] * 7


@pytest.mark.parametrize("price", [0, -1, "0.00000000", "NaN", math.nan, math.inf, "many", True, [], {}, 10**400])
def test_a_price_that_is_no_price_is_rejected(price: object) -> None:
    with pytest.raises(Invalid) as caught:
        quote_of(REGISTRY, BTC, NOW, {"price": price})
    assert caught.value.reason == "bad_price"


def test_a_missing_price_is_told_apart_from_a_wrong_one() -> None:
    with pytest.raises(Invalid, match="no_price"):
        quote_of(REGISTRY, BTC, NOW, {"price": None})


@pytest.mark.parametrize(("name", "value"), [("market_cap", -1), ("volume_24h", "a lot"), ("event_at", "soon")])
def test_another_wrong_field_is_named_in_the_reason(name: str, value: object) -> None:
    with pytest.raises(Invalid) as caught:
        quote_of(REGISTRY, BTC, NOW, {"price": 1, name: value})
    assert caught.value.reason == f"bad_{name}"


def test_a_stamp_is_from_the_future_beyond_five_seconds() -> None:
    assert quote_of(REGISTRY, BTC, NOW, {"price": 1, "event_at": NOW + 5000})["event_at"] == NOW + 5000
    with pytest.raises(Invalid, match="future"):
        quote_of(REGISTRY, BTC, NOW, {"price": 1, "event_at": NOW + 5001})


@pytest.mark.parametrize(
    "text", ["2025-01-02T03:04:05.678Z", "2025-01-02T03:04:05.678", "2025-01-02T04:04:05.678+01:00"]
)
def test_iso_times_are_utc_milliseconds(text: str) -> None:
    assert iso_ms(text) == NOW


@pytest.mark.parametrize("value", ["yesterday", "", 5, True, [], "0001-01-01T00:00:00+23:59x"])
def test_what_is_not_a_time_is_rejected(value: object) -> None:
    with pytest.raises(Invalid, match="bad_event_at"):
        iso_ms(value)


def test_the_first_usable_item_of_a_symbol_counts_and_absent_symbols_are_missing() -> None:
    items = [("BTCUSDT", {"price": 0}), ("BTCUSDT", {"price": 1}), ("BTCUSDT", {"price": 2})]
    only_two = REGISTRY.select(["BTC", "ETH"])
    parsed = sift("binance", items, only_two, NOW, lambda item: item)
    assert [quote["price"] for quote in parsed.quotes] == [1]
    reasons = [(rejection.symbol, rejection.reason) for rejection in parsed.rejections]
    assert reasons == [("BTCUSDT", "bad_price"), ("BTCUSDT", "duplicate"), ("ETHUSDT", "missing")]
