"""Rolling statistics against their definitions, and that they follow from the closes alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.blocks import BLOCK, Cuts
from processors.history import History
from processors.rules import STATS_WINDOWS_S
from processors.statistics import WindowStats, window_stats

FIRST = 29_000_017
"""The slot of the first close: blocks do not begin there."""
WINDOWS = [12, 72, 288, 864]
MS = 1000
MARKET = st.tuples(
    st.integers(0, 2**32 - 1),  # seed
    st.lists(st.integers(1, 5 * BLOCK), min_size=1, max_size=4).map(sorted),  # windows
    st.sampled_from([0.0, 0.3, 0.98]),  # share of bars missing
    st.integers(1, 12 * BLOCK),  # bars
)


def prices(seed: int, shape: tuple[int, int], missing: float = 0.0) -> np.ndarray:
    """closes[series, slots], NaN where there is none; every series has the last."""
    rng = np.random.default_rng(seed)
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 1e-3, shape), axis=1))
    closes[:, :-1][rng.random((shape[0], shape[1] - 1)) < missing] = np.nan
    return closes


def filled(closes: np.ndarray, slots: int, first: int = FIRST) -> History:
    """A history that has lived through `closes`, bar by bar."""
    history = History(len(closes), slots, MS)
    put(history, closes, first)
    return history


def put(history: History, closes: np.ndarray, first: int = FIRST) -> None:
    for slot, row in np.argwhere(~np.isnan(closes.T)).tolist():
        history.put(row, (first + slot) * MS, float(closes[row, slot]))


def stats(history: History, rows: Sequence[int], end: int, windows: Sequence[int] = WINDOWS) -> WindowStats:
    cuts = Cuts.of(end, windows)
    return window_stats(cuts, [history.pieces(rows, cuts)])


def is_right(found: WindowStats, closes: np.ndarray, windows: Sequence[int]) -> None:
    """Each window's statistics are those of numpy over the last closes, with more digits."""
    for row, of_series in enumerate(closes):
        for column, window in enumerate(windows):
            there = of_series[-window:][~np.isnan(of_series[-window:])]
            mean, std = (float(value) for value in (np.longdouble(there).mean(), np.longdouble(there).std()))
            points, lowest, highest, *others = (float(figure[row, column]) for figure in found)
            assert (points, lowest, highest) == (len(there), there.min(), there.max())
            wanted = [mean, std, (there[-1] / there[0] - 1) * 100, std / mean * 100]
            assert others == pytest.approx(wanted, rel=1e-12, abs=0), (row, window)


def same_bits(one: WindowStats, other: WindowStats) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.99])
def test_statistics_equal_their_definitions_with_bars_missing(seed: int, missing: float) -> None:
    closes = prices(seed, (3, 1000), missing)
    is_right(stats(filled(closes, 864), range(3), FIRST + 999), closes, WINDOWS)


