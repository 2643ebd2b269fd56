"""Several assets at several sources: their prices together and apart, in percent, and how far the sources differ."""

from __future__ import annotations

from typing import Any

from cryptoviz.dashboards import style
from cryptoviz.dashboards.dashboard import Dashboard, Marks, Row
from cryptoviz.dashboards.panel import Panel, chart, coloured, column, override, rows, with_decimals
from cryptoviz.dashboards.query import Query, digits, line, table
from cryptoviz.dashboards.variable import any_of, assets, sources

PERIOD = "since = $__fromTime, until = $__toTime"
STEPS = f"{PERIOD}, step_s = $__interval_s"
CHOSEN = f"asset IN {any_of('asset')} AND source IN {any_of('source')}"
BOTH = "${__field.labels.asset} ${__field.labels.source}"
# A source that is not the median of all is told by its line, too.
DASHED = tuple(
    override(f"/\\b{source}\\b/", {"custom.lineStyle": {"fill": "dash", "dash": list(dash)}})
    for source, dash in {"binance": (12, 4), "coingecko": (6, 4), "coinmarketcap": (2, 4)}.items()
)
ASSETS = coloured(style.ASSETS)

shared = chart(
    "Prices on one scale",
    line(f"SELECT time, asset, source, price FROM v_prices({STEPS}) WHERE {CHOSEN} ORDER BY time", "price",
         by=("asset", "source")),
    description="The scale is logarithmic, so that 0.00001 and 100,000 are both to be seen; equal distances are equal "
    "changes in percent.",
    unit=style.PRICE, name=BOTH, height=11, overrides=(*ASSETS, *DASHED),
    custom={"scaleDistribution": {"type": "log", "log": 10}},
)  # fmt: skip

percent = chart(
    "Change since the start of the period",
    line(f"SELECT time, asset, source, change_percent FROM v_changes({STEPS}) WHERE {CHOSEN} ORDER BY time",
         "change_percent", by=("asset", "source")),
    description="Each line starts at 0 with the first price in the period.",
    unit=style.PERCENT, name=BOTH, height=11, overrides=(*ASSETS, *DASHED), defaults={"decimals": 2},
)  # fmt: skip

figures = rows(
    "The period in figures",
    table(
        f"SELECT asset, source, {digits('last_price', 'min_price', 'max_price', 'mean_price', 'change')},"
        f" change_percent, volatility_percent, points FROM v_range({PERIOD}) WHERE {CHOSEN}"
        " ORDER BY asset, source != 'all', source",
        texts=("asset", "source"),
        numbers=("last_price", "min_price", "max_price", "mean_price", "change", "change_percent",
                 "volatility_percent", "points"),
    ),
    description="Over quotes up to 6 hours, over closes of bars beyond; `all` is over bars always. Volatility is the "
    "standard deviation in percent of the mean.",
    width=24, height=9,
    overrides=(
        column("asset", "Asset", width=70), column("source", "Source", width=120),
        *(column(name, title, style.AS_IT_IS) for name, title in {
            "last_price": "Price, $", "min_price": "Min, $", "max_price": "Max, $", "mean_price": "Mean, $",
            "change": "Change, $",
        }.items()),
        column("change_percent", "Change", style.PERCENT, decimals=2, cell="color-text", thresholds=style.SIGN),
        column("volatility_percent", "Volatility", style.PERCENT, decimals=3),
        column("points", "Points"),
    ),
)  # fmt: skip


def _gap_chart(title: str, number: str, unit: str, **more: Any) -> Panel:
    gaps = f"v_gaps({STEPS}, sources = {any_of('source')})"
    question = line(
        f"SELECT time, asset, {number} FROM {gaps} WHERE asset IN {any_of('asset')} ORDER BY time", number,
        by=("asset",),
    )  # fmt: skip
    return chart(title, question, unit=unit, name="${__field.labels.asset}", overrides=ASSETS, **more)


GAP = (
    "From the cheapest source to the dearest, at the ends of bars in which both had quotes. USD, USDT and USDC at par."
)
gap_percent = _gap_chart("Gap between sources, %", "gap_percent", style.PERCENT, description=GAP)
gap_absolute = _gap_chart(
    "Gap between sources, $",
    "gap",
    style.PRICE,
    description=GAP,
    custom={"scaleDistribution": {"type": "log", "log": 10}},
)

gaps_now = rows(
    "Largest gaps now",
    table(
        f"SELECT asset, gap_percent, lowest, highest, {digits('lowest_price', 'highest_price', 'gap')}"
        f" FROM v_gaps_now(sources = {any_of('source')}) WHERE asset IN {any_of('asset')} ORDER BY gap_percent DESC",
        texts=("asset", "lowest", "highest"), numbers=("lowest_price", "highest_price", "gap", "gap_percent"),
    ),
    description="The newest quotes of the sources chosen, as far as they are younger than CRYPTOVIZ_STALE_SECONDS.",
    defaults={"noValue": "no two of the sources chosen have a fresh quote of the same asset"},
    width=24, height=6,
    overrides=(
        column("asset", "Asset", width=70), column("lowest", "Cheapest at", width=120),
        column("highest", "Dearest at", width=120),
        column("lowest_price", "Lowest, $", style.AS_IT_IS), column("highest_price", "Highest, $", style.AS_IT_IS),
        column("gap", "Gap, $", style.AS_IT_IS), column("gap_percent", "Gap", style.PERCENT, decimals=3),
    ),
)  # fmt: skip

overlay = with_decimals(
    chart(
        "$asset at every source",
        line(f"SELECT time, source, price FROM v_prices({STEPS}) WHERE {CHOSEN} ORDER BY time", "price",
             by=("source",)),
        description="Each asset on a scale of its own, a line per source chosen.",
        unit=style.PRICE, name="${__field.labels.source}", height=9, repeat="asset", per_row=3,
        overrides=(*coloured(style.SOURCES), *DASHED),
    ),
    f"IN {any_of('asset')}",
)  # fmt: skip

outages = Marks(
    "Outages",
    Query(
        "SELECT time, time_end AS timeEnd, concat(source, ' ', state) AS title, reason AS text, source AS tags"
        f" FROM v_outages WHERE time <= $__toTime AND time_end >= $__fromTime AND source IN {any_of('source')}"
        " AND dateDiff('second', time, time_end) >= greatest(60, dateDiff('second', $__fromTime, $__toTime) / 60)"
        " ORDER BY time LIMIT 200",
        times=("time", "timeEnd"), texts=("title", "text", "tags"), may_be_empty=True,
    ),
    style.NEUTRAL,
)  # fmt: skip

ledger = Marks(
    "Ledger",
    Query(
        "SELECT time, time_end AS timeEnd, concat(asset, ' at ', source, ': ', state) AS title, reason AS text,"
        f" source AS tags FROM v_ledger WHERE time <= $__toTime AND time_end >= $__fromTime AND {CHOSEN}"
        " AND state IN ('diverging', 'stale', 'gap') ORDER BY time LIMIT 200",
        times=("time", "timeEnd"), texts=("title", "text", "tags"), may_be_empty=True,
    ),
    style.BAD,
)  # fmt: skip

MULTI_SOURCE = Dashboard(
    style.MULTI_SOURCE, "Multi-source",
    "Several assets at several sources: prices, change in percent, figures of the period, gaps between sources.",
    rows=(
        Row("", (shared, percent)),
        Row("The period in figures", (figures,)),
        Row("One chart per asset, a line per source", (overlay,)),
        Row("Gaps between sources", (gaps_now, gap_percent, gap_absolute)),
    ),
    variables=(assets, sources), marks=(outages, ledger),
)  # fmt: skip
