"""What follows from bars that have closed: scores, statistics, indicators, forecasts and signals.

Bars of all sources and partitions that end at one time go together, because what is computed costs by the step more
than by the series. What comes out does not depend on which go together, nor on when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappush
from typing import Any

from cryptoviz.topics import INDICATORS, PREDICTIONS, SCORES, SIGNALS, STATS
from processors.back_test import back_test
from processors.blocks import Cuts
from processors.closings import Closing, Closings
from processors.forecasts import make_forecasts
from processors.indicator_state import IndicatorState, step
from processors.indicators.base import Values
from processors.outcomes import Outcome, outcome, score
from processors.results import (
    Moment,
    Named,
    indicator_messages,
    prediction_messages,
    signal_messages,
    stats_messages,
)
from processors.rules import STATS_WINDOWS_S, Rules
from processors.saying import Speaker, closes_of, file, say
from processors.statistics import window_stats

INDICATOR_WARM_UP_BARS = 500
"""So far back do indicators begin in a history whose results are not wanted: what came before weighs below 1e-16."""
Output = tuple[str, str, Any]
"""(topic, asset, message)"""


class Steps:
    """Takes what waits in one partition or several, which have the same rules, in the order of time."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._windows = [window_s // rules.interval_s for window_s in STATS_WINDOWS_S]
        self._warm_up_ms = INDICATOR_WARM_UP_BARS * rules.interval_ms

    def run(self, partitions: Sequence[Closings]) -> Iterator[Output]:
        """Everything that follows from what waits."""
        now = [(waiting, closing) for waiting in partitions for closing in waiting.first()]
        while now:
            end = min(closing.times[0] for _, closing in now)
            yield from self._step(end, [entry for entry in now if entry[1].times[0] == end])
            now = [entry for one in now if (entry := _after(end, *one)) is not None]

    def _step(self, end: int, entries: Sequence[tuple[Closings, Closing]]) -> Iterator[Output]:
        for _, closing in entries:
            for one in closing.ended.get(end, ()):
                closing.track.history.put(closing.track.row(one.asset), end, one.bar.close)
        yield from self._scores(end, entries)
        warm = [entry for entry in entries if _is_warm(entry[1], end, self._warm_up_ms)]
        if warm:
            values = _step_indicators(end, warm)
            wanted = [one.wants(end) for _, one in warm for _ in one.ended[end]]
            if any(wanted):
                if not all(wanted):
                    values = {name: said[wanted] for name, said in values.items()}
                yield from self._results(end, [entry for entry in warm if entry[1].wants(end)], values)

    def _scores(self, end: int, entries: Sequence[tuple[Closings, Closing]]) -> Iterator[Output]:
        outcomes = list[Outcome]()
        for waiting, closing in entries:
            bars = {one.asset: (one.bar.close, one.stale) for one in closing.ended.get(end, ())}
            found = outcome(closing.track, bars, end, closing.clock)
            if found is not None:
                outcomes.append(found)
                waiting.learned = True
        for scores in score(outcomes, self._rules.forecast_ms):
            yield SCORES.name, scores["asset"], scores

    def _results(self, end: int, entries: Sequence[tuple[Closings, Closing]], values: Values) -> Iterator[Output]:
        closings = [closing for _, closing in entries]
        moment = Moment(end, [Named(one.asset, closing.track.source, closing.origin, one.stale)
                              for closing in closings for one in closing.ended[end]])  # fmt: skip
        speakers = [Speaker(closing.track, closing.rows(end)) for closing in closings]
        cuts = Cuts.of(end // self._rules.interval_ms, self._windows)
        pieces = [track.history.pieces(rows, cuts) for track, rows in speakers]
        for stats in stats_messages(moment, window_stats(cuts, pieces), self._rules):
            yield STATS.name, stats["asset"], stats
        for indicators in indicator_messages(moment, values, self._rules):
            yield INDICATORS.name, indicators["asset"], indicators
        if end % self._rules.forecast_ms == 0:
            yield from self._back_test(end, [entry for entry in entries if not entry[1].track.learning.begun])
            yield from self._forecasts(moment, closings, speakers)

    def _back_test(self, end: int, beginners: Sequence[tuple[Closings, Closing]]) -> Iterator[Output]:
        for waiting, _ in beginners:
            waiting.learned = True  # even if nothing comes due: it must not begin again after a restart
        for scores in back_test([closing for _, closing in beginners], end) if beginners else ():
            yield SCORES.name, scores["asset"], scores

    def _forecasts(
        self, moment: Moment, closings: Sequence[Closing], speakers: Sequence[Speaker]
    ) -> Iterator[Output]:  # fmt: skip
        rules, end = self._rules, moment.at
        made = make_forecasts(closes_of(speakers, end, rules.history_ms), rules.models, rules.hours, rules.params)
        said = say(speakers, made, end)
        file(speakers, said, end, [closing.origin for closing in closings])
        for closing in closings:
            for target in closing.track.learning.targets_of(end):
                if target <= closing.until:  # what is forecast on the way may come due on the way: after a silence
                    heappush(closing.times, target)
        learning = closings[0].track.learning
        names = list(zip(learning.names, learning.versions, strict=True))
        for prediction in prediction_messages(moment, made, said, names, rules):
            yield PREDICTIONS.name, prediction["asset"], prediction
        for signal in signal_messages(moment, made, rules.models, rules):
            yield SIGNALS.name, signal["asset"], signal


def _after(end: int, waiting: Closings, closing: Closing) -> tuple[Closings, Closing] | None:
    """The same step, or the next of its track once everything in it is done; None after the last."""
    following = waiting.after(closing.track.source) if closing.done(end) else closing
    return None if following is None else (waiting, following)


def _is_warm(closing: Closing, end: int, warm_up_ms: int) -> bool:
    """Whether bars end then that indicators must see."""
    return end in closing.ended and end > closing.results_after - warm_up_ms


def _step_indicators(end: int, entries: Sequence[tuple[Closings, Closing]]) -> Values:
    rows: dict[int, tuple[IndicatorState, list[int]]] = {}
    for waiting, closing in entries:
        _, mine = rows.setdefault(id(waiting), (waiting.indicators, []))
        mine += [closing.track.first_row + row for row in closing.rows(end)]
    return step(list(rows.values()), [one.bar for _, closing in entries for one in closing.ended[end]])
