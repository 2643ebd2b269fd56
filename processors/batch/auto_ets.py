"""AutoETS: the exponential smoothing (error, trend, damping) that explains the recent closes best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from processors.batch.base import BatchModel, log_percent, prices, steps_ahead

if TYPE_CHECKING:
    from processors.models.base import Floats


def fit_and_forecast(closes: Floats, interval_s: int, horizons_s: tuple[int, ...]) -> Floats:
    """Forecasts [horizons] of the state space model of the logarithms with the least AICc, without a season.

    Hyndman, Koehler, Ord and Snyder (2008), "Forecasting with Exponential Smoothing".
    """
    from statsforecast.models import AutoETS

    steps = steps_ahead(interval_s, horizons_s)
    said = AutoETS(model="ZZN").forecast(y=log_percent(closes, interval_s), h=max(steps))["mean"]
    return prices(np.asarray(said, dtype=np.float64)[np.array(steps) - 1], closes[-1])


AUTO_ETS = BatchModel("auto_ets", "statsforecast", fit_and_forecast)
