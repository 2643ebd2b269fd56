"""Forecasts over the history there is, before the first live one, so that nothing begins without scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from cryptoviz.messages import Scores
from cryptoviz.settings import HOUR_S
from processors.closings import Closing
from processors.forecasts import make_forecasts
from processors.outcomes import Outcome, outcome, score
from processors.rules import MS
from processors.saying import Speaker, closes_of, file, say
from processors.track import KEPT_MS, Track

BACK_TEST_MS = HOUR_S * MS


def back_test(beginners: Sequence[Closing], now: int) -> Iterator[Scores]:
    """Forecast for these tracks, every hour before `now`, as if it were live.

    Nobody filed these forecasts: their scores are of origin backfill, and those not due yet are dropped. A bar in the
    history counts as fresh; horizons that no whole number of steps makes up have no scores.
    """
    tracks = [closing.track for closing in beginners]
    forecast_ms = tracks[0].rules.forecast_ms
    step_ms = -(-BACK_TEST_MS // forecast_ms) * forecast_ms
    filed = [track.learning.filed for track in tracks]
    for track in tracks:
        track.learning.filed = {}
    for at in range((now - KEPT_MS) // step_ms * step_ms + step_ms, now, step_ms):
        outcomes = [one for closing in beginners if (one := _outcome(closing, at)) is not None]
        yield from score(outcomes, step_ms)
        _say(tracks, at)
    for track, before in zip(tracks, filed, strict=True):
        track.learning.filed = before


def _outcome(closing: Closing, at: int) -> Outcome | None:
    bars = {asset: (close, False) for asset, close in _closes(closing.track, at)}
    return outcome(closing.track, bars, at, closing.clock)


def _say(tracks: Sequence[Track], at: int) -> None:
    speakers = [Speaker(track, [track.row(asset) for asset, _ in _closes(track, at)]) for track in tracks]
    speakers = [speaker for speaker in speakers if speaker.rows]
    if speakers:
        rules = tracks[0].rules
        made = make_forecasts(
            closes_of(speakers, at, rules.history_ms), tracks[0].learning.models, rules.hours, rules.params
        )
        file(speakers, say(speakers, made, at), at, ["backfill"] * len(speakers))


def _closes(track: Track, at: int) -> list[tuple[str, float]]:
    """The assets with a bar that ends then, and its close."""
    closes = track.history.until(at, track.rules.interval_ms)[:, -1].tolist()
    return [(asset, close) for asset, close in zip(track.assets, closes, strict=True) if not math.isnan(close)]
