"""The condition a source is in: logged once when it changes or clears, counted at every poll, told in heartbeats."""

from __future__ import annotations

import logging
from threading import Lock
from typing import get_args

from cryptoviz.clock import utc
from cryptoviz.messages import SourceState, SourceStatus
from producers.failures import Failure
from producers.metrics import Metrics

logger = logging.getLogger(__name__)

STATES: tuple[SourceState, ...] = get_args(SourceState)
LATE_AFTER_INTERVALS = 3


class Condition:
    """One source's condition; times in ms, threads may ask for it at any time."""

    def __init__(self, source: str, interval_s: float, now: int, metrics: Metrics) -> None:
        self.source = source
        self._late_after_ms = LATE_AFTER_INTERVALS * interval_s * 1000
        self._metrics = metrics
        self._lock = Lock()
        self._polls = 0
        self._told: set[str] = set()
        self._heard_at = now
        self._answered = False
        self._status: SourceStatus = {"state": "late", "since": now, "until": None, "reason": "starting"}

    def off(self, now: int, why: str) -> None:
        """The source will not be polled; said once."""
        logger.warning("%s is off: %s", self.source, why)
        self._enter("off", now, None, why)

    def answered(self, now: int) -> None:
        """A poll brought quotes."""
        with self._lock:
            cleared, since, self._heard_at, self._answered = self._polls, self._status["since"], now, True
            self._polls = 0
            self._told.clear()
        if cleared:
            lasted_s = (now - since) / 1000
            logger.info("%s answers again after %d failed polls in %.0f s", self.source, cleared, lasted_s)
        self._enter("available", now, None, "")
        self._metrics.last_answer.labels(self.source).set(now / 1000)

    def failed(self, failure: Failure, now: int, until: int | None, advice: str = "") -> None:
        """A poll brought nothing; logged when the state changes, and once per reason until the source answers."""
        self._metrics.failures.labels(self.source, failure.reason).inc()
        with self._lock:
            self._polls += 1
            known = self._status["state"] == failure.state and _kind(failure.reason) in self._told
            self._told.add(_kind(failure.reason))
            self._heard_at = now
        if not known:
            told = f"; next try at {utc(until):%Y-%m-%dT%H:%M:%SZ}" if until else ""
            logger.warning("%s is %s: %s%s%s", self.source, failure.state, failure, advice and f"; {advice}", told)
        self._enter(failure.state, now, until, failure.reason)

    def status(self, now: int) -> SourceStatus:
        """The condition now; a source that should have answered or failed by now and did neither is late."""
        with self._lock:
            status = self._status
            waiting_until = status["until"] or 0
            silent = now - max(self._heard_at, waiting_until) > self._late_after_ms
            if silent and status["state"] not in ("off", "late"):
                since = int(self._heard_at + self._late_after_ms)
                return {"state": "late", "since": since, "until": None, "reason": "silent"}
            return status

    def _enter(self, state: SourceState, now: int, until: int | None, reason: str) -> None:
        with self._lock:
            same = (self._status["state"], _kind(self._status["reason"])) == (state, _kind(reason))
            since = self._status["since"] if same else now
            self._status = {"state": state, "since": since, "until": until, "reason": reason}
        for each in STATES:
            self._metrics.state.labels(self.source, each).set(each == state)


def _kind(reason: str) -> str:
    """A gateway in trouble answers 502 and 503 in turns, which is one condition."""
    return "http_5xx" if reason.startswith("http_5") else reason
