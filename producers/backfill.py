"""History at start: what was missed since the last stored quote, fetched from all sources, then published in order.

All sources' points are merged by time and sent in that order, so that no source's clock runs ahead of another's by more
than a bar; otherwise the others' points would come too late for the median over sources.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from threading import Event, Thread
from typing import Any

from cryptoviz.assets import Listing
from cryptoviz.errors import Invalid
from cryptoviz.messages import Quote
from producers.asking import Asker
from producers.failures import REQUEST_REFUSED, Failure, Stopped
from producers.outbox import Outbox
from producers.poller import Poller
from producers.progress import Progress
from producers.quote import Rejection
from producers.raw import Envelope
from producers.source import History, Request
from producers.stored import LastStored

logger = logging.getLogger(__name__)

HOUR_MS = 3_600_000
DEADLINE_S = 60.0  # a slow or refusing source costs its history, not the start
SYMBOLS_OWN_FAULT = REQUEST_REFUSED | {"error_body"}
LOOK_EVERY_S = 0.1
MESSAGES_PER_LOOK = 200  # how many messages are sent between two looks at how full the buffer is
ENOUGH_QUOTES = 500  # in one message, across its bars: what a message costs is then little beside what its quotes do


@dataclass
class Fetched:
    """The history of one source; `failed` says which assets start without it, and why."""

    quotes: list[Quote] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    wanted: int = 0
    done: int = 0


@dataclass(frozen=True)
class Span:
    """One symbol's missing time, (start, end] in ms."""

    listing: Listing
    start: int
    end: int


def spans(history: History, listings: Iterable[Listing], stored: LastStored, now: int, hours: int) -> Iterator[Span]:
    """What to fetch: from the last stored quote, at most as far as settings and source reach, nothing below a step."""
    reach = now - min(hours, history.hours) * HOUR_MS
    for listing in listings:
        start = max(reach, stored.get((listing.source, listing.asset), reach))
        if now - start >= history.step_s * 1000:
            yield Span(listing, start, now)


def fetch(history: History, poller: Poller, wanted: Sequence[Span], deadline: float, fetched: Fetched) -> None:
    """All of one source's spans, one after the other within its rate budget, until `deadline` (monotonic seconds)."""
    for index, span in enumerate(wanted):
        try:
            _fetch_span(history, poller, span, deadline, fetched)
        except Invalid as error:
            fetched.failed[span.listing.asset] = str(error)
        except Failure as failure:
            poller.metrics.failures.labels(poller.source.name, failure.reason).inc()
            fetched.failed[span.listing.asset] = str(failure)
            if failure.reason not in SYMBOLS_OWN_FAULT:
                # The other symbols would fare no better.
                fetched.failed |= {later.listing.asset: str(failure) for later in wanted[index + 1 :]}
                poller.asker.pause(failure.retry_after_s or 0.0)
                return
        fetched.done += 1


def _fetch_span(history: History, poller: Poller, span: Span, deadline: float, fetched: Fetched) -> None:
    """Add one symbol's history, or nothing: half of it would leave a hole right before the present."""
    quotes: list[Quote] = []
    for request in history.requests(span.listing, span.start, span.end):
        payload = _ask(poller.asker, request, deadline)
        parsed = history.parse(payload, poller.registry, span.listing, span.end)
        quotes += [quote for quote in parsed.quotes if span.start < quote["at"] <= span.end]
        fetched.rejections += parsed.rejections
    fetched.quotes += {quote["at"]: quote for quote in quotes}.values()


def _ask(asker: Asker, request: Request, deadline: float) -> Any:
    """Ask, and once more after the pause a busy source names, if there is time for it."""
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= asker.next_s():
            raise Failure("failing", "no_time", "the time for history is over")
        try:
            return asker.ask(request, left_s)
        except Failure as failure:
            wait_s = failure.retry_after_s
            if failure.state != "rate_limited" or wait_s is None or wait_s >= deadline - time.monotonic():
                raise
            if asker.stop.wait(max(wait_s, 1.0)):
                raise Stopped from None


