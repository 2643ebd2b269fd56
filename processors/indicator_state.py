"""The indicators of one source's series as they run from bar to bar, and their state as plain data and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from processors.bars import ClosedBar
from processors.indicators.base import BarArrays, Indicator, State, Values
from processors.models.base import Floats

NO_BAR = -1


class IndicatorState:
    """State of every indicator for `series` series; one whose bar does not follow its last one starts anew.

    A row of one table holds all of a series, so that a step takes and gives back whole rows: by arrays it would do so
    some twenty times.
    """

    def __init__(self, indicators: tuple[Indicator, ...], series: int) -> None:
        self.indicators = indicators
        self.table = self._begin(series)
        self.ends = np.full(series, NO_BAR, dtype=np.int64)

    @property
    def states(self) -> Mapping[str, State]:
        """The state of each indicator, to look at and to change."""
        return named(self.table, self.indicators)

    def extend(self, series: int) -> int:
        """Make room for so many more; returns the row of the first of them."""
        first = len(self.ends)
        self.table = np.concatenate([self.table, self._begin(series)])
        self.ends = np.concatenate([self.ends, np.full(series, NO_BAR, dtype=np.int64)])
        return first

    def begin_anew(self, rows: np.ndarray, start: int) -> None:
        """Forget what is known of those of these rows whose last bar did not end at `start`."""
        rows = rows[self.ends[rows] != start]
        if len(rows):
            self.table[rows] = self._begin(len(rows))

    def _begin(self, series: int) -> Floats:
        table = np.empty((series, _row_of(self.indicators).itemsize // np.dtype(np.float64).itemsize))
        into = named(table, self.indicators)
        for indicator in self.indicators:
            _fill(into[indicator.name], indicator.begin(series))
        return table

    def dump(self, assets: Sequence[str], first: int = 0) -> dict[str, Any]:
        """The state of these assets, whose rows begin at `first`; JSON keeps the bits of a float, and NaN as null."""
        rows = slice(first, first + len(assets))
        states = {
            indicator: {name: array[rows].copy() for name, array in state.items()}  # whole, as JSON wants them
            for indicator, state in self.states.items()
        }
        return {"assets": assets, "ends": self.ends[rows], "states": states}

    def restore(self, kept: Mapping[str, Any], assets: Sequence[str], first: int = 0) -> None:
        """Take over what `dump` wrote; assets and indicators it does not know start anew."""
        known = {asset: row for row, asset in enumerate(kept["assets"])}
        pairs = [(first + row, known[asset]) for row, asset in enumerate(assets) if asset in known]
        ours, theirs = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        self.ends[ours] = np.array(kept["ends"], dtype=np.int64)[theirs]
        for name, state in self.states.items():
            old = {array: np.array(rows, dtype=np.float64) for array, rows in kept["states"].get(name, {}).items()}
            if _shapes(old, 1) == _shapes(state, 1):
                for array, values in old.items():
                    state[array][ours] = values[theirs]


def step(parts: Sequence[tuple[IndicatorState, Sequence[int]]], bars: Sequence[ClosedBar]) -> Values:
    """Take the bars of these rows of each state, which have one end; values come in the order of the bars.

    NaN where a series has had too few.
    """
    places = [(state, np.array(rows)) for state, rows in parts]
    for state, rows in places:
        state.begin_anew(rows, bars[0].start)
        state.ends[rows] = bars[0].end
    arrays = BarArrays(*np.array([(bar.open, bar.high, bar.low, bar.close) for bar in bars]).T.copy())
    indicators = parts[0][0].indicators
    table = np.concatenate([state.table[rows] for state, rows in places])
    stepped, values = np.empty_like(table), dict[str, Floats]()
    before, after = named(table, indicators), named(stepped, indicators)
    for indicator in indicators:
        now, said = indicator.step(before[indicator.name], arrays)
        _fill(after[indicator.name], now)
        values |= said
    _hand_back(stepped, places)
    return values


def named(table: Floats, indicators: tuple[Indicator, ...]) -> dict[str, State]:
    """The arrays of each indicator in table[series, columns], as views."""
    row = _row_of(indicators)
    fields = table.view(row)[:, 0]
    return {name: {array: fields[name][array] for array in row[name].names or ()} for name in row.names or ()}


@lru_cache(4)
def _row_of(indicators: tuple[Indicator, ...]) -> np.dtype[np.void]:
    """What a row of the table is made up of: for each indicator, its arrays."""
    begun = ((indicator.name, indicator.begin(0)) for indicator in indicators)
    return np.dtype(
        [(name, [(key, np.float64, array.shape[1:]) for key, array in state.items()]) for name, state in begun]
    )


def _fill(state: State, arrays: State) -> None:
    for name, array in arrays.items():
        state[name][...] = array


def _hand_back(table: Floats, places: Sequence[tuple[IndicatorState, np.ndarray]]) -> None:
    end = 0
    for state, rows in places:
        first, end = end, end + len(rows)
        state.table[rows] = table[first:end]


def _shapes(state: State, axis: int) -> dict[str, tuple[int, ...]]:
    return {name: array.shape[axis:] for name, array in state.items()}
