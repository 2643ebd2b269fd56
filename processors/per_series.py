"""What is kept of every series in arrays whose last axis is the series: several joined for one computation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import ClassVar, Self

import numpy as np


def stretches(counts: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Where the series of each part are, (first, end), when parts of so many series follow one another."""
    return pairwise(accumulate(counts, initial=0))


class PerSeries:
    """The base of such a state; `ARRAYS` names the arrays that make it up."""

    ARRAYS: ClassVar[tuple[str, ...]]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The series of all of them, one after the other; a copy."""
        whole = cls.__new__(cls)
        for name in cls.ARRAYS:
            setattr(whole, name, np.concatenate([getattr(part, name) for part in parts], axis=-1))
        return whole

    def hand_back(self, parts: Sequence[Self]) -> None:
        """Give each of those that were joined what is known of its series now."""
        for name in self.ARRAYS:
            theirs = [getattr(part, name) for part in parts]
            for array, (first, end) in zip(theirs, stretches(array.shape[-1] for array in theirs), strict=True):
                array[...] = getattr(self, name)[..., first:end]
