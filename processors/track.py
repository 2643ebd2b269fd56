"""All series of one source in a partition: they share a clock, so they close, are forecast and are scored together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptoviz.settings import HOUR_S
from processors.bars import ClosedBar, Series
from processors.history import History
from processors.learning import FEATURES_MS, Learning
from processors.ledger import Standing
from processors.rules import MS, STATS_WINDOWS_S, Rules

KEPT_MS = max(STATS_WINDOWS_S) * MS
NEVER = -(72 * HOUR_S * MS)


def kept_ms(rules: Rules) -> int:
    """How far back closes are kept: the longest window, or what is learned from when the longest horizon has passed."""
    return max(KEPT_MS, max(rules.horizons_s) * MS + FEATURES_MS + rules.interval_ms)


@dataclass(slots=True)
class Track:
    """The state of one source's series; `rows` says where in every array each asset of the partition is."""

    source: str
    rows: Mapping[str, int]
    rules: Rules
    history: History
    learning: Learning
    first_row: int
    """Where its rows begin among those of the indicators, which are one for all sources."""
    clock: int = NEVER
    closed_until: int = NEVER
    empty_bars: dict[str, int] = field(default_factory=dict)
    """How many bars without a quote each asset has had since its last quote."""
    series: dict[str, Series] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets in the order of their rows."""
        return tuple(self.rows)

    def row(self, asset: str) -> int:
        """Where an asset is in every array of its source."""
        return self.rows[asset]

    def standing(self, asset: str) -> Standing:
        """How an asset's series stands, as the ledger has it."""
        return self.standings.setdefault(asset, Standing())

    def is_stale_after(self, asset: str, bar: ClosedBar) -> bool:
        """Whether, with this bar, the next of its series, the last quote is too old to be called a price."""
        empty = self.empty_bars[asset] = 0 if bar.quotes else self.empty_bars.get(asset, 0) + 1
        return self.rules.is_stale(empty)
