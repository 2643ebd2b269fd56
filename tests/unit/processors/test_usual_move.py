"""The usual move: the same market gives the same figure whatever the bars, and gaps and silence do no harm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from independent_scores import usual_moves

from processors.history import History
from processors.usual_move import LEAST_PERCENT, changes, totals
from processors.usual_move import usual_move as move_of

MS = 60_000


def usual_move(closes: np.ndarray, interval_s: int) -> np.ndarray:
    """From closes[series, slots]."""
    return move_of(totals(changes(closes), interval_s), interval_s)


def _walk(seed: int, minutes: int, percent_an_hour: float = 1.0) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(0, percent_an_hour / 100 / math.sqrt(60), minutes)
    return np.asarray(100 * np.exp(np.cumsum(steps)))


def test_it_is_what_a_random_walk_usually_moves_in_an_hour_whatever_the_bars() -> None:
    walk = _walk(1, 72 * 60)
    for every, interval_s in ((1, 60), (5, 300), (15, 900)):
        assert usual_move(walk[None, every - 1 :: every], interval_s).item() == pytest.approx(1.0, rel=0.15)
    coarse, fine = usual_move(walk[None, 4::5], 300).item(), usual_move(walk[None], 60).item()
    assert coarse == pytest.approx(fine, rel=0.1)


def test_it_follows_the_last_hours_by_half() -> None:
    calm, wild = _walk(2, 68 * 60), _walk(3, 4 * 60, 3.0)
    prices = np.concatenate([calm, calm[-1] / 100 * wild])
    moved = usual_move(prices[None], 60).item()
    assert moved == pytest.approx(math.sqrt((9 + (68 + 4 * 9) / 72) / 2), rel=0.1)


def test_a_price_that_does_not_move_has_the_least_of_moves() -> None:
    assert usual_move(np.full((1, 500), 7.0), 60).item() == LEAST_PERCENT


def test_without_a_change_there_is_none() -> None:
    closes = np.full((3, 500), np.nan)
    closes[1, -1] = 5.0
    closes[2, ::2] = 5.0  # bars, but never two in a row
    assert np.isnan(usual_move(closes, 60)).all()


@pytest.mark.parametrize("interval_s", [60, 300, 3600])
def test_two_bars_are_enough_and_a_gap_is_no_change(interval_s: int) -> None:
    closes = np.full((1, 72 * 3600 // interval_s), np.nan)
    closes[0, -2:] = 100.0, 101.0
    alone = usual_move(closes, interval_s).item()
    assert alone == pytest.approx(math.sqrt(3600 / interval_s))
    closes[0, 5] = 1.0  # another price, long ago
    assert usual_move(closes, interval_s).item() == alone


def test_without_a_change_in_the_last_hours_the_whole_span_counts() -> None:
    closes = np.full((1, 72 * 60), np.nan)
    closes[0, : 60 * 60] = _walk(4, 60 * 60)
    assert usual_move(closes, 60).item() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("interval_s", [60, 300, 3600])
def test_it_is_that_of_its_definition_with_gaps_anywhere(interval_s: int) -> None:
    rng, slots = np.random.default_rng(6), 72 * 3600 // interval_s
    closes = np.exp(rng.normal(0, 1, (4, slots)))
    closes[rng.random(closes.shape) < 0.3] = np.nan
    found = usual_move(closes, interval_s)
    for row, values in enumerate(closes):
        bars = {n * interval_s * 1000: (price, 1) for n, price in enumerate(values.tolist()) if not math.isnan(price)}
        wanted = usual_moves(bars, [(slots - 1) * interval_s * 1000], interval_s * 1000)
        assert found[row] == pytest.approx(next(iter(wanted.values())), rel=1e-12)


def test_the_greatest_and_the_least_price_do_not_overflow() -> None:
    closes = np.tile([1e-30, 1e30], 100)[None]
    assert math.isfinite(usual_move(closes, 60).item())


def test_the_bits_of_a_series_do_not_depend_on_its_neighbours() -> None:
    closes = np.exp(np.random.default_rng(7).normal(0, 0.01, (9, 864)))
    together = usual_move(closes, 300)
    for row in range(9):
        assert usual_move(closes[[row]], 300).tobytes() == together[[row]].tobytes()


@pytest.mark.parametrize("slots", [70, 700])
def test_changes_that_a_history_keeps_are_those_of_its_closes_whatever_is_asked_when(slots: int) -> None:
    rng, history, first = np.random.default_rng(8), History(3, slots, MS), 1_000_003
    for slot in range(first, first + 4 * slots):
        for row in np.flatnonzero(rng.random(3) < 0.8).tolist():
            late = slot - int(rng.integers(0, 5)) * int(rng.random() < 0.1)
            history.put(row, late * MS, float(np.exp(rng.normal())))
        if slot > first and rng.random() < 0.2:
            end, span = slot - int(rng.integers(0, slots)), int(rng.integers(1, slots))
            found, wanted = history.changes(end * MS, span * MS), changes(history.until(end * MS, span * MS))
            assert found.shape == wanted.shape
            assert found.tobytes() == wanted.tobytes()
            assert totals(found, 60).tobytes() == totals(wanted, 60).tobytes()
