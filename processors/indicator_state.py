"""The indicators of one source's series as they run from bar to bar, and their state as plain data and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from processors.bars import ClosedBar
from processors.indicators.base import BarArrays, Indicator, State, Values

NO_BAR = -1


class IndicatorState:
    """State of every indicator for `series` series; one whose bar does not follow its last one starts anew."""

    def __init__(self, indicators: Sequence[Indicator], series: int) -> None:
        self.indicators = indicators
        self.states = {indicator.name: indicator.begin(series) for indicator in indicators}
        self.ends = np.full(series, NO_BAR, dtype=np.int64)

    def extend(self, series: int) -> int:
        """Make room for so many more; returns the row of the first of them."""
        first = len(self.ends)
        for indicator in self.indicators:
            state = self.states[indicator.name]
            for name, array in indicator.begin(series).items():
                state[name] = np.concatenate([state[name], array])
        self.ends = np.concatenate([self.ends, np.full(series, NO_BAR, dtype=np.int64)])
        return first

    def begin_anew(self, rows: np.ndarray, start: int) -> None:
        """Forget what is known of those of these rows whose last bar did not end at `start`."""
        rows = rows[self.ends[rows] != start]
        for indicator in self.indicators if len(rows) else ():
            for name, array in indicator.begin(len(rows)).items():
                self.states[indicator.name][name][rows] = array

    def dump(self, assets: Sequence[str], first: int = 0) -> dict[str, Any]:
        """The state of these assets, whose rows begin at `first`; JSON keeps the bits of a float, and NaN as null."""
        rows = slice(first, first + len(assets))
        states = {
            indicator: {name: array[rows] for name, array in state.items()} for indicator, state in self.states.items()
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
    values: Values = {}
    for indicator in parts[0][0].indicators:
        known = [(state.states[indicator.name], rows) for state, rows in places]
        before = {name: np.concatenate([state[name][rows] for state, rows in known]) for name in known[0][0]}
        after, said = indicator.step(before, arrays)
        _hand_back(after, known)
        values |= said
    return values


def _hand_back(after: State, known: Sequence[tuple[State, np.ndarray]]) -> None:
    end = 0
    for state, rows in known:
        first, end = end, end + len(rows)
        for name, array in after.items():
            state[name][rows] = array[first:end]


def _shapes(state: State, axis: int) -> dict[str, tuple[int, ...]]:
    return {name: array.shape[axis:] for name, array in state.items()}
