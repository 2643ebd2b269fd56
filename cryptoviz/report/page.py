"""The report as one page that stands by itself: no network, no scripts, plots drawn into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from cryptoviz.report import figures
from cryptoviz.report.calibration import calibration_plot
from cryptoviz.report.over_time import Errors, errors_plot
from cryptoviz.report.plots import coverage_plot, rmae_plot, width_plot
from cryptoviz.report.scoreboard import NAIVE, Row, Scoreboard
from cryptoviz.report.verdict import verdict

TEMPLATE = "report.html.jinja"


@dataclass(frozen=True)
class Replayed:
    """What was replayed: file names, rows fed and stored, first and last time (ms UTC, None without rows), settings.

    A setting is its variable, its value and its meaning.
    """

    files: tuple[str, ...]
    fed: int
    stored: int
    period_ms: tuple[int, int] | None
    bar_s: int
    settings: tuple[tuple[str, str, str], ...]
    version: str
    written: str

    @property
    def covered_s(self) -> float:
        """How much time the rows cover; 0 where there are none."""
        return 0.0 if self.period_ms is None else (self.period_ms[1] - self.period_ms[0]) / 1000 + self.bar_s


@dataclass(frozen=True)
class Plot:
    """One plot: what it shows, how to read it, its SVG."""

    title: str
    told: str
    svg: str


@dataclass(frozen=True)
class Section:
    """What the page says of one source."""

    board: Scoreboard
    verdict: str
    plots: tuple[Plot, ...]


def section(board: Scoreboard, errors: Errors, stated: Sequence[Row]) -> Section:
    """Tables and plots of one source: its scoreboard, which has at least one row, errors and rows of `calibration`."""
    name, models = board.source, board.models
    drawn = (
        Plot("Error against the naive forecast", RMAE, rmae_plot(board)),
        Plot("Coverage of the intervals", COVERAGE, coverage_plot(board)),
        Plot("Width of the intervals", WIDTH, width_plot(board)),
        Plot(f"Error over time, {errors.told}", OVER_TIME, errors_plot(f"errors-{name}", errors, models)),
        Plot("Calibration of confidence", STATED, calibration_plot(f"calibration-{name}", stated, models)),
    )
    return Section(board, verdict(board), tuple(plot for plot in drawn if plot.svg))


def page(replayed: Replayed, sections: Sequence[Section], why_none: str) -> str:
    """The HTML; `why_none` stands in the place of the tables where there are no sections."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(figures=figures, NAIVE=NAIVE)
    template = environment.from_string(files("cryptoviz.report").joinpath(TEMPLATE).read_text(encoding="utf-8"))
    told: dict[str, Any] = {"replayed": replayed, "sections": sections, "why_none": why_none}
    return template.render(told)


RMAE = (
    "rMAE is a model's mean absolute error divided by that of the naive forecast, which says that the price stays the "
    "same. Left of the line the model is better. A dot is an asset; the scale is logarithmic."
)
COVERAGE = (
    "How many outcomes fell inside the intervals that should hold 50, 80 and 95 % of them (the lines). A mark is the "
    "mean over the assets, the bar behind it goes from the lowest to the highest asset."
)
WIDTH = (
    "Mean over the assets of the intervals' widths in percent of the price. Of two models with the same coverage the "
    "one with narrower intervals knows more. The scale is logarithmic."
)
OVER_TIME = (
    "The sum of a model's absolute errors over all assets, in percent of the price, divided by that of the naive "
    "forecast, by the time of the outcome. Below the line at 1 the model was better. Every panel has a scale of its "
    "own, and logarithmic."
)
STATED = (
    "Confidence as the models state it, in steps of 10 %, against how often the direction was right, over all assets; "
    "the bars are 95 % intervals for the independent outcomes of one asset. Confidence that means what it says lies on "
    "the grey line; marks below it promise too much. Marks of the horizons stand a little apart so that all are seen."
)
