"""Rows of the views a report reads, made up by tests that change what they are about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2024, 6, 1, tzinfo=UTC)
END = datetime(2024, 6, 8, tzinfo=UTC)


def row(asset: str = "BTC", model: str = "trend", horizon_s: int = 3600, **changes: Any) -> dict[str, Any]:
    """A row of `scoreboard`: a model that is slightly worse than the naive one."""
    usual: dict[str, Any] = {
        "kind": "back_test", "period": "all", "asset": asset, "source": "all", "interval_s": 300,
        "horizon_s": horizon_s, "model": model, "counts_from": START,
        "counts_until": END - timedelta(seconds=horizon_s), "n": 2000, "n_void": 3,
        "n_independent": 168 * 3600 // horizon_s, "mae": 120.0, "rmse": 150.0, "bias": -4.0, "mae_percent": 0.2,
        "rmae": 1.04, "n_direction": 1990, "hit_rate": 0.51, "hit_low": 0.44, "hit_high": 0.58, "pt_statistic": 0.3,
        "pt_p": 0.38, "n_intervals": 1900, "coverage_50": 0.52, "coverage_80": 0.81, "coverage_95": 0.94,
        "width_50_percent": 0.3, "width_80_percent": 0.6, "width_95_percent": 1.1, "winkler_50_percent": 0.6,
        "winkler_80_percent": 0.9, "winkler_95_percent": 1.4,
    }  # fmt: skip
    assert changes.keys() <= usual.keys()
    return usual | changes
