"""What a batch model is: a function that fits a library's model to one series, and how bars become its points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from cryptoviz.settings import HOUR_S

if TYPE_CHECKING:  # the libraries of the other models take a second to load, which is long for a look at what is there
    from processors.models.base import Floats

SPACING_S = 900
"""A fit sees at most one close of so many seconds: enough for an hour ahead, and three days are then 288 points."""
FEWEST_POINTS = 48
"""Half a day of quarter hours; what a library finds in less is chance."""

Fit = Callable[["Floats", int, tuple[int, ...]], "Floats"]


@dataclass(frozen=True)
class BatchModel:
    """A model that is fitted anew each time, by a library of the extra `forecast`.

    `fit_and_forecast(closes[points], interval_s, horizons_s)` takes the closes of consecutive bars, oldest first, and
    returns forecasts[horizons] in the unit of the closes. It is a function of a module, so that another process can run
    it, and imports `library` inside. It may raise anything: the caller then has no forecast of this model.
    """

    name: str
    library: str
    fit_and_forecast: Fit
    version: str = "1"

    @property
    def is_available(self) -> bool:
        """Whether its library is installed."""
        return find_spec(self.library) is not None


def spacing_s(interval_s: int) -> int:
    """Seconds between two points of a fit: whole bars, at least `SPACING_S`, and a part of every horizon."""
    return next(s for s in range(interval_s, HOUR_S + 1, interval_s) if s >= SPACING_S and HOUR_S % s == 0)


def points_for_fit(closes: Floats, interval_s: int) -> Floats:
    """The closes a fit sees: one per spacing, counted back from the newest, which is the last."""
    return closes[::-1][:: spacing_s(interval_s) // interval_s][::-1]


def log_percent(closes: Floats, interval_s: int) -> Floats:
    """The points of a fit as 100 * ln(close / newest close): of one size for every asset, and no price below 0."""
    points = points_for_fit(closes, interval_s)
    percent: Floats = 100 * np.log(points / points[-1])
    return percent


def steps_ahead(interval_s: int, horizons_s: tuple[int, ...]) -> list[int]:
    """How many points ahead each horizon lies."""
    return [horizon_s // spacing_s(interval_s) for horizon_s in horizons_s]


def prices(percent: Floats, newest: float) -> Floats:
    """Back from `log_percent` to prices."""
    back: Floats = newest * np.exp(percent / 100)
    return back
