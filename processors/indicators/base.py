"""What an indicator is: a pure step from bar to bar over many series at once, and the two ways to remember bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from processors.models.base import Floats

State: TypeAlias = dict[str, Floats]
"""What an indicator remembers: arrays of floats, each with one row per series."""
Values: TypeAlias = dict[str, Floats]
"""What it says: value name -> [series], NaN while a series has too few bars."""


@dataclass(frozen=True)
class BarArrays:
    """One closed bar of each series, arrays [series]; prices are above 0 and low <= open, close <= high."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats


@dataclass(frozen=True)
class Indicator:
    """A technical indicator.

    `begin(series)` is the state of that many series before their first bar. `step(state, bars)` takes the next bar of
    each and returns the new state, with arrays of the same shapes, and the values. Series are at different bars: how
    many one has seen must be read from its row. The step must not change its arguments, and what it does for one
    series must not depend on the others, nor on how many there are (reduce along the last axis; no matrix products).
    """

    name: str
    begin: Callable[[int], State]
    step: Callable[[State, BarArrays], tuple[State, Values]]


def empty(series: int, points: int) -> Floats:
    """A window [series, points] that nothing was put into yet: all NaN."""
    return np.full((series, points), np.nan)


def shifted(window: Floats, newest: Floats) -> Floats:
    """The window [series, points], oldest first, after `newest` [series] came and the oldest went."""
    moved = np.empty(window.shape)
    moved[:, :-1], moved[:, -1] = window[:, 1:], newest
    return moved


def begin_smoothing(series: int) -> State:
    """The state of `smooth`: the level, and how many values it has seen."""
    return {"level": np.zeros(series), "seen": np.zeros(series)}


def smooth(state: State, value: Floats, points: int, alpha: float) -> tuple[State, Floats]:
    """Exponential smoothing `level += alpha * (value - level)`, begun with the mean of the first `points` values.

    A value that is NaN is passed over. The level is returned as NaN until `points` values have been seen. Constant
    values give exactly that constant.
    """
    there = ~np.isnan(value)
    seen = state["seen"] + there
    weight = np.where(seen <= points, 1 / np.maximum(seen, 1), alpha)
    level = state["level"]
    level = np.where(there, level + weight * (value - level), level)
    return {"level": level, "seen": seen}, np.where(seen >= points, level, np.nan)


def prefixed(prefix: str, state: State) -> State:
    """A part's state under names of its own, so that several fit into one."""
    return {f"{prefix}_{name}": array for name, array in state.items()}


def part(prefix: str, state: State) -> State:
    """The part's state that `prefixed` put in."""
    return {name.removeprefix(f"{prefix}_"): array for name, array in state.items() if name.startswith(f"{prefix}_")}
