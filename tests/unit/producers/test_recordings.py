"""Reading recordings: every row of every file, in one shape, or one clear line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from recorded_files import START, candles, ticks

from cryptoviz.assets import AssetRegistry
from cryptoviz.errors import UserError
from producers.recorded_rows import judge
from producers.recordings import find_recordings, read_recording


def test_a_candle_counts_for_its_last_millisecond(tmp_path: Path) -> None:
    recording = read_recording(candles(tmp_path / "a.parquet", [START, START + 60_000]))
    assert recording.at.tolist() == [START + 59_999, START + 119_999]
    assert recording.event_at.tolist() == recording.received_at.tolist() == recording.at.tolist()
    assert recording.ref.to_pylist() == [str(START), str(START + 60_000)]
    assert recording.price.tolist() == [12.0, 12.0]
    assert recording.interval_s.tolist() == [60.0, 60.0]


def test_gaps_do_not_make_candles_longer(tmp_path: Path) -> None:
    starts = [START, START + 600_000, START + 900_000, START + 960_000]
    assert set(read_recording(candles(tmp_path / "a.parquet", starts)).interval_s) == {60.0}


def test_a_long_series_has_a_length_of_its_own_and_a_short_one_that_of_its_file(tmp_path: Path) -> None:
    start = 1_700_000_100_000
    minutes, fives = [start + 60_000 * n for n in range(40)], [start + 300_000 * n for n in range(40)]
    few = [start, start + 3_600_000]
    symbols = ["BTC-USD"] * 40 + ["ETH-USD"] * 40 + ["SOL-USD"] * 2
    recording = read_recording(candles(tmp_path / "a.parquet", minutes + fives + few, symbols))
    assert recording.interval_s.tolist() == [60.0] * 40 + [300.0] * 40 + [60.0] * 2


def test_a_wrong_stamp_is_a_misaligned_candle_and_changes_no_length(tmp_path: Path) -> None:
    starts = [START + 60_000 * n for n in range(200)]
    starts[50] += 5_000
    recording = read_recording(candles(tmp_path / "a.parquet", starts))
    assert set(recording.interval_s) == {60.0}
    assert np.flatnonzero(recording.fault != "").tolist() == [50]
    assert recording.fault[50] == "misaligned_candle"


def test_times_may_be_written_as_timestamps(tmp_path: Path) -> None:
    starts = pa.array([START, START + 60_000], pa.timestamp("ms")).cast(pa.timestamp("us", "UTC"))
    assert read_recording(candles(tmp_path / "a.parquet", [0, 0], ts=starts)).at.tolist()[0] == START + 59_999


def test_ticks_take_their_price_from_what_they_are(tmp_path: Path) -> None:
    path = ticks(
        tmp_path / "t.csv.gz",
        f"{START},{START + 5},binance-futures,BTCUSDT,trade,100.5,1,buy,77,,,,",
        f"{START},{START + 6},binance-futures,BTCUSDT,ticker,101,1,buy,78,1,,2,",
        f",{START + 7},binance-futures,BTCUSDT,quote,,,,,100,1,102,1",
        f"{START + 8},,binance-futures,BTCUSDT,trade,103,1,sell,79,,,,",
        f"{START},{START + 9},binance-futures,BTCUSDT,quote,,,,,100,1,,",
        f"{START},{START + 9},binance-futures,BTCUSDT,book,1,,,,100,1,101,",
    )
    recording = read_recording(path)
    assert recording.price.tolist()[:4] == [100.5, 101.0, 101.0, 103.0]
    assert recording.ref.to_pylist()[:4] == ["77", "", "", "79"]
    assert recording.at.tolist()[:4] == [START, START, START + 7, START + 8]
    assert recording.received_at.tolist()[:4] == [START + 5, START + 6, START + 7, START + 8]
    assert recording.event_at.tolist()[:2] == [START, START]
    assert np.isnan(recording.event_at[2])
    assert recording.fault.tolist() == ["", "", "", "", "bad_price", "unknown_kind"]
    assert set(recording.source.to_pylist()) == {"binance_futures"}


def test_a_number_that_is_none_costs_its_row_alone(tmp_path: Path) -> None:
    path = ticks(
        tmp_path / "t.csv",
        f"{START},{START},kraken,BTC-USD,trade,abc,1,buy,1,,,,",
        f"{START},{START},kraken,BTC-USD,trade,100,1,buy,2,,,,",
        "soon,,kraken,BTC-USD,trade,100,1,buy,3,,,,",
    )
    judged = judge([read_recording(path)], AssetRegistry())
    assert judged.rejected == {"bad_price": 1, "no_time": 1}
    assert judged.rows.ref == ["2"]


def test_other_columns_are_named_with_what_was_expected(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("time,price\n1,2\n")
    with pytest.raises(UserError, match=r"x\.csv: the columns are time, price; expected are candles with .* or ticks"):
        read_recording(path)


@pytest.mark.parametrize("name", ["x.parquet", "x.csv.gz"])
def test_an_unreadable_file_is_one_clear_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"this is neither of them")
    with pytest.raises(
        UserError, match=r"cannot be read .*; expected are candles with the columns ts, symbol"
    ) as raised:
        read_recording(path)
    assert "\n" not in str(raised.value)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not one row"):
        read_recording(ticks(tmp_path / "t.csv"))


def test_a_candle_alone_does_not_say_how_long_it_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot tell how long a candle is"):
        read_recording(candles(tmp_path / "a.parquet", [START]))


def test_folders_are_opened_and_the_order_of_arguments_does_not_matter(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "c.csv.gz", "notes.txt"):
        (tmp_path / name).touch()
    found = find_recordings([tmp_path / "c.csv.gz", tmp_path])
    assert [path.name for path in found] == ["a.parquet", "b.csv", "c.csv.gz"]
    assert find_recordings([tmp_path, tmp_path / "c.csv.gz"]) == found


def test_missing_files_and_empty_folders_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        find_recordings([tmp_path / "nowhere"])
    with pytest.raises(UserError, match=r"no \.parquet, \.csv, \.csv\.gz file"):
        find_recordings([tmp_path])


def test_every_row_of_every_recording_is_fed_or_rejected_with_a_reason(shared_data: Path) -> None:
    files = find_recordings([shared_data / "candles", shared_data / "ticks"])
    assert len(files) >= 12
    for path in files:
        recording = read_recording(path)
        rows = pa.parquet.read_metadata(path).num_rows if path.suffix == ".parquet" else _lines(path)
        judged = judge([recording], AssetRegistry())
        assert judged.fed == len(recording) == rows, path.name
        assert set(judged.rejected) <= {"unknown_symbol", "duplicate"}, path.name


def test_candles_are_as_long_as_their_file_says(shared_data: Path) -> None:
    for path in find_recordings([shared_data / "candles"]):
        step_s = 300.0 if "_5m_" in path.name else 60.0
        assert set(read_recording(path).interval_s) == {step_s}, path.name


def _lines(path: Path) -> int:
    with gzip.open(path, "rt") as file:
        return sum(1 for _ in file) - 1
