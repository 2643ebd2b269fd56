from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from cryptoviz.assets import AssetRegistry
from cryptoviz.errors import Invalid
from producers.failures import Failure
from producers.sources.coinmarketcap import CoinMarketCap

NOW = 1_735_787_050_000
REGISTRY = AssetRegistry().select(["BTC", "ETH", "SOL", "XRP", "DOGE"])


def _parse(payload: object) -> tuple[dict, list[tuple[str, str]]]:
    parsed = CoinMarketCap().parse(payload, REGISTRY, NOW)
    reasons = [(rejection.symbol, rejection.reason) for rejection in parsed.rejections]
    return {quote["symbol"]: quote for quote in parsed.quotes}, reasons


def _payload(payloads: Path, name: str) -> object:
    return orjson.loads((payloads / "coinmarketcap" / name).read_bytes())


def test_one_request_asks_for_all_coins_by_number() -> None:
    request = CoinMarketCap().request(REGISTRY.feeding("coinmarketcap"))
    assert request.path == "/v2/cryptocurrency/quotes/latest"
    assert request.params == {"id": "1,1027,5426,52,74", "convert": "USD"}


def test_v2_by_id_holds_an_object_per_coin(payloads: Path) -> None:
    quotes, reasons = _parse(_payload(payloads, "v2_by_id.json"))
    bitcoin = quotes["1"]
    assert (bitcoin["asset"], bitcoin["price"], bitcoin["volume_24h"]) == ("BTC", 64250.5, 31000000000.5)
    assert (bitcoin["event_at"], bitcoin["at"]) == (1_735_787_040_000, NOW)
    assert set(quotes) == {"1", "1027"}
    assert reasons == [("5426", "no_price"), ("52", "no_price"), ("74", "inactive")]


def test_v2_by_symbol_holds_a_list_per_ticker_and_coins_are_told_apart_by_number(payloads: Path) -> None:
    quotes, reasons = _parse(_payload(payloads, "v2_by_symbol__two_coins_one_ticker.json"))
    assert {symbol: quote["price"] for symbol, quote in quotes.items()} == {"1": 64250.5, "1027": 3100.25}
    assert reasons[:2] == [("999999", "unknown_symbol"), ("1027", "duplicate")]


def test_v1_lists_and_objects_are_read_as_well(payloads: Path) -> None:
    quotes, reasons = _parse(_payload(payloads, "v1_list.json"))
    assert set(quotes) == {"1", "1027"}
    assert ("", "wrong_shape") in reasons


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [(1001, "blocked", "error_1001"), ("1008", "rate_limited", "error_1008"), (500, "failing", "error_body"),
     ("?", "failing", "error_body"), ([], "failing", "error_body")],
)  # fmt: skip
def test_an_error_sent_as_an_answer_is_a_failure(code: object, state: str, reason: str) -> None:
    with pytest.raises(Failure) as caught:
        _parse({"status": {"error_code": code, "error_message": "no"}, "data": {}})
    assert (caught.value.state, caught.value.reason) == (state, reason)


@pytest.mark.parametrize("payload", [None, [], {}, {"data": 1}, {"status": {"error_code": 0}}])
def test_an_answer_of_another_shape_is_invalid(payload: object) -> None:
    with pytest.raises(Invalid, match="wrong_shape"):
        _parse(payload)
