"""One fit at a time in a child that may fail, hang or die."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fits
import numpy as np
import pytest

from processors.batch.base import Fit
from processors.batch.fitting import FitFailed, Fitter, Stopped

CLOSES = np.linspace(90.0, 100.0, 48)
LONG_S = 120.0


@pytest.fixture(scope="module")
def fitter() -> Iterator[Fitter]:
    with Fitter(LONG_S, threading.Event()) as fitter:
        yield fitter


def test_a_fit_gets_the_series_and_gives_a_forecast_per_horizon(fitter: Fitter) -> None:
    said = fitter.fit(fits.one_percent_an_hour, CLOSES, 900, (3600, 14400))
    assert said.tolist() == [100 * 1.01, 100 * 1.04]


def test_fits_run_at_a_lower_priority_in_one_other_process(fitter: Fitter) -> None:
    niceness, pid = fitter.fit(fits.niceness, CLOSES, 900, (1, 2))
    assert niceness == os.getpriority(os.PRIO_PROCESS, 0) + 10
    assert pid != os.getpid()
    assert fitter.fit(fits.niceness, CLOSES, 900, (1, 2))[1] == pid


@pytest.mark.parametrize(
    ("fit", "says"),
    [
        (fits.breaks, "LinAlgError: singular matrix"),
        (fits.says_nonsense, "no finite forecast for each of 2 horizons"),
        (fits.says_too_little, "no finite forecast for each of 2 horizons"),
        (fits.dies, "the fitting process ended"),
    ],
)
def test_a_fit_that_fails_says_why_and_the_next_one_works(fitter: Fitter, fit: Fit, says: str) -> None:
    with pytest.raises(FitFailed, match=says) as failed:
        fitter.fit(fit, CLOSES, 900, (3600, 14400))
    assert failed.value.reason == "fit_failed"
    assert fitter.fit(fits.unchanged, CLOSES, 900, (3600,)).tolist() == [100.0]


def test_a_fit_that_takes_too_long_is_ended_with_its_process() -> None:
    before = multiprocessing.active_children()
    with Fitter(fits.NO_TIME_S, threading.Event()) as fitter, pytest.raises(FitFailed, match=r"0\.3 s") as failed:
        fitter.fit(fits.never_ends, CLOSES, 900, (3600,))
    assert failed.value.reason == "fit_timed_out"
    assert multiprocessing.active_children() == before


def test_a_running_fit_is_left_when_we_are_told_to_end() -> None:
    stop, before = threading.Event(), multiprocessing.active_children()
    began = time.monotonic()
    with Fitter(LONG_S, stop) as stopped:
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(Stopped):
            stopped.fit(fits.never_ends, CLOSES, 900, (3600,))
    assert time.monotonic() - began < LONG_S / 3
    assert multiprocessing.active_children() == before


def test_afterwards_nothing_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = multiprocessing.active_children()
    with Fitter(LONG_S, threading.Event()) as fitter:
        assert list(tmp_path.iterdir()) == []
        fitter.fit(fits.unchanged, CLOSES, 900, (3600,))
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
    assert multiprocessing.active_children() == before
