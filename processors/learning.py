"""What one source's series learn from their scores: interval widths, shares in the adaptive consensus, online models.

Every forecast made is kept here until its time has come; then it is judged, learned from, and let go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from cryptoviz.messages import Forecast, Origin, Prediction
from processors.forecasts import CONSENSUS, CONSENSUS_VERSION
from processors.intervals import Intervals
from processors.models.base import Floats, Model
from processors.models.online import OnlineModel
from processors.rules import MS, Rules
from processors.scoring import LEVELS
from processors.shares import Shares

CONSENSUS_ADAPTIVE = "consensus_adaptive"
CONSENSUS_ADAPTIVE_VERSION = "1"
FEATURES_MS = 4 * 3_600_000
"""So far back online models look."""
MOVE_MS = 72 * 3_600_000
"""Over so much history the usual move is taken."""


@dataclass(frozen=True)
class Said:
    """Everything said at one moment: arrays are [models, horizons, series], NaN where a model has nothing to say."""

    price: Floats
    """[series]"""
    move: Floats
    """[series] the usual move over an hour, in percent."""
    forecast: Floats
    confidence: Floats
    share: Floats
    """In the adaptive consensus; NaN for what is no member of it."""
    lower: Floats
    """[levels, models, horizons, series], as `upper`."""
    upper: Floats

    def of(self, first: int, end: int) -> Said:
        """The same of some of the series."""
        return Said(*(getattr(self, part.name)[..., first:end] for part in fields(self)))


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

    def put(self, said: Said, rows: Sequence[int]) -> None:
        """Note what was said of these rows."""
        self.price[rows], self.move[rows] = said.price, said.move
        for mine, theirs in ((self.forecast, said.forecast), (self.confidence, said.confidence),
                             (self.lower, said.lower), (self.upper, said.upper)):  # fmt: skip
            mine[..., rows] = theirs


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

    def file(self, said: Said, rows: Sequence[int], made_at: int, origin: Origin) -> None:
        """Keep what was said of these rows until its time has come."""
        shape = (len(self.names), len(self.rules.horizons_s), self.series)
        filed = self.filed[made_at] = Filed.empty(made_at, origin, self.versions, shape)
        filed.put(said, rows)
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


def scale_of(price: Floats, move: Floats, hours: Floats) -> Floats:
    """What prices [..., rows] usually move over these horizons, [horizons, rows], in the unit of the price."""
    scale: Floats = price * (move / 100 * np.sqrt(hours)[:, None])
    return scale
