"""The sentence at the end says what the figures say, whoever wins."""

from __future__ import annotations

from scoreboard_rows import row

from cryptoviz.report.scoreboard import scored
from cryptoviz.report.verdict import verdict, why_no_scores, wins

ASSETS = ("BTC", "ETH", "SOL")


def _rows(model: str, *ratios: float | None, horizon_s: int = 3600, independent: int = 168) -> list[dict[str, object]]:
    pairs = zip(ASSETS, ratios, strict=True)
    return [row(asset, model, horizon_s, rmae=ratio, n_independent=independent) for asset, ratio in pairs]


def test_winners_and_losers_are_named_with_their_counts_and_the_sample() -> None:
    board = scored([*_rows("holt", 0.9, 0.99, 1.2), *_rows("trend", 1.1, 0.9, 1.0), *_rows("naive", 1, 1, 1)], "all")
    assert verdict(board) == (
        'Better than "the price stays the same" (rMAE < 1) at more than half of the asset-horizon pairs: '
        "holt (2 of 3); not better: trend (1 of 3); independent outcomes per pair: 168 at 1 h."
    )


def test_where_nobody_wins_it_says_so() -> None:
    board = scored([*_rows("holt", 1.1, 1.2, 1.3), *_rows("naive", 1, 1, 1)], "all")
    assert "asset-horizon pairs: no model; not better: holt (0 of 3);" in verdict(board)


def test_where_everybody_wins_nobody_is_called_a_loser() -> None:
    assert "not better" not in verdict(scored(_rows("holt", 0.9, 0.8, 0.7), "all"))


def test_exactly_half_is_not_better() -> None:
    board = scored([row("BTC", rmae=0.9), row("ETH", rmae=1.1)], "all")
    assert [(one.won, one.pairs, one.better) for one in wins(board)] == [(1, 2, False)]


def test_pairs_that_cannot_be_compared_do_not_count() -> None:
    (one,) = wins(scored(_rows("holt", 0.9, None, 0.8), "all"))
    assert (one.won, one.pairs) == (2, 2)


def test_few_independent_outcomes_are_called_few() -> None:
    rows = [*_rows("holt", 0.9, 0.8, 0.7), *_rows("holt", 0.9, 0.8, 0.7, horizon_s=86_400, independent=7)]
    rows[-1] = rows[-1] | {"n_independent": 5}
    text = verdict(scored(rows, "all"))
    assert text.endswith("168 at 1 h, 5 to 7 at 24 h, and fewer than 30 are too few to tell skill from luck.")


def test_without_a_model_to_compare_there_is_no_sentence() -> None:
    assert verdict(scored([], "all")) == ""
    assert verdict(scored(_rows("naive", 1, 1, 1), "all")) == ""


def test_a_replay_that_is_too_short_says_why_it_has_no_scores() -> None:
    assert why_no_scores((14_400, 3600), 2100) == (
        "No forecast could be scored: the first forecast with horizon 1 h is made at the end of the first bar "
        "and scored after 1 h more of data, and this replay covers 35 min."
    )
