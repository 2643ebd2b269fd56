"""Whether a part gets on, judged by what it commits: one that is alive but stuck ends itself, to be started anew.

The watch runs in a thread of its own, so that an event loop that hangs does not hide it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka.admin import AdminClient

from cryptoviz.errors import Retryable
from cryptoviz.progress import Place, Reached, admin_client, progress
from cryptoviz.settings import Settings

logger = logging.getLogger(__name__)

EXIT_STUCK = 70
LOOK_EVERY_S = 5.0
UNWELL_AFTER_S, STUCK_AFTER_S = 30.0, 90.0
"""Without a commit while messages wait: so long until /health says so, and until the process ends."""
BUSY_FOR_S = 900.0
"""So long a part may be busy without a commit: reading its state back, in the largest message or the slowest insert."""


@dataclass(frozen=True)
class Watched:
    """A part that is judged by what its group commits of these topics; the functions are called from a thread.

    `mine` says which partitions it has, `work` for each topic something that changes whenever it does some work there,
    and `excused` whether it waits for another part: it gets on when that one is back, and not by being started anew.
    """

    part: str
    group: str
    topics: tuple[str, ...]
    mine: Callable[[], Collection[Place]]
    work: Callable[[], Mapping[str, Hashable]]
    excused: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Seen:
    """A partition's next offset, since when it has been that (monotonic seconds), and how many messages wait."""

    next: int
    since: float
    left: int


@dataclass
class Stillness:
    """Since when messages of each partition have waited without a commit, and nothing has been done for each topic."""

    places: dict[Place, Seen] = field(default_factory=dict)
    work: dict[str, tuple[Hashable, float]] = field(default_factory=dict)

    def look(self, reached: Mapping[Place, Reached], work: Mapping[str, Hashable], now: float) -> None:
        """Take in how far the group is, and what changes for each topic with every piece of work, whatever its kind."""
        for topic, done in work.items():
            if self.work.get(topic, (None, 0.0))[0] != done:
                self.work[topic] = (done, now)
        for place, at in reached.items():
            before = self.places.get(place)
            stands = before is not None and before.next == at.next and before.left > 0
            self.places[place] = Seen(at.next, before.since if before and stands else now, at.left)

    def begin_anew(self, now: float) -> None:
        """Count the time from now on: what was waited for is away, and nobody is to blame for its outage."""
        self.places = {place: Seen(seen.next, now, seen.left) for place, seen in self.places.items()}

    def still_s(self, mine: Collection[Place], now: float) -> float:
        """How long the stillest of these partitions has stood with messages waiting.

        A part may rightly have none; then it is the least still one of all that counts: nobody gets on.
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
        """Whether a partition has stood so long while nothing was done for its topic, or far too long whatever was."""
        still_s = self.still_s([place], now)
        idle_s = now - self.work.get(place[0], (0, 0.0))[1]
        return still_s > BUSY_FOR_S or min(still_s, idle_s) > seconds


class Watch:
    """Looks every few seconds at how far `watched` is; ends the process when it is stuck."""

    def __init__(self, settings: Settings, watched: Watched) -> None:
        self._settings, self._watched = settings, watched
        self._stillness = Stillness()
        self._reached: Mapping[Place, Reached] = {}
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin looking."""
        self._thread.start()

    def health(self) -> dict[str, Any]:
        """What /health says: `ok` unless messages have waited too long without a commit."""
        now, mine = time.monotonic(), set(self._watched.mine())
        return {
            "ok": not any(self._stillness.stands(place, now, UNWELL_AFTER_S) for place in mine),
            "part": self._watched.part,
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
                self.look(admin)
            except Exception:  # the assignment may change while it is read; the next look sees it whole
                logger.warning("could not tell how far this %s is; looking again", self._watched.part, exc_info=True)

    def look(self, admin: AdminClient) -> None:
        """Look once, and end the process if it is stuck."""
        of = self._watched
        try:
            self._reached = progress(self._settings, of.group, of.topics, admin)
        except Retryable:
            return self._stillness.begin_anew(time.monotonic())
        mine, now = set(of.mine()), time.monotonic()
        self._stillness.look(self._reached, of.work(), now)
        if of.excused():
            self._stillness.begin_anew(now)
        elif stuck := self._stillness.stuck(mine, now):
            still_s = self._stillness.still_s(mine, now)
            end(of.part, f"nothing was committed for {still_s:.0f} s though messages wait in {stuck}")


def end(part: str, why: str) -> None:
    """End the process at once, so that it is started anew from what is stored; acknowledges nothing more."""
    logger.critical("%s; the %s ends, to be started again", why, part)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EXIT_STUCK)
