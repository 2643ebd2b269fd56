"""The indicators once more, each written from its definition as plain loops over one whole series, as their judge.

Nothing of the product is imported here. Each takes arrays [bars] and returns arrays [bars], NaN while there are too
few bars.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

NAN = math.nan


def ema_from(values: np.ndarray, first: int, points: int, alpha: float) -> np.ndarray:
    """The mean of the `points` values up to index `first`, from there on an exponential average."""
    out = np.full(len(values), NAN)
    if first < len(values):
        out[first] = math.fsum(values[first - points + 1 : first + 1]) / points
    for i in range(first + 1, len(values)):
        out[i] = (1 - alpha) * out[i - 1] + alpha * values[i]
    return out


def rsi(close: np.ndarray) -> dict[str, np.ndarray]:
    """Wilder's relative strength index, 14."""
    change = np.diff(close, prepend=NAN)
    up = ema_from(np.where(change > 0, change, 0), 14, 14, 1 / 14)
    down = ema_from(np.where(change < 0, -change, 0), 14, 14, 1 / 14)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 100 - 100 / (1 + up / down)
    return {"rsi": np.where((up == 0) & (down == 0), 0.0, found)}


def macd(close: np.ndarray) -> dict[str, np.ndarray]:
    """12, 26, 9; the fast average starts where the slow one does."""
    line = ema_from(close, 25, 12, 2 / 13) - ema_from(close, 25, 26, 2 / 27)
    signal = ema_from(line, 33, 9, 2 / 10)
    line = np.where(np.isnan(signal), NAN, line)
    return {"macd": line, "macd_signal": signal, "macd_histogram": line - signal}


def bollinger(close: np.ndarray) -> dict[str, np.ndarray]:
    """20 closes, 2 population standard deviations."""
    windows = [close[i - 19 : i + 1] if i >= 19 else np.full(20, NAN) for i in range(len(close))]
    middle = np.array([window.mean() for window in windows])
    width = np.array([2 * window.std() for window in windows])
    return {"bollinger_lower": middle - width, "bollinger_middle": middle, "bollinger_upper": middle + width}


def stochastic(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> dict[str, np.ndarray]:
    """14, 3, 3."""
    raw = np.full(len(close), NAN)
    for i in range(13, len(close)):
        top, bottom = high[i - 13 : i + 1].max(), low[i - 13 : i + 1].min()
        raw[i] = 0.0 if top == bottom else (close[i] - bottom) / (top - bottom) * 100
    k = np.array([raw[i - 2 : i + 1].mean() if i >= 15 else NAN for i in range(len(close))])
    d = np.array([k[i - 2 : i + 1].mean() if i >= 17 else NAN for i in range(len(close))])
    return {"stochastic_k": np.where(np.isnan(d), NAN, k), "stochastic_d": d}


def atr(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> dict[str, np.ndarray]:
    """Wilder's average true range, 14."""
    before = np.concatenate([[NAN], close[:-1]])
    ranges = np.max([high - low, np.abs(high - before), np.abs(low - before)], axis=0)
    return {"atr": ema_from(ranges, 14, 14, 1 / 14)}


def ewma_volatility(close: np.ndarray) -> dict[str, np.ndarray]:
    """Decay 0.94 of squared log returns, begun with the mean of 20, in percent."""
    squares = np.array([NAN, *(math.log(b / a) ** 2 for a, b in itertools.pairwise(close))])
    return {"ewma_volatility": 100 * np.sqrt(ema_from(squares, 20, 20, 0.06))}


def expected_indicators(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> dict[str, np.ndarray]:
    """Every value at every bar of one series without gaps."""
    return (
        rsi(close) | macd(close) | bollinger(close) | stochastic(high, low, close) | atr(high, low, close)
        | ewma_volatility(close)
    )  # fmt: skip


PERCENTS = {"rsi", "stochastic_k", "stochastic_d", "ewma_volatility"}


def same_value(name: str, actual: float | None, wanted: float, price: float) -> bool:
    """Equal to 1e-9: of 1 % for percents, of the price for the others; both may be missing."""
    if actual is None or math.isnan(actual) or math.isnan(wanted):
        return (actual is None or math.isnan(actual)) and math.isnan(wanted)
    return abs(actual - wanted) <= 1e-9 * (max(1.0, abs(wanted)) if name in PERCENTS else price)
