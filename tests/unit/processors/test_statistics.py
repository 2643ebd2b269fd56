"""Rolling statistics against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from independent import expected_stats, same_percent, same_price

from processors.statistics import window_stats


@pytest.mark.parametrize("seed", range(20))
def test_statistics_equal_their_definitions_with_bars_missing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 1e-3, (3, 360)), axis=1))
    closes[:, :-1][rng.random((3, 359)) < 0.3] = np.nan
    stats = window_stats(closes)
    for row in range(3):
        series = {slot + 1: float(price) for slot, price in enumerate(closes[row]) if not np.isnan(price)}
        wanted = expected_stats(series, 360, 360)
        assert stats.points[row] == wanted["points"]
        for name in ("min", "max", "mean", "std"):
            assert same_price(getattr(stats, name)[row], wanted[name]), name
        for name in ("variation", "volatility"):
            assert same_percent(getattr(stats, name)[row], wanted[name]), name


def test_a_single_bar_has_no_spread() -> None:
    closes = np.full((1, 60), np.nan)
    closes[0, -1] = 7.0
    stats = window_stats(closes)
    assert (stats.points[0], stats.mean[0], stats.std[0], stats.variation[0]) == (1, 7.0, 0.0, 0.0)
