"""What is kept of every series in arrays whose last axis is the series: several joined for one computation. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np


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
            end = 0
            for part in parts:
                mine = getattr(part, name)
                first, end = end, end + mine.shape[-1]
                mine[...] = getattr(self, name)[..., first:end]
