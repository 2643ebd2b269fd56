"""Bars that have closed and wait for what follows from them, step by step of their series' clocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop

from cryptoviz.messages import Origin
from processors.bars import ClosedBar
from processors.indicator_state import IndicatorState
from processors.track import Track


@dataclass(frozen=True, slots=True)
class Ended:
    """A closed bar of an asset, and whether its last quote was too old by then to be called a price."""

    asset: str
    bar: ClosedBar
    stale: bool


@dataclass(slots=True)
class Closing:
    """One step of a track's clock, from `since` to `until`, with the bars that closed in it by their ends, in ms."""

    track: Track
    since: int
    until: int
    clock: int
    origin: Origin
    results_after: int
    """Results of bars that end no later are not wanted."""
    ended: dict[int, list[Ended]]
    times: list[int] = field(default_factory=list)
    """A heap of when there is something to do: bars end, or forecasts come due."""

    def begin(self) -> None:
        """Find out what to do when; everything before `since` has been done."""
        for ended in self.ended.values():
            ended.sort(key=lambda one: one.asset)
        self.times = [*self.ended, *self.track.learning.targets(self.since, self.until)]
        heapify(self.times)

    def done(self, end: int) -> bool:
        """Note that everything at `end` has been done; whether that was all."""
        while self.times and self.times[0] == end:
            heappop(self.times)
        return not self.times

    def wants(self, end: int) -> bool:
        """Whether results are wanted of bars with this end."""
        return end > self.results_after and end in self.ended

    def rows(self, end: int) -> list[int]:
        """Where the series whose bars ended then are among those of the track."""
        return [self.track.row(one.asset) for one in self.ended[end]]


class Closings:
    """What waits in one partition, track by track in order; `waiting` is how many steps.

    `learned` is set when something was learned from scores.
    """

    def __init__(self, indicators: IndicatorState) -> None:
        self.indicators = indicators
        self.waiting = 0
        self.learned = False
        self._waiting: dict[str, deque[Closing]] = {}

    def add(self, closing: Closing) -> None:
        """Let a step wait; those of a track must come in their order."""
        self._waiting.setdefault(closing.track.source, deque()).append(closing)
        self.waiting += 1

    def first(self) -> Iterator[Closing]:
        """The first step of every track in which there is something to do; in an order that no restart changes."""
        for source in sorted(self._waiting):
            if (closing := self.after(source)) is not None:
                yield closing

    def after(self, source: str) -> Closing | None:
        """The next step of a source in which there is something to do."""
        waiting = self._waiting[source]
        while waiting:
            closing = waiting.popleft()
            self.waiting -= 1
            closing.begin()
            if closing.times:
                return closing
        return None
