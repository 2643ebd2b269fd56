"""Seeded log-price curves that can be asked for any hour in any order: random walks that never drift away for good.

A curve is laid out from the coarse to the fine. Every 32 days it passes through an anchor near zero, so prices stay
plausible for ever; between two anchors it is a bridge of hourly steps whose volatility changes by the hour, with rare
jumps; within an hour it is a bridge of 5-second steps with fat tails. Each piece has a random generator of its own,
seeded by the curve and the piece's number, so nothing depends on what was asked before.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HOUR_MS = 3_600_000
STEP_MS = 5_000
STEPS = HOUR_MS // STEP_MS
BLOCK_DAYS = 32
BLOCK_HOURS = BLOCK_DAYS * 24
REGIME_HOURS = 12  # volatility drifts from one level to another within half a day
TAIL_DEGREES = 4  # of Student's t: about as heavy as five-second returns of a liquid coin


@dataclass(frozen=True)
class Walk:
    """One curve of log prices around 0; volatility is the standard deviation of a day's change."""

    seed: int
    name: str
    daily_volatility: float
    jumps_per_day: float = 0.0
    jump_size: float = 0.0

    def hour(self, hour: int) -> Floats:
        """Log prices from the start of `hour` (hours since 1970) to its end, every 5 s: 721 values."""
        return _hour(self, hour)

    def activity(self, hour: int) -> float:
        """How restless the hour is; about 1 on average."""
        return float(_block(self, hour // BLOCK_HOURS).activity[hour % BLOCK_HOURS])


@dataclass(frozen=True)
class _Block:
    level: Floats
    activity: Floats
    jump: Floats
    jump_step: NDArray[np.int64]


def generator(seed: int, name: str, *piece: int) -> np.random.Generator:
    """The random numbers of one piece of a named thing."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), *piece])


def _anchor(walk: Walk, block: int) -> float:
    return float(generator(walk.seed, walk.name, 0, block).normal() * walk.daily_volatility * BLOCK_DAYS**0.5 / 2)


@lru_cache(maxsize=256)
def _block(walk: Walk, block: int) -> _Block:
    random = generator(walk.seed, walk.name, 1, block)
    activity = _activity(random)
    deviation = walk.daily_volatility / 24**0.5 * activity
    jump = np.where(random.random(BLOCK_HOURS) < walk.jumps_per_day / 24, random.standard_t(3, BLOCK_HOURS), 0.0)
    jump *= walk.jump_size
    path = np.cumsum(deviation * random.normal(size=BLOCK_HOURS) + jump)
    variance = np.cumsum(deviation**2)
    start, end = _anchor(walk, block), _anchor(walk, block + 1)
    path += start + (end - start - path[-1]) * variance / variance[-1]
    level = np.concatenate(([start], path))
    level[-1] = end  # to the last bit: the next block starts there
    return _Block(level, activity, jump, random.integers(1, STEPS, BLOCK_HOURS))


def _activity(random: np.random.Generator) -> Floats:
    knots = random.normal(size=BLOCK_HOURS // REGIME_HOURS + 1)
    hours = np.arange(BLOCK_HOURS)
    regime = np.interp(hours, np.arange(len(knots)) * REGIME_HOURS, knots)
    # Busiest when both America and Europe are at work, about 15:00 UTC.
    day = 1 + 0.35 * np.cos(2 * np.pi * (hours % 24 - 15) / 24)
    return np.asarray(day * np.exp(0.45 * regime + 0.2 * random.normal(size=BLOCK_HOURS) - 0.12))


@lru_cache(maxsize=4096)
def _hour(walk: Walk, hour: int) -> Floats:
    index = hour % BLOCK_HOURS
    block = _block(walk, hour // BLOCK_HOURS)
    random = generator(walk.seed, walk.name, 2, hour)
    deviation = walk.daily_volatility * block.activity[index] / (24 * STEPS) ** 0.5
    path = np.empty(STEPS + 1)
    path[0] = 0.0
    np.cumsum(random.standard_t(TAIL_DEGREES, STEPS) * (deviation / 2**0.5), out=path[1:])
    start, end, jump = block.level[index], block.level[index + 1], block.jump[index]
    path += start + (end - start - jump - path[-1]) * np.linspace(0.0, 1.0, STEPS + 1)
    path[block.jump_step[index] :] += jump
    path[-1] = end
    path.flags.writeable = False
    return path
