"""The closes of the last hours of one source's series, on one time grid, ready for vectorised models."""

from __future__ import annotations

import numpy as np

from processors.models.base import Floats


class History:
    """closes[series, slots] with a slot per bar, NaN where there is none; only the last `slots` can be asked for."""

    def __init__(self, series: int, slots: int, interval_ms: int) -> None:
        self._slots = slots
        self._interval_ms = interval_ms
        self._closes = np.full((series, 2 * slots), np.nan)
        self._base: int | None = None

    def put(self, row: int, end: int, close: float) -> None:
        """Note the close of the bar that ends at `end`, in ms; ends must not go back by more than the slots kept."""
        slot = end // self._interval_ms
        if self._base is None:
            self._base = slot - self._slots
        if slot >= self._base + self._closes.shape[1]:
            self._forget_before(slot - self._slots)
        if slot >= self._base:
            self._closes[row, slot - self._base] = close

    def until(self, end: int, span_ms: int) -> Floats:
        """Closes with end in (end - span, end], oldest first, [series, span / interval]; NaN for what is not kept."""
        if self._base is None:
            raise LookupError("no bar was put yet")
        last = end // self._interval_ms - self._base + 1
        first = last - span_ms // self._interval_ms
        if first >= 0:
            return self._closes[:, first:last]
        return np.pad(self._closes[:, : max(0, last)], ((0, 0), (-first + min(0, last), 0)), constant_values=np.nan)

    def _forget_before(self, slot: int) -> None:
        kept = self._closes[:, slot - (self._base or 0) :]
        moved = np.full_like(self._closes, np.nan)
        moved[:, : kept.shape[1]] = kept
        self._closes, self._base = moved, slot
