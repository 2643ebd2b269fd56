"""Prophet: a trend of straight pieces, and the course of the day where there are enough days to see one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryptoviz.settings import DAY_S
from processors.batch.base import BatchModel, log_percent, prices, spacing_s

if TYPE_CHECKING:
    from processors.models.base import Floats

DAYS_OF_A_SEASON = 3
NS_PER_S = 1_000_000_000


def fit_and_forecast(closes: Floats, interval_s: int, horizons_s: tuple[int, ...]) -> Floats:
    """Forecasts [horizons] of the most probable trend of the logarithms, with a daily season from three days on.

    The times are counted from 1970: only distances matter to it. Taylor and Letham (2018), "Forecasting at Scale".
    """
    import pandas as pd
    from prophet import Prophet

    points = log_percent(closes, interval_s)
    times_s = np.arange(len(points), dtype=np.int64) * spacing_s(interval_s)
    daily = times_s[-1] >= DAYS_OF_A_SEASON * DAY_S - spacing_s(interval_s)
    model = Prophet(
        daily_seasonality=bool(daily), weekly_seasonality=False, yearly_seasonality=False, uncertainty_samples=0
    )
    model.fit(pd.DataFrame({"ds": _stamps(times_s), "y": points}), seed=1)
    asked_s = times_s[-1] + np.array(horizons_s, dtype=np.int64)
    said = model.predict(pd.DataFrame({"ds": _stamps(asked_s)}))["yhat"]
    return prices(said.to_numpy(dtype=np.float64), closes[-1])


def _stamps(times_s: np.ndarray) -> np.ndarray:
    return (times_s * NS_PER_S).astype("datetime64[ns]")


PROPHET = BatchModel("prophet", "prophet", fit_and_forecast)
