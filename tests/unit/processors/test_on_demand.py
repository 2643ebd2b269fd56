"""What is answered on demand, from bars made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from independent import HOUR_MS, expected, same_percent, same_price
from independent import MODELS as DEFINED

from processors.models import MODELS
from processors.on_demand import Question, answer

MINUTE = 60_000
T0 = 1_700_000_400_000 // HOUR_MS * HOUR_MS


def bars(prices: list[float], step_ms: int = MINUTE) -> list[tuple[int, float]]:
    return [(T0 + n * step_ms, price) for n, price in enumerate(prices)]


def test_the_answer_is_that_of_the_formulas() -> None:
    prices = (100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 2e-3, 300)))).tolist()
    found, wanted = answer(Question("BTC"), bars(prices), 60), expected(prices, MINUTE, 4)
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
    assert answer(Question("BTC", history_h=6), whole, 60)["points"] == 360
    assert answer(Question("BTC"), whole[:570] + whole[571:], 60)["points"] == 29


@pytest.mark.parametrize("interval_s", [60, 300, 3600])
def test_a_history_of_fewer_bars_than_a_window_has_too_few_points(interval_s: int) -> None:
    found = answer(Question("BTC", history_h=6), bars([5.0] * 500, interval_s * 1000), interval_s)
    assert found["points"] == 6 * 3600 // interval_s
    for model, entry in zip(MODELS, found["forecasts"], strict=False):
        assert model.name == entry["model"]
        assert (entry["forecast"] is None) == (entry["reason"] == "not_enough_points")
    assert (found["forecasts"][0]["forecast"] is None) == (interval_s == 3600)


def test_one_bar_has_a_price_and_nothing_more() -> None:
    found = answer(Question("BTC"), bars([7.0]), 60)
    assert (found["price"], found["points"], found["volatility"]) == (7.0, 1, 0.0)
    assert {entry["forecast"] for entry in found["forecasts"] if entry["model"] in DEFINED} == {None}
    assert found["signal"] == {
        "signal": "HOLD", "variation": None, "confidence": None, "ma_trend": None, "reason": "not_enough_points",
    }  # fmt: skip


def test_the_consensus_is_of_the_models_that_were_chosen() -> None:
    prices = [100.0 + 0.05 * n for n in range(100)]
    (trend,) = (model for model in MODELS if model.name == "trend")
    found = answer(Question("BTC", models=(trend,)), bars(prices), 60)
    assert [entry["model"] for entry in found["forecasts"]] == ["trend", "consensus"]
    assert found["forecasts"][0]["forecast"] == pytest.approx(found["forecasts"][1]["forecast"], rel=1e-12)
    assert found["signal"]["ma_trend"] is None
    assert found["signal"]["signal"] == "BUY"
