"""Which fields of a message fill the columns of each table, and how large their numbers may be."""

from __future__ import annotations

QUOTE = (
    "asset", "name", "symbol", "ref", "currency", "price", "open", "high", "low", "volume", "percent_change_24h",
    "market_cap", "volume_24h", "event_at", "received_at", "at", "item", "feeds",
)  # fmt: skip
QUOTES = ("source", "origin", "topic", "partition", "offset")
BAR = (
    "asset", "source", "interval_s", "start", "open", "high", "low", "close", "volume", "quotes", "origin",
)  # fmt: skip
STATS = ("asset", "source", "interval_s", "at", "origin")
WINDOW = ("window_s", "points", "min", "max", "mean", "std", "variation", "volatility")
INDICATORS = (
    "asset", "source", "interval_s", "at", "origin", "rsi", "macd", "macd_signal", "macd_histogram", "bollinger_lower",
    "bollinger_middle", "bollinger_upper", "stochastic_k", "stochastic_d", "atr", "ewma_volatility", "more",
)  # fmt: skip
PREDICTION = ("asset", "source", "interval_s", "made_at", "price", "points", "origin")
FORECAST = ("horizon_s", "target_at", "model", "version", "forecast", "variation", "confidence", "reason")
SIGNAL = ("asset", "source", "interval_s", "made_at", "price", "origin")
SIGNAL_AT = ("horizon_s", "signal", "variation", "confidence", "ma_trend", "reason")
SCORES = ("asset", "source", "interval_s", "target_at", "actual", "void", "scored_at")
SCORE = (
    "made_at", "horizon_s", "model", "version", "origin", "price", "forecast", "confidence", "error", "naive_error",
    "relative_error", "hit",
)  # fmt: skip
ENTRY = ("source", "asset", "since", "state", "reason")
STATUS = ("since", "state", "until", "reason")
LETTER = ("topic", "partition", "offset", "item", "source", "reason", "detail", "at", "encoding", "payload")
FILED = ("filed_at", "precedence")

COLUMNS: dict[str, tuple[str, ...]] = {
    "quotes": (*QUOTE, "repeated", *QUOTES, "precedence"),
    "bars": (*BAR, *FILED),
    "stats": (*STATS, *WINDOW, *FILED),
    "indicators": (*INDICATORS, *FILED),
    "predictions": (*PREDICTION, *FORECAST, "bounds", "weight", *FILED),
    "signals": (*SIGNAL, *SIGNAL_AT, *FILED),
    "scores": (*SCORES, *SCORE, "covered", "intervals", *FILED),
    "dead_letters": ("letter", *LETTER, *FILED),
    "source_health": ("source", "asset", *STATUS, "last_seen"),
}

# What each whole number must stay below: beyond it a column cannot hold it, and one message would stop the sink.
# Times end in 2100, the last year ClickHouse sorts into months.
U16, U32, U63, END_MS = 2**16, 2**32, 2**63, 4_102_444_800_000
TIMES = ("at", "start", "made_at", "target_at", "event_at", "received_at", "since", "until", "scored_at", "filed_at")
LIMITS = (
    dict.fromkeys(TIMES, END_MS)
    | dict.fromkeys(("interval_s", "window_s", "horizon_s", "points", "item"), U32)
    | {"partition": U16, "offset": U63, "quotes": U63}
)
