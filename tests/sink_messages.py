"""Hand-made messages of every topic the sink reads; `n` makes one differ from the next."""

from __future__ import annotations

from typing import Any

from cryptoviz.messages import (
    Bar,
    DeadLetter,
    Indicators,
    NormalizedQuotes,
    Prediction,
    Scores,
    Signal,
    Stats,
    result_id,
)

T0 = 1_700_000_040_000  # a whole minute
MINUTE = 60_000
HORIZONS_S = (3600, 14400)


def quotes(n: int, count: int = 3, **changes: Any) -> NormalizedQuotes:
    """`count` quotes of one source in one message, each with an id of its own."""
    at = T0 + n * 1000
    one: Any = {
        "asset": "BTC", "name": "Bitcoin", "symbol": "BTCUSDT", "ref": "", "currency": "USDT", "price": 60_000.0 + n,
        "open": None, "high": None, "low": None, "volume": None, "percent_change_24h": 1.5, "market_cap": None,
        "volume_24h": 123.0, "event_at": None, "received_at": at, "at": at, "item": 0, "feeds": True,
    }  # fmt: skip
    message: Any = {
        "source": "binance", "origin": "live", "received_at": at, "interval_s": 60, "poll_interval_s": 10,
        "topic": "quotes.raw", "partition": 0, "offset": n,
        "quotes": [one | {"item": item, "ref": f"{n}-{item}"} for item in range(count)],
    }  # fmt: skip
    return message | changes  # type: ignore[no-any-return]


def heartbeat(n: int, state: str = "available", since: int = T0) -> NormalizedQuotes:
    """A message without quotes that says how its source is doing."""
    status = {"state": state, "since": since, "until": None, "reason": ""}
    return quotes(n, 0, status=status)


def bar(n: int) -> Bar:
    """One closed bar."""
    start = T0 + n * MINUTE
    return {
        "id": result_id("BTC", "all", 60, start), "asset": "BTC", "source": "all", "interval_s": 60, "start": start,
        "open": 1.0, "high": 4.0, "low": 0.5, "close": 2.0 + n, "volume": None, "quotes": 3, "origin": "live",
    }  # fmt: skip


def stats(n: int) -> Stats:
    """Statistics over two windows."""
    at = T0 + n * MINUTE
    window: Any = {"points": 60, "min": 1.0, "max": 3.0, "mean": 2.0, "std": 0.5, "variation": 1.0, "volatility": 25.0}
    return {
        "id": result_id("BTC", "all", 60, at), "asset": "BTC", "source": "all", "interval_s": 60, "at": at,
        "origin": "live", "windows": [{"window_s": window_s} | window for window_s in (3600, 86400)],
    }  # fmt: skip


def indicators(n: int) -> Indicators:
    """Indicators of a series that has too few bars for some, and one value that has no field."""
    at = T0 + n * MINUTE
    return {
        "id": result_id("BTC", "all", 60, at), "asset": "BTC", "source": "all", "interval_s": 60, "at": at,
        "origin": "live", "rsi": 50.0 + n, "macd": None, "macd_signal": None, "macd_histogram": None,
        "bollinger_lower": 90.0, "bollinger_middle": 100.0, "bollinger_upper": 110.0, "stochastic_k": 20.0,
        "stochastic_d": 30.0, "atr": 1.5, "ewma_volatility": None, "more": {"rate_of_change": -1.25, "other": 2.0},
    }  # fmt: skip


def prediction(n: int, forecast: float = 101.0) -> Prediction:
    """Two models, one without enough points, for two horizons."""
    made_at = T0 + n * MINUTE
    forecasts: Any = [
        {
            "horizon_s": horizon_s, "target_at": made_at + horizon_s * 1000, "model": model, "version": "1",
            "forecast": value, "variation": value and 1.0, "confidence": value and 99.0,
            "reason": "" if value else "not_enough_points",
            "bounds": [{"level": 0.8, "lower": 90.0, "upper": 110.0}] if value else [],
        }
        for model, value in (("trend", forecast), ("ma_long", None))
        for horizon_s in HORIZONS_S
    ]  # fmt: skip
    return {
        "id": result_id("BTC", "all", 60, made_at), "asset": "BTC", "source": "all", "interval_s": 60,
        "made_at": made_at, "price": 100.0, "points": 40, "origin": "live", "forecasts": forecasts,
    }  # fmt: skip


def signal(n: int) -> Signal:
    """A signal per horizon, the second without figures."""
    made_at = T0 + n * MINUTE
    known: Any = {
        "signal": "BUY", "variation": 3.0, "confidence": 80.0, "ma_trend": "bullish",
        "reason": "variation_above_threshold",
    }  # fmt: skip
    unknown: Any = {
        "signal": "HOLD", "variation": None, "confidence": None, "ma_trend": None, "reason": "not_enough_points",
    }  # fmt: skip
    return {
        "id": result_id("BTC", "all", 60, made_at), "asset": "BTC", "source": "all", "interval_s": 60,
        "made_at": made_at, "price": 100.0, "origin": "live",
        "signals": [{"horizon_s": 3600} | known, {"horizon_s": 14400} | unknown],
    }  # fmt: skip


def scores(n: int) -> Scores:
    """Two forecasts of one target, one horizon each: one with an interval, one over history that has none."""
    target_at = T0 + n * MINUTE
    usual: Any = {
        "model": "trend", "version": "1", "price": 100.0, "forecast": 101.0, "confidence": 99.0, "error": -1.0,
        "naive_error": -2.0, "relative_error": 0.5, "hit": True,
        "intervals": [{"level": 0.8, "inside": False, "width": 1.0, "winkler": 6.0}],
    }  # fmt: skip
    bare: Any = {"confidence": None, "relative_error": None, "hit": None, "intervals": []}
    return {
        "id": result_id("BTC", "all", 60, target_at), "asset": "BTC", "source": "all", "interval_s": 60,
        "target_at": target_at, "scored_at": target_at + 10_000, "actual": 102.0, "void": "",
        "scores": [
            {"made_at": target_at - horizon_s * 1000, "horizon_s": horizon_s, "origin": origin} | usual | other
            for horizon_s, origin, other in zip(HORIZONS_S, ("live", "backfill"), ({}, bare), strict=True)
        ],
    }  # fmt: skip


def letter(n: int, **changes: Any) -> DeadLetter:
    """A dead letter of quotes.raw that has a place in the log."""
    known: Any = {
        "topic": "quotes.raw", "partition": 1, "offset": n, "item": 2, "source": "binance", "reason": "future",
        "detail": "an hour ahead", "at": T0 + n, "encoding": "utf-8", "payload": "{}",
    }  # fmt: skip
    return known | changes  # type: ignore[no-any-return]