@pytest.mark.parametrize("interval_s", [1, 15, 60, 300, 1800, 3600])
def test_bars_of_any_length_have_statistics(interval_s: int) -> None:
    windows = [window_s // interval_s for window_s in STATS_WINDOWS_S]
    closes = prices(interval_s, (1, windows[-1] + 7))
    is_right(stats(filled(closes, windows[-1]), [0], FIRST + windows[-1] + 6, windows), closes, windows)


def test_every_bar_of_a_series_from_its_first_has_statistics_and_those_forgotten_do_not_count() -> None:
    closes = prices(4, (2, 1500), 0.2)
    closes[1, :333] = np.nan  # this one begins later
    history, windows = History(2, 200, MS), [1, 7, 60, 200]
    for slot in range(closes.shape[1]):
        put(history, closes[:, slot : slot + 1], FIRST + slot)
        rows = np.flatnonzero(~np.isnan(closes[:, slot])).tolist()
        if rows:
            is_right(stats(history, rows, FIRST + slot, windows), closes[rows, : slot + 1], windows)


def test_later_bars_do_not_count() -> None:
    closes = prices(8, (2, 1000))
    history = filled(closes, 1200)
    for end in range(900, 1000):
        is_right(stats(history, [0, 1], FIRST + end), closes[:, : end + 1], WINDOWS)


def test_what_was_before_a_long_silence_does_not_count() -> None:
    history = filled(prices(5, (2, 900)), 864)
    closes = prices(6, (2, 30))
    put(history, closes, FIRST + 100_000)
    is_right(stats(history, [0, 1], FIRST + 100_029), closes, WINDOWS)


def test_a_late_bar_in_a_block_that_was_done_counts() -> None:
    closes = prices(7, (2, 1000))
    late = closes[1, 500]
    closes[1, 500] = np.nan
    history = filled(closes, 864)
    is_right(stats(history, [0, 1], FIRST + 999), closes, WINDOWS)
    closes[1, 500] = late * 3
    history.put(1, (FIRST + 500) * MS, late * 3)
    is_right(stats(history, [0, 1], FIRST + 999), closes, WINDOWS)


@pytest.mark.parametrize("jump", range(0, 1000, 37))
def test_precision_holds_when_the_price_stands_still_and_jumps_once(jump: int) -> None:
    closes = np.full((2, 1000), 100.0)
    closes[0, jump:] = 3.0
    closes[1, -1] = 3e-6
    windows = [1000 - jump + 5, 1005]
    is_right(stats(filled(closes, 1100), [0, 1], FIRST + 999, windows), closes, windows)


def test_precision_does_not_suffer_from_many_points_far_from_the_lowest() -> None:
    closes = np.random.default_rng(1).normal(100.0, 1e-3, (3, 4320))
    closes[:, -1] = 3.0
    found = stats(filled(closes, 4320), range(3), FIRST + 4319, [4320])
    wanted = [[float(np.longdouble(of_series).std())] for of_series in closes]
    np.testing.assert_allclose(found.std, wanted, rtol=1e-14)


def test_precision_holds_when_prices_differ_in_their_last_bits() -> None:
    closes = 97_531.0 + np.random.default_rng(1).integers(0, 4, (3, 1000)) * 2.0**-36
    found = stats(filled(closes, 864), range(3), FIRST + 999)
    wanted = [[np.std(np.longdouble(of_series[-window:]) - 97_531) for window in WINDOWS] for of_series in closes]
    np.testing.assert_allclose(found.std, np.array(wanted, dtype=float), rtol=1e-12)


@pytest.mark.parametrize("price", [0.1, 1e-12, 97_531.13])
def test_a_single_bar_and_flat_bars_have_no_spread(price: float) -> None:
    closes = np.full((2, 864), np.nan)
    closes[0, -1] = closes[1] = price
    found = stats(filled(closes, 864), [0, 1], FIRST + 863)
    assert found.points.tolist() == [[1] * 4, WINDOWS]
    assert (found.mean == price).all()
    assert not np.concatenate([found.std, found.variation, found.volatility]).any()


@settings(max_examples=60, deadline=None)
@given(MARKET, st.integers(2, 9))
def test_a_series_gives_the_same_bits_alone_and_among_others_of_several_sources(
    market: tuple[int, list[int], float, int], series: int
) -> None:
    seed, windows, missing, bars = market
    closes, cuts = prices(seed, (series, bars), missing), Cuts.of(FIRST + bars - 1, windows)
    history = filled(closes, windows[-1])
    others = filled(prices(seed + 1, (3, bars)), windows[-1] + 100, FIRST)
    together = window_stats(cuts, [others.pieces([2, 0], cuts), history.pieces(range(series), cuts)])
    for row in range(series):
        alone = filled(closes[row : row + 1], windows[-1])
        among = WindowStats(*(figure[2 + row : 3 + row] for figure in together))
        assert same_bits(window_stats(cuts, [alone.pieces([0], cuts)]), among)
        assert same_bits(window_stats(cuts, [history.pieces([row], cuts)]), among)


@settings(max_examples=60, deadline=None)
@given(MARKET, st.integers(0, 100), st.integers(1, 2 * BLOCK))
def test_a_history_put_back_in_any_order_goes_on_with_the_bits_of_one_that_lived_through_it(
    market: tuple[int, list[int], float, int], longer: int, more: int
) -> None:
    seed, windows, missing, bars = market
    closes, rng, slots = prices(seed, (1, bars + more), missing), np.random.default_rng(seed), windows[-1] + longer
    lived, back = History(1, slots, MS), History(1, slots, MS)
    kept = closes[:, max(0, bars - slots) : bars]
    for row, slot in rng.permutation(np.argwhere(~np.isnan(kept))).tolist():
        back.put(row, (FIRST + bars - kept.shape[1] + slot) * MS, float(kept[row, slot]))
    for slot in range(bars + more):
        bar = closes[:, slot : slot + 1]
        put(lived, bar, FIRST + slot)
        if slot >= bars:
            put(back, bar, FIRST + slot)
        rows = np.flatnonzero(~np.isnan(bar[:, 0])).tolist()
        if rows and (slot >= bars or slot % 7 == 0):
            found = stats(lived, rows, FIRST + slot, windows)
            assert slot < bars or same_bits(found, stats(back, rows, FIRST + slot, windows))


def test_windows_that_are_not_kept_are_refused() -> None:
    history = History(1, 864, MS)
    with pytest.raises(LookupError):
        stats(history, [0], FIRST)
    history.put(0, FIRST * MS, 1.0)
    for end in (FIRST - 100, FIRST + 10_000):
        with pytest.raises(LookupError):
            stats(history, [0], end)
