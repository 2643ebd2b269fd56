"""Recorded candles and ticks, read from Parquet and CSV files into one shape; says what a file should look like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from cryptoviz.errors import UserError

Floats = NDArray[np.float64]
CANDLE_COLUMNS = ("ts", "symbol", "source", "open", "high", "low", "close", "volume")
TICK_COLUMNS = ("ts", "ts_recv", "exchange", "symbol", "kind", "price", "trade_id", "bid", "ask")
KINDS = ("trade", "ticker", "quote")
ENDINGS = (".parquet", ".csv", ".csv.gz")
EXPECTED = (
    f"expected are candles with the columns {', '.join(CANDLE_COLUMNS)} (ts = start in ms), "
    f"or ticks with {', '.join(TICK_COLUMNS)}"
)
TICK_INTERVAL_S = 10.0
"""A stream has no polling interval; a source of ticks counts as fresh for three times this long."""
USUAL_LENGTHS_MS = np.array(
    [1_000, 5_000, 10_000, 15_000, 30_000, *(minutes * 60_000 for minutes in (1, 2, 3, 5, 10, 15, 30)),
     *(hours * 3_600_000 for hours in (1, 2, 4, 6, 8, 12, 24))], np.int64,
)  # fmt: skip
USUAL_SHARE = 0.01  # a difference that rare is a wrong stamp, not the length of a candle
ENOUGH_ROWS = 30  # a shorter series may have gaps only, so it takes the length of its file


@dataclass(frozen=True)
class Recording:
    """One file: its rows as they were (`table`) and as quotes need them, times in ms, NaN where there is none.

    `is_candle` rows carry open, high, low and volume; `fault` is '' or why the row cannot be read as its kind.
    """

    name: str
    table: Any
    source: Any
    symbol: Any
    ref: Any
    fault: NDArray[np.str_]
    event_at: Floats
    received_at: Floats
    at: Floats
    price: Floats
    open: Floats
    high: Floats
    low: Floats
    volume: Floats
    interval_s: Floats
    is_candle: bool

    def __len__(self) -> int:
        return len(self.price)


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """The files meant, folders opened, each once and by name: the order of the arguments changes nothing.

    Raises `UserError` for a path that is not there or a folder without recordings.
    """
    files: set[Path] = set()
    for path in paths:
        inside = {entry for entry in path.iterdir() if entry.name.endswith(ENDINGS)} if path.is_dir() else {path}
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        if not inside:
            raise UserError(f"{path}: no {', '.join(ENDINGS)} file in this folder")
        files |= inside
    return sorted({file.resolve() for file in files}, key=lambda file: (file.name, str(file)))


def read_recording(path: Path) -> Recording:
    """One file, recognised by its columns; raises `UserError` saying what was expected."""
    table = _read(path)
    names = set(table.column_names)
    if not len(table):
        raise UserError(f"{path}: there is not one row in it; {EXPECTED}")
    if names >= set(CANDLE_COLUMNS):
        return _candles(path, table)
    if names >= set(TICK_COLUMNS):
        return _ticks(path, table)
    raise UserError(f"{path}: the columns are {', '.join(table.column_names) or 'none'}; {EXPECTED}")


def _read(path: Path) -> Any:
    try:
        if path.name.endswith(".parquet"):
            return pa.parquet.read_table(path, partitioning=None)
        # Everything as text: one unreadable number costs its row, not the file.
        header = pa.csv.open_csv(path).schema.names
        types = pa.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True)
        return pa.csv.read_csv(path, convert_options=types)
    except (pa.ArrowException, OSError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: cannot be read ({reason}); {EXPECTED}") from error


def _candles(path: Path, table: Any) -> Recording:
    start = _numbers(table["ts"])
    source, symbol = _source(table["source"]), _text(table["symbol"])
    length = _lengths(path, source, symbol, start)
    end = start + length - 1
    # A row without a time has a fault of its own, found later.
    fault = np.where((start % length == 0) | np.isnan(start), "", "misaligned_candle")
    ref = pa.array(["" if np.isnan(ms) else str(int(ms)) for ms in start.tolist()], pa.string())
    columns = {name: _numbers(table[name]) for name in ("open", "high", "low", "volume")}
    return Recording(
        path.name, table, source, symbol, ref, fault, event_at=end, received_at=end, at=end,
        price=_numbers(table["close"]), **columns, interval_s=length / 1000, is_candle=True,
    )  # fmt: skip


def _lengths(path: Path, source: Any, symbol: Any, start: Floats) -> Floats:
    """The length of each row's candle: the smallest usual distance between two starts of its series.

    A short series takes that of all starts in the file.
    """
    names = pc.binary_join_element_wise(source, symbol, "\n").dictionary_encode()
    series, count = np.asarray(names.indices), len(names.dictionary)
    order = np.lexsort((start, series))
    before, after = series[order][:-1], series[order][1:]
    own = _tally(np.where(before == after, np.diff(start[order]), 0), before, count)
    own[np.bincount(series, minlength=count) < ENOUGH_ROWS] = 0
    steps = np.diff(np.unique(start))
    of_file = _tally(steps, np.zeros(len(steps), np.int64), 1)
    if not of_file.any():
        raise UserError(f"{path}: cannot tell how long a candle is: no two starts are a usual length apart")
    chosen = np.where(own.any(axis=1, keepdims=True), own, of_file)
    least = np.maximum(1, USUAL_SHARE * chosen.sum(axis=1, keepdims=True))
    first_common = np.argmax(chosen >= least, axis=1)
    return np.asarray(USUAL_LENGTHS_MS[first_common][series], np.float64)


def _tally(steps: Floats, group: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """How often each usual length is among the steps of each group, [groups, lengths]."""
    lengths = len(USUAL_LENGTHS_MS)
    place = np.searchsorted(USUAL_LENGTHS_MS, np.nan_to_num(steps)).clip(max=lengths - 1)
    usual = USUAL_LENGTHS_MS[place] == steps
    return np.bincount(group[usual] * lengths + place[usual], minlength=groups * lengths).reshape(groups, lengths)


def _ticks(path: Path, table: Any) -> Recording:
    event_at, received = _numbers(table["ts"]), _numbers(table["ts_recv"])
    at = np.where(np.isnan(event_at), received, event_at)
    kind = np.asarray(_text(table["kind"]).to_numpy(zero_copy_only=False), np.str_)
    bid, ask = _numbers(table["bid"]), _numbers(table["ask"])
    fault = np.array(["" if one in KINDS else "unknown_kind" for one in kind.tolist()], "U32")
    fault[(kind == "quote") & ~((bid > 0) & (ask > 0))] = "bad_price"  # a mid needs two sides
    refs = pc.if_else(pa.array(kind == "trade"), _text(table["trade_id"]), "")
    nothing = np.full(len(at), np.nan)
    return Recording(
        path.name, table, _source(table["exchange"]), _text(table["symbol"]), refs, fault, event_at=event_at,
        received_at=np.where(np.isnan(received), at, received), at=at,
        price=np.where(kind == "quote", (bid + ask) / 2, _numbers(table["price"])),
        open=nothing, high=nothing, low=nothing, volume=nothing,
        interval_s=np.full(len(at), TICK_INTERVAL_S), is_candle=False,
    )  # fmt: skip


def _numbers(column: Any) -> Floats:
    """Numbers of a column, NaN for what is missing or no number; times of any unit become milliseconds."""
    column = column.combine_chunks()
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
    try:
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    except pa.ArrowInvalid:
        return np.array([_number(value) for value in column.to_pylist()], np.float64)


def _number(text: str | None) -> float:
    try:
        return float(text) if text is not None else float("nan")
    except ValueError:
        return float("nan")


def _text(column: Any) -> Any:
    """A column as strings, '' for what is missing."""
    array = column.combine_chunks().cast(pa.string())
    return pc.fill_null(array, "")


def _source(column: Any) -> Any:
    """Our name of the source: `binance-futures` is `binance_futures`."""
    return pc.replace_substring(pc.utf8_lower(_text(column)), "-", "_")
