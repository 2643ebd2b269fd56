from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from cryptoviz.assets import AssetRegistry
from cryptoviz.errors import Invalid
from producers.failures import Failure
from producers.sources.coingecko import CoinGecko

NOW = 1_735_787_050_000
REGISTRY = AssetRegistry().select(["BTC", "ETH", "SOL", "XRP", "TRX", "ADA", "USDT", "LINK"])


def _parse(payload: object) -> tuple[dict, list[tuple[str, str]]]:
    parsed = CoinGecko().parse(payload, REGISTRY, NOW)
    reasons = [(rejection.symbol, rejection.reason) for rejection in parsed.rejections]
    return {quote["symbol"]: quote for quote in parsed.quotes}, reasons


def test_one_request_asks_for_all_coins_by_id() -> None:
    request = CoinGecko().request(REGISTRY.feeding("coingecko"))
    assert request.path == "/coins/markets"
    assert request.params["vs_currency"] == "usd"
    assert request.params["ids"] == "bitcoin,ethereum,solana,ripple,tron,cardano,tether,chainlink"


def test_an_answer_becomes_quotes_and_reasons(payloads: Path) -> None:
    quotes, reasons = _parse(orjson.loads((payloads / "coingecko" / "markets.json").read_bytes()))
    bitcoin = quotes["bitcoin"]
    assert (bitcoin["asset"], bitcoin["price"], bitcoin["currency"]) == ("BTC", 64250.5, "USD")
    assert (bitcoin["market_cap"], bitcoin["volume_24h"], bitcoin["percent_change_24h"]) == (1.25e12, 3.1e10, -1.25)
    assert (bitcoin["event_at"], bitcoin["at"], bitcoin["received_at"]) == (1_735_787_045_678, NOW, NOW)
    ethereum = quotes["ethereum"]
    assert (ethereum["market_cap"], ethereum["volume_24h"], ethereum["percent_change_24h"]) == (None, None, None)
    assert quotes["tether"]["event_at"] is None
    assert set(quotes) == {"bitcoin", "ethereum", "tether"}
    assert reasons == [
        ("solana", "no_price"), ("ripple", "bad_price"), ("tron", "bad_price"), ("cardano", "bad_volume_24h"),
        ("bitcoin", "duplicate"), ("bitcoin-cash", "unknown_symbol"), ("", "no_symbol"), ("chainlink", "missing"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "state", "reason"),
    [
        ({"status": {"error_code": 429, "error_message": "slow"}}, "rate_limited", "error_429"),
        ({"status": {"error_code": 10002, "error_message": "key"}}, "blocked", "error_10002"),
        ({"status": {"error_code": 1}}, "failing", "error_body"),
        ({"error": "coin not found"}, "failing", "error_body"),
    ],
)
def test_an_error_sent_as_an_answer_is_a_failure(payload: object, state: str, reason: str) -> None:
    with pytest.raises(Failure) as caught:
        _parse(payload)
    assert (caught.value.state, caught.value.reason) == (state, reason)


@pytest.mark.parametrize("payload", [None, 1, "x", {}, {"bitcoin": {"usd": 1}}])
def test_an_answer_of_another_shape_is_invalid(payload: object) -> None:
    with pytest.raises(Invalid, match="wrong_shape"):
        _parse(payload)


def test_history_has_one_quote_per_point_with_its_own_time(payloads: Path) -> None:
    listing = REGISTRY.listing("coingecko", "bitcoin")
    payload = orjson.loads((payloads / "coingecko" / "history__market_chart.json").read_bytes())
    parsed = CoinGecko.history.parse(payload, REGISTRY, listing, 1_735_787_650_000)
    first, second = parsed.quotes
    assert (first["at"], first["received_at"], first["event_at"]) == (1_735_786_800_000,) * 3
    assert (first["price"], first["market_cap"], first["volume_24h"]) == (64000.5, 1.2e12, 3e10)
    assert (second["price"], second["market_cap"], second["volume_24h"]) == (64100.25, None, 3.1e10)
    assert [rejection.reason for rejection in parsed.rejections] == ["bad_price"]
    (request,) = CoinGecko.history.requests(listing, 0, 1)
    assert (request.path, request.params["days"]) == ("/coins/bitcoin/market_chart", "1")
