"""Confidence of all assets together: every forecast counts once."""

from __future__ import annotations

from typing import Any

import pytest

from cryptoviz.report.calibration import calibration_plot, pooled


def _row(asset: str, n: int, hit_rate: float, **changes: Any) -> dict[str, Any]:
    usual = {
        "source": "all", "asset": asset, "model": "trend", "horizon_s": 3600, "confidence_from": 90, "n": n,
        "n_independent": 3, "mean_confidence": 95.0, "hit_rate": hit_rate, "hit_low": 0.4, "hit_high": 0.6,
    }  # fmt: skip
    return usual | changes


def test_assets_are_weighed_by_their_forecasts() -> None:
    (one,) = pooled([_row("BTC", 300, 0.5, mean_confidence=92.0), _row("ETH", 100, 0.9)])["trend", 3600]
    assert (one.n, one.confidence, one.hit) == (400, pytest.approx(92.75), pytest.approx(60.0))
    assert (one.low, one.high) == (pytest.approx(40.0), pytest.approx(60.0))


def test_steps_of_confidence_rise_and_an_interval_that_nobody_has_is_left_out() -> None:
    steps = pooled([_row("BTC", 1, 1.0), _row("BTC", 1, 0.0, confidence_from=40, hit_low=None, hit_high=None)])
    assert [(step.hit, step.low) for step in steps["trend", 3600]] == [(0.0, None), (100.0, pytest.approx(40.0))]


def test_without_stated_confidence_there_is_no_plot() -> None:
    assert calibration_plot("calibration", [], ["trend"]) == ""
    assert "confidence stated, %" in calibration_plot("calibration", [_row("BTC", 5, 0.5)], ["trend", "naive"])
