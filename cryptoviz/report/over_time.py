"""How the models' errors went over the time of a replay, relative to those of the naive forecast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from cryptoviz.report.drawing import BLACK, PANEL_COLUMNS, SERIES, drawn, log_axis, panels, same_legend
from cryptoviz.report.figures import hours
from cryptoviz.report.scoreboard import NAIVE, Row

DAY_S = 86_400
SHORT_S = 3 * DAY_S  # a replay that lasts no longer is looked at by the hour
TRAILING = {DAY_S: 7, 3600: 24}
"""Length of a step in s: how many of them a mean looks back."""

MARKS = 20  # on a line, about, so that they tell it apart and do not hide it
Line = list[tuple[datetime, float]]


@dataclass(frozen=True)
class Errors:
    """Sums over assets per source, model, horizon and step: |error| and |naive_error| in shares of the price."""

    step_s: int
    rows: tuple[Row, ...]

    def of(self, source: str) -> Errors:
        """Those of one source."""
        return Errors(self.step_s, tuple(row for row in self.rows if row["source"] == source))

    @property
    def told(self) -> str:
        """What a point of a line is the mean of."""
        step, count = ("day", TRAILING[DAY_S]) if self.step_s == DAY_S else ("hour", TRAILING[3600])
        return f"by {step}, mean over the last {count} {step}s"


def step_of(duration_s: float) -> int:
    """How long a step is in a replay of so many seconds."""
    return DAY_S if duration_s > SHORT_S else 3600


def relative_errors(errors: Errors) -> dict[tuple[str, int], Line]:
    """By (model, horizon in s): at the end of each step sum |error| / sum |naive error| of the last steps."""
    found: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in sorted(errors.rows, key=lambda row: row["step"]):
        found[row["model"], row["horizon_s"]].append(row)
    return {key: _trailing(rows, errors.step_s) for key, rows in found.items()}


def _trailing(rows: list[Row], step_s: int) -> Line:
    step, back = timedelta(seconds=step_s), timedelta(seconds=step_s * TRAILING[step_s])
    line = []
    for row in rows:
        last = [other for other in rows if row["step"] - back < other["step"] <= row["step"]]
        naive = sum(other["naive_error"] for other in last)
        if naive:
            line.append((row["step"] + step, sum(other["error"] for other in last) / naive))
    return line


def errors_plot(name: str, errors: Errors, models: Iterable[str]) -> str:
    """A panel per model, a line per horizon, and the naive forecast at 1; "" where there are less than two points."""
    lines = relative_errors(errors)
    shown = [model for model in models if model != NAIVE and any(key[0] == model for key in lines)]
    if not shown or max(map(len, lines.values())) < 2:
        return ""
    return drawn(name, f"Error relative to naive over time, {errors.told}", lambda: _errors(lines, shown))


def _errors(lines: dict[tuple[str, int], Line], models: list[str]) -> Figure:
    horizons = sorted({horizon_s for _, horizon_s in lines})
    figure, grid = panels(len(models), PANEL_COLUMNS, 1.9, sharex=True)
    for axes, model in zip(grid, models, strict=True):
        axes.axhline(1, color=BLACK, linewidth=1)
        axes.set_yscale("log")
        for horizon_s, (colour, marker, dashes) in zip(horizons, SERIES, strict=False):
            line = lines.get((model, horizon_s), [])
            times, values = [date2num(at) for at, _ in line], [value for _, value in line]
            axes.plot(times, values, color=colour, linestyle=dashes, marker=marker, markersize=3,
                      markevery=max(1, len(line) // MARKS), label=f"horizon {hours(horizon_s)}")  # fmt: skip
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.8), max(high, 1.25))
        log_axis(axes.yaxis)
        axes.set_title(model)
        _dates(axes)
    same_legend(figure, grid, "time of the outcome, UTC", "error / error of naive")
    return figure


def _dates(axes: Axes) -> None:
    locator = AutoDateLocator(maxticks=5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
