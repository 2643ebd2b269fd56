"""What happens when in a fault run: a list of strikes drawn from a seed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PARTS = ("feeder", "worker-1", "worker-2", "sink", "clickhouse", "kafka")
GUEST = "worker-3"
GUEST_STAYS_S = (15.0, 40.0)
FROZEN = ("worker-1", "sink", "kafka", "clickhouse", "worker-2")
FREEZE_S = (12.0, 16.0)
"""Longer than a group waits for a silent member (10 s): it wakes to find its partitions gone."""
BACK_AFTER_S = (0.2, 6.0)
FEEDS_SHARE = 0.85
"""Of the time of a plan: in the rest the feeder is away, or waits for the broker. Later it may have nothing to do."""


@dataclass(frozen=True, order=True)
class Strike:
    """At `at_s` a part is killed with -9 and stays away for `away_s`; or, as `what` says, freezes or is a guest."""

    at_s: float
    part: str
    away_s: float
    what: str = "kill"

    def __str__(self) -> str:
        return f"{self.at_s:7.1f} s  {self.what} {self.part} for {self.away_s:.1f} s"


@dataclass(frozen=True)
class Plan:
    """How much is to happen within `seconds`; `outages` are (part, seconds away), each part is killed in turn."""

    seconds: float
    kills: int
    outages: Sequence[tuple[str, float]] = ()
    guests: int = 0
    freezes: int = 0


def schedule(seed: int, plan: Plan) -> list[Strike]:
    """The strikes in the order of their times; every part gets its share of the kills, whatever the seed."""
    rng = np.random.default_rng(seed)
    targets = [PARTS[number % len(PARTS)] for number in range(plan.kills)]
    strikes = [Strike(_at(rng, plan, part), part, _within(rng, BACK_AFTER_S)) for part in targets]
    strikes += [_outage(rng, plan, part, away_s) for part, away_s in plan.outages]
    strikes += [Strike(_at(rng, plan, GUEST), GUEST, _within(rng, GUEST_STAYS_S), "guest") for _ in range(plan.guests)]
    frozen = [FROZEN[number % len(FROZEN)] for number in range(plan.freezes)]
    strikes += [Strike(_at(rng, plan, part), part, _within(rng, FREEZE_S), "freeze") for part in frozen]
    return sorted(strikes)


def _at(rng: np.random.Generator, plan: Plan, part: str) -> float:
    busy_s = plan.seconds * (FEEDS_SHARE if part == "feeder" else 1)
    return round(float(rng.uniform(0.02, 0.98)) * busy_s, 1)


def _within(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return round(float(rng.uniform(*bounds)), 1)


def _outage(rng: np.random.Generator, plan: Plan, part: str, away_s: float) -> Strike:
    latest = max(0.1, plan.seconds * 0.98 - away_s)
    return Strike(round(float(rng.uniform(0.05, 1)) * latest, 1), part, away_s, "outage")
