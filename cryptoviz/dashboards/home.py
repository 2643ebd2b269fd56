"""The dashboard people land on: whether prices are streaming, the market at a glance, and the way to the others."""

from __future__ import annotations

from cryptoviz.dashboards import style
from cryptoviz.dashboards.dashboard import Dashboard, Row
from cryptoviz.dashboards.panel import chart, coloured, column, figures, override, rows, text, transform
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
- [**Pipeline**](/d/{style.PIPELINE}): how the machine behind it does: sources, delays, what was set aside

The period is chosen at the top right and stays when you go from one dashboard to another. Drag over a chart to zoom in.
"""

ASSET_OF_ROW = "var-asset=${__data.fields.asset}"
OPEN_ASSET = f"/d/{style.ASSET}?{ASSET_OF_ROW}&${{__url_time_range}}"
OPEN_PREDICTIONS = f"/d/{style.PREDICTIONS}?{ASSET_OF_ROW}"
RATE = "v_quote_rate(since = $__fromTime, until = $__toTime, step_s = $__interval_s)"
RATE_NOW = "v_quote_rate(since = now() - 600, until = now(), step_s = 300)"

now = figures(
    "The stream now",
    table(
        "SELECT state, age_s, active_sources, assets, quotes,"
        f" (SELECT sum(per_minute) / nullIf(uniqExact(time), 0) FROM {RATE_NOW}) AS per_minute"
        " FROM v_streaming CROSS JOIN v_totals",
        texts=("state",), numbers=("age_s", "active_sources", "assets", "quotes", "per_minute"),
    ),
    column("state", "Streaming", mappings=value_colours(style.STREAMING)),
    column("age_s", "Last quote", style.SECONDS, decimals=0,
           thresholds=thresholds(style.GOOD, (60, style.WARNING), (600, style.BAD))),
    column("active_sources", "Active sources", thresholds=thresholds(style.BAD, (1, style.GOOD))),
    column("assets", "Assets tracked"),
    column("quotes", "Quotes stored", "locale"),
    column("per_minute", "Quotes per minute", decimals=0),
    width=24,
    description="live: the newest quote is no older than three times the usual spacing of quotes. stopped: older than "
    "CRYPTOVIZ_STALE_SECONDS too. late: in between. Last quote: its age, of whatever source. Active sources gave a "
    "quote within CRYPTOVIZ_STALE_SECONDS. A quote that was sent again after a crash counts twice for a while. Quotes "
    "per minute: over the last ten.",
)  # fmt: skip

guide = text("Where to go", GUIDE, width=7, height=11)
disclaimer = text("Please note", DISCLAIMER, width=7, height=5)

# As the fields are called after the join: by their column and their question.
MARKET_ORDER = (
    "asset", "price A", "change_1h A", "change_24h A", "Trend #B", "market_cap A", "signal A", "variation A",
    "confidence A", "age_s A",
)  # fmt: skip
market = rows(
    "Market",
    table(
        f"SELECT asset, {digits('price')}, change_1h, change_24h, market_cap, signal, variation, confidence, age_s"
        f" FROM v_market(horizon_s = {number('horizon')}) LEFT JOIN v_market_caps USING asset ORDER BY asset",
        texts=("asset", "signal"),
        numbers=("price", "change_1h", "change_24h", "market_cap", "variation", "confidence", "age_s"),
    ),
    line(
        "SELECT time, asset, price FROM v_prices(since = $__fromTime, until = $__toTime, step_s = $__interval_s)"
        " WHERE source = 'all' ORDER BY time",
        "price", by=("asset",),
    ),
    description="Price: the last bar's, the median over the sources. Signal and forecast: the consensus of the models, "
    "as far ahead as chosen above. Click an asset for its own dashboard, its signal for the forecasts. Market cap: "
    "what the sources last said of all coins together.",
    width=17, height=16, sort="Market cap", max_points=60,
    defaults={"noValue": "no prices yet: after `make demo` or `make up` the first come within a minute"},
    transformations=(
        transform("timeSeriesTable"),
        transform("joinByField", byField="asset", mode="outer"),
        transform("organize", indexByName={name: place for place, name in enumerate(MARKET_ORDER)}),
    ),
    overrides=(
        column("asset", "Asset", width=66, links=[{"title": "Open ${__value.text}", "url": OPEN_ASSET}]),
        column("price", "Price, $", style.AS_IT_IS, width=96),
        column("change_1h", "1 h", style.PERCENT, decimals=2, cell="color-text", thresholds=style.SIGN, width=72),
        column("change_24h", "24 h", style.PERCENT, decimals=2, cell="color-text", thresholds=style.SIGN, width=72),
        column("market_cap", "Market cap", "currencyUSD", decimals=1, width=116),
        override("/^Trend/", {
            "displayName": "Period", "custom.minWidth": 100, "color": {"mode": "fixed", "fixedColor": style.SKY},
            "custom.cellOptions": {"type": "sparkline", "hideValue": True},
        }),
        column("signal", "Signal", cell="color-text", mappings=value_colours(style.SIGNALS), width=66,
               links=[{"title": "Forecasts of ${__data.fields.asset}", "url": OPEN_PREDICTIONS}]),
        column("variation", "Forecast", style.PERCENT, decimals=2, width=80),
        column("confidence", "Confidence", style.PERCENT, decimals=0, width=94),
        column("age_s", "Age", style.SECONDS, decimals=0, width=72,
               thresholds=thresholds(style.NEUTRAL, (600, style.BAD)), cell="color-text"),
    ),
)  # fmt: skip

sources = rows(
    "Sources",
    table(
        "SELECT source, state, age_s, assets, since, reason FROM v_sources ORDER BY source",
        times=("since",), texts=("source", "state", "reason"), numbers=("age_s", "assets"),
    ),
    description="What each source's own heartbeat said last, since when and why, and the age of its newest quote.",
    width=24, height=5, defaults={"noValue": "no source has said anything yet"},
    overrides=(
        column("source", "Source", width=130),
        column("state", "State", cell="color-text", mappings=value_colours(style.SOURCE_STATES), width=110),
        column("age_s", "Last quote", style.SECONDS, decimals=0, width=100), column("assets", "Assets", width=72),
        column("since", "Since", "dateTimeAsIso", width=170), column("reason", "Why"),
    ),
)  # fmt: skip

rate = chart(
    "Quotes per minute by source",
    line(f"SELECT time, source, per_minute FROM {RATE} ORDER BY time", "per_minute", by=("source",)),
    description="Quotes that came per minute, over the minutes that are complete; beyond 6 hours those in closed bars.",
    name="${__field.labels.source}", width=24, height=7, max_points=150,
    custom={"fillOpacity": 25, "stacking": {"mode": "normal", "group": "A"}, "spanNulls": False},
    defaults={"min": 0}, overrides=coloured(style.SOURCES),
)  # fmt: skip

HOME = Dashboard(
    style.HOME, "CryptoViz",
    "Whether prices are streaming, the market at a glance, and the way to the other dashboards.",
    rows=(
        Row("", (now,)),
        Row("", (market, guide, disclaimer)),
        Row("", (sources, rate)),
    ),
    variables=(horizon,), since="now-24h",
)  # fmt: skip
