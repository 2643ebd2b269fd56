"""Whether a worker gets on, judged by what it commits: one that is alive but stuck ends itself, to be started anew.

The watch runs in a thread of its own, so that an event loop that hangs does not hide it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka.admin import AdminClient

from cryptoviz.errors import Retryable
from cryptoviz.progress import WORKER_GROUP, Place, Reached, admin_client, progress
from cryptoviz.settings import Settings
from cryptoviz.topics import NORMALIZED, RAW

logger = logging.getLogger(__name__)

EXIT_STUCK = 70
LOOK_EVERY_S = 5.0
UNWELL_AFTER_S, STUCK_AFTER_S = 30.0, 90.0
"""Without a commit while messages wait: so long until /health says so, and until the worker ends."""
BUSY_FOR_S = 900.0
"""So long a worker may be busy without a commit: reading its state back, or in the largest message there can be."""


@dataclass(frozen=True)
class Seen:
    """A partition's next offset, since when it has been that (monotonic seconds), and how many messages wait."""

    next: int
    since: float
    left: int


@dataclass
class Stillness:
    """Since when each partition has had messages waiting and nothing committed, and each topic's agent done nothing."""

    places: dict[Place, Seen] = field(default_factory=dict)
    work: dict[str, tuple[int, float]] = field(default_factory=dict)

    def look(self, reached: Mapping[Place, Reached], work: Mapping[str, int], now: float) -> None:
        """Take in how far the group is, and how much each topic's agent has done in all, whatever kind of work."""
        for topic, done in work.items():
            if self.work.get(topic, (-1, 0.0))[0] != done:
                self.work[topic] = (done, now)
        for place, at in reached.items():
            before = self.places.get(place)
            stands = before is not None and before.next == at.next and before.left > 0
            self.places[place] = Seen(at.next, before.since if before and stands else now, at.left)

    def unknown(self, now: float) -> None:
        """The broker does not say: time begins anew, as nobody is to blame for its outage."""
        self.places = {place: Seen(seen.next, now, seen.left) for place, seen in self.places.items()}

    def still_s(self, mine: Collection[Place], now: float) -> float:
        """How long the stillest of these partitions has stood with messages waiting.

        A worker may rightly have none; then it is the least still one of all that counts: nobody gets on.
        """
        waiting = {place: now - seen.since for place, seen in self.places.items() if seen.left}
        if mine:
            return max((waiting[place] for place in mine if place in waiting), default=0.0)
        return min(waiting.values(), default=0.0)

    def stuck(self, mine: Collection[Place], now: float) -> list[Place]:
        """The partitions for which waiting longer is in vain."""
        if not mine:  # whoever has them may be reading its state back
            return sorted(self.places) if self.still_s(mine, now) > BUSY_FOR_S else []
        return sorted(place for place in mine if self.stands(place, now, STUCK_AFTER_S))

    def stands(self, place: Place, now: float, seconds: float) -> bool:
        """Whether a partition has stood so long while its agent did nothing, or far too long whatever it did."""
        still_s = self.still_s([place], now)
        idle_s = now - self.work.get(place[0], (0, 0.0))[1]
        return still_s > BUSY_FOR_S or min(still_s, idle_s) > seconds


class Watch:
    """Looks every few seconds; ends the process when it is stuck.

    `mine` says which partitions this worker has, `work` how much each topic's agent has done; both are called from a
    thread.
    """

    def __init__(
        self, settings: Settings, mine: Callable[[], Collection[Place]], work: Callable[[], Mapping[str, int]]
    ) -> None:  # fmt: skip
        self._settings, self._mine, self._work = settings, mine, work
        self._stillness = Stillness()
        self._reached: Mapping[Place, Reached] = {}
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin looking."""
        self._thread.start()

    def health(self) -> dict[str, Any]:
        """What /health says: `ok` unless messages have waited too long without a commit."""
        now, mine = time.monotonic(), set(self._mine())
        return {
            "ok": not any(self._stillness.stands(place, now, UNWELL_AFTER_S) for place in mine),
            "part": "worker",
            "partitions": {
                f"{topic}/{number}": {
                    "next": at.next, "end": at.end, "behind": at.left,
                    "still_seconds": round(self._stillness.still_s([(topic, number)], now), 1),
                }
                for (topic, number), at in sorted(self._reached.items())
                if (topic, number) in mine
            },
        }  # fmt: skip

    def _run(self) -> None:
        admin = admin_client(self._settings)
        while True:
            time.sleep(LOOK_EVERY_S)
            try:
                self._look(admin)
            except Retryable:
                self._stillness.unknown(time.monotonic())
            except Exception:  # the assignment may change while it is read; the next look sees it whole
                logger.warning("could not tell how far this worker is; looking again", exc_info=True)

    def _look(self, admin: AdminClient) -> None:
        self._reached = progress(self._settings, WORKER_GROUP, (RAW.name, NORMALIZED.name), admin)
        mine, now = set(self._mine()), time.monotonic()
        self._stillness.look(self._reached, self._work(), now)
        if stuck := self._stillness.stuck(mine, now):
            still_s = self._stillness.still_s(mine, now)
            end(f"nothing was committed for {still_s:.0f} s though messages wait in {stuck}")


def end(why: str) -> None:
    """End the process at once, so that it is started anew from what is stored; acknowledges nothing more."""
    logger.critical("%s; the worker ends, to be started again", why)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EXIT_STUCK)
