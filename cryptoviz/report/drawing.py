"""How every plot of a report looks, and a figure as SVG that can stand in a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# Okabe and Ito's colours, told apart by colour-blind people too; their yellow is too light for a line on white.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#888888"
Dashes = Literal["-", "--", "-.", ":"]
SERIES: tuple[tuple[str, str, Dashes], ...] = (
    (BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", "-."), (PURPLE, "D", ":"), (SKY, "v", "-"),
)  # fmt: skip
"""Colour, marker and dashes of the first, second... thing compared, so that colour is never the only difference."""

WIDTH_IN = 11.0
PANEL_COLUMNS = 4
"""Panels beside each other where every model has one."""
LABEL_SIZE = 9
STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans", "sans-serif"], "font.size": 9, "axes.titlesize": 10, "axes.labelsize": LABEL_SIZE,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e3e3e3",
    "grid.linewidth": 0.7, "axes.axisbelow": True, "legend.frameon": False, "svg.fonttype": "none",
}  # fmt: skip
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
OUTSIDE = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|\sxmlns(?::\w+)?=\"[^\"]*\"", re.DOTALL)
OWN_NAME = re.compile(r'(\sid="|url\(#|href="#)')
SIZE = re.compile(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>')


def drawn(name: str, told: str, draw: Callable[[], Figure]) -> str:
    """What `draw` makes as an `<svg>` element; `name` is unique on its page, `told` is read out to those who listen."""
    style: Any = STYLE | {"svg.hashsalt": name}
    with matplotlib.rc_context(style):
        out = io.StringIO()
        draw().savefig(out, format="svg", metadata=NO_METADATA)
    return inline(out.getvalue(), name, told)


def inline(svg: str, name: str, told: str) -> str:
    """A file's SVG as an element: names of its own, no addresses of definitions, as wide as its place."""
    element = OWN_NAME.sub(rf"\g<1>{name}-", OUTSIDE.sub("", svg)).strip()
    return SIZE.sub(rf'<svg viewBox="\g<1>" role="img" aria-label="{told}">', element, count=1)


def panels(count: int, columns: int, height_in: float, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, row by row; what is left of the last row is empty."""
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH_IN, height_in * rows + 0.5), layout="constrained")
    grid: list[Axes] = figure.subplots(rows, columns, squeeze=False, **shared).ravel().tolist()
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


def same_legend(figure: Figure, grid: Sequence[Axes], across: str, up: str) -> None:
    """One legend and one name per axis for panels that show the same; the lowest of each column has numbers."""
    for axes in grid[-PANEL_COLUMNS:]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel(across, fontsize=LABEL_SIZE)
    figure.supylabel(up, fontsize=LABEL_SIZE)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))


def model_axis(axes: Axes, models: Sequence[str]) -> None:
    """One line per model, the first at the top."""
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.4, -0.6)


def log_axis(axis: Any) -> None:
    """Ratios and widths as plain numbers, at more places where the range that was set is small."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low > 8 else (1, 1.2, 1.5, 2, 3, 4, 5, 6, 8)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
