"""Recorded rows to a feed: judged, sorted as they were received, doubles taken out; pure, column by column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from cryptoviz.assets import AssetRegistry
from cryptoviz.clock import FUTURE_MS
from cryptoviz.messages import DeadLetter, Quote
from cryptoviz.topics import RAW
from producers.recordings import Floats, Recording

EARLIEST_MS = datetime(2009, 1, 1, tzinfo=UTC).timestamp() * 1000  # before there was anything to record
LATEST_MS = datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000
LONGEST_REF = 128
LONGEST_PAYLOAD = 2000


@dataclass(frozen=True)
class Series:
    """What all rows of one symbol of one source share."""

    source: str
    symbol: str
    asset: str
    name: str
    currency: str


@dataclass(frozen=True)
class Rows:
    """The rows to feed, in the order of the feed; `series` points into `known`."""

    known: list[Series]
    series: NDArray[np.int64]
    ref: list[str]
    at: NDArray[np.int64]
    received_at: NDArray[np.int64]
    columns: dict[str, list[Any]]
    interval_s: Floats

    def __len__(self) -> int:
        return len(self.ref)

    def quotes(self, start: int, end: int) -> Iterator[tuple[Series, float, Quote]]:
        """(series, poll interval in s, quote) of the rows in [start, end)."""
        part = slice(start, end)
        shared = [
            {"asset": one.asset, "name": one.name, "symbol": one.symbol, "currency": one.currency,
             "percent_change_24h": None, "market_cap": None, "volume_24h": None} for one in self.known
        ]  # fmt: skip
        times = zip(self.at[part].tolist(), self.received_at[part].tolist(), self.ref[part], strict=True)
        values = zip(*(column[part] for column in self.columns.values()), strict=True)
        series = zip(self.series[part].tolist(), self.interval_s[part].tolist(), strict=True)
        names = tuple(self.columns)
        for (number, interval_s), (at, received_at, ref), row in zip(series, times, values, strict=True):
            quote: Any = {**shared[number], "ref": ref, "at": at, "received_at": received_at,
                          **dict(zip(names, row, strict=True))}  # fmt: skip
            yield self.known[number], interval_s, quote


@dataclass(frozen=True)
class Judged:
    """Every row is either in `rows` or counted in `rejected`; `dead` has one letter per reason and symbol."""

    rows: Rows
    rejected: Counter[str]
    dead: list[DeadLetter]

    @property
    def fed(self) -> int:
        """Rows of all files."""
        return len(self.rows) + self.rejected.total()


def judge(recordings: Sequence[Recording], registry: AssetRegistry) -> Judged:
    """Which rows become quotes, in the order (received_at, source, symbol, file, row), and why the others do not."""
    table = _Table.of(recordings)
    known, series = table.listed(registry)
    reasons = table.reasons(series)
    good = np.flatnonzero(reasons == "")
    order = good[np.lexsort((table.symbol.indices[good], table.source.indices[good], table.received_at[good]))]
    double = table.doubles(order)
    reasons[double] = "duplicate"
    order = order[reasons[order] == ""]
    return Judged(table.rows(order, known, series), Counter(reasons[reasons != ""].tolist()),
                  _dead_letters(recordings, table, reasons))  # fmt: skip


@dataclass(frozen=True)
class _Texts:
    """A text column as numbers into its sorted distinct values, so that numbers sort as the texts do."""

    values: list[str]
    indices: NDArray[np.int64]

    @classmethod
    def of(cls, arrays: Sequence[Any]) -> _Texts:
        encoded = pa.chunked_array(arrays, pa.string()).combine_chunks().dictionary_encode()
        values = encoded.dictionary.to_pylist()
        order = sorted(range(len(values)), key=values.__getitem__)
        rank = np.empty(len(values), np.int64)
        rank[order] = np.arange(len(values))
        return cls([values[index] for index in order], rank[np.asarray(encoded.indices)])


@dataclass(frozen=True)
class _Table:
    """All files below each other, by name and then row."""

    source: _Texts
    symbol: _Texts
    ref: _Texts
    numbers: dict[str, Floats]
    fault: NDArray[np.str_]
    is_candle: NDArray[np.bool_]

    @classmethod
    def of(cls, recordings: Sequence[Recording]) -> _Table:
        names = ("event_at", "received_at", "at", "price", "open", "high", "low", "volume", "interval_s")
        return cls(
            _Texts.of([one.source for one in recordings]),
            _Texts.of([one.symbol for one in recordings]),
            _Texts.of([one.ref for one in recordings]),
            {name: np.concatenate([getattr(one, name) for one in recordings]) for name in names},
            np.concatenate([one.fault for one in recordings]).astype("U32"),
            np.concatenate([np.full(len(one), one.is_candle) for one in recordings]),
        )

    @property
    def received_at(self) -> Floats:
        return self.numbers["received_at"]

    def listed(self, registry: AssetRegistry) -> tuple[list[Series], NDArray[np.int64]]:
        """The symbols the registry knows, and which of them each row is of (-1: none)."""
        pairs = self.source.indices * len(self.symbol.values) + self.symbol.indices
        distinct, inverse = np.unique(pairs, return_inverse=True)
        known: list[Series] = []
        numbers = np.full(len(distinct), -1)
        for place, pair in enumerate(distinct.tolist()):
            source_index, symbol_index = divmod(pair, len(self.symbol.values))
            source, symbol = self.source.values[source_index], self.symbol.values[symbol_index]
            listing = registry.listing(source, symbol)
            if listing:
                numbers[place] = len(known)
                name = registry.by_ticker[listing.asset].name
                known.append(Series(source, symbol, listing.asset, name, listing.currency))
        return known, numbers[inverse]

    def reasons(self, series: NDArray[np.int64]) -> NDArray[np.str_]:
        """Per row '' or the first reason that applies."""
        n = self.numbers
        times = [n["at"], n["received_at"]]
        long_ref = np.array([len(value) > LONGEST_REF for value in self.ref.values], bool)[self.ref.indices]
        whole = np.minimum.reduce([n["price"], n["open"], n["high"], n["low"]])
        price = np.where(self.is_candle, whole, n["price"])  # NaN if any is NaN
        outside = (n["low"] > np.fmin(n["open"], n["price"])) | (n["high"] < np.fmax(n["open"], n["price"]))
        checks = {
            "no_time": np.isnan(times[0]) | np.isnan(times[1]),
            "bad_time": ~np.logical_and.reduce([(time >= EARLIEST_MS) & (time < LATEST_MS) for time in times]),
            "unknown_symbol": series < 0,
            "bad_ref": long_ref,
            "bad_price": ~((price > 0) & np.isfinite(price) & ~(np.isinf(n["high"]) & self.is_candle)),
            "inconsistent_candle": self.is_candle & outside,
            "bad_volume": self.is_candle & ((n["volume"] < 0) | np.isinf(n["volume"])),
            "future": n["at"] > n["received_at"] + FUTURE_MS,
        }
        found = np.select([checks["no_time"], self.fault != "", *checks.values()],
                          ["no_time", self.fault, *checks.keys()], "")  # fmt: skip
        return found.astype("U32")

    def doubles(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows, of those in `order`, whose id an earlier one has: source, symbol, time and ref."""
        keys = [self.ref.indices, self.numbers["at"], self.symbol.indices, self.source.indices]
        place = np.lexsort([np.arange(len(order)), *(key[order] for key in keys)])
        same = np.logical_and.reduce([np.diff(key[order][place]) == 0 for key in keys])
        return order[place[1:][same]]

    def rows(self, order: NDArray[np.int64], known: list[Series], series: NDArray[np.int64]) -> Rows:
        optional = ("open", "high", "low", "volume", "event_at")
        columns: dict[str, list[Any]] = {"price": self.numbers["price"][order].tolist()}
        columns |= {name: _nullable(self.numbers[name][order]) for name in optional}
        columns["event_at"] = [None if at is None else int(at) for at in columns["event_at"]]
        at, received_at = (self.numbers[name][order].astype(np.int64) for name in ("at", "received_at"))
        refs = [self.ref.values[index] for index in self.ref.indices[order].tolist()]
        return Rows(known, series[order], refs, at, received_at, columns, self.numbers["interval_s"][order])


