"""The settings that results depend on, in the units the computation uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from cryptoviz.settings import DAY_S, HOUR_S, Settings
from processors.models import MODELS, ONLINE_MODELS, chosen
from processors.models.base import Floats, Model, ModelParams
from processors.models.online import OnlineModel
from processors.signals import Thresholds

MS = 1000
STATS_WINDOWS_S = (HOUR_S, 6 * HOUR_S, 24 * HOUR_S, 72 * HOUR_S)
ROLLUPS_S = (HOUR_S, DAY_S)
PREFERRED_AGE_MS = 180_000
"""While a source no older than this exists, older ones do not count for `all`."""
FRESH_INTERVALS = 3
"""A source is fresh for this many of its own intervals; a series bridges at least as many."""


@dataclass(frozen=True)
class Rules:
    """What turns the log into results; equal rules and an equal log give equal results."""

    interval_s: int = 60
    grace_ms: int = 10_000
    max_gap_ms: int = 1_800_000
    stale_ms: int = 600_000
    divergence: float = 0.02
    """How far from the others, as a share, a source may be and count for `all`."""
    forecast_ms: int = 300_000
    history_ms: int = 24 * HOUR_S * MS
    horizons_s: tuple[int, ...] = (HOUR_S, 4 * HOUR_S, 24 * HOUR_S)
    params: ModelParams = field(default_factory=lambda: ModelParams(60))
    thresholds: Thresholds = field(default_factory=Thresholds)
    models: tuple[Model, ...] = MODELS
    online: tuple[type[OnlineModel], ...] = ONLINE_MODELS

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The rules that the settings ask for; raises `UserError` for a model that there is not."""
        models, online = chosen(settings.models)
        return cls(
            models=models,
            online=online,
            interval_s=settings.bar_seconds,
            grace_ms=settings.grace_seconds * MS,
            max_gap_ms=settings.max_gap_seconds * MS,
            stale_ms=settings.stale_seconds * MS,
            divergence=settings.divergence_percent / 100,
            forecast_ms=settings.forecast_seconds * MS,
            history_ms=settings.history_hours * HOUR_S * MS,
            horizons_s=settings.horizons_s,
            params=ModelParams(
                settings.bar_seconds, settings.short_window, settings.long_window, settings.momentum_window
            ),
            thresholds=Thresholds(settings.signal_variation_percent, settings.signal_confidence_percent),
        )

    @property
    def interval_ms(self) -> int:
        """Length of a bar."""
        return self.interval_s * MS

    @property
    def hours(self) -> Floats:
        """The horizons in hours, [horizons]."""
        return np.array(self.horizons_s, dtype=np.float64) / HOUR_S

    @property
    def rollups_ms(self) -> tuple[int, ...]:
        """Lengths of the longer bars made from the bars."""
        return tuple(length * MS for length in ROLLUPS_S if length > self.interval_s)

    def bridge_ms(self, poll_interval_s: float) -> int:
        """How long after its last quote a series polled at this interval is filled."""
        return max(self.max_gap_ms, int(FRESH_INTERVALS * MS * max(self.interval_s, poll_interval_s)))

    def is_stale(self, empty_bars: int) -> bool:
        """Whether a series that ends in so many bars without a quote has had none for the stale time."""
        return empty_bars * self.interval_ms >= self.stale_ms

    def closed_until(self, clock: int) -> int:
        """The end of the last bar that is closed when a series' clock stands at `clock`."""
        return (clock - self.grace_ms) // self.interval_ms * self.interval_ms
