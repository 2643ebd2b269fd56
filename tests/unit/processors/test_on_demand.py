"""What is answered on demand, from bars made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from independent import HOUR_MS, expected, same_percent, same_price
from independent import MODELS as DEFINED

from processors.models import MODELS
from processors.on_demand import Question, answer

MINUTE = 60_000
STALE_S = 600
T0 = 1_700_000_400_000 // HOUR_MS * HOUR_MS


def bars(prices: list[float], step_ms: int = MINUTE, empty: int = 0) -> list[tuple[int, float, int]]:
    """Bars of these closes, the last `empty` of them without a quote."""
    return [(T0 + n * step_ms, price, int(n < len(prices) - empty)) for n, price in enumerate(prices)]


def test_the_answer_is_that_of_the_formulas() -> None:
    prices = (100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 2e-3, 300)))).tolist()
    found, wanted = answer(Question("BTC"), bars(prices), 60, STALE_S), expected(prices, MINUTE, 4)
    for entry in [entry for entry in found["forecasts"] if entry["model"] in wanted.forecast]:
        assert same_price(entry["forecast"], wanted.forecast[entry["model"]])
        assert same_percent(entry["confidence"], wanted.confidence[entry["model"]])
    assert found["signal"]["signal"] == wanted.signal
    assert found["signal"]["ma_trend"] == wanted.ma_trend
    assert same_percent(found["signal"]["confidence"], wanted.mean_confidence)
    assert same_percent(found["volatility"], float(np.std(prices[-20:]) / np.mean(prices[-20:]) * 100))
    assert (found["made_at"], found["target_at"]) == (T0 + 300 * MINUTE, T0 + 540 * MINUTE)


def test_only_bars_in_a_row_within_the_history_are_points() -> None:
    whole = bars([100.0 + n for n in range(600)])
    assert answer(Question("BTC", history_h=6), whole, 60, STALE_S)["points"] == 360
    assert answer(Question("BTC"), whole[:570] + whole[571:], 60, STALE_S)["points"] == 29


@pytest.mark.parametrize("interval_s", [60, 300, 3600])
def test_a_history_of_fewer_bars_than_a_window_has_too_few_points(interval_s: int) -> None:
    found = answer(Question("BTC", history_h=6), bars([5.0] * 500, interval_s * 1000), interval_s, STALE_S)
    assert found["points"] == 6 * 3600 // interval_s
    for model, entry in zip(MODELS, found["forecasts"], strict=False):
        assert model.name == entry["model"]
        assert (entry["forecast"] is None) == (entry["reason"] == "not_enough_points")
    assert (found["forecasts"][0]["forecast"] is None) == (interval_s == 3600)


def test_one_bar_has_a_price_and_nothing_more() -> None:
    found = answer(Question("BTC"), bars([7.0]), 60, STALE_S)
    assert (found["price"], found["points"], found["volatility"]) == (7.0, 1, 0.0)
    assert {entry["forecast"] for entry in found["forecasts"] if entry["model"] in DEFINED} == {None}
    assert found["signal"] == {
        "signal": "HOLD", "variation": None, "confidence": None, "ma_trend": None, "reason": "not_enough_points",
    }  # fmt: skip


def test_the_consensus_is_of_the_models_that_were_chosen() -> None:
    prices = [100.0 + 0.05 * n for n in range(100)]
    (trend,) = (model for model in MODELS if model.name == "trend")
    found = answer(Question("BTC", models=(trend,)), bars(prices), 60, STALE_S)
    assert [entry["model"] for entry in found["forecasts"]] == ["trend", "consensus"]
    assert found["forecasts"][0]["forecast"] == pytest.approx(found["forecasts"][1]["forecast"], rel=1e-12)
    assert found["signal"]["ma_trend"] is None
    assert found["signal"]["signal"] == "BUY"


def test_models_that_are_no_members_make_a_consensus_of_equal_weights_where_only_they_are_chosen() -> None:
    drift, naive = (next(model for model in MODELS if model.name == name) for name in ("drift", "naive"))
    found = answer(Question("BTC", models=(naive, drift)), bars([100.0 + 0.1 * n for n in range(61)]), 60, STALE_S)
    said = {entry["model"]: entry["forecast"] for entry in found["forecasts"]}
    assert said == pytest.approx({"naive": 106.0, "drift": 106.0 + 24, "consensus": 106.0 + 12}, rel=1e-12)
    assert found["signal"]["signal"] == "BUY"


@pytest.mark.parametrize(("empty", "stale_s", "reason"), [
    (10, 600, "stale_source"), (9, 600, "variation_above_threshold"), (1, 60, "stale_source"),
    (10, 601, "variation_above_threshold"), (200, 12_000, "stale_source"), (0, 60, "variation_above_threshold"),
])  # fmt: skip
def test_a_series_without_a_quote_for_the_stale_time_is_held_and_says_what_it_would_have_said(
    empty: int, stale_s: int, reason: str
) -> None:
    prices = [100.0 + 0.1 * n for n in range(200)]
    fresh = answer(Question("BTC"), bars(prices), 60, stale_s)
    found = answer(Question("BTC"), bars(prices, empty=empty), 60, stale_s)
    assert found["signal"] == fresh["signal"] | {
        "reason": reason,
        "signal": "HOLD" if reason == "stale_source" else "BUY",
    }
    assert found["forecasts"] == fresh["forecasts"]


def test_the_stale_time_may_be_longer_than_the_history() -> None:
    silent = bars([100.0 + n for n in range(200)], empty=130)
    for stale_s, reason in ((130 * 60, "stale_source"), (131 * 60, "variation_above_threshold")):
        found = answer(Question("BTC", history_h=1), silent, 60, stale_s)
        assert (found["points"], found["signal"]["reason"]) == (60, reason)


@pytest.mark.parametrize(("gap", "history_h", "reason"), [
    (195, 24, "series_broken"), (191, 24, "series_broken"), (189, 24, "variation_above_threshold"),
    (0, 24, "variation_above_threshold"),
])  # fmt: skip
def test_a_gap_that_leaves_too_few_points_breaks_the_series(gap: int, history_h: int, reason: str) -> None:
    whole = bars([100.0 + 0.1 * n for n in range(200)])
    found = answer(Question("BTC", history_h=history_h), whole[:gap] + whole[gap + 1 :], 60, STALE_S)
    assert found["signal"]["reason"] == reason
    assert (found["signal"]["variation"] is None) == (reason == "series_broken")


def test_bars_before_the_history_do_not_break_a_series() -> None:
    old, new = bars([1.0] * 30), [(T0 + 61 * 60 * MINUTE + n * MINUTE, 1.0, 1) for n in range(5)]
    assert answer(Question("BTC", history_h=61), old + new, 60, STALE_S)["signal"]["reason"] == "series_broken"
    assert answer(Question("BTC", history_h=60), old + new, 60, STALE_S)["signal"]["reason"] == "not_enough_points"
