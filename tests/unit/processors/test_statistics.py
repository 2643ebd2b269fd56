"""Rolling statistics against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from independent import expected_stats, same_percent, same_price

from processors.statistics import nested_stats

WINDOWS = [12, 72, 288, 864]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("drift", [0.0, 0.01])
def test_statistics_equal_their_definitions_with_bars_missing(seed: int, drift: float) -> None:
    rng = np.random.default_rng(seed)
    closes = 50 * np.exp(np.cumsum(rng.normal(drift, 1e-3, (3, 1000)), axis=1))
    closes[:, :-1][rng.random((3, 999)) < 0.3] = np.nan
    for window, stats in zip(WINDOWS, nested_stats(closes, WINDOWS), strict=True):
        for row in range(3):
            series = {slot + 1: float(price) for slot, price in enumerate(closes[row]) if not np.isnan(price)}
            wanted = expected_stats(series, 1000, window)
            assert stats.points[row] == wanted["points"]
            assert (stats.min[row], stats.max[row]) == (wanted["min"], wanted["max"])
            for name in ("mean", "std"):
                assert same_price(getattr(stats, name)[row], wanted[name]), (window, name)
            for name in ("variation", "volatility"):
                assert same_percent(getattr(stats, name)[row], wanted[name]), (window, name)


def test_precision_holds_when_the_price_stands_still_and_then_jumps() -> None:
    closes = np.full((1, 864), 100.0)
    closes[0, -1] = 3.0
    for window, stats in zip(WINDOWS, nested_stats(closes, WINDOWS), strict=True):
        assert same_price(stats.std[0], float(closes[0, -window:].std()))


def test_a_single_bar_and_flat_bars_have_no_spread() -> None:
    closes = np.full((2, 864), np.nan)
    closes[0, -1] = 7.0
    closes[1] = 0.1
    for window, stats in zip(WINDOWS, nested_stats(closes, WINDOWS), strict=True):
        assert stats.points.tolist() == [1, window]
        assert stats.mean.tolist() == [7.0, 0.1]
        assert stats.std.tolist() == stats.variation.tolist() == [0.0, 0.0]


def test_a_series_gives_the_same_bits_alone_and_among_others() -> None:
    closes = 50 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 1e-3, (5, 864)), axis=1))
    together = nested_stats(closes, WINDOWS)
    for row in range(5):
        alone = nested_stats(closes[row : row + 1].copy(), WINDOWS)
        for one, many in zip(alone, together, strict=True):
            assert (one.mean[0], one.std[0]) == (many.mean[row], many.std[row])
