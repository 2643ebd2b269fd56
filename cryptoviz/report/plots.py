"""The plots of a scoreboard: errors against the naive forecast, coverage and width of the intervals."""

from __future__ import annotations

import math
from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cryptoviz.report.drawing import BLACK, BLUE, SERIES, VERMILION, drawn, log_axis, model_axis, panels
from cryptoviz.report.figures import hours
from cryptoviz.report.scoreboard import Row, Scoreboard, geometric_mean, mean

LEVELS = (50, 80, 95)


def rmae_plot(board: Scoreboard) -> str:
    """A panel per horizon: a dot per asset and model, their geometric mean, and a line where naive is."""
    return drawn(f"rmae-{board.source}", "rMAE by model and horizon, a dot per asset", lambda: _rmae(board))


def coverage_plot(board: Scoreboard) -> str:
    """A panel per horizon: how often intervals held, against how often they should."""
    return drawn(f"coverage-{board.source}", "Coverage of the intervals by model and horizon", lambda: _coverage(board))


def width_plot(board: Scoreboard) -> str:
    """A panel per horizon: the intervals' widths."""
    return drawn(f"width-{board.source}", "Width of the intervals by model and horizon", lambda: _width(board))


def _per_horizon(board: Scoreboard, panel: Callable[[Axes, list[list[Row]]], None]) -> tuple[Figure, list[Axes]]:
    """A panel per horizon, filled by what is told the rows of each model."""
    models, horizons = board.models, board.horizons_s
    height = 0.24 * len(models) + 0.9
    figure, grid = panels(len(horizons), min(3, len(horizons)), height, sharey=True)
    for axes, horizon_s in zip(grid, horizons, strict=True):
        found = board.at(horizon_s)
        panel(axes, [[row for (_, name), row in found.items() if name == model] for model in models])
        axes.set_title(f"horizon {hours(horizon_s)}")
        model_axis(axes, models)
    return figure, grid


def _rmae(board: Scoreboard) -> Figure:
    def panel(axes: Axes, rows: list[list[Row]]) -> None:
        axes.set_xscale("log")
        axes.axvline(1, color=BLACK, linewidth=1.2)
        for place, of_model in enumerate(rows):
            ratios = [row["rmae"] for row in of_model if row["rmae"]]
            colours = [BLUE if ratio < 1 else VERMILION for ratio in ratios]
            axes.scatter(ratios, [place] * len(ratios), s=14, c=colours, alpha=0.6, linewidths=0)
            middle = geometric_mean(ratios)
            if middle is not None:
                axes.plot([middle], [place], marker="|", markersize=13, markeredgewidth=2, color=BLACK)
        axes.set_xlabel("rMAE (error / error of naive)")

    figure, grid = _per_horizon(board, panel)
    _widen([ratio for row in board.rows if (ratio := row["rmae"])], grid)
    marks = [
        Line2D([], [], marker="o", linestyle="", color=BLUE, label="asset, better than naive"),
        Line2D([], [], marker="o", linestyle="", color=VERMILION, label="asset, not better"),
        Line2D([], [], marker="|", markersize=11, markeredgewidth=2, linestyle="", color=BLACK, label="geometric mean"),
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=3)
    return figure


def _widen(ratios: list[float], grid: list[Axes]) -> None:
    """The same range for all panels, never so narrow that a log axis has no number on it."""
    low, high = min([*ratios, 0.8]), max([*ratios, 1.25])
    for axes in grid:
        axes.set_xlim(low * 0.95, high * 1.05)
        log_axis(axes.xaxis)


def _coverage(board: Scoreboard) -> Figure:
    def panel(axes: Axes, rows: list[list[Row]]) -> None:
        for level, (colour, marker, dashes) in zip(LEVELS, SERIES, strict=False):
            axes.axvline(level, color=colour, linestyle=dashes, linewidth=1)
            for place, of_model in enumerate(rows):
                shares = [row[f"coverage_{level}"] * 100 for row in of_model if row[f"coverage_{level}"] is not None]
                if shares:
                    axes.plot([min(shares), max(shares)], [place, place], color=colour, linewidth=1, alpha=0.6)
                    axes.plot([math.fsum(shares) / len(shares)], [place], marker=marker, markersize=5, color=colour)
        axes.set_xlim(0, 100)
        axes.set_xlabel("outcomes inside the interval, %")

    figure, grid = _per_horizon(board, panel)
    _say_where_there_are_none(board, grid)
    figure.legend(handles=_level_marks("nominal and observed", lines=True), loc="outside upper center", ncols=4)
    return figure


def _width(board: Scoreboard) -> Figure:
    def panel(axes: Axes, rows: list[list[Row]]) -> None:
        axes.set_xscale("log")
        for level, (colour, marker, _) in zip(LEVELS, SERIES, strict=False):
            for place, of_model in enumerate(rows):
                width = mean(row[f"width_{level}_percent"] for row in of_model)
                if width:
                    axes.plot([width], [place], marker=marker, markersize=5, color=colour)
        axes.set_xlabel("mean width, % of the price")

    figure, grid = _per_horizon(board, panel)
    for axes in grid:
        low, high = axes.get_xlim()
        axes.set_xlim(low * 0.8, high * 1.25)
        log_axis(axes.xaxis)
    _say_where_there_are_none(board, grid)
    figure.legend(handles=_level_marks("interval", lines=False), loc="outside upper center", ncols=4)
    return figure


def _say_where_there_are_none(board: Scoreboard, grid: list[Axes]) -> None:
    for axes, horizon_s in zip(grid, board.horizons_s, strict=True):
        if not any(row["n_intervals"] for row in board.at(horizon_s).values()):
            axes.text(0.5, 0.5, "too few outcomes\nfor intervals", transform=axes.transAxes, ha="center", va="center",
                      backgroundcolor="white")  # fmt: skip


def _level_marks(what: str, lines: bool) -> list[Line2D]:
    return [
        Line2D([], [], color=colour, marker=marker, linestyle=dashes if lines else "", label=f"{level} % {what}")
        for level, (colour, marker, dashes) in zip(LEVELS, SERIES, strict=False)
    ]
