"""Polling one source for as long as the process lives: ask, read, publish, and decide when to ask again."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

from cryptoviz.assets import AssetRegistry, Listing
from cryptoviz.errors import Invalid
from cryptoviz.messages import Quote
from producers.asking import Asker
from producers.budget import Ticks
from producers.condition import Condition
from producers.failures import REQUEST_REFUSED, Failure, Stopped
from producers.metrics import Metrics
from producers.outbox import Outbox
from producers.quote import Parsed, Rejection
from producers.raw import Envelope
from producers.source import Source

logger = logging.getLogger(__name__)

BLOCKED_S = 900.0  # a wrong key or a closed country does not mend itself by asking
LIMITED_S = 60.0  # most limits count by the minute; doubled while it does not help
RETRIES_SHARE = 0.8  # of the interval, so that the next poll is on time
RETRIES_MAX_S = 60.0
NARROW_AGAIN_S = 3600.0
LETTERS_PER_ANSWER = 100  # an answer full of rubbish must not fill Kafka; all of it is counted


class Poller:
    """The life of one source; `poll` is one turn and never raises for anything the other side does."""

    def __init__(
        self, source: Source, registry: AssetRegistry, envelope: Envelope, *, asker: Asker, outbox: Outbox,
        condition: Condition, metrics: Metrics,
    ) -> None:  # fmt: skip
        self.source = source
        self.registry = registry
        self.envelope = envelope
        self.asker = asker
        self.condition = condition
        self._outbox = outbox
        self.metrics = metrics
        self._listings: Sequence[Listing] = registry.feeding(source.name)
        self._narrowed_at = -NARROW_AGAIN_S
        self._stamps: dict[str, int] = {}
        self._set_aside: set[tuple[str, str]] = set()
        self._limited_s = LIMITED_S
        self._again = False

    def reject_history(self, rejections: Iterable[Rejection], at: int) -> None:
        """Count and set aside what was wrong in the history."""
        new = self._reject(rejections, at)
        if new:
            logger.warning("%s: history points set aside (%s)", self.source.name, _why(new))

    def run(self) -> None:
        """Poll until the process ends."""
        stop, ticks = self.asker.stop, Ticks(self.envelope.poll_interval_s)
        try:
            while not stop.wait(max(self._due_s(ticks), self.asker.paused_s())):
                self._outbox.wait_for_room(stop)
                self.poll()
        except Stopped:
            logger.debug("%s: polling has ended", self.source.name)

    def _due_s(self, ticks: Ticks) -> float:
        """Seconds to the next poll: none after a pause shorter than the interval, so that rare polls are not missed."""
        again, self._again = self._again, False
        return 0.0 if again else ticks.delay_s()

    def poll(self) -> None:
        """Ask once, retries included, and publish what came; raises only `Stopped` and what Kafka raises."""
        within_s = min(self.envelope.poll_interval_s * RETRIES_SHARE, RETRIES_MAX_S)
        try:
            payload = self._ask(within_s)
            self._publish(payload)
        except Failure as failure:
            self._failed(failure)

    def _ask(self, within_s: float) -> Any:
        """The answer for all symbols, or for those that are not refused on their own.

        Some sources refuse the whole request for one symbol they no longer list, without saying which.
        """
        try:
            return self.asker.ask(self.source.request(self._listings), within_s)
        except Failure as failure:
            due = time.monotonic() - self._narrowed_at >= NARROW_AGAIN_S
            if failure.reason not in REQUEST_REFUSED or not due:
                raise
            self._narrowed_at = time.monotonic()
            refused = [listing for listing in self._listings if self._is_refused(listing, within_s)]
            if not refused or len(refused) == len(self._listings):
                raise  # the request as such is wrong
        symbols = ", ".join(listing.symbol for listing in refused)
        logger.warning("%s does not know %s any more; going on without until restarted", self.source.name, symbols)
        self._listings = [listing for listing in self._listings if listing not in refused]
        return self.asker.ask(self.source.request(self._listings), within_s)

    def _is_refused(self, listing: Listing, within_s: float) -> bool:
        try:
            self.asker.ask(self.source.request([listing]), within_s)
        except Failure as failure:
            if failure.reason not in REQUEST_REFUSED:
                raise
            return True
        return False

    def _publish(self, payload: Any) -> None:
        with self._outbox.lock:
            received_at = self._outbox.clock.now_ms()
            nothing = "no_quotes"
            try:
                parsed = self.source.parse(payload, self.registry, received_at)
            except Invalid as error:
                nothing, parsed = error.reason, Parsed([], [Rejection("", error.reason, error.detail, payload)])
            self._outbox.publish(self.envelope, [self._marked(quote) for quote in parsed.quotes])
            new = self._reject(parsed.rejections, received_at)
        if not parsed.quotes:
            raise Failure("failing", nothing, _why(parsed.rejections))
        if new:
            logger.warning("%s: %d items set aside (%s)", self.source.name, len(new), _why(new))
        self._limited_s = LIMITED_S
        self.condition.answered(received_at)

    def _marked(self, quote: Quote) -> Quote:
        """The quote, flagged where the source's own stamp shows that nothing new came."""
        stamp, before = quote["event_at"], self._stamps.get(quote["symbol"])
        if stamp is None:
            return quote
        self._stamps[quote["symbol"]] = stamp
        if stamp != before:
            return quote
        self.metrics.repeated.labels(self.source.name).inc()
        return {**quote, "repeated": True}

    def _reject(self, rejections: Iterable[Rejection], at: int) -> list[Rejection]:
        """Count all; set aside and return those that the answer before did not have as well."""
        now: dict[tuple[str, str], Rejection] = {}
        for rejection in rejections:
            self.metrics.rejected.labels(self.source.name, rejection.reason).inc()
            now.setdefault((rejection.symbol, rejection.reason), rejection)
        new = [rejection for key, rejection in now.items() if key not in self._set_aside]
        self._set_aside = set(now)
        self._outbox.set_aside(self.source.name, new[:LETTERS_PER_ANSWER], at)
        return new

    def _failed(self, failure: Failure) -> None:
        pause_s, advice = self._pause_s(failure), self._advice(failure)
        now = self._outbox.clock.now_ms()
        until = None
        if pause_s > 0:
            self.asker.pause(pause_s)
            until = now + int(pause_s * 1000)
            self._again = pause_s < self.envelope.poll_interval_s
        self.condition.failed(failure, now, until, advice)

    def _pause_s(self, failure: Failure) -> float:
        named = failure.retry_after_s or 0.0
        if failure.state == "blocked":
            return max(named, BLOCKED_S)
        if failure.state == "rate_limited" and failure.retry_after_s is None:
            pause_s, self._limited_s = self._limited_s, min(self._limited_s * 2, BLOCKED_S)
            return pause_s
        return named

    def _advice(self, failure: Failure) -> str:
        if failure.state != "blocked":
            return ""
        if failure.reason == "http_451":
            return f"{self.source.name} may not be used from this country; leave it out of CRYPTOVIZ_SOURCES"
        if self.source.key_header:
            return f"set CRYPTOVIZ_{self.source.name.upper()}_API_KEY to a valid key and start again"
        return "it refuses this machine's address"


def _why(rejections: Iterable[Rejection]) -> str:
    """The reasons with their symbols, shortened: `missing: solana, tron; bad_price: bitcoin`."""
    by_reason: dict[str, list[str]] = {}
    for rejection in rejections:
        by_reason.setdefault(rejection.reason, []).append(ascii(rejection.symbol)[1:-1][:40])
    return "; ".join(f"{reason}: {_some(symbols)}" for reason, symbols in by_reason.items()) or "an empty answer"


def _some(symbols: list[str]) -> str:
    return ", ".join(symbols[:5]) + (f" and {len(symbols) - 5} more" if len(symbols) > 5 else "")
