"""Asking a source: within its rate budget, again with growing waits where that may help, never before it said."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event
from typing import Any, Protocol

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_before_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from producers.budget import Budget
from producers.failures import Failure, Stopped
from producers.metrics import Metrics
from producers.source import Request

logger = logging.getLogger(__name__)

ATTEMPTS = 4
BACKOFF_S = 0.5
BACKOFF_MAX_S = 15.0


class Getter(Protocol):
    """What is needed of `producers.http.HttpClient`."""

    def get(self, request: Request) -> Any: ...


class Asker:
    """Asks one source; polls and history share it, because they share the source's limits."""

    def __init__(
        self, source: str, client: Getter, *, budget: Budget, metrics: Metrics, stop: Event,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.source = source
        self.stop = stop
        self._client = client
        self._budget = budget
        self._metrics = metrics
        self._now_s = now_s
        self._paused_until = 0.0
        self._backoff = wait_random_exponential(multiplier=BACKOFF_S, max=BACKOFF_MAX_S)

    def ask(self, request: Request, within_s: float) -> Any:
        """The JSON value that came; tries again only while that fits in `within_s`.

        Raises `Failure` after the last try, `Stopped` when the process ends.
        """
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, Failure) and error.again),
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(within_s) | stop_when_event_set(self.stop),
            wait=self._wait,
            sleep=sleep_using_event(self.stop),
            reraise=True,
        )
        return retrying(self._once, request)

    def pause(self, seconds: float) -> None:
        """Ask nothing for so long, whoever asks."""
        self._paused_until = max(self._paused_until, self._now_s() + seconds)

    def paused_s(self) -> float:
        """Seconds left of the pause; 0 when there is none."""
        return max(0.0, self._paused_until - self._now_s())

    def next_s(self) -> float:
        """Seconds until a request may be sent, by the rate budget and any pause."""
        return max(self._budget.delay_s(), self.paused_s())

    def _once(self, request: Request) -> Any:
        self._budget.take(self.stop)
        if self.stop.is_set():
            raise Stopped
        self._metrics.requests.labels(self.source).inc()
        with self._metrics.request_seconds.labels(self.source).time():
            return self._client.get(request)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        named = error.retry_after_s if isinstance(error, Failure) else None
        return max(self._backoff(state), named or 0.0)
