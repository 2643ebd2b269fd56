"""Every indicator that TA-Lib has against TA-Lib, at every prefix of a series."""

from __future__ import annotations

import numpy as np
import pytest
import talib
from independent_indicators import same_value
from unit.processors.indicator_series import run, shapes

# TA-Lib takes what is below 1e-14 for 0, whatever the price. A power of two is exact to scale by.
SCALE = 2.0**24
LEVELS = [9e-6, 1.0, 98_000.0]


def _batch(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> dict[str, np.ndarray]:
    """What TA-Lib makes of one whole series."""
    line, signal, histogram = talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)
    upper, middle, lower = talib.BBANDS(close, timeperiod=20, nbdevup=2, nbdevdn=2, matype=talib.MA_Type.SMA)
    k, d = talib.STOCH(high, low, close, fastk_period=14, slowk_period=3, slowd_period=3)
    return {
        "rsi": talib.RSI(close, timeperiod=14), "macd": line, "macd_signal": signal, "macd_histogram": histogram,
        "bollinger_lower": lower, "bollinger_middle": middle, "bollinger_upper": upper,
        "stochastic_k": k, "stochastic_d": d, "atr": talib.ATR(high, low, close, timeperiod=14),
    }  # fmt: skip


@pytest.mark.parametrize("start", LEVELS)
@pytest.mark.parametrize("shape", list(shapes(1.0)))
def test_every_value_equals_talib_at_every_prefix(shape: str, start: float) -> None:
    series = shapes(start)[shape]
    found, scale = run(series), SCALE if start < 1 else 1.0
    for bars in range(1, series.shape[1] + 1):
        _, high, low, close = series[:, :bars] * scale
        for name, values in _batch(high, low, close).items():
            percent = name in {"rsi", "stochastic_k", "stochastic_d"}
            wanted = values[-1] if percent else values[-1] / scale
            assert same_value(name, found[name][bars - 1], wanted, series[3, :bars].max()), (name, bars)
