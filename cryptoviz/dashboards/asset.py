"""One asset as traders look at it: candles with averages and bands, indicators below, signals as marks."""

from __future__ import annotations

from typing import Any

from cryptoviz.dashboards import style
from cryptoviz.dashboards.dashboard import Dashboard, Marks, Row
from cryptoviz.dashboards.panel import Panel, candles, chart, column, drawn, override, stat, with_decimals
from cryptoviz.dashboards.query import Query, line, table
from cryptoviz.dashboards.style import thresholds, value_colours
from cryptoviz.dashboards.variable import asset, horizon, listed, number, one, source

PERIOD = "since = $__fromTime, until = $__toTime"
STEPS = f"{PERIOD}, step_s = $__interval_s"
SERIES = f"asset = {one('asset')}, source = {one('source')}"
CHOSEN = f"asset = {one('asset')} AND source = {one('source')}"
AT_HORIZON = f"horizon_s = {number('horizon')}"
AVERAGES = ("ma_short", "ma_long", "bollinger_lower", "bollinger_middle", "bollinger_upper")


def _indicators(title: str, *columns: str, **more: Any) -> Panel:
    question = line(f"SELECT time, {', '.join(columns)} FROM v_indicators({SERIES}, {STEPS}) ORDER BY time", *columns)
    return chart(title, question, width=24, height=6, **more)


def _between(low: float, high: float) -> dict[str, Any]:
    """A scale from 0 to 100 with lines at what is called oversold and overbought."""
    steps = thresholds(style.NEUTRAL, (low, style.UP), (high, style.DOWN))
    return {"min": 0, "max": 100, "thresholds": steps, "decimals": 1}


signal = stat(
    "Signal", table(f"SELECT signal FROM v_signals_now WHERE {CHOSEN} AND {AT_HORIZON}", texts=("signal",)),
    field="signal", mappings=value_colours(style.SIGNALS),
    description="What the consensus of the models amounts to, as far ahead as chosen above. Not financial advice.",
)  # fmt: skip
figures = with_decimals(
    stat(
        "The period",
        table(
            "SELECT last_price, change_percent, min_price, max_price, mean_price, volatility_percent, points"
            f" FROM v_range({PERIOD}) WHERE {CHOSEN}",
            numbers=("last_price", "change_percent", "min_price", "max_price", "mean_price", "volatility_percent",
                     "points"),
        ),
        unit=style.PRICE, width=20, options={"textMode": "value_and_name", "orientation": "vertical"},
        description="Volatility is the standard deviation of the period's prices in percent of their mean.",
        overrides=(
            column("last_price", "Price"), column("min_price", "Lowest"), column("max_price", "Highest"),
            column("mean_price", "Mean"),
            column("change_percent", "Change", style.PERCENT, decimals=2, thresholds=style.SIGN),
            column("volatility_percent", "Volatility", style.PERCENT, decimals=3),
            column("points", "Points", "none", decimals=0),
        ),
    ),
    f"= {one('asset')}",
)  # fmt: skip

price = with_decimals(
    candles(
        "$asset, $source",
        table(
            f"SELECT time, open, high, low, close, volume, {', '.join(AVERAGES)}"
            f" FROM v_candles({SERIES}, {STEPS}, short = {number('short')}, long = {number('long')}) ORDER BY time",
            times=("time",), numbers=("open", "high", "low", "close", "volume", *AVERAGES),
        ),
        unit=style.PRICE, up=style.UP, down=style.DOWN, width=24, height=16, max_points=300, min_interval="1m",
        description="Averages and Bollinger bands (20 bars, two standard deviations) are over bars: those of the "
        "pipeline up to 3 days, of an hour beyond. Volume is what was traded where the source says so for the whole "
        "period, else the number of quotes. Vertical lines are changes of the signal.",
        overrides=(
            override("ma_short", drawn("average, short", style.ORANGE)),
            override("ma_long", drawn("average, long", style.PURPLE)),
            override("bollinger_middle", drawn("band, middle", style.SKY, dashed=True)),
            override("bollinger_lower", drawn("band, lower", style.SKY)),
            override("bollinger_upper", drawn("band, upper", style.SKY)
                     | {"custom.fillBelowTo": "band, lower", "custom.fillOpacity": 6}),
            override("volume", {"unit": style.COUNT, "decimals": 1}),
        ),
    ),
    f"= {one('asset')}",
)  # fmt: skip

AS_FILED = "As the stream filed it, over bars of the pipeline's own length."
rsi = _indicators(
    "RSI", "rsi", defaults=_between(30, 70), custom={"thresholdsStyle": {"mode": "line"}},
    overrides=(override("rsi", drawn("RSI, 14 bars", style.SKY)),),
    description=f"Above 70 is called overbought, below 30 oversold. {AS_FILED}",
)  # fmt: skip
macd = _indicators(
    "MACD", "macd", "macd_signal", "macd_histogram",
    description=f"The average over 12 bars less that over 26, its own average over 9, and the difference. {AS_FILED}",
    overrides=(
        override("macd", drawn("MACD", style.SKY)),
        override("macd_signal", drawn("signal line", style.ORANGE)),
        override("macd_histogram", {
            "displayName": "histogram", "custom.drawStyle": "bars", "custom.fillOpacity": 60,
            "color": {"mode": "thresholds"}, "thresholds": style.SIGN, "custom.gradientMode": "scheme",
        }),
    ),
)  # fmt: skip
stochastic = _indicators(
    "Stochastic", "stochastic_k", "stochastic_d", defaults=_between(20, 80),
    custom={"thresholdsStyle": {"mode": "line"}},
    overrides=(
        override("stochastic_k", drawn("%K", style.SKY)),
        override("stochastic_d", drawn("%D", style.ORANGE)),
    ),
    description=f"Where the price lies between the lowest and the highest of the last 14 bars. {AS_FILED}",
)  # fmt: skip


def _signals(said: str, colour: str) -> Marks:
    changes = Query(
        "SELECT time, concat(signal, ' after ', if(before = '', 'nothing', before)) AS title,"
        " concat(reason, if(isNull(confidence), '', concat(', confidence ', toString(round(confidence)), ' %')))"
        f" AS text, signal AS tags FROM v_signal_changes({PERIOD})"
        f" WHERE {CHOSEN} AND {AT_HORIZON} AND signal = '{said}' ORDER BY time LIMIT 200",
        times=("time",), texts=("title", "text", "tags"), may_be_empty=True,
    )  # fmt: skip
    return Marks(said, changes, colour)


ASSET = Dashboard(
    style.ASSET, "Asset",
    "One asset at one source: candles with averages and bands, RSI, MACD, Stochastic, and changes of the signal.",
    rows=(
        Row("", (figures, signal)),
        Row("", (price,)),
        Row("Indicators", (rsi, macd, stochastic)),
    ),
    variables=(
        asset, source, horizon,
        listed("short", "Short average", ("5", "10", "20", "30"), "20"),
        listed("long", "Long average", ("50", "75", "100", "200"), "50"),
    ),
    marks=tuple(_signals(said, colour) for said, colour in style.SIGNALS.items()),
)  # fmt: skip
