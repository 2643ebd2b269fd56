"""Forecasts whose time has come, of many tracks together: judged, learned from, let go, and told as scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cryptoviz.messages import Scores, Void
from processors.intervals import Intervals
from processors.learning import FEATURES_MS, Filed, scale_of
from processors.models.base import Floats
from processors.per_series import stretches
from processors.rules import MS
from processors.score_messages import Due, Target, scores_messages
from processors.scoring import judge
from processors.shares import Shares
from processors.track import Track


@dataclass(frozen=True)
class Outcome:
    """What the series of a track came to at a time, and what is filed for it: horizons, and forecasts of each."""

    track: Track
    target: Target
    horizons: tuple[int, ...]
    filed: tuple[Filed, ...]


def outcome(track: Track, bars: Mapping[str, tuple[float, bool]], at: int, clock: int) -> Outcome | None:
    """What has come of what was forecast for `at`; None where nothing was, as for most bars.

    `bars` are (close, stale) of the series' bars that end then; `clock` is how far the track's clock was.
    """
    pairs = track.learning.filed_for(at)
    if not pairs:
        return None
    closes = np.full(len(track.rows), np.nan)
    void: list[Void] = ["no_bar"] * len(track.rows)
    for asset, (close, stale) in bars.items():
        row = track.rows[asset]
        closes[row], void[row] = close, "stale_source" if stale else ""
    horizons, filed = zip(*pairs, strict=True)
    return Outcome(track, Target(track.assets, track.source, at, clock, closes, void), horizons, filed)


def score(outcomes: Sequence[Outcome], spacing_ms: int) -> Iterator[Scores]:
    """Score and learn from outcomes at one time; forecasts of a series are made every `spacing_ms`."""
    alike: dict[tuple[int, ...], list[Outcome]] = {}
    for one in outcomes:
        alike.setdefault(one.horizons, []).append(one)
    for together in alike.values():
        yield from _score(together, spacing_ms)


def _score(outcomes: Sequence[Outcome], spacing_ms: int) -> Iterator[Scores]:
    due = _due(outcomes)
    _learn(outcomes, due, spacing_ms)
    for one in outcomes:
        one.track.learning.forget(one.target.at)
    track = outcomes[0].track
    targets = [(one.target, one.filed) for one in outcomes]
    return scores_messages(targets, due, track.learning.names, track.rules)


def _due(outcomes: Sequence[Outcome]) -> Due:
    horizons = list(outcomes[0].horizons)
    pairs = [(h, [one.filed[n] for one in outcomes]) for n, h in enumerate(horizons)]
    forecast, confidence = (
        np.stack([np.concatenate([getattr(filed, name)[:, h] for filed in all_], axis=-1) for h, all_ in pairs], axis=1)
        for name in ("forecast", "confidence")
    )
    lower, upper = (
        np.stack([np.concatenate([getattr(filed, name)[:, :, h] for filed in all_], axis=-1) for h, all_ in pairs], 2)
        for name in ("lower", "upper")
    )
    price, move = (
        np.stack([np.concatenate([getattr(filed, name) for filed in all_]) for _, all_ in pairs])
        for name in ("price", "move")
    )
    actual = np.concatenate([one.target.actual for one in outcomes])
    return Due(horizons, forecast, confidence, price, move, judge(forecast, price, (lower, upper), actual))


def _learn(outcomes: Sequence[Outcome], due: Due, spacing_ms: int) -> None:
    learnings, rules = [one.track.learning for one in outcomes], outcomes[0].track.rules
    hours, error = rules.hours[due.horizons], due.judged.error
    scale = scale_of(due.price, due.move, hours)
    intervals = Intervals.joined([learning.intervals for learning in learnings])
    intervals.learn(due.horizons, error, scale, np.maximum(1.0, hours * 3_600_000 / spacing_ms))
    intervals.hand_back([learning.intervals for learning in learnings])
    shares = Shares.joined([learning.shares for learning in learnings])
    shares.learn(due.horizons, error[: len(shares.loss)], scale, spacing_ms / MS)
    shares.hand_back([learning.shares for learning in learnings])
    _learn_online(outcomes, due)


def _learn_online(outcomes: Sequence[Outcome], due: Due) -> None:
    rules = outcomes[0].track.rules
    actual = np.concatenate([one.target.actual for one in outcomes])
    for n, (horizon, move) in enumerate(zip(due.horizons, due.move, strict=True)):
        recent = np.concatenate([
            one.track.history.until(one.filed[n].made_at, FEATURES_MS + rules.interval_ms) for one in outcomes
        ])  # fmt: skip
        price = recent[:, -1]
        moved = (actual - price) / price / (move / 100 * np.sqrt(rules.hours[horizon]))
        for number, model in enumerate(outcomes[0].track.learning.online):
            _teach(outcomes, number, horizon, np.column_stack([model.features(recent, move), moved]))


def _teach(outcomes: Sequence[Outcome], number: int, horizon: int, seen: Floats) -> None:
    """Let each track's online model of this number learn from its rows of `seen`: features, and the move that came."""
    for one, (first, end) in zip(outcomes, stretches(len(one.track.rows) for one in outcomes), strict=True):
        features, moved = seen[first:end, :-1], seen[first:end, -1]
        one.track.learning.online[number].learn(range(len(moved)), horizon, features, moved)
