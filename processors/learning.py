"""What one source's series learn from their scores: interval widths, shares in the adaptive consensus, online models.

Every forecast made is kept here until its time has come; then it is judged, learned from, and let go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from cryptoviz.messages import Forecast, Origin, Prediction
from processors.forecasts import CONSENSUS, CONSENSUS_VERSION, Forecasts, confidence_of
from processors.history import History
from processors.intervals import Intervals
from processors.models.base import Floats, Model
from processors.models.online import OnlineModel
from processors.rules import MS, Rules
from processors.scoring import LEVELS, Judged, judge
from processors.shares import Shares, sum_of
from processors.usual_move import usual_move

CONSENSUS_ADAPTIVE = "consensus_adaptive"
CONSENSUS_ADAPTIVE_VERSION = "1"
FEATURES_MS = 4 * 3_600_000
"""So far back online models look."""
MOVE_MS = 72 * 3_600_000
"""Over so much history the usual move is taken."""


@dataclass(frozen=True)
class Said:
    """Everything said at one moment: arrays are [models, horizons, rows], NaN where a model has nothing to say."""

    rows: list[int]
    price: Floats
    """[rows]"""
    move: Floats
    """[rows] the usual move over an hour, in percent."""
    forecast: Floats
    confidence: Floats
    share: Floats
    """In the adaptive consensus; NaN for what is no member of it."""
    lower: Floats
    """[levels, models, horizons, rows], as `upper`."""
    upper: Floats

    @classmethod
    def joined(cls, parts: Sequence[Said]) -> Said:
        """What was said of the series of several sources, one after the other; rows are those within each source."""
        rows = [row for part in parts for row in part.rows]
        names = [part.name for part in fields(cls) if part.name != "rows"]
        return cls(rows, *(np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names))


@dataclass(slots=True)
class Filed:
    """The forecasts of one moment for all series, until the last of them is scored; NaN for what is not there."""

    made_at: int
    origin: Origin
    versions: list[str]
    price: Floats
    move: Floats
    forecast: Floats
    confidence: Floats
    lower: Floats
    upper: Floats

    @classmethod
    def empty(cls, made_at: int, origin: Origin, versions: Sequence[str], shape: tuple[int, int, int]) -> Filed:
        """Nothing yet, for (models, horizons, series)."""

        series, bounds = shape[-1:], (len(LEVELS), *shape)
        nothing = [np.full(size, np.nan) for size in (series, series, shape, shape, bounds, bounds)]
        return cls(made_at, origin, list(versions), *nothing)

    def put(self, said: Said) -> None:
        """Note what was said of these rows."""
        self.price[said.rows], self.move[said.rows] = said.price, said.move
        for mine, theirs in ((self.forecast, said.forecast), (self.confidence, said.confidence),
                             (self.lower, said.lower), (self.upper, said.upper)):  # fmt: skip
            mine[..., said.rows] = theirs


@dataclass(frozen=True)
class Due:
    """Forecasts whose time has come, one moment of filing per horizon, with their judgement over all series."""

    horizons: list[int]
    filed: list[Filed]
    forecast: Floats
    """[models, horizons, series], as `confidence`."""
    confidence: Floats
    price: Floats
    """[horizons, series]"""
    judged: Judged


@dataclass
class Learning:
    """The state of one source's series; `begun` once forecasts are made."""

    rules: Rules
    models: tuple[Model, ...]
    online: tuple[OnlineModel, ...]
    series: int
    begun: bool = False
    filed: dict[int, Filed] = field(default_factory=dict)
    on_time: bool = True
    """Whether all are filed at multiples of the forecast interval; not if that was another one before a restart."""

    def __post_init__(self) -> None:
        members = [(model.name, model.version) for model in self.models]
        members += [(model.name, model.version) for model in self.online]
        both = ((CONSENSUS, CONSENSUS_VERSION), (CONSENSUS_ADAPTIVE, CONSENSUS_ADAPTIVE_VERSION))
        self.names, self.versions = zip(*members, *both, strict=True)
        horizons = len(self.rules.horizons_s)
        self.intervals = Intervals(len(self.names), horizons, self.series)
        self.shares = Shares(len(members), horizons, self.series)

    def say(self, made: Forecasts, rows: list[int], history: History, end: int) -> Said:
        """All forecasts for these rows at `end`: those `made`, the online models', the consensuses, with bounds."""
        recent = history.until(end, FEATURES_MS + self.rules.interval_ms)[rows]
        move = usual_move(history.until(end, MOVE_MS)[rows], self.rules.interval_s)
        online = [model.forecast(rows, recent, move) for model in self.online]
        members = np.concatenate([made.forecast, np.array(online).reshape(-1, *made.consensus.shape)])
        confidence = confidence_of(members, made.price, made.volatility)
        share = self.shares.of(rows, members)
        forecast = np.concatenate([members, [made.consensus], [_mean(members, share)]])
        lower, upper = self.intervals.bounds(rows, forecast, _scale(made.price, move, self.rules.hours))
        return Said(
            rows=rows, price=made.price, move=move, forecast=forecast, lower=lower, upper=upper,
            confidence=np.concatenate([confidence, [made.consensus_confidence], [_mean(confidence, share)]]),
            share=np.concatenate([share, np.full((2, *made.consensus.shape), np.nan)]),
        )  # fmt: skip

    def file(self, said: Said, made_at: int, origin: Origin) -> None:
        """Keep what was said until its time has come."""
        shape = (len(self.names), len(self.rules.horizons_s), self.series)
        filed = self.filed[made_at] = Filed.empty(made_at, origin, self.versions, shape)
        filed.put(said)
        self.begun = True

    def put_back(self, message: Prediction, row: int) -> None:
        """File again what a message says of one series; forecasts of models and horizons not followed are left out."""
        ours = [said for said in message["forecasts"] if self._knows(said)]
        if not ours:
            return
        shape = (len(self.names), len(self.rules.horizons_s), self.series)
        made_at = message["made_at"]
        self.on_time &= made_at % self.rules.forecast_ms == 0
        filed = self.filed.get(made_at)
        if filed is None:
            filed = self.filed[made_at] = Filed.empty(made_at, message["origin"], self.versions, shape)
        move = message.get("usual_move")
        filed.price[row], filed.move[row] = message["price"], np.nan if move is None else move
        for said in ours:
            model = self.names.index(said["model"])
            at = (model, self.rules.horizons_s.index(said["horizon_s"]), row)
            filed.forecast[at], filed.confidence[at] = said["forecast"], said["confidence"]
            filed.versions[model] = said["version"]
            for bound in said["bounds"]:
                if bound["level"] in LEVELS:
                    there = (LEVELS.index(bound["level"]), *at)
                    filed.lower[there], filed.upper[there] = bound["lower"], bound["upper"]

    def targets(self, since: int, until: int) -> set[int]:
        """The times in (since, until] for which forecasts are filed."""
        step, times = self.rules.forecast_ms, set[int]()
        for horizon_s in self.rules.horizons_s:
            first, last = since - horizon_s * MS, until - horizon_s * MS
            made = range(first // step * step + step, last + 1, step)
            # Looked up, unless the step is long, as after a silence.
            look_up = self.on_time and len(made) < len(self.filed)
            filed = (at for at in made if at in self.filed) if look_up else self._within(first, last)
            times.update(made_at + horizon_s * MS for made_at in filed)
        return times

    def _within(self, first: int, last: int) -> list[int]:
        return [made_at for made_at in self.filed if first < made_at <= last]

    def targets_of(self, made_at: int) -> list[int]:
        """When forecasts made at this time come due."""
        return [made_at + horizon_s * MS for horizon_s in self.rules.horizons_s]

    def filed_for(self, target_at: int) -> list[tuple[int, Filed]]:
        """(horizon, forecasts) of every moment whose forecasts for that horizon are due at `target_at`."""
        return [
            (h, filed)
            for h, horizon_s in enumerate(self.rules.horizons_s)
            if (filed := self.filed.get(target_at - horizon_s * MS)) is not None
        ]

    def due(self, target_at: int, actual: Floats) -> Due | None:
        """Judge what is filed for `target_at` by actual[series], NaN where it is void; None if nothing is."""
        pairs = self.filed_for(target_at)
        if not pairs:
            return None
        forecast, confidence = (
            np.stack([getattr(filed, name)[:, h] for h, filed in pairs], axis=1) for name in ("forecast", "confidence")
        )
        lower, upper = (
            np.stack([getattr(filed, name)[:, :, h] for h, filed in pairs], axis=2) for name in ("lower", "upper")
        )
        price = np.stack([filed.price for _, filed in pairs])
        judged = judge(forecast, price, (lower, upper), actual)
        return Due([h for h, _ in pairs], [filed for _, filed in pairs], forecast, confidence, price, judged)

    def learn(self, due: Due, actual: Floats, history: History, spacing_ms: int) -> None:
        """Learn from what has come due; forecasts of a series are made every `spacing_ms`."""
        hours = self.rules.hours[due.horizons]
        move = np.stack([filed.move for filed in due.filed])
        scale = _scale(due.price, move, hours)
        under_way = np.maximum(1.0, hours * 3_600_000 / spacing_ms)
        error = due.judged.error
        self.intervals.learn(due.horizons, error, scale, under_way)
        self.shares.learn(due.horizons, error[: len(self.names) - 2], scale, spacing_ms / MS)
        for h, filed in zip(due.horizons, due.filed, strict=True):
            recent = history.until(filed.made_at, FEATURES_MS + self.rules.interval_ms)
            rows = np.flatnonzero(~np.isnan(actual) & ~np.isnan(filed.move)).tolist()
            for model in self.online:
                model.learn(rows, h, recent[rows], filed.move[rows], actual[rows])

    def forget(self, target_at: int) -> None:
        """Let go of what was last waiting for `target_at`."""
        self.filed.pop(target_at - max(self.rules.horizons_s) * MS, None)

    def _knows(self, said: Forecast) -> bool:
        return (
            said["model"] in self.names
            and said["horizon_s"] in self.rules.horizons_s
            and said["forecast"] is not None
            and said["confidence"] is not None
        )


def _scale(price: Floats, move: Floats, hours: Floats) -> Floats:
    """What prices [..., rows] usually move over these horizons, [horizons, rows], in the unit of the price."""
    scale: Floats = price * (move / 100 * np.sqrt(hours)[:, None])
    return scale


def _mean(values: Floats, shares: Floats) -> Floats:
    return sum_of(values * shares)
