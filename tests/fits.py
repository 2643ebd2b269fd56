"""Fits that behave and that do not, as functions of a module, so that a child process can run them."""

from __future__ import annotations

import os
import threading

import numpy as np

from processors.batch.base import BatchModel, Fit
from processors.models.base import Floats

NO_TIME_S = 0.3


def one_percent_an_hour(closes: Floats, interval_s: int, horizons_s: tuple[int, ...]) -> Floats:
    """Up by a hundredth of the newest close for every hour."""
    return np.array([closes[-1] * (1 + horizon_s / 360_000) for horizon_s in horizons_s])


def unchanged(closes: Floats, interval_s: int, horizons_s: tuple[int, ...]) -> Floats:
    """The price stays the same."""
    return np.full(len(horizons_s), closes[-1])


def breaks(closes: Floats, interval_s: int, horizons_s: tuple[int, ...]) -> Floats:
    """A library that gives up."""
    raise np.linalg.LinAlgError("singular matrix")


def says_nonsense(closes: Floats, interval_s: int, horizons_s: tuple[int, ...]) -> Floats:
    """A fit that did not converge."""
    return np.full(len(horizons_s), np.nan)


def says_too_little(closes: Floats, interval_s: int, horizons_s: tuple[int, ...]) -> Floats:
    """One forecast, however many were asked."""
    return closes[-1:]


def never_ends(closes: Floats, interval_s: int, horizons_s: tuple[int, ...]) -> Floats:
    """A search that goes on for ever."""
    threading.Event().wait()
    return closes


def dies(closes: Floats, interval_s: int, horizons_s: tuple[int, ...]) -> Floats:
    """A library that takes its process with it."""
    os._exit(9)


def niceness(closes: Floats, interval_s: int, horizons_s: tuple[int, ...]) -> Floats:
    """Not a forecast: the priority it runs at, and the id of its process."""
    return np.array([os.getpriority(os.PRIO_PROCESS, 0), os.getpid()], dtype=np.float64)


def model(fit: Fit) -> BatchModel:
    """A model of that name whose library is always there."""
    return BatchModel(fit.__name__, "numpy", fit)
