"""AutoARIMA: the ARIMA order that explains the recent closes best, chosen anew at every fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from processors.batch.base import BatchModel, log_percent, prices, steps_ahead

if TYPE_CHECKING:
    from processors.models.base import Floats


def fit_and_forecast(closes: Floats, interval_s: int, horizons_s: tuple[int, ...]) -> Floats:
    """Forecasts [horizons] of an ARIMA(p, d, q) of the logarithms, its order searched stepwise by AICc.

    Hyndman and Khandakar (2008), "Automatic time series forecasting: the forecast package for R".
    """
    from statsforecast.models import AutoARIMA

    steps = steps_ahead(interval_s, horizons_s)
    said = AutoARIMA().forecast(y=log_percent(closes, interval_s), h=max(steps))["mean"]
    return prices(np.asarray(said, dtype=np.float64)[np.array(steps) - 1], closes[-1])


AUTO_ARIMA = BatchModel("auto_arima", "statsforecast", fit_and_forecast)
