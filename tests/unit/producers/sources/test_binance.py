from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from cryptoviz.assets import AssetRegistry
from cryptoviz.errors import Invalid
from producers.failures import Failure
from producers.sources.binance import Binance

NOW = 1_735_787_050_000
REGISTRY = AssetRegistry().select(["BTC", "ETH", "SOL", "XRP", "DOGE", "TRX", "USDT"])
BTC = REGISTRY.listing("binance", "BTCUSDT")


def _parse(payload: object) -> tuple[dict, list[tuple[str, str]]]:
    parsed = Binance().parse(payload, REGISTRY, NOW)
    reasons = [(rejection.symbol, rejection.reason) for rejection in parsed.rejections]
    return {quote["symbol"]: quote for quote in parsed.quotes}, reasons


def test_one_request_asks_for_one_pair_per_asset_without_spaces() -> None:
    request = Binance().request(REGISTRY.feeding("binance"))
    assert request.path == "/api/v3/ticker/24hr"
    assert request.params["symbols"] == '["BTCUSDT","ETHUSDT","SOLUSDT","XRPUSDT","DOGEUSDT","TRXUSDT"]'


def test_an_answer_becomes_quotes_and_reasons(payloads: Path) -> None:
    quotes, reasons = _parse(orjson.loads((payloads / "binance" / "ticker_24hr.json").read_bytes()))
    bitcoin = quotes["BTCUSDT"]
    assert (bitcoin["price"], bitcoin["percent_change_24h"], bitcoin["volume_24h"]) == (64250.1, -1.25, 3100000000.25)
    assert (bitcoin["currency"], bitcoin["market_cap"], bitcoin["event_at"]) == ("USDT", None, 1_735_787_045_678)
    # The prices of the last 24 hours are not those of a bar.
    assert (bitcoin["open"], bitcoin["high"], bitcoin["low"], bitcoin["volume"]) == (None, None, None, None)
    assert set(quotes) == {"BTCUSDT", "ETHUSDT", "BTCUSDC"}
    assert reasons == [
        ("SOLUSDT", "bad_price"), ("XRPUSDT", "bad_price"), ("DOGEUSDT", "no_price"), ("BTCUSDT", "duplicate"),
        ("BTCEUR", "unknown_symbol"), ("TRXUSDT", "bad_event_at"),
    ]  # fmt: skip


def test_a_single_ticker_is_read_like_a_list_of_one(payloads: Path) -> None:
    quotes, _ = _parse(orjson.loads((payloads / "binance" / "ticker_24hr__one.json").read_bytes()))
    assert quotes["BTCUSDT"]["price"] == 64250.1


def test_an_error_sent_as_an_answer_is_a_failure_with_the_end_of_a_ban() -> None:
    with pytest.raises(Failure) as caught:
        _parse({"code": -1003, "msg": f"IP banned until {NOW + 90_000}."})
    assert (caught.value.state, caught.value.reason, caught.value.retry_after_s) == ("rate_limited", "error_1003", 90)
    with pytest.raises(Failure, match="error_body: Invalid symbol"):
        _parse({"code": -1121, "msg": "Invalid symbol."})


@pytest.mark.parametrize("payload", [None, 1, "x", {}, {"result": None, "id": 1}])
def test_an_answer_of_another_shape_is_invalid(payload: object) -> None:
    with pytest.raises(Invalid, match="wrong_shape"):
        _parse(payload)


def test_candles_count_for_their_end_and_the_unfinished_one_is_left_out(payloads: Path) -> None:
    candles = orjson.loads((payloads / "binance" / "history__klines.json").read_bytes())
    parsed = Binance.history.parse(candles, REGISTRY, BTC, candles[-1][0] + 59_998)
    first, second = parsed.quotes
    assert (first["at"], first["received_at"], first["event_at"]) == (candles[0][0] + 59_999,) * 3
    assert (first["open"], first["high"], first["low"], first["price"]) == (64000.0, 64300.0, 63900.0, 64100.5)
    assert (first["volume"], first["volume_24h"], first["ref"]) == (12.5, None, str(candles[0][0]))
    assert second["at"] == first["at"] + 60_000
    assert [rejection.reason for rejection in parsed.rejections] == ["bad_price"]


def test_three_days_of_candles_are_five_pages_that_meet_without_gap_or_overlap() -> None:
    end = 1_735_787_045_678
    start = end - 72 * 3_600_000
    pages = Binance.history.requests(BTC, start, end)
    spans = [(int(page.params["startTime"]), int(page.params["endTime"])) for page in pages]
    assert len(spans) == 5
    assert spans[0][0] <= start < spans[0][0] + 60_000
    assert spans[-1][1] == end - 1
    assert all(last + 1 == first for (_, last), (first, _) in pairwise(spans))
    assert all(last - first < 1000 * 60_000 for first, last in spans)
