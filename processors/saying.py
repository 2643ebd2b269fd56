"""All forecasts for many series at one moment: models, online models and consensuses, with bounds and shares.

Series of several tracks are spoken of together, because what is computed costs by the moment more than by the series.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cryptoviz.messages import Origin
from processors.forecasts import Forecasts, confidence_of
from processors.intervals import Intervals
from processors.learning import FEATURES_MS, MOVE_MS, Said, scale_of
from processors.models.base import Floats
from processors.per_series import stretches
from processors.shares import Shares, sum_of
from processors.track import Track
from processors.usual_move import totals, usual_move


class Speaker(NamedTuple):
    """The series of one track that are spoken of; `rows` are theirs among those of the track."""

    track: Track
    rows: list[int]


def closes_of(speakers: Sequence[Speaker], at: int, span_ms: int) -> Floats:
    """Closes [series, slots] up to `at` of all of them, one track after the other."""
    return np.concatenate([track.history.until(at, span_ms)[rows] for track, rows in speakers])


def say(speakers: Sequence[Speaker], made: Forecasts, at: int) -> Said:
    """All forecasts at `at`: those `made`, the online models', the consensuses, with bounds; nothing is filed."""
    rules, learnings = speakers[0].track.rules, [speaker.track.learning for speaker in speakers]
    rows = _rows_of_all(speakers)
    move = usual_move(_totals(speakers, at), rules.interval_s)
    members = np.concatenate([made.forecast, _online(speakers, move, at)])
    confidence = confidence_of(members, made.price, made.volatility)
    share = Shares.joined([learning.shares for learning in learnings]).of(rows, members)
    forecast = np.concatenate([members, [made.consensus], [sum_of(members * share)]])
    intervals = Intervals.joined([learning.intervals for learning in learnings])
    lower, upper = intervals.bounds(rows, forecast, scale_of(made.price, move, rules.hours))
    return Said(
        price=made.price, move=move, forecast=forecast, lower=lower, upper=upper,
        confidence=np.concatenate([confidence, [made.consensus_confidence], [sum_of(confidence * share)]]),
        share=np.concatenate([share, np.full((2, *made.consensus.shape), np.nan)]),
    )  # fmt: skip


def file(speakers: Sequence[Speaker], said: Said, at: int, origins: Sequence[Origin]) -> None:
    """Keep what was said of each track's series until its time has come; `origins` follow the speakers."""
    for (track, rows), (first, end), origin in zip(speakers, _stretches(speakers), origins, strict=True):
        track.learning.file(said.of(first, end), rows, at, origin)


def _stretches(speakers: Sequence[Speaker]) -> Iterator[tuple[int, int]]:
    return stretches(len(speaker.rows) for speaker in speakers)


def _rows_of_all(speakers: Sequence[Speaker]) -> list[int]:
    """Where the series are among all those of the tracks, one track after the other."""
    tracks = stretches(track.learning.series for track, _ in speakers)
    return [first + row for (_, rows), (first, _) in zip(speakers, tracks, strict=True) for row in rows]


def _totals(speakers: Sequence[Speaker], at: int) -> Floats:
    """Of the changes that the usual move is taken over, one track after the other."""
    interval_s = speakers[0].track.rules.interval_s
    parts = [totals(track.history.changes(at, MOVE_MS), interval_s)[..., rows] for track, rows in speakers]
    return np.concatenate(parts, axis=-1)


def _online(speakers: Sequence[Speaker], move: Floats, at: int) -> Floats:
    """[online models, horizons, rows]"""
    rules = speakers[0].track.rules
    recent = closes_of(speakers, at, FEATURES_MS + rules.interval_ms)
    said = np.empty((len(rules.online), len(rules.hours), len(recent)))
    for number, model in enumerate(speakers[0].track.learning.online):
        features = model.features(recent, move)
        for (track, rows), (first, end) in zip(speakers, _stretches(speakers), strict=True):
            said[number, :, first:end] = track.learning.online[number].forecast(rows, features[first:end])
    price = recent[:, -1]
    forecast: Floats = price + price * (said * (move / 100 * np.sqrt(rules.hours)[:, None]))
    return forecast
