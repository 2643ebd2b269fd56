"""What follows from bars that have closed: scores, statistics, indicators, forecasts and signals.

Bars wait here until `run`. Those of all sources that end at one time then go together, because what is computed costs
by the step more than by the series. What comes out does not depend on which go together, nor on when `run` is called.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from cryptoviz.messages import Origin, Scores
from cryptoviz.topics import INDICATORS, PREDICTIONS, SCORES, SIGNALS, STATS
from processors.bars import ClosedBar
from processors.blocks import Cuts
from processors.forecasts import make_forecasts
from processors.indicator_state import IndicatorState
from processors.indicators.base import Values
from processors.learning import Said
from processors.models.base import Floats, Model
from processors.results import (
    Moment,
    Named,
    indicator_messages,
    prediction_messages,
    signal_messages,
    stats_messages,
)
from processors.rules import STATS_WINDOWS_S, Rules
from processors.statistics import window_stats
from processors.track import Track

INDICATOR_WARM_UP_BARS = 500
"""So far back do indicators begin in a history whose results are not wanted: what came before weighs below 1e-16."""
Output = tuple[str, str, Any]
"""(topic, asset, message)"""


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

    def wants(self, end: int) -> bool:
        """Whether results are wanted of bars with this end."""
        return end > self.results_after and end in self.ended


class Steps:
    """Closings in their order, track by track; `waiting` is how many.

    `learned` is set when something was learned from scores.
    """

    def __init__(self, rules: Rules, models: Sequence[Model], indicators: IndicatorState) -> None:
        self._rules = rules
        self._models = models
        self._indicators = indicators
        self._waiting: dict[str, deque[Closing]] = {}
        self.waiting = 0
        self._windows = [window_s // rules.interval_s for window_s in STATS_WINDOWS_S]
        self._warm_up_ms = INDICATOR_WARM_UP_BARS * rules.interval_ms
        self.learned = False

    def add(self, closing: Closing) -> None:
        """Let a step wait; those of a track must come in their order."""
        self._waiting.setdefault(closing.track.source, deque()).append(closing)
        self.waiting += 1

    def run(self) -> Iterator[Output]:
        """Everything that follows from what waits."""
        now = {source: closing for source in self._waiting if (closing := self._next(source)) is not None}
        while now:
            end = min(closing.times[0] for closing in now.values())
            together = [closing for closing in now.values() if closing.times[0] == end]
            yield from self._step(end, together)
            for closing in together:
                while closing.times and closing.times[0] == end:
                    heappop(closing.times)
                if not closing.times:
                    following = self._next(closing.track.source)
                    if following is None:
                        del now[closing.track.source]
                    else:
                        now[closing.track.source] = following
        self._waiting.clear()

    def _next(self, source: str) -> Closing | None:
        """The next step of a source in which there is something to do."""
        waiting = self._waiting[source]
        while waiting:
            closing = waiting.popleft()
            self.waiting -= 1
            closing.begin()
            if closing.times:
                return closing
        return None

    def _step(self, end: int, closings: Sequence[Closing]) -> Iterator[Output]:
        for closing in closings:
            ended = closing.ended.get(end, ())
            for one in ended:
                closing.track.history.put(closing.track.row(one.asset), end, one.bar.close)
            bars = {one.asset: (one.bar.close, one.stale) for one in ended}
            yield from self._scores(closing.track.score(bars, end, closing.clock))
        warm = [one for one in closings if end in one.ended and end > one.results_after - self._warm_up_ms]
        if warm:
            values = self._step_indicators(end, warm)
            wanted = [one.wants(end) for one in warm for _ in one.ended[end]]
            if any(wanted):
                if not all(wanted):
                    values = {name: said[wanted] for name, said in values.items()}
                yield from self._results(end, [one for one in warm if one.wants(end)], values)

    def _step_indicators(self, end: int, closings: Sequence[Closing]) -> Values:
        rows = [closing.track.first_row + closing.track.row(one.asset)
                for closing in closings for one in closing.ended[end]]  # fmt: skip
        return self._indicators.step(rows, [one.bar for closing in closings for one in closing.ended[end]])

    def _scores(self, scored: Iterator[Scores]) -> Iterator[Output]:
        for scores in scored:
            self.learned = True
            yield SCORES.name, scores["asset"], scores

    def _results(self, end: int, closings: Sequence[Closing], values: Values) -> Iterator[Output]:
        moment = Moment(end, [Named(one.asset, closing.track.source, closing.origin, one.stale)
                              for closing in closings for one in closing.ended[end]])  # fmt: skip
        cuts = Cuts.of(end // self._rules.interval_ms, self._windows)
        pieces = [closing.track.history.pieces(_rows(closing, end), cuts) for closing in closings]
        for stats in stats_messages(moment, window_stats(cuts, pieces), self._rules):
            yield STATS.name, stats["asset"], stats
        for indicators in indicator_messages(moment, values, self._rules):
            yield INDICATORS.name, indicators["asset"], indicators
        if end % self._rules.forecast_ms == 0:
            yield from self._forecasts(moment, closings)

    def _forecasts(self, moment: Moment, closings: Sequence[Closing]) -> Iterator[Output]:
        rules, end = self._rules, moment.at
        for closing in closings:
            if not closing.track.learning.begun:
                self.learned = True  # even if nothing comes due: it must not begin again after a restart
                yield from self._scores(closing.track.back_test(end, closing.clock))
        made = make_forecasts(_closes(end, closings, rules.history_ms), tuple(self._models), rules.hours, rules.params)
        parts, first = list[Said](), 0
        for closing in closings:
            rows = _rows(closing, end)
            said = closing.track.say(made.of(first, first + len(rows)), rows, end)
            closing.track.learning.file(said, end, closing.origin)
            parts.append(said)
            first += len(rows)
            for target in closing.track.learning.targets_of(end):
                if target <= closing.until:  # what is forecast on the way may come due on the way: after a silence
                    heappush(closing.times, target)
        learning = closings[0].track.learning
        names = list(zip(learning.names, learning.versions, strict=True))
        for prediction in prediction_messages(moment, made, Said.joined(parts), names, rules):
            yield PREDICTIONS.name, prediction["asset"], prediction
        for signal in signal_messages(moment, made, self._models, rules):
            yield SIGNALS.name, signal["asset"], signal


def _rows(closing: Closing, end: int) -> list[int]:
    return [closing.track.row(one.asset) for one in closing.ended[end]]


def _closes(end: int, closings: Sequence[Closing], span_ms: int) -> Floats:
    """Closes [series, slots] up to `end` of all series whose bars ended then."""
    return np.concatenate([closing.track.history.until(end, span_ms)[_rows(closing, end)] for closing in closings])
