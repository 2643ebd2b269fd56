"""The closes of the last hours of one source's series, on one time grid, ready for vectorised models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from processors.blocks import BLOCK, NOTHING, Cuts, Pieces, aggregates, joined
from processors.models.base import Floats
from processors.usual_move import NO_CHANGE, changes


class History:
    """closes[series, slots] with a slot per bar, NaN where there is none; only the last `slots` can be asked for."""

    def __init__(self, series: int, slots: int, interval_ms: int) -> None:
        blocks = 2 * slots // BLOCK + 2
        self._slots = slots
        self._interval_ms = interval_ms
        self._closes = np.full((series, blocks * BLOCK), np.nan)
        self._aggregates = np.empty((len(NOTHING), series, blocks))
        self._base: int | None = None
        """The first slot, which begins a block."""
        self._aggregated = 0
        """The slot up to which the aggregates of blocks are those of the closes."""
        self._changes = np.full((2, *self._closes.shape), NO_CHANGE)
        self._changed = 0
        """The slot up to which changes are those of the closes."""
        self._joined: tuple[tuple[range, ...], Floats] | None = None
        """What was made last of runs of whole blocks, [aggregates, series, runs]: it stays for most of a block."""

    def put(self, row: int, end: int, close: float) -> None:
        """Note the close of the bar that ends at `end`, in ms; ends must not go back by more than the slots kept."""
        slot = end // self._interval_ms
        if self._base is None:
            self._base = self._aggregated = self._changed = _begin(slot - self._slots)
        if slot >= self._base + self._closes.shape[1]:
            self._forget_before(_begin(slot - self._slots))
        if slot >= self._base:
            self._closes[row, slot - self._base] = close
            if slot < self._aggregated:
                self._aggregated, self._joined = _begin(slot), None
            self._changed = min(self._changed, slot)

    def until(self, end: int, span_ms: int) -> Floats:
        """Closes with end in (end - span, end], oldest first, [series, span / interval]; NaN for what is not kept."""
        return _slots(self._closes, *self._range(end, span_ms), np.nan)

    def changes(self, end: int, span_ms: int) -> Floats:
        """`changes` of the closes that `until` gives: kept, because each is looked at for days."""
        first, last = self._range(end, span_ms)
        base = self._base or 0
        if self._changed < base + last:
            begin = max(1, self._changed - base)
            self._changes[..., begin:last] = changes(self._closes[:, begin - 1 : last])
            self._changed = base + last
        return _slots(self._changes, first + 1, last, NO_CHANGE)

    def pieces(self, rows: Sequence[int], cuts: Cuts) -> Pieces:
        """What these rows have in the blocks of windows; raises `LookupError` if those are not kept."""
        if self._base is None or not self._base <= cuts.begin <= cuts.end < self._base + self._closes.shape[1]:
            raise LookupError("windows reach beyond what is kept")
        self._aggregate(self._base, _begin(cuts.end))
        base = self._base // BLOCK
        if self._joined is None or self._joined[0] != cuts.whole:
            self._joined = cuts.whole, np.stack([self._join(run, base) for run in cuts.whole], axis=-1)
        some = np.array(rows)
        blocks = self._closes.reshape(len(self._closes), -1, BLOCK)
        return Pieces(blocks[some[:, None], cuts.parts - base], self._joined[1][:, some])

    def _range(self, end: int, span_ms: int) -> tuple[int, int]:
        """Where slots of (end - span, end] are in the arrays: the first, and the one after the last."""
        if self._base is None:
            raise LookupError("no bar was put yet")
        last = end // self._interval_ms - self._base + 1
        return last - span_ms // self._interval_ms, last

    def _aggregate(self, base: int, until: int) -> None:
        """Compute the aggregates that are missing of the blocks before slot `until`."""
        if self._aggregated < until:
            first, last = self._aggregated - base, until - base
            closes = self._closes[:, first:last].reshape(len(self._closes), -1, BLOCK)
            self._aggregates[..., first // BLOCK : last // BLOCK] = aggregates(closes)
            self._aggregated = until

    def _join(self, run: range, base: int) -> Floats:
        if not run:
            return np.tile(NOTHING[:, None], len(self._closes))
        return joined(self._aggregates[..., run.start - base : run.stop - base])

    def _forget_before(self, slot: int) -> None:
        kept = self._closes[:, slot - (self._base or 0) :]
        moved = np.full_like(self._closes, np.nan)
        moved[:, : kept.shape[1]] = kept
        self._closes, self._base = moved, slot
        self._aggregated = self._changed = slot
        self._changes[..., 0] = NO_CHANGE


def _begin(slot: int) -> int:
    """The first slot of the block that a slot is in."""
    return slot // BLOCK * BLOCK


def _slots(kept: Floats, first: int, last: int, missing: float) -> Floats:
    """kept[..., first:last], `missing` for slots before its own."""
    if first >= 0:
        return kept[..., first:last]
    lacking = [(0, 0)] * (kept.ndim - 1) + [(-first + min(0, last), 0)]
    return np.pad(kept[..., : max(0, last)], lacking, constant_values=missing)
