"""The ledger of data quality: how each series stands, told once per change, from its closed bars. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptoviz.messages import LedgerEntry, Origin, SeriesState
from processors.bars import ClosedBar


@dataclass(slots=True)
class Standing:
    """How one series stands after its last closed bar; the flags are of the bar under way."""

    state: SeriesState | None = None
    until: int = 0
    """The end of the last closed bar."""
    late: bool = False
    """Whether a quote came whose bar was closed."""
    distance: float | None = None
    """How far from `all`, as a share, the source was when it was left out of it; None if it was not."""

    def closed(self, bar: ClosedBar, stale: bool, out: bool) -> Iterator[tuple[int, SeriesState, str]]:
        """The changes, (since in ms, state, reason), that this bar brings.

        `stale`: no quote came for the stale time; `out`: the source is left out of `all` now.
        """
        if self.until and bar.start > self.until:
            yield from self.ended()
        self.until = bar.end
        yield from self._turn(bar.start, *self._judged(bar, stale))
        self.late, self.distance = False, self.distance if out else None

    def ended(self) -> Iterator[tuple[int, SeriesState, str]]:
        """The change that the end of the series brings: no bar follows the last one."""
        yield from self._turn(self.until, "gap", "")

    def _judged(self, bar: ClosedBar, stale: bool) -> tuple[SeriesState, str]:
        if self.distance is not None:
            return "diverging", f"{self.distance * 100:+.2f} % from the others"
        if self.late:
            return "late", "quotes came after their bar was closed"
        if stale:
            return "stale", "no quote for the stale time"
        return ("backfilled" if bar.origin == "backfill" else "available"), ""

    def _turn(self, since: int, state: SeriesState, reason: str) -> Iterator[tuple[int, SeriesState, str]]:
        if state != self.state:
            self.state = state
            yield since, state, reason


def ledger_entry(asset: str, source: str, change: tuple[int, SeriesState, str], origin: Origin) -> LedgerEntry:
    """The message of one change."""
    since, state, reason = change
    return {
        "id": f"{asset}/{source}/{since}", "asset": asset, "source": source, "since": since, "state": state,
        "reason": reason, "origin": origin,
    }  # fmt: skip
