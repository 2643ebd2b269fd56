"""The registry of indicators: a new one is a file of its own and one line here."""

from __future__ import annotations

from processors.indicators.atr import ATR
from processors.indicators.base import Indicator
from processors.indicators.bollinger import BOLLINGER
from processors.indicators.ewma_volatility import EWMA_VOLATILITY
from processors.indicators.macd import MACD
from processors.indicators.rsi import RSI
from processors.indicators.stochastic import STOCHASTIC

INDICATORS: tuple[Indicator, ...] = (
    RSI,
    MACD,
    BOLLINGER,
    STOCHASTIC,
    ATR,
    EWMA_VOLATILITY,
)
