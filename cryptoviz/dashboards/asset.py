"""One asset as traders look at it: candles with averages and bands, indicators below, signals as marks."""

from __future__ import annotations

from typing import Any

from cryptoviz.dashboards import style
from cryptoviz.dashboards.dashboard import Dashboard, Marks, Row
from cryptoviz.dashboards.panel import Panel, candles, chart, column, drawn, figures, override, stat, with_decimals
from cryptoviz.dashboards.query import Query, line, table
from cryptoviz.dashboards.style import thresholds, value_colours
from cryptoviz.dashboards.variable import asset, horizon, listed, number, one, source

PERIOD = "since = $__fromTime, until = $__toTime"
STEPS = f"{PERIOD}, step_s = $__interval_s"
SERIES = f"asset = {one('asset')}, source = {one('source')}"
CHOSEN = f"asset = {one('asset')} AND source = {one('source')}"
AT_HORIZON = f"horizon_s = {number('horizon')}"
AXIS_WIDTH = 84
"""In pixels: charts below one another have their moments below one another too."""
HISTOGRAM = {"custom.drawStyle": "bars", "custom.fillOpacity": 60, "custom.lineWidth": 0}
AVERAGES = ("ma_short", "ma_long", "bollinger_lower", "bollinger_middle", "bollinger_upper")


def _indicators(title: str, *columns: str, **more: Any) -> Panel:
    names = (column.rpartition(" AS ")[2] for column in columns)
    question = line(f"SELECT time, {', '.join(columns)} FROM v_indicators({SERIES}, {STEPS}) ORDER BY time", *names)
    custom = {"axisWidth": AXIS_WIDTH, "showPoints": "never", **more.pop("custom", {})}
    return chart(title, question, width=24, height=7, custom=custom, min_interval="1m", **more)


def _between(low: float, high: float) -> dict[str, Any]:
    """A scale from 0 to 100 with lines at what is called oversold and overbought."""
    steps = thresholds(style.NEUTRAL, (low, style.NEUTRAL), (high, style.NEUTRAL))
    return {"min": 0, "max": 100, "thresholds": steps, "decimals": 1}


signal = stat(
    "Signal", table(f"SELECT signal FROM v_signals_now WHERE {CHOSEN} AND {AT_HORIZON}", texts=("signal",)),
    field="signal", mappings=value_colours(style.SIGNALS), height=5,
    description="What the consensus of the models amounts to, as far ahead as chosen above. Not financial advice.",
)  # fmt: skip
period = with_decimals(
    figures(
        "The period",
        table(
            "SELECT last_price, change_percent, min_price, max_price, mean_price, volatility_percent, points"
            f" FROM v_range({PERIOD}) WHERE {CHOSEN}",
            numbers=("last_price", "change_percent", "min_price", "max_price", "mean_price", "volatility_percent",
                     "points"),
        ),
        column("last_price", "Price"), column("min_price", "Lowest"), column("max_price", "Highest"),
        column("mean_price", "Mean"),
        column("change_percent", "Change", style.PERCENT, decimals=2, thresholds=style.SIGN),
        column("volatility_percent", "Volatility", style.PERCENT, decimals=3),
        column("points", "Points", "none", decimals=0),
        unit=style.PRICE, width=20,
        description="Volatility is the standard deviation of the period's prices in percent of their mean.",
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
        unit=style.PRICE, up=style.UP, down=style.DOWN, width=24, height=16, max_points=80, min_interval="1m",
        custom={"axisWidth": AXIS_WIDTH},
        description="Averages and Bollinger bands (20 bars, two standard deviations) are over bars: those of the "
        "pipeline up to 3 days, of an hour beyond. Volume is what was traded where the source says so for the whole "
        "period, else the number of quotes. Vertical lines are changes of the signal.",
        overrides=(
            override("ma_short", drawn("average, short", style.ORANGE)),
            override("ma_long", drawn("average, long", style.PURPLE)),
            override("bollinger_middle", drawn("band, middle", style.GREY, dashed=True)),
            override("bollinger_lower", drawn("band, lower", style.GREY)),
            override("bollinger_upper", drawn("band, upper", style.GREY)
                     | {"custom.fillBelowTo": "band, lower", "custom.fillOpacity": 8}),
            override("volume", {"unit": style.COUNT, "decimals": 1, "custom.axisPlacement": "hidden"}),
        ),
    ),
    f"= {one('asset')}",
)  # fmt: skip

OVER_BARS = "Over bars: those of the pipeline up to 3 days, of an hour beyond."
rsi = _indicators(
    "RSI", "rsi", defaults=_between(30, 70), custom={"thresholdsStyle": {"mode": "dashed"}},
    overrides=(override("rsi", drawn("RSI, 14 bars", style.SKY)),),
    description=f"Above 70 is called overbought, below 30 oversold. {OVER_BARS}",
)  # fmt: skip
macd = _indicators(
    "MACD", "macd", "macd_signal", "if(macd_histogram > 0, macd_histogram, NULL) AS above",
    "if(macd_histogram <= 0, macd_histogram, NULL) AS below",
    description="The average over 12 bars less that over 26, its own average over 9, and the difference as columns. "
    f"{OVER_BARS}",
    overrides=(
        override("macd", drawn("MACD", style.SKY)),
        override("macd_signal", drawn("signal line", style.ORANGE)),
        override("above", drawn("above it", style.UP) | HISTOGRAM),
        override("below", drawn("below it", style.DOWN) | HISTOGRAM),
    ),
)  # fmt: skip
stochastic = _indicators(
    "Stochastic", "stochastic_k", "stochastic_d", defaults=_between(20, 80),
    custom={"thresholdsStyle": {"mode": "dashed"}},
    overrides=(
        override("stochastic_k", drawn("%K", style.SKY)),
        override("stochastic_d", drawn("%D", style.ORANGE)),
    ),
    description=f"Where the price lies between the lowest and the highest of the last 14 bars. {OVER_BARS}",
)  # fmt: skip


def _signals(said: str, colour: str) -> Marks:
    changes = Query(
        "SELECT time, concat(signal, ' after ', if(before = '', 'nothing', before)) AS title,"
        " concat(reason, if(isNull(confidence), '', concat(', confidence ', toString(round(confidence)), ' %')))"
        f" AS text, signal AS tags FROM v_signal_changes({PERIOD})"
        f" WHERE {CHOSEN} AND {AT_HORIZON} AND signal = '{said}' AND (before, signal) != ('', 'HOLD')"
        " ORDER BY time LIMIT 200",
        times=("time",), texts=("title", "text", "tags"), may_be_empty=True,
    )  # fmt: skip
    return Marks(said, changes, colour)


ASSET = Dashboard(
    style.ASSET, "Asset",
    "One asset at one source: candles with averages and bands, RSI, MACD, Stochastic, and changes of the signal.",
    rows=(
        Row("", (period, signal)),
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
