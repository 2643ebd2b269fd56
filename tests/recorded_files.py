"""Small recordings that tests write themselves, in the shape of the real ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

START = 1_700_000_040_000
TICKS = "ts,ts_recv,exchange,symbol,kind,price,size,side,trade_id,bid,bid_size,ask,ask_size\n"


def candles(path: Path, starts: list[int], symbols: list[str] | None = None, **columns: list[object]) -> Path:
    """A Parquet file of candles that rise from 10 to 13 within each, unless told otherwise."""
    count = len(starts)
    table = {
        "ts": starts, "symbol": symbols or ["BTC-USD"] * count, "source": ["kraken"] * count,
        "open": [11.0] * count, "high": [13.0] * count, "low": [10.0] * count, "close": [12.0] * count,
        "volume": [5.0] * count,
    } | columns  # fmt: skip
    pa.parquet.write_table(pa.table(table), path)
    return path


def ticks(path: Path, *lines: str) -> Path:
    """A file of ticks, compressed where its name says so."""
    data = (TICKS + "".join(f"{line}\n" for line in lines)).encode()
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path
