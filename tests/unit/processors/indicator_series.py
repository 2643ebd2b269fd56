"""Bars of made-up series, and running indicators over them."""

from __future__ import annotations

import numpy as np

from processors.bars import ClosedBar
from processors.indicator_state import IndicatorState, step
from processors.indicators import INDICATORS
from processors.indicators.base import Indicator, Values

MINUTE = 60_000
FLAT_AFTER = 60


def walk(seed: int, bars: int, start: float = 100.0, scale: float = 2e-3) -> np.ndarray:
    """Open, high, low and close, [4, bars], of a random walk."""
    rng = np.random.default_rng(seed)
    close = start * np.exp(np.cumsum(rng.normal(0, scale, bars)))
    opened = np.concatenate([[start], close[:-1]])
    reach = np.exp(np.abs(rng.normal(0, scale, (2, bars))))
    return np.array([opened, np.maximum(opened, close) * reach[0], np.minimum(opened, close) / reach[1], close])


def shapes(start: float) -> dict[str, np.ndarray]:
    """Series [4, bars] of every kind at a price level."""
    still = walk(4, 120, start)
    still[:, FLAT_AFTER:] = still[3, FLAT_AFTER - 1]
    return {
        "walk": walk(1, 150, start),
        "calm": walk(2, 150, start, 1e-5),
        "wild": walk(3, 150, start, 5e-2),
        "flat": np.full((4, 80), start),
        "still": still,
        "rising": np.repeat(start * 1.01 ** np.arange(1, 81)[None], 4, axis=0),
        "falling": np.repeat(start * 0.99 ** np.arange(1, 81)[None], 4, axis=0),
    }


def closed(bar: np.ndarray, start: int) -> ClosedBar:
    """A closed bar of (open, high, low, close)."""
    opened, high, low, close = bar.tolist()
    return ClosedBar(start, MINUTE, opened, high, low, close, None, 1, "live")


def run(series: np.ndarray, indicators: tuple[Indicator, ...] = INDICATORS) -> dict[str, np.ndarray]:
    """Every value at every bar of one series [4, bars], run alone."""
    return {name: values[0] for name, values in run_all(series[None], indicators).items()}


def run_all(series: np.ndarray, indicators: tuple[Indicator, ...] = INDICATORS) -> dict[str, np.ndarray]:
    """The same for series [series, 4, bars] that go together: values [series, bars]."""
    state, rows = IndicatorState(indicators, len(series)), list(range(len(series)))
    return stacked([
        step([(state, rows)], [closed(one[:, n], n * MINUTE) for one in series]) for n in range(series.shape[-1])
    ])  # fmt: skip


def stacked(steps: list[Values]) -> dict[str, np.ndarray]:
    """Values [series, bars] by name."""
    return {name: np.stack([values[name] for values in steps], axis=-1) for name in steps[0]}
