"""The scoreboard of one source as a report needs it: its rows in order, and their means over the assets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAIVE = "naive"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Summary:
    """One model at one horizon: means over `assets` assets, rMAE geometric, rates 0..1; None where nobody has any.

    The interval of the hit rate is the mean of the assets' own: prices move together, so that many assets are hardly
    more evidence than one.
    """

    horizon_s: int
    model: str
    assets: int
    n: float
    n_independent: float
    rmae: float | None
    hit_rate: float | None
    hit_low: float | None
    hit_high: float | None
    coverage_80: float | None
    width_80_percent: float | None


@dataclass(frozen=True)
class Scoreboard:
    """Rows of the view `scoreboard`, one per asset, horizon and model, all of one source."""

    source: str
    rows: tuple[Row, ...]

    @property
    def assets(self) -> tuple[str, ...]:
        """Tickers in the order of the rows."""
        return tuple(dict.fromkeys(row["asset"] for row in self.rows))

    @property
    def horizons_s(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(sorted({row["horizon_s"] for row in self.rows}))

    @property
    def models(self) -> tuple[str, ...]:
        """Those with the smallest rMAE over all assets and horizons first, those without any last."""
        return tuple(sorted(dict.fromkeys(row["model"] for row in self.rows), key=self._rank))

    def at(self, horizon_s: int) -> dict[tuple[str, str], Row]:
        """The rows of one horizon by (asset, model)."""
        return {(row["asset"], row["model"]): row for row in self.rows if row["horizon_s"] == horizon_s}

    def summaries(self, horizon_s: int) -> tuple[Summary, ...]:
        """One per model, those with the smallest rMAE first."""
        by_model: dict[str, list[Row]] = {model: [] for model in self.models}
        for row in self.rows:
            if row["horizon_s"] == horizon_s:
                by_model[row["model"]].append(row)
        found = [summary(horizon_s, model, rows) for model, rows in by_model.items() if rows]
        return tuple(sorted(found, key=lambda one: math.inf if one.rmae is None else one.rmae))

    def _rank(self, model: str) -> tuple[float, str]:
        rmae = geometric_mean(row["rmae"] for row in self.rows if row["model"] == model)
        return (math.inf if rmae is None else rmae, model)


def scored(rows: Iterable[Row], source: str) -> Scoreboard:
    """The scoreboard of one source; rows with nothing but void outcomes stay, so that they are seen."""
    own = [row for row in rows if row["source"] == source]
    return Scoreboard(source, tuple(own))


def sources(rows: Iterable[Row]) -> tuple[str, ...]:
    """The sources that have rows."""
    return tuple(sorted({row["source"] for row in rows}))


def summary(horizon_s: int, model: str, rows: Sequence[Row]) -> Summary:
    """The mean over assets of one model's rows at one horizon."""
    names = ("n", "n_independent", "hit_rate", "hit_low", "hit_high", "coverage_80", "width_80_percent")
    means = {name: mean(row[name] for row in rows) for name in names}
    n, independent = means.pop("n") or 0.0, means.pop("n_independent") or 0.0
    return Summary(horizon_s, model, len(rows), n, independent, geometric_mean(row["rmae"] for row in rows), **means)


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of those that are there."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Of those that are there, none of them negative; ratios 2 and 1/2 make 1."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return math.exp(math.fsum(map(math.log, known)) / len(known)) if all(known) else 0.0
