"""Binance's language: 24-hour tickers and klines of the simulated market, numbers as strings, errors as codes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from cryptoviz.assets import AssetRegistry
from cryptoviz.local.market.answer import Answer
from cryptoviz.local.market.curves import MINUTE_MS, Candles, Curve
from cryptoviz.local.market.profiles import profile_of
from cryptoviz.local.market.walk import HOUR_MS

SOURCE = "binance"
SYMBOLS = re.compile(r'\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\]')
SHARE = 0.35  # of the world's turnover
TRADE_USD = 700.0  # mean size of a trade
DAY_MS = 24 * HOUR_MS
MAX_KLINES = 1000
# Those that can be made of a few thousand simulated minutes; longer ones are answered like unknown ones.
INTERVALS_MIN = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60}


class Binance:
    """The endpoints below /binance."""

    def __init__(self, seed: int, registry: AssetRegistry) -> None:
        self._curves = {
            entry.symbol: Curve(seed, SOURCE, entry.asset)
            for asset in registry.assets
            for entry in asset.listings()
            if entry.source == SOURCE
        }

    def routes(self) -> dict[str, Any]:
        """Path to handler(query, headers, now in ms)."""
        return {
            "/api/v3/ping": lambda *_: Answer({}),
            "/api/v3/time": lambda _query, _headers, now_ms: Answer({"serverTime": now_ms}),
            "/api/v3/ticker/24hr": self.ticker_24hr,
            "/api/v3/klines": self.klines,
        }

    def ticker_24hr(self, query: Mapping[str, str], _headers: Mapping[str, str], now_ms: int) -> Answer:
        """One object for `symbol`, a list for `symbols` (a JSON list) or for neither (all)."""
        if "symbol" in query and "symbols" in query:
            return _error(-1128, "Combination of optional parameters invalid.")
        if not SYMBOLS.fullmatch(query.get("symbols", "[]")):
            legal = SYMBOLS.pattern
            return _error(-1100, f"Illegal characters found in parameter 'symbols'; legal range is '^{legal}$'.")
        wanted = json.loads(query["symbols"]) if "symbols" in query else None
        symbols = [query["symbol"]] if "symbol" in query else list(self._curves) if wanted is None else wanted
        if not set(symbols) <= set(self._curves):
            return _error(-1121, "Invalid symbol.")
        tickers = [_ticker(symbol, self._curves[symbol], now_ms) for symbol in symbols]
        weight = 2 if "symbol" in query or len(tickers) <= 20 else 40
        return Answer(tickers[0] if "symbol" in query else tickers, headers={"X-MBX-USED-WEIGHT-1M": str(weight)})

    def klines(self, query: Mapping[str, str], _headers: Mapping[str, str], now_ms: int) -> Answer:
        """Klines from `startTime` on, or else the last ones up to `endTime`; the newest may be unfinished."""
        for name in ("symbol", "interval"):
            if not query.get(name):
                return _error(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        if query["symbol"] not in self._curves:
            return _error(-1121, "Invalid symbol.")
        if query["interval"] not in INTERVALS_MIN:
            return _error(-1120, "Invalid interval.")
        try:
            numbers = {name: int(query[name]) for name in ("limit", "startTime", "endTime") if name in query}
        except ValueError:
            return _error(-1100, "Illegal characters found in parameter; legal range is '^[0-9]{1,20}$'.")
        step_ms = INTERVALS_MIN[query["interval"]] * MINUTE_MS
        first, until = _range(numbers, step_ms, now_ms)
        curve = self._curves[query["symbol"]]
        return Answer(_klines(curve, curve.candles(first, until), step_ms), headers={"X-MBX-USED-WEIGHT-1M": "2"})


def _error(code: int, message: str) -> Answer:
    return Answer({"code": code, "msg": message}, status=400)


def _range(query: Mapping[str, int], step_ms: int, now_ms: int) -> tuple[int, int]:
    """From the start of the first kline to the end of the last, which is cut at the time now."""
    limit = min(max(query.get("limit", 500), 1), MAX_KLINES)
    last = min(query.get("endTime", now_ms), now_ms) // step_ms * step_ms
    if "startTime" in query:
        first = -(-query["startTime"] // step_ms) * step_ms
        last = min(last, first + (limit - 1) * step_ms)
    else:
        first = last - (limit - 1) * step_ms
    return first, min(last + step_ms, now_ms)


def _klines(curve: Curve, minutes: Candles, step_ms: int) -> list[list[Any]]:
    if not len(minutes.start):
        return []
    starts = minutes.start // step_ms * step_ms
    cuts = np.flatnonzero(np.diff(starts, prepend=-1))
    ends = np.append(cuts[1:], len(starts)) - 1
    decimals = profile_of(curve.ticker).decimals
    price = f"%.{decimals}f" + "0" * (8 - decimals)
    usd = np.add.reduceat(minutes.usd, cuts) * SHARE
    base = np.add.reduceat(minutes.usd / minutes.close, cuts) * SHARE
    bought = 0.5 + 0.3 * np.tanh((minutes.close[ends] / minutes.open[cuts] - 1) * 500)
    columns = zip(
        starts[cuts].tolist(), minutes.open[cuts].tolist(), np.maximum.reduceat(minutes.high, cuts).tolist(),
        np.minimum.reduceat(minutes.low, cuts).tolist(), minutes.close[ends].tolist(),
        base.tolist(), usd.tolist(), bought.tolist(), strict=True,
    )  # fmt: skip
    return [
        [start, price % opened, price % high, price % low, price % close, f"{volume:.8f}", start + step_ms - 1,
         f"{quote:.8f}", int(quote / TRADE_USD) + 1, f"{volume * share:.8f}", f"{quote * share:.8f}", "0"]
        for start, opened, high, low, close, volume, quote, share in columns
    ]  # fmt: skip


def _ticker(symbol: str, curve: Curve, now_ms: int) -> dict[str, Any]:
    """The last 24 hours, as the exchange rolls them: to the millisecond at the end, by whole minutes at the start."""
    candles = curve.candles(now_ms - DAY_MS, now_ms)
    last, opened = float(candles.close[-1]), float(candles.open[0])
    usd, base = float(candles.usd.sum()) * SHARE, float((candles.usd / candles.close).sum()) * SHARE
    tick = 10.0 ** -profile_of(curve.ticker).decimals
    trades, first_id = int(usd / TRADE_USD), now_ms // 10
    numbers = {
        "priceChange": last - opened, "weightedAvgPrice": usd / base, "prevClosePrice": opened, "lastPrice": last,
        "bidPrice": last - tick, "askPrice": last + tick, "openPrice": opened,
        "highPrice": float(candles.high.max()), "lowPrice": float(candles.low.min()),
    }  # fmt: skip
    decimals = profile_of(curve.ticker).decimals
    prices = {name: f"{round(number, decimals):.8f}" for name, number in numbers.items()}
    sizes = {"lastQty": TRADE_USD / last, "bidQty": 3 * TRADE_USD / last, "askQty": 2 * TRADE_USD / last,
             "volume": base, "quoteVolume": usd}  # fmt: skip
    return {
        "symbol": symbol,
        **prices,
        "priceChangePercent": f"{(last / opened - 1) * 100:.3f}",
        **{name: f"{size:.8f}" for name, size in sizes.items()},
        "openTime": now_ms - DAY_MS,
        "closeTime": now_ms,
        "firstId": first_id,
        "lastId": first_id + trades - 1,
        "count": trades,
    }
