"""One fit at a time in a child process of low priority, so that no fit delays the stream, hangs or takes us with it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

import numpy as np
import psutil

from cryptoviz.errors import CryptovizError
from processors.batch.base import Fit
from processors.models.base import Floats

FIT_FAILED, FIT_TIMED_OUT = "fit_failed", "fit_timed_out"
LOWER_BY = 10  # a tenth of what the stream gets of a core; at the lowest a busy machine would never end a fit
LOOK_S = 0.1


class FitFailed(CryptovizError):
    """There is no forecast of this model now; `reason` is what the forecast says."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Stopped(CryptovizError):
    """We were told to end while a fit was running."""


@dataclass(frozen=True)
class _Child:
    process: BaseProcess
    pipe: Connection
    folder: tempfile.TemporaryDirectory[str]


class Fitter:
    """The child process as a context: started by the first fit, and gone, with all it wrote to disk, afterwards.

    It imports the libraries, which take 200 MB; between two rounds there is none. A fit that takes longer than
    `limit_s` is ended with its process, and the next one gets another.
    """

    def __init__(self, limit_s: float, stop: threading.Event) -> None:
        self._limit_s, self._stop = limit_s, stop
        self._processes = multiprocessing.get_context("spawn")  # a fork would take locks of our threads along
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def fit(self, fit: Fit, closes: Floats, interval_s: int, horizons_s: Sequence[int]) -> Floats:
        """What `fit` returns, [horizons]; raises `FitFailed`, or `Stopped` when `stop` was set meanwhile."""
        pipe = self._pipe()
        try:
            pipe.send((fit, closes, interval_s, tuple(horizons_s)))
            said, problem = self._answer(pipe)
        except (EOFError, OSError) as error:
            self._end()
            raise FitFailed(FIT_FAILED, "the fitting process ended, for want of memory perhaps") from error
        if problem or said is None:
            raise FitFailed(FIT_FAILED, problem)
        return said

    def _answer(self, pipe: Connection) -> tuple[Floats | None, str]:
        deadline = time.monotonic() + self._limit_s
        while not pipe.poll(LOOK_S):
            if self._stop.is_set():
                self._end()
                raise Stopped("told to end")
            if time.monotonic() > deadline:
                self._end()
                raise FitFailed(FIT_TIMED_OUT, f"no result after {self._limit_s:g} s")
        answer: tuple[Floats | None, str] = pipe.recv()
        return answer

    def _pipe(self) -> Connection:
        if self._child is None:
            # What the libraries leave on disk goes with the child, also when it is killed.
            folder = tempfile.TemporaryDirectory(prefix="cryptoviz-fit-", ignore_cleanup_errors=True)
            ours, theirs = self._processes.Pipe()
            process = self._processes.Process(target=work, args=(theirs, folder.name), name="fit", daemon=True)
            process.start()
            theirs.close()
            self._child = _Child(process, ours, folder)
        return self._child.pipe

    def _end(self) -> None:
        if self._child is None:
            return
        child, self._child = self._child, None
        with suppress(psutil.Error):  # Prophet's optimiser is a program of its own
            for descendant in psutil.Process(child.process.pid).children(recursive=True):
                descendant.kill()
        child.process.kill()
        child.process.join()
        child.pipe.close()
        child.folder.cleanup()


def work(pipe: Connection, folder: str) -> None:
    """The child's life: fit what comes through the pipe and answer (forecasts, "") or (None, why not)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to everybody; our parent ends us
    os.nice(LOWER_BY)
    tempfile.tempdir = folder
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    while True:
        try:
            fit, closes, interval_s, horizons_s = pipe.recv()
        except EOFError:
            return
        answer: tuple[Floats | None, str]
        try:
            answer = _sound(fit(closes, interval_s, horizons_s), len(horizons_s)), ""
        except Exception as error:
            answer = None, f"{type(error).__name__}: {error}"
        pipe.send(answer)


def _sound(said: Floats, horizons: int) -> Floats:
    forecasts = np.asarray(said, dtype=np.float64)
    if forecasts.shape != (horizons,) or not np.isfinite(forecasts).all():
        raise ValueError(f"no finite forecast for each of {horizons} horizons: {forecasts.tolist()}")
    return forecasts
