"""Windows cut into aligned blocks of slots, and what a piece of a series comes to: what statistics are made of. Pure.

A block is slots n * BLOCK to (n + 1) * BLOCK - 1 of all time, so it is the same whenever and wherever it is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from processors.models.base import Floats, Mask

BLOCK = 60
"""Slots in a block."""
NOTHING = np.array([0.0, np.nan, np.nan, np.nan, 0.0, 0.0])
"""The aggregates of a piece without a point."""


class Cuts(NamedTuple):
    """How windows that end in one slot are made up: a part of the block each begins in, whole blocks, the last one."""

    begin: int
    """The first slot of the longest window."""
    end: int
    """The last slot of all."""
    parts: np.ndarray
    """[windows + 1] the blocks of which parts are needed: those that windows begin in, and the last."""
    within: Mask
    """[windows + 1, BLOCK] which of their slots count: from where the window begins, and up to `end`."""
    whole: tuple[range, ...]
    """[windows] the blocks between the first and the last."""
    several: Mask
    """[windows] whether the last block is not the first."""

    @classmethod
    def of(cls, end: int, windows: Sequence[int]) -> Self:
        """The windows, in slots, ascending, that end with slot `end`."""
        last = end // BLOCK
        begin = np.array([*(end + 1 - window for window in windows), last * BLOCK])
        parts = begin // BLOCK
        slots = parts[:, None] * BLOCK + np.arange(BLOCK)
        within = (slots >= begin[:, None]) & (slots <= end)
        whole = tuple(range(first + 1, last) for first in parts[:-1].tolist())
        return cls(end + 1 - windows[-1], end, parts, within, whole, parts[:-1] < last)


class Pieces(NamedTuple):
    """What some series have in the pieces of `Cuts`."""

    parts: Floats
    """[series, windows + 1, BLOCK] closes, also of slots that are not within; NaN where there is none."""
    whole: Floats
    """[aggregates, series, windows]"""


def aggregates(closes: Floats) -> Floats:
    """What closes[..., slots] come to, NaN where there is no bar: [aggregates, ...].

    Points, lowest, highest and first close, mean of the closes less the lowest, and sum of the squares of the closes
    less their mean. Without a point, as `NOTHING`. Measuring from the lowest is exact on flat prices, and loses nothing
    where prices hardly differ.
    """
    closes = np.ascontiguousarray(closes)  # sums then run along the last axis, in the same order for any number of rows
    there = ~np.isnan(closes)
    points = there.sum(axis=-1)
    lowest, highest = np.fmin.reduce(closes, axis=-1), np.fmax.reduce(closes, axis=-1)
    above = np.where(there, closes - lowest[..., None], 0.0)
    mean = above.sum(axis=-1) / np.maximum(points, 1)
    from_mean = np.where(there, above - mean[..., None], 0.0)
    return np.stack([points, lowest, highest, _first(closes, there), mean, (from_mean * from_mean).sum(axis=-1)])


def joined(pieces: Floats) -> Floats:
    """What pieces[aggregates, ..., pieces], oldest first, come to together: [aggregates, ...].

    Sums of squares are those within the pieces and those of the pieces' means (Chan, Golub and LeVeque 1979): only what
    is positive is added, so unlike in a difference of squares no precision is lost.
    """
    points, lows, highs, firsts, means, squares = np.ascontiguousarray(pieces)
    there = points > 0
    count, lowest, highest = points.sum(axis=-1), np.fmin.reduce(lows, axis=-1), np.fmax.reduce(highs, axis=-1)
    above = np.where(there, lows - lowest[..., None] + means, 0.0)
    mean = (points * above).sum(axis=-1) / np.maximum(count, 1)
    from_mean = above - mean[..., None]
    squares = (squares + points * from_mean * from_mean).sum(axis=-1)
    return np.stack([count, lowest, highest, _first(firsts, there), mean, squares])


def _first(values: Floats, there: Mask) -> Floats:
    """The first along the last axis that is there."""
    return np.take_along_axis(values, there.argmax(axis=-1)[..., None], axis=-1)[..., 0]