def fetch_all(
    pollers: Sequence[Poller], stored: LastStored, now: int, hours: int, deadline_s: float = DEADLINE_S
) -> dict[str, Fetched]:
    """The history of every source that has one, fetched in parallel; raises `Stopped` when the process ends."""
    deadline, found, threads = time.monotonic() + deadline_s, {}, []
    for poller in pollers:
        history, name = poller.source.history, poller.source.name
        wanted = list(spans(history, poller.registry.feeding(name), stored, now, hours)) if history else []
        if history and wanted:
            found[name] = Fetched(wanted=len(wanted))
            # Daemons: a request that hangs must not hold up the end of the process.
            job = Thread(target=_quietly, args=(history, poller, wanted, deadline, found[name]), daemon=True)
            job.start()
            threads.append(job)
    _watch(threads, found, pollers[0].asker.stop)
    return found


def _watch(threads: Sequence[Thread], found: dict[str, Fetched], stop: Event) -> None:
    with Progress() as progress:
        while any(job.is_alive() for job in threads) and not stop.wait(LOOK_EVERY_S):
            for name, fetched in found.items():
                progress.show(name, fetched.done, fetched.wanted)
    if stop.is_set():
        raise Stopped


def _quietly(history: History, poller: Poller, wanted: Sequence[Span], deadline: float, fetched: Fetched) -> None:
    try:
        fetch(history, poller, wanted, deadline, fetched)
    except Stopped:
        return


def slices(quotes: Iterable[tuple[str, Quote]], slice_ms: int) -> Iterator[tuple[str, list[Quote]]]:
    """(source, quotes) merged by time and cut into one message's worth.

    That is what a source has within one bar, and within the bars after it as long as no other source has anything.
    """
    source, some = "", list[Quote]()
    for following, more in _bars(quotes, slice_ms):
        if some and (following != source or len(some) >= ENOUGH_QUOTES):
            yield source, some
            some = []
        source = following
        some += more
    if some:
        yield source, some


def _bars(quotes: Iterable[tuple[str, Quote]], bar_ms: int) -> Iterator[tuple[str, list[Quote]]]:
    """(source, quotes) merged by time: one source's quotes within one bar."""
    merged = sorted(quotes, key=lambda pair: (pair[1]["at"], pair[0], pair[1]["symbol"]))
    for _, group in groupby(merged, key=lambda pair: pair[1]["at"] // bar_ms):
        by_source: defaultdict[str, list[Quote]] = defaultdict(list)
        for source, quote in group:
            by_source[source].append(quote)
        yield from by_source.items()


def publish(history: dict[str, Fetched], envelopes: dict[str, Envelope], outbox: Outbox, asker: Asker) -> int:
    """Send everything in order of time, waiting while Kafka is full or away; returns the number of quotes."""
    quotes = [(source, quote) for source, fetched in history.items() for quote in fetched.quotes]
    if not quotes:
        return 0
    until = max(quote["at"] for _, quote in quotes) + 1
    ending = {source: replace(envelope, backfill_until=until) for source, envelope in envelopes.items()}
    slice_ms = next(iter(envelopes.values())).interval_s * 1000
    for index, (source, some) in enumerate(slices(quotes, slice_ms)):
        if index % MESSAGES_PER_LOOK == 0:
            outbox.wait_for_room(asker.stop)
        outbox.publish(ending[source], some)
    return len(quotes)


def backfill(pollers: Sequence[Poller], outbox: Outbox, stored: LastStored, hours: int) -> None:
    """Fetch and publish the history of all sources; says what came in one line per source."""
    started, now = time.monotonic(), outbox.clock.now_ms()
    history = fetch_all(pollers, stored, now, hours)
    envelopes = {
        poller.source.name: replace(poller.envelope, origin="backfill", poll_interval_s=poller.source.history.step_s)
        for poller in pollers
        if poller.source.history
    }
    for poller in pollers:
        if fetched := history.get(poller.source.name):
            poller.reject_history(fetched.rejections, now)
            _say(poller.source.name, fetched)
    count = publish(history, envelopes, outbox, pollers[0].asker) if pollers else 0
    logger.info("history: %d quotes published in %.1f s", count, time.monotonic() - started)


def _say(source: str, fetched: Fetched) -> None:
    if fetched.quotes:
        logger.info("history of %s: %d quotes", source, len(fetched.quotes))
    if fetched.failed:
        why = "; ".join(sorted(set(fetched.failed.values())))
        logger.warning("%s starts without history of %s (%s)", source, ", ".join(fetched.failed), why)