def _nullable(numbers: Floats) -> list[Any]:
    values = numbers.astype(object)
    values[np.isnan(numbers)] = None
    return list(values.tolist())


def _dead_letters(recordings: Sequence[Recording], table: _Table, reasons: NDArray[np.str_]) -> list[DeadLetter]:
    """The first row of each reason and symbol, with the number of those like it."""
    bad = np.flatnonzero(reasons != "")
    kinds: dict[tuple[str, int, int], list[int]] = {}
    for row, reason in zip(bad.tolist(), reasons[bad].tolist(), strict=True):
        kinds.setdefault((reason, int(table.source.indices[row]), int(table.symbol.indices[row])), []).append(row)
    starts = np.cumsum([0, *(len(one) for one in recordings)])
    letters: list[DeadLetter] = []
    for (reason, source, symbol), rows in kinds.items():
        file = int(np.searchsorted(starts, rows[0], side="right")) - 1
        place = rows[0] - int(starts[file])
        original = recordings[file].table.slice(place, 1).to_pylist()[0]
        at = table.numbers["at"][rows[0]]
        letters.append({
            "topic": RAW.name, "partition": None, "offset": None, "item": place,
            "source": table.source.values[source], "reason": reason,
            "detail": f"{table.symbol.values[symbol]}: {len(rows)} rows, the first is row {place} of "
                      f"{recordings[file].name}",
            # The row's own time: the same recording leaves the same dead letters whenever it is replayed.
            "at": int(at) if 0 <= at < LATEST_MS else 0,
            "encoding": "utf-8", "payload": orjson.dumps(original, default=str).decode()[:LONGEST_PAYLOAD],
        })  # fmt: skip
    return letters
