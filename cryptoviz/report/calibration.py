"""Whether the confidence that models state says how often they get the direction right."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from cryptoviz.report.drawing import GREY, PANEL_COLUMNS, SERIES, drawn, panels, same_legend
from cryptoviz.report.figures import hours
from cryptoviz.report.scoreboard import Row

ASIDE = 2.5  # percent of confidence by which the marks of one horizon stand beside those of the next


@dataclass(frozen=True)
class Stated:
    """One step of confidence over all assets, each forecast counting once: percent stated, percent that were right."""

    confidence: float
    hit: float
    low: float | None
    high: float | None
    n: int


def pooled(rows: Iterable[Row]) -> dict[tuple[str, int], list[Stated]]:
    """Rows of the view `calibration`, all of one source, by (model, horizon in s) and rising confidence.

    The interval is the mean of the assets' own: prices move together.
    """
    found: dict[tuple[str, int], dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row["model"], row["horizon_s"]][row["confidence_from"]].append(row)
    return {key: [_over_assets(steps[step]) for step in sorted(steps)] for key, steps in found.items()}


def _over_assets(rows: Sequence[Row]) -> Stated:
    def weighted(name: str) -> float | None:
        known = [(row[name], row["n"]) for row in rows if row[name] is not None]
        return math.fsum(value * n for value, n in known) / sum(n for _, n in known) if known else None

    low, high = (None if (value := weighted(name)) is None else value * 100 for name in ("hit_low", "hit_high"))
    n = sum(row["n"] for row in rows)
    return Stated(weighted("mean_confidence") or 0.0, (weighted("hit_rate") or 0.0) * 100, low, high, n)


def calibration_plot(name: str, rows: Iterable[Row], models: Iterable[str]) -> str:
    """A panel per model: confidence stated against directions right, a mark per step and horizon; "" without rows."""
    found = pooled(rows)
    shown = [model for model in models if any(key[0] == model for key in found)]
    if not shown:
        return ""
    return drawn(name, "Confidence stated against the share of right directions", lambda: _calibration(found, shown))


def _calibration(found: dict[tuple[str, int], list[Stated]], models: list[str]) -> Figure:
    horizons = sorted({horizon_s for _, horizon_s in found})
    figure, grid = panels(len(models), PANEL_COLUMNS, 2.2, sharex=True, sharey=True)
    for axes, model in zip(grid, models, strict=True):
        axes.plot([0, 100], [0, 100], color=GREY, linewidth=1)
        for place, (horizon_s, (colour, marker, dashes)) in enumerate(zip(horizons, SERIES, strict=False)):
            aside = (place - (len(horizons) - 1) / 2) * ASIDE
            steps = found.get((model, horizon_s), [])
            for step in steps:
                if step.low is not None and step.high is not None:
                    axes.plot([step.confidence + aside] * 2, [step.low, step.high], color=colour, linewidth=1)
            places, hits = [step.confidence + aside for step in steps], [step.hit for step in steps]
            axes.plot(places, hits, color=colour, marker=marker, markersize=4, linestyle=dashes, linewidth=1,
                      label=f"horizon {hours(horizon_s)}")  # fmt: skip
        axes.set(xlim=(0, 105), ylim=(0, 102), xticks=range(0, 101, 25), yticks=range(0, 101, 25), title=model)
    same_legend(figure, grid, "confidence stated, %", "direction right, % of forecasts")
    return figure
