"""Forecasts with the parameters of one's choice, those that the pipeline filed, and what became of them."""

from __future__ import annotations

from cryptoviz.dashboards import style
from cryptoviz.dashboards.dashboard import Dashboard, Row
from cryptoviz.dashboards.panel import (
    chart,
    coloured,
    column,
    drawn,
    figures,
    override,
    rows,
    stat,
    text,
    with_decimals,
)
from cryptoviz.dashboards.query import Query, digits, line, table
from cryptoviz.dashboards.style import value_colours, words
from cryptoviz.dashboards.variable import asset, choice, listed, number, one, source

HOW = f"""
**Every choice above is computed at once**, anew with every refresh, over the bars stored by now (left). What the stream
filed by itself, with its own windows, is on the right. **Ahead of now** is drawn what the models say: if the chart ends
today, choose *To: now+24h* at the top right.

How good such forecasts were: [Scoreboard](/d/{style.SCOREBOARD}). Most are worse than "the price stays the same".
**Nothing here is financial advice.**
"""


def _within(name: str, low: int, high: int) -> str:
    """SQL for a number chosen, moved into the range that the view takes: a link may say anything."""
    return f"least({high}, greatest({low}, {number(name)}))"


AT = f"horizon_s = {_within('hours', 1, 24)} * 3600"
SERIES = f"asset = {one('asset')}, source = {one('source')}"
NOW = (
    f"predict_now({SERIES}, history_hours = {_within('history', 6, 72)}, horizon_hours = {_within('hours', 1, 24)},"
    f" short = {_within('short_window', 5, 30)}, long = {_within('long_window', 20, 100)},"
    f" momentum = {_within('momentum', 5, 30)})"
)
FILED = f"v_forecasts_now({SERIES})"
OUTCOMES = f"v_outcomes({SERIES}, model = {one('model')})"
OF_ASSET = f"= {one('asset')}"
COLOURS = {
    "consensus": style.YELLOW,
    "ma_short": style.ORANGE,
    "ma_long": style.PURPLE,
    "trend": style.VERMILLION,
    "momentum": style.BLUE,
}
REASONS = {
    "variation_above_threshold": "the consensus is far enough above the price",
    "variation_below_threshold": "the consensus is far enough below the price",
    "variation_within_threshold": "the consensus is too close to the price",
    "confidence_too_low": "the models' confidence is too low",
    "not_enough_points": "too few points for these windows",
    "series_broken": "a gap in the prices left too few points",
    "stale_source": "the price is old: no quote came of late",
}

now = with_decimals(
    figures(
        "$asset now",
        table(
            "SELECT price, forecast, variation, volatility, points, dateDiff('second', made_at, now()) AS age_s"
            f" FROM {NOW} WHERE model = 'consensus'",
            numbers=("price", "forecast", "variation", "volatility", "points", "age_s"),
        ),
        column("price", "Price"), column("forecast", "Consensus"),
        column("variation", "Variation", style.PERCENT, decimals=2, thresholds=style.SIGN),
        column("volatility", "Volatility", style.PERCENT, decimals=3),
        column("points", "Points", "none", decimals=0), column("age_s", "Age", style.SECONDS, decimals=0),
        unit=style.PRICE, width=16,
        description="The last bar's close, and what the consensus says. Volatility: standard deviation of the last 20 "
        "points in percent of their mean. Points: bars without a gap within the history chosen.",
    ),
    OF_ASSET,
)  # fmt: skip
signal = stat(
    "Signal", table(f"SELECT signal FROM {NOW} WHERE model = 'consensus'", texts=("signal",)), field="signal",
    mappings=value_colours(style.SIGNALS), width=3, height=5,
    description="By the rules and thresholds of the pipeline, with the parameters chosen. Not financial advice.",
)  # fmt: skip
reason = stat(
    "Because", table(f"SELECT signal_reason FROM {NOW} WHERE model = 'consensus'", texts=("signal_reason",)),
    field="signal_reason", width=5, height=5,
    mappings=words(REASONS),
    options={"text": {"valueSize": 18}},
)  # fmt: skip

