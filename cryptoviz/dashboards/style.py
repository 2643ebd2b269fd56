"""What all dashboards share, each decided once: their uids, the data source, colours, units, thresholds, refresh.

Colours are those of Okabe and Ito (2008, Color Universal Design), which people with any kind of colour vision tell
apart; a meaning is never told by colour alone.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

DATA_SOURCE: Json = {"type": "grafana-clickhouse-datasource", "uid": "clickhouse"}
PLUGIN_VERSION = "4.20.0"
SCHEMA_VERSION = 39
TAG = "cryptoviz"
REFRESH = "30s"
REFRESHES = ("10s", "30s", "1m", "5m", "15m")

# uids are in bookmarks and links: never change one.
HOME = "cryptoviz-home"
MULTI_SOURCE = "cryptoviz-multi-source"
ASSET = "cryptoviz-asset"
PREDICTIONS = "cryptoviz-predictions"
SCOREBOARD = "cryptoviz-scoreboard"
PIPELINE = "cryptoviz-pipeline"
NAVIGATION = {
    HOME: "Home",
    MULTI_SOURCE: "Multi-source",
    ASSET: "Asset",
    PREDICTIONS: "Predictions",
    SCOREBOARD: "Scoreboard",
    PIPELINE: "Pipeline",
}
"""What the bar at the top leads to, in this order."""

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#8E8E8E"
PALETTE = (ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE, GREY)
TEXT = "text"  # whatever the theme writes with
UP, DOWN, NEUTRAL = GREEN, VERMILLION, GREY
GOOD, WARNING, BAD = GREEN, ORANGE, VERMILLION

SOURCES = {
    "all": SKY,
    "binance": ORANGE,
    "coingecko": GREEN,
    "coinmarketcap": PURPLE,
    "coinbase": BLUE,
    "kraken": VERMILLION,
    "yahoo": YELLOW,
}
ASSETS = dict(zip(("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "TRX", "ADA"), PALETTE, strict=True))
"""The first assets of the registry; further ones get Grafana's own colours."""
KINDS = {"filed": ORANGE, "back_test": PURPLE, "catch_up": GREY}
"""Forecasts stored in advance; made over history; filed after their own target."""
KIND_WORDS = {"filed": "filed", "back_test": "back-test", "catch_up": "caught up"}
SIGNALS = {"BUY": UP, "SELL": DOWN, "HOLD": NEUTRAL}
STREAMING = {"live": GOOD, "late": WARNING, "stopped": BAD}
SOURCE_STATES = {
    "available": GOOD,
    "late": WARNING,
    "rate_limited": WARNING,
    "failing": BAD,
    "blocked": BAD,
    "off": NEUTRAL,
}
SERIES_STATES = {
    "available": GOOD,
    "backfilled": NEUTRAL,
    "late": WARNING,
    "stale": WARNING,
    "gap": WARNING,
    "diverging": BAD,
}
PART_STATES = {"up": GOOD, "down": BAD}

# Currency units of Grafana shorten 98,123 to 98.1 K: a plain number after the sign keeps the digits of 0.000009 too.
PRICE = "prefix:$"
AS_IT_IS = "string"  # a number with the digits the query gave it
PERCENT = "percent"  # 5 is 5 %
SHARE = "percentunit"  # 0.05 is 5 %
COUNT = "short"
SECONDS = "s"
BYTES = "bytes"
TIME = "time:YYYY-MM-DD HH:mm"
DAY_TIME = "time:MM-DD HH:mm"
TIME_S = "time:YYYY-MM-DD HH:mm:ss"
PER_MINUTE = "suffix: /min"


def thresholds(base: str, *steps: tuple[float, str]) -> Json:
    """Colours by value: `base` below the first step, then each step's colour from its value on."""
    rest = [{"color": colour, "value": value} for value, colour in steps]
    return {"mode": "absolute", "steps": [{"color": base, "value": None}, *rest]}


def words(said: dict[str, str]) -> list[Json]:
    """Value mappings that put something else for these texts."""
    return [{"type": "value", "options": {value: {"text": text} for value, text in said.items()}}]


def value_colours(colours: dict[str, str]) -> list[Json]:
    """Value mappings that give texts their colours, and show them without underscores."""
    options = {
        text: {"text": text.replace("_", " "), "color": colour, "index": index}
        for index, (text, colour) in enumerate(colours.items())
    }
    return [{"type": "value", "options": options}]


def nothing(text: str | None = None) -> list[Json]:
    """Value mappings for what is not there: no threshold's colour, and this text, else the panel's own."""
    shown: Json = {"color": NEUTRAL} | ({"text": text} if text else {})
    return [
        {"type": "special", "options": {"match": match, "result": shown | {"index": 100 + place}}}
        for place, match in enumerate(("null+nan", "empty"))
    ]


SIGN = thresholds(DOWN, (-0.005, NEUTRAL), (0.005, UP))
"""Below 0, 0 and above 0, for percents that are told with two decimals."""
