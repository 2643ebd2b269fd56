"""The dashboard people land on: whether prices are streaming, the market at a glance, and the way to the others."""

from __future__ import annotations

from cryptoviz.dashboards import style
from cryptoviz.dashboards.dashboard import Dashboard, Row
from cryptoviz.dashboards.panel import chart, coloured, column, override, rows, stat, text, transform
from cryptoviz.dashboards.query import digits, line, table
from cryptoviz.dashboards.style import thresholds, value_colours
from cryptoviz.dashboards.variable import horizon, number

DISCLAIMER = f"""
**Not financial advice.** Prices come from public sources and may be late or wrong. Forecasts and signals are the output
of simple models that are often wrong; see [how often](/d/{style.SCOREBOARD}). Do not trade on what you see here.
"""
GUIDE = f"""
- [**Multi-source**](/d/{style.MULTI_SOURCE}): several assets at several sources: prices, change, gaps between sources
- [**Asset**](/d/{style.ASSET}): one asset: candles, averages, bands, RSI, MACD, Stochastic, signals
- [**Predictions**](/d/{style.PREDICTIONS}): what the models forecast, with the parameters of your choice
- [**Scoreboard**](/d/{style.SCOREBOARD}): how the forecasts turned out: errors, hits, calibration

The period is chosen at the top right and stays when you go from one dashboard to another. Drag over a chart to zoom in.
"""

OPEN_ASSET = f"/d/{style.ASSET}?var-asset=${{__value.text}}&${{__url_time_range}}"
STREAMING = "FROM v_streaming"

streaming = stat(
    "Streaming", table(f"SELECT state {STREAMING}", texts=("state",)), field="state",
    mappings=value_colours(style.STREAMING), width=4,
    description="live: the newest quote is no older than three times the usual spacing of quotes. "
    "stopped: older than CRYPTOVIZ_STALE_SECONDS too. late: in between.",
)  # fmt: skip
age = stat(
    "Last quote", table(f"SELECT age_s {STREAMING}", numbers=("age_s",)), unit=style.SECONDS,
    colours=thresholds(style.GOOD, (60, style.WARNING), (600, style.BAD)), defaults={"decimals": 0}, width=4,
    description="Age of the newest quote of any source.",
)  # fmt: skip
stored = stat(
    "Quotes stored", table("SELECT quotes FROM v_totals", numbers=("quotes",)), unit="locale", width=4,
    description="Records of all sources. One that was sent again after a crash counts twice for a while.",
)  # fmt: skip
tracked = stat("Assets tracked", table("SELECT assets FROM v_totals", numbers=("assets",)), width=4)
active = stat(
    "Active sources", table(f"SELECT active_sources {STREAMING}", numbers=("active_sources",)), width=4,
    colours=thresholds(style.BAD, (1, style.GOOD)),
    description="Sources that gave a quote within CRYPTOVIZ_STALE_SECONDS.",
)  # fmt: skip

RATE = "v_quote_rate(since = $__fromTime, until = $__toTime, step_s = $__interval_s)"
total_rate = stat(
    "Quotes per minute",
    line(f"SELECT time, sum(per_minute) AS per_minute FROM {RATE} GROUP BY time ORDER BY time", "per_minute"),
    defaults={"decimals": 0}, graph=True, width=4,
)  # fmt: skip

guide = text("Where to go", GUIDE, width=8, height=9)
disclaimer = text("Please note", DISCLAIMER, width=8, height=5)

market = rows(
    "Market",
    table(
        f"SELECT asset, {digits('price')}, change_1h, change_24h, signal, variation, confidence, age_s"
        f" FROM v_market(horizon_s = {number('horizon')}) ORDER BY asset",
        texts=("asset", "signal"), numbers=("price", "change_1h", "change_24h", "variation", "confidence", "age_s"),
    ),
    line(
        "SELECT time, asset, price FROM v_prices(since = $__fromTime, until = $__toTime, step_s = $__interval_s)"
        " WHERE source = 'all' ORDER BY time",
        "price", by=("asset",),
    ),
    description="Price: the last bar's, the median over the sources. Signal and forecast: the consensus of the models, "
    "as far ahead as chosen above. Click an asset for its own dashboard.",
    width=16, height=14, sort="Asset", descending=False, max_points=60,
    transformations=(
        transform("timeSeriesTable"),
        transform("joinByField", byField="asset", mode="outer"),
        transform("organize", indexByName={
            name: place for place, name in enumerate(
                ("asset", "price", "change_1h", "change_24h", "Trend #B", "signal", "variation", "confidence", "age_s")
            )
        }),
    ),
    overrides=(
        column("asset", "Asset", width=75, links=[{
            "title": "Open ${__value.text}", "url": OPEN_ASSET,
        }]),
        column("price", "Price, $", style.AS_IT_IS),
        column("change_1h", "1 h", style.PERCENT, decimals=2, cell="color-text", thresholds=style.SIGN, width=82),
        column("change_24h", "24 h", style.PERCENT, decimals=2, cell="color-text", thresholds=style.SIGN, width=82),
        override("/^Trend/", {
            "displayName": "Period", "custom.width": 130, "color": {"mode": "fixed", "fixedColor": style.SKY},
            "custom.cellOptions": {"type": "sparkline", "hideValue": True},
        }),
        column("signal", "Signal", cell="color-text", mappings=value_colours(style.SIGNALS), width=76),
        column("variation", "Forecast", style.PERCENT, decimals=2, width=86),
        column("confidence", "Confidence", style.PERCENT, decimals=0, width=92),
        column("age_s", "Age", style.SECONDS, decimals=0, width=60,
               thresholds=thresholds(style.NEUTRAL, (600, style.BAD)), cell="color-text"),
    ),
)  # fmt: skip

sources = rows(
    "Sources",
    table(
        "SELECT source, state, since, reason, age_s, assets FROM v_sources ORDER BY source",
        times=("since",), texts=("source", "state", "reason"), numbers=("age_s", "assets"),
    ),
    description="What each source's own heartbeat said last, since when and why, and the age of its newest quote.",
    width=24, height=6,
    overrides=(
        column("source", "Source"), column("state", "State", cell="color-text",
                                           mappings=value_colours(style.SOURCE_STATES)),
        column("since", "Since", "dateTimeAsIso"), column("reason", "Reason"),
        column("age_s", "Last quote", style.SECONDS, decimals=0), column("assets", "Assets"),
    ),
)  # fmt: skip

rate = chart(
    "Quotes per minute by source",
    line(f"SELECT time, source, per_minute FROM {RATE} ORDER BY time", "per_minute", by=("source",)),
    description="Quotes that came per minute, over the minutes that are complete; beyond 6 hours those in closed bars.",
    name="${__field.labels.source}", width=24, height=7,
    custom={"fillOpacity": 25, "stacking": {"mode": "normal", "group": "A"}, "spanNulls": False},
    defaults={"min": 0}, overrides=coloured(style.SOURCES),
)  # fmt: skip

HOME = Dashboard(
    style.HOME, "CryptoViz",
    "Whether prices are streaming, the market at a glance, and the way to the other dashboards.",
    rows=(
        Row("", (streaming, age, stored, tracked, active, total_rate)),
        Row("", (market, guide, disclaimer)),
        Row("", (sources, rate)),
    ),
    variables=(horizon,), since="now-24h",
)  # fmt: skip