MODEL_COLUMNS = (
    column("model", "Model", width=148), column("forecast", "Forecast, $", style.AS_IT_IS, width=96),
    column("variation", "Variation", style.PERCENT, decimals=2, cell="color-text", thresholds=style.SIGN, width=82),
    column("confidence", "Confidence", style.PERCENT, decimals=1, width=98),
    column("lower_80", "80 % from", style.AS_IT_IS, width=88), column("upper_80", "to", style.AS_IT_IS, width=80),
    column("made_at", "Made", "time:HH:mm", width=60), column("reason", "If none"),
)  # fmt: skip
asked = rows(
    "With your parameters",
    table(
        f"SELECT model, {digits('forecast')}, variation, confidence, reason FROM {NOW} ORDER BY model",
        texts=("model", "reason"), numbers=("forecast", "variation", "confidence"),
    ),
    description="Confidence is a formula about volatility and deviation, no probability of being right.",
    width=10, height=10, overrides=MODEL_COLUMNS,
)  # fmt: skip
filed = rows(
    "As the stream filed it, with its own windows",
    table(
        f"SELECT model, {digits('forecast')}, variation, confidence, {digits('lower_80', 'upper_80')}, made_at, reason"
        f" FROM {FILED} WHERE {AT} ORDER BY model",
        times=("made_at",), texts=("model", "reason"),
        numbers=("forecast", "variation", "confidence", "lower_80", "upper_80"),
    ),
    description="The newest forecasts as far ahead as chosen, if the stream makes such (1, 4 and 24 h unless set "
    "otherwise). The interval held the price in 80 % of cases as far as the model has learned by now.",
    width=14, height=10, overrides=MODEL_COLUMNS,
    defaults={"noValue": "nothing filed as far ahead as this: choose 1, 4 or 24 hours, or wait for the next forecast"},
)  # fmt: skip

ahead = with_decimals(
    chart(
        "$asset, $source: what was, and what the models say",
        line("SELECT time, price FROM v_prices(since = $__fromTime, until = $__toTime, step_s = $__interval_s)"
             f" WHERE asset = {one('asset')} AND source = {one('source')} ORDER BY time", "price"),
        line("SELECT toDateTime(said.1) AS time, model, said.2 AS forecast FROM (SELECT model, arrayJoin("
             f"[(made_at, price), (target_at, assumeNotNull(forecast))]) AS said FROM {NOW}"
             " WHERE isNotNull(forecast)) ORDER BY time",
             "forecast", by=("model",)),
        line("SELECT toDateTime(said.1) AS time, max(said.2) AS lower_95, max(said.3) AS lower_80,"
             " max(said.4) AS upper_80, max(said.5) AS upper_95 FROM (SELECT arrayJoin([(made_at, price, price, price,"
             " price), (target_at, assumeNotNull(lower_95), assumeNotNull(lower_80), assumeNotNull(upper_80),"
             f" assumeNotNull(upper_95))]) AS said FROM {FILED} WHERE model = {one('model')} AND isNotNull(lower_80)"
             " AND isNotNull(lower_95)) GROUP BY time ORDER BY time",
             "lower_95", "lower_80", "upper_80", "upper_95"),
        description="Lines ahead of now lead from the price to the forecasts with your parameters. The bands are the "
        "80 and 95 % intervals of the streamed model chosen above, at every horizon for which it has learned them. If "
        "the chart ends now, choose To: now+24h at the top right.",
        unit=style.PRICE, width=24, height=13, custom={"lineWidth": 2},
        overrides=(
            override("price", drawn("price", style.SKY)),
            override("/forecast/", {"displayName": "${__field.labels.model}", "custom.spanNulls": True,
                                    "custom.lineStyle": {"fill": "dash", "dash": [6, 4]},
                                    "custom.showPoints": "always", "custom.pointSize": 6}),
            *coloured(COLOURS),
            *(override(name, drawn(title, style.GREY) | {"custom.spanNulls": True, "custom.lineWidth": 0} | more)
              for name, title, more in (
                  ("lower_95", "95 % from", {}), ("lower_80", "80 % from", {}),
                  ("upper_80", "80 % to", {"custom.fillBelowTo": "80 % from", "custom.fillOpacity": 22}),
                  ("upper_95", "95 % to", {"custom.fillBelowTo": "95 % from", "custom.fillOpacity": 10}),
              )),
        ),
    ),
    OF_ASSET,
)  # fmt: skip

