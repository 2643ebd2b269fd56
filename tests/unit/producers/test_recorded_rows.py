"""Which recorded rows become quotes, in which order, and what is said of the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from recorded_files import START, candles, ticks

from cryptoviz.assets import AssetRegistry
from cryptoviz.messages import DeadLetter, Quote
from producers.recorded_rows import Judged, judge
from producers.recordings import read_recording

NAN = float("nan")
STARTS = [START, START + 60_000]


def judged(*paths: Path) -> Judged:
    return judge([read_recording(path) for path in paths], AssetRegistry())


def trade(received_at: int, exchange: str, symbol: str, trade_id: object, price: object = 100) -> str:
    return f"{received_at - 3},{received_at},{exchange},{symbol},trade,{price},1,buy,{trade_id},,,,"


def test_a_candle_becomes_a_quote_with_its_prices(tmp_path: Path) -> None:
    rows = judged(candles(tmp_path / "a.parquet", STARTS)).rows
    series, interval_s, quote = next(rows.quotes(0, 1))
    assert (series.source, interval_s) == ("kraken", 60.0)
    assert TypeAdapter(Quote).validate_python(quote) == {
        "asset": "BTC", "name": "Bitcoin", "symbol": "BTC-USD", "ref": str(START), "currency": "USD",
        "price": 12.0, "open": 11.0, "high": 13.0, "low": 10.0, "volume": 5.0,
        "percent_change_24h": None, "market_cap": None, "volume_24h": None,
        "event_at": START + 59_999, "received_at": START + 59_999, "at": START + 59_999,
    }  # fmt: skip


def test_a_tick_becomes_a_quote_without_them_and_keeps_the_symbol_as_recorded(tmp_path: Path) -> None:
    path = ticks(tmp_path / "t.csv", trade(START, "binance_us", "BTCUSD", 5))
    quote = next(judged(path).rows.quotes(0, 1))[2]
    assert (quote["symbol"], quote["asset"], quote["currency"], quote["ref"]) == ("BTCUSD", "BTC", "USD", "5")
    assert (quote["at"], quote["received_at"], quote["event_at"]) == (START - 3, START, START - 3)
    assert quote["open"] is quote["high"] is quote["low"] is quote["volume"] is None


@pytest.mark.parametrize(
    ("reason", "columns"),
    [
        ("bad_price", {"close": [0.0, 12.0]}),
        ("bad_price", {"close": [-1.0, 12.0]}),
        ("bad_price", {"close": [NAN, 12.0]}),
        ("bad_price", {"close": [None, 12.0]}),
        ("bad_price", {"low": [0.0, 10.0]}),
        ("bad_price", {"high": [float("inf"), 13.0]}),
        ("bad_price", {"open": [NAN, 11.0]}),
        ("inconsistent_candle", {"high": [9.0, 13.0]}),
        ("inconsistent_candle", {"high": [11.5, 13.0]}),
        ("inconsistent_candle", {"low": [11.5, 10.0]}),
        ("bad_volume", {"volume": [-1.0, 5.0]}),
        ("no_time", {"ts": [None, START + 60_000, START + 120_000]}),
        ("bad_time", {"ts": [60_000, START + 60_000, START + 120_000]}),
        ("misaligned_candle", {"ts": [START - 7, START + 60_000, START + 120_000]}),
        ("unknown_symbol", {"symbol": ["NOPE-USD", "BTC-USD"]}),
        ("unknown_symbol", {"symbol": [None, "BTC-USD"]}),
        ("unknown_symbol", {"source": ["nowhere", "kraken"]}),
        ("duplicate", {"ts": [START, START, START + 60_000]}),
    ],
)
def test_a_wrong_row_is_counted_with_its_reason(tmp_path: Path, reason: str, columns: dict[str, list[object]]) -> None:
    starts = [0] * len(columns["ts"]) if "ts" in columns else STARTS
    found = judged(candles(tmp_path / "a.parquet", starts, **columns))
    assert found.rejected == {reason: 1}
    assert found.fed == len(starts) == len(found.rows) + 1


def test_a_volume_that_is_missing_is_null(tmp_path: Path) -> None:
    found = judged(candles(tmp_path / "a.parquet", STARTS, volume=[None, 0.0]))
    assert [quote["volume"] for _, _, quote in found.rows.quotes(0, 2)] == [None, 0.0]


def test_a_stamp_ahead_of_its_receipt_is_rejected_beyond_five_seconds(tmp_path: Path) -> None:
    lines = [f"{START + ahead},{START},kraken,BTC-USD,trade,9,1,buy,{ahead},,,," for ahead in (5_000, 5_001)]
    found = judged(ticks(tmp_path / "t.csv", *lines))
    assert found.rejected == {"future": 1}
    assert found.rows.ref == ["5000"]


def test_rows_of_all_files_are_fed_in_the_order_they_were_received(tmp_path: Path) -> None:
    one = ticks(
        tmp_path / "a.csv",
        trade(START + 2, "kraken", "BTC-USD", 1),
        trade(START + 1, "kraken", "ETH-USD", 2),
        trade(START + 1, "kraken", "BTC-USD", 4),
        trade(START + 1, "kraken", "BTC-USD", 3),
    )
    two = ticks(
        tmp_path / "b.csv.gz",
        trade(START + 1, "coinbase", "ETH-USD", 5),
        trade(START + 1, "kraken", "BTC-USD", 6),
    )
    assert judged(one, two).rows.ref == ["5", "4", "3", "6", "2", "1"]


def test_a_row_that_another_file_has_too_counts_once(tmp_path: Path) -> None:
    one = candles(tmp_path / "a.parquet", STARTS)
    two = candles(tmp_path / "b.parquet", [*STARTS, START + 120_000], close=[12.5, 12.5, 12.5])
    found = judged(one, two)
    assert found.rejected == {"duplicate": 2}
    assert [quote["price"] for _, _, quote in found.rows.quotes(0, 3)] == [12.0, 12.0, 12.5]


def test_trades_of_one_millisecond_differ_by_their_id(tmp_path: Path) -> None:
    lines = [trade(START, "kraken", "BTC-USD", number) for number in (1, 2, 2)]
    assert judged(ticks(tmp_path / "t.csv", *lines)).rejected == {"duplicate": 1}


def test_one_dead_letter_per_reason_and_symbol_with_the_row_and_the_count(tmp_path: Path) -> None:
    symbols = ["NOPE-USD", "BTC-USD", "NOPE-USD", "ALSO-USD"]
    starts = [START + 60_000 * n for n in range(4)]
    path = candles(tmp_path / "a.parquet", starts, symbols, close=[12.0, -1.0, 12.0, 12.0])
    found = judged(path)
    assert found.rejected == {"unknown_symbol": 3, "bad_price": 1}
    letters = {(letter["reason"], letter["detail"]): letter for letter in found.dead}
    assert set(letters) == {
        ("unknown_symbol", "NOPE-USD: 2 rows, the first is row 0 of a.parquet"),
        ("unknown_symbol", "ALSO-USD: 1 rows, the first is row 3 of a.parquet"),
        ("bad_price", "BTC-USD: 1 rows, the first is row 1 of a.parquet"),
    }
    letter = letters["bad_price", "BTC-USD: 1 rows, the first is row 1 of a.parquet"]
    assert TypeAdapter(DeadLetter).validate_python(letter) == letter
    assert json.loads(letter["payload"])["close"] == -1.0
    assert (letter["topic"], letter["source"], letter["at"]) == ("quotes.raw", "kraken", START + 119_999)


def test_assets_that_are_not_followed_are_unknown(tmp_path: Path) -> None:
    recording = read_recording(candles(tmp_path / "a.parquet", STARTS))
    assert judge([recording], AssetRegistry().select(["ETH"])).rejected == {"unknown_symbol": 2}
