"""The demo market as one source sees it: prices, candles and turnover at any time, history and live in agreement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryptoviz.local.market.profiles import profile_of
from cryptoviz.local.market.walk import HOUR_MS, STEP_MS, STEPS, Floats, Walk, generator

MINUTE_MS = 60_000
MINUTES = HOUR_MS // MINUTE_MS
MINUTE_STEPS = MINUTE_MS // STEP_MS
GAP_HOURS = 6
# A lasting gap between sources, as share of the price: how far each lies from the middle.
SOURCE_GAPS = {"binance": 0.00002, "coingecko": 0.0002, "coinmarketcap": -0.0003}


@dataclass(frozen=True)
class Candles:
    """One-minute candles; `usd` is the turnover of all exchanges in the minute."""

    start: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    usd: Floats

    def __getitem__(self, part: slice) -> Candles:
        return Candles(*(getattr(self, name)[part] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Curve:
    """The price of one asset at one source, a function of the seed and the time alone."""

    seed: int
    source: str
    ticker: str

    def prices(self, at_ms: ArrayLike) -> Floats:
        """Prices at these times (ms since 1970)."""
        at = np.atleast_1d(np.asarray(at_ms, np.int64))
        prices = np.empty(len(at))
        for hour in np.unique(at // HOUR_MS):
            inside = at // HOUR_MS == hour
            path = _path(self, int(hour))
            step, rest = np.divmod(at[inside] - hour * HOUR_MS, STEP_MS)
            prices[inside] = path[step] + (path[step + 1] - path[step]) * (rest / STEP_MS)
        return prices

    def price(self, at_ms: int) -> float:
        """The price at one time."""
        return float(self.prices(at_ms)[0])

    def candles(self, first_ms: int, until_ms: int) -> Candles:
        """Minute candles that start in [first_ms, until_ms); the last is cut at `until_ms`, unfinished if need be."""
        first, last = -(-first_ms // MINUTE_MS), (until_ms - 1) // MINUTE_MS
        if last < first:
            return _join([])
        hours = range(first // MINUTES, last // MINUTES + 1)
        offset = hours.start * MINUTES
        candles = _join([_candles(self, hour) for hour in hours])[first - offset : last + 1 - offset]
        return candles if until_ms % MINUTE_MS == 0 else self._cut(candles, until_ms)

    def usd_volume(self, until_ms: int, length_ms: int = 24 * HOUR_MS) -> float:
        """Turnover in USD on all exchanges in the time before `until_ms`."""
        return float(np.diff(self.usd_until(np.array([until_ms - length_ms, until_ms])))[0])

    def usd_until(self, at_ms: NDArray[np.int64]) -> Floats:
        """Turnover in USD from the hour of the earliest of these times up to each of them."""
        first, last = int(at_ms.min() // HOUR_MS), int(at_ms.max() // HOUR_MS)
        minutes = np.concatenate([_usd(self.seed, self.ticker, hour) for hour in range(first, last + 1)])
        totals = np.concatenate(([0.0], np.cumsum(minutes)))
        return np.interp((at_ms - first * HOUR_MS) / MINUTE_MS, np.arange(len(totals)), totals)

    def _cut(self, candles: Candles, until_ms: int) -> Candles:
        start = until_ms // MINUTE_MS * MINUTE_MS
        times = np.append(np.arange(start, until_ms, STEP_MS), until_ms - 1)
        path = self.prices(times)
        high, low, close, usd = (column.copy() for column in (candles.high, candles.low, candles.close, candles.usd))
        high[-1], low[-1], close[-1] = path.max(), path.min(), path[-1]
        usd[-1] *= (until_ms - start) / MINUTE_MS
        return Candles(candles.start, candles.open, high, low, close, usd)


def _join(parts: list[Candles]) -> Candles:
    if not parts:
        return Candles(np.empty(0, np.int64), *(np.empty(0) for _ in range(5)))
    names = Candles.__dataclass_fields__
    return Candles(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _market(seed: int) -> Walk:
    return Walk(seed, "market", 0.021, jumps_per_day=0.6, jump_size=0.006)


def _own(seed: int, ticker: str) -> Walk:
    profile = profile_of(ticker)
    jumps = 0.0 if profile.is_stable else 0.4
    return Walk(seed, ticker, profile.own_volatility, jumps, profile.own_volatility / 2)


def _gap(curve: Curve, knot: int) -> float:
    base = SOURCE_GAPS[curve.source]
    return base * (1 + 0.5 * float(generator(curve.seed, f"{curve.source} {curve.ticker} gap", knot).normal()))


@lru_cache(maxsize=2048)
def _path(curve: Curve, hour: int) -> Floats:
    profile = profile_of(curve.ticker)
    log = _own(curve.seed, curve.ticker).hour(hour)
    if not profile.is_stable:
        log = log + profile.beta * _market(curve.seed).hour(hour)
    knot, part = divmod(hour, GAP_HOURS)
    share = (part + np.linspace(0.0, 1.0, STEPS + 1)) / GAP_HOURS
    gap = _gap(curve, knot) * (1 - share) + _gap(curve, knot + 1) * share
    return np.asarray(profile.price * np.exp(log) * (1 + gap))


@lru_cache(maxsize=4096)
def _candles(curve: Curve, hour: int) -> Candles:
    path = _path(curve, hour)
    inside = path[:-1].reshape(MINUTES, MINUTE_STEPS)
    after = path[MINUTE_STEPS::MINUTE_STEPS]
    close = inside[:, -1] + (after - inside[:, -1]) * ((STEP_MS - 1) / STEP_MS)  # the last millisecond of the minute
    start = (hour * MINUTES + np.arange(MINUTES)) * MINUTE_MS
    high, low = np.maximum(inside.max(axis=1), close), np.minimum(inside.min(axis=1), close)
    return Candles(start, inside[:, 0], high, low, close, _usd(curve.seed, curve.ticker, hour))


@lru_cache(maxsize=32768)
def _usd(seed: int, ticker: str, hour: int) -> Floats:
    profile = profile_of(ticker)
    walk = _market(seed) if not profile.is_stable else _own(seed, ticker)
    noise = generator(seed, f"{ticker} turnover", hour).lognormal(-0.18, 0.6, MINUTES)
    return np.asarray(profile.turnover_usd / 1440 * walk.activity(hour) * noise)
