"""How the figures of a report are written, the same in the terminal and on the page; "-" where there is none."""

from __future__ import annotations

from cryptoviz.clock import utc
from cryptoviz.report.scoreboard import Summary

NONE = "-"


def count(value: float | None) -> str:
    """A number of things, in thousands; a mean of such numbers is rounded."""
    return NONE if value is None else f"{value:,.0f}"


def ratio(value: float | None) -> str:
    """rMAE and the like: three decimals, fewer digits where it is far off."""
    if value is None:
        return NONE
    return f"{value:.3f}" if value < 100 else f"{value:,.0f}"


def share(value: float | None) -> str:
    """A rate 0..1 in percent."""
    return NONE if value is None else f"{value * 100:.1f} %"


def percent(value: float | None) -> str:
    """What is in percent already: three significant digits."""
    return NONE if value is None else f"{value:.2f} %" if value >= 0.1 or value == 0 else f"{value:.2g} %"


def interval(low: float | None, high: float | None) -> str:
    """From one rate 0..1 to another, in whole percents."""
    return NONE if low is None or high is None else f"{low * 100:.0f}-{high * 100:.0f} %"


def hours(seconds: float) -> str:
    """A horizon."""
    return f"{seconds / 3600:g} h"


def duration(seconds: float) -> str:
    """Days, hours and minutes, the two greatest that are there."""
    minutes = int(seconds // 60)
    parts = [(minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    return " ".join(f"{number} {unit}" for number, unit in [part for part in parts if part[0]][:2]) or "less than 1 min"


def moment(ms: int) -> str:
    """A time, UTC."""
    return f"{utc(ms):%Y-%m-%d %H:%M} UTC"


SUMMARY_COLUMNS = (
    "model", "assets", "n per asset", "independent", "rMAE", "hit rate", "95 % interval", "80 % held", "80 % width",
)  # fmt: skip


def summary_cells(one: Summary) -> tuple[str, ...]:
    """The cells of a row of the summary table, in the order of `SUMMARY_COLUMNS`."""
    return (
        one.model, count(one.assets), count(one.n), count(one.n_independent), ratio(one.rmae), share(one.hit_rate),
        interval(one.hit_low, one.hit_high), share(one.coverage_80), percent(one.width_80_percent),
    )  # fmt: skip
