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
        self._indicators = indicators
        self._states = {indicator.name: indicator.begin(series) for indicator in indicators}
        self._ends = np.full(series, NO_BAR, dtype=np.int64)

    def extend(self, series: int) -> int:
        """Make room for so many more; returns the row of the first of them."""
        first = len(self._ends)
        for indicator in self._indicators:
            state = self._states[indicator.name]
            for name, array in indicator.begin(series).items():
                state[name] = np.concatenate([state[name], array])
        self._ends = np.concatenate([self._ends, np.full(series, NO_BAR, dtype=np.int64)])
        return first

    def step(self, rows: Sequence[int], bars: Sequence[ClosedBar]) -> Values:
        """Take the bars of these rows, which have one end; values come in the order of the rows, NaN with too few."""
        at, start, end = np.array(rows), bars[0].start, bars[0].end
        self._begin_anew(at[self._ends[at] != start])
        self._ends[at] = end
        arrays = BarArrays(*np.array([(bar.open, bar.high, bar.low, bar.close) for bar in bars]).T.copy())
        values: Values = {}
        for indicator in self._indicators:
            state = self._states[indicator.name]
            stepped, said = indicator.step({name: array[at] for name, array in state.items()}, arrays)
            for name, array in stepped.items():
                state[name][at] = array
            values |= said
        return values

    def _begin_anew(self, rows: np.ndarray) -> None:
        for indicator in self._indicators if len(rows) else ():
            for name, array in indicator.begin(len(rows)).items():
                self._states[indicator.name][name][rows] = array

    def dump(self, assets: Sequence[str], first: int = 0) -> dict[str, Any]:
        """The state of these assets, whose rows begin at `first`; JSON keeps the bits of a float, and NaN as null."""
        rows = slice(first, first + len(assets))
        states = {
            indicator: {name: array[rows] for name, array in state.items()} for indicator, state in self._states.items()
        }
        return {"assets": assets, "ends": self._ends[rows], "states": states}

    def restore(self, kept: Mapping[str, Any], assets: Sequence[str], first: int = 0) -> None:
        """Take over what `dump` wrote; assets and indicators it does not know start anew."""
        known = {asset: row for row, asset in enumerate(kept["assets"])}
        pairs = [(first + row, known[asset]) for row, asset in enumerate(assets) if asset in known]
        ours, theirs = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        self._ends[ours] = np.array(kept["ends"], dtype=np.int64)[theirs]
        for name, state in self._states.items():
            old = {array: np.array(rows, dtype=np.float64) for array, rows in kept["states"].get(name, {}).items()}
            if _shapes(old, 1) == _shapes(state, 1):
                for array, values in old.items():
                    state[array][ours] = values[theirs]


def _shapes(state: State, axis: int) -> dict[str, tuple[int, ...]]:
    return {name: array.shape[axis:] for name, array in state.items()}
