"""Means over assets equal those of the rows they are made of."""

from __future__ import annotations

import math

import pytest
from scoreboard_rows import row

from cryptoviz.report.scoreboard import geometric_mean, mean, scored, sources


def test_a_summary_is_the_mean_over_assets_and_of_rmae_the_geometric_one() -> None:
    board = scored(
        [
            row("BTC", n=100, n_independent=10, rmae=0.5, hit_rate=0.4, hit_low=0.2, hit_high=0.6, coverage_80=0.7,
                width_80_percent=1.0),
            row("ETH", n=300, n_independent=30, rmae=2.0, hit_rate=0.6, hit_low=0.5, hit_high=0.8, coverage_80=0.9,
                width_80_percent=3.0),
        ],
        "all",
    )  # fmt: skip
    (one,) = board.summaries(3600)
    assert (one.assets, one.n, one.n_independent) == (2, 200, 20)
    assert one.rmae == pytest.approx(1.0)
    assert (one.hit_rate, one.hit_low, one.hit_high) == pytest.approx((0.5, 0.35, 0.7))
    assert (one.coverage_80, one.width_80_percent) == pytest.approx((0.8, 2.0))


def test_what_an_asset_does_not_have_is_left_out_of_the_mean_and_not_taken_for_0() -> None:
    nothing = {"rmae": None, "hit_rate": None, "hit_low": None, "hit_high": None, "coverage_80": None}
    board = scored([row("BTC", rmae=1.1, hit_rate=0.5), row("USDC", width_80_percent=None, **nothing)], "all")
    (one,) = board.summaries(3600)
    assert (one.assets, one.rmae, one.hit_rate) == (2, pytest.approx(1.1), 0.5)
    (none,) = scored([row(width_80_percent=None, **nothing)], "all").summaries(3600)
    assert (none.rmae, none.hit_rate, none.coverage_80, none.width_80_percent) == (None, None, None, None)


def test_models_are_ordered_by_their_error_and_those_without_any_come_last() -> None:
    rows = [row(model="a", rmae=None), row(model="b", rmae=1.3), row(model="c", rmae=0.9), row(model="naive", rmae=1.0)]
    board = scored(rows, "all")
    assert board.models == ("c", "naive", "b", "a")
    assert [one.model for one in board.summaries(3600)] == ["c", "naive", "b", "a"]


def test_a_scoreboard_is_of_one_source() -> None:
    rows = [row(source="kraken", asset="BTC"), row(source="all", asset="ETH", horizon_s=86_400), row(asset="ETH")]
    board = scored(rows, "all")
    assert sources(rows) == ("all", "kraken")
    assert (board.assets, board.horizons_s) == (("ETH",), (3600, 86_400))
    assert board.at(3600) == {("ETH", "trend"): rows[2]}


def test_means_of_nothing_are_nothing_and_a_ratio_of_0_makes_0() -> None:
    assert mean([None]) is None
    assert geometric_mean([]) is None
    assert geometric_mean([0.0, 4.0]) == 0.0
    assert geometric_mean([0.25, None, 4.0]) == pytest.approx(1.0)
    assert math.isclose(geometric_mean([2.0]) or 0, 2.0)