NOT_YET = "no such forecast had its time in this period: the first come an hour after the start"
# Nothing is asked for further ahead than a day; by made_at, scores of other times are passed over.
WITHIN = f"{AT} AND $__timeFilter(target_at) AND made_at >= $__fromTime - toIntervalDay(1)"
then = with_decimals(
    chart(
        "$model, $hours h ahead: said at the time, and what happened",
        line(f"SELECT target_at AS time, kind, forecast FROM {OUTCOMES} WHERE {WITHIN} ORDER BY time",
             "forecast", by=("kind",)),
        line(f"SELECT target_at AS time, any(happened) AS price FROM {OUTCOMES} WHERE {WITHIN} GROUP BY time"
             " ORDER BY time", "price"),
        description="Each forecast stands where its time came, beside the price there. filed: stored in advance; "
        "back_test: made over history, nobody filed it; catch_up: filed after its own target. Empty if the stream does "
        "not forecast this far ahead.",
        unit=style.PRICE, width=13, height=11, custom={"spanNulls": 7_200_000},
        defaults={"noValue": NOT_YET},
        overrides=(override("price", drawn("what happened", style.SKY)),
                   override("/forecast/", {"displayName": "${__field.labels.kind}"}),
                   *coloured(style.KINDS)),
    ),
    OF_ASSET,
)  # fmt: skip
outcomes = rows(
    "The last outcomes",
    table(
        f"SELECT target_at, {digits('forecast', 'happened')}, error_percent, naive_error_percent, direction, kind"
        f" FROM {OUTCOMES} WHERE {WITHIN} ORDER BY target_at DESC LIMIT 100",
        times=("target_at",), texts=("direction", "kind"),
        numbers=("forecast", "happened", "error_percent", "naive_error_percent"),
    ),
    description="Errors in percent of the price at the time of the forecast: the model's, and that of \"the price "
    "stays the same\".",
    width=11, height=11, defaults={"noValue": NOT_YET},
    overrides=(
        column("target_at", "Time", "time:MM-DD HH:mm", width=100), column("forecast", "Said, $", style.AS_IT_IS),
        column("happened", "Was, $", style.AS_IT_IS), column("error_percent", "Error", style.PERCENT, decimals=2),
        column("naive_error_percent", "Naive's", style.PERCENT, decimals=2),
        column("direction", "Direction", width=100), column("kind", "Kind", mappings=words(style.KIND_WORDS), width=84),
    ),
)  # fmt: skip

PREDICTIONS = Dashboard(
    style.PREDICTIONS, "Predictions",
    "What the models forecast with parameters of your choice, what the stream filed, and what became of that.",
    rows=(
        Row("", (now, signal, reason)),
        Row("", (ahead,)),
        Row("", (asked, filed)),
        Row("What the pipeline said then", (then, outcomes)),
        Row("", (text("How to use it", HOW, width=24, height=7),)),
    ),
    variables=(
        asset, source,
        listed("history", "History, h", ("6", "12", "24", "36", "48", "72"), "24"),
        listed("hours", "Hours ahead", ("1", "2", "3", "4", "6", "8", "12", "18", "24"), "4"),
        listed("short_window", "Short", ("5", "10", "15", "20", "25", "30"), "20"),
        listed("long_window", "Long", ("20", "30", "40", "50", "75", "100"), "50"),
        listed("momentum", "Momentum", ("5", "7", "10", "14", "20", "25", "30"), "14"),
        choice("model", "Streamed model",
               Query("SELECT DISTINCT model FROM v_scored ORDER BY model", texts=("model",)), "consensus"),
    ),
    since="now-24h", until="now+24h",
)  # fmt: skip
