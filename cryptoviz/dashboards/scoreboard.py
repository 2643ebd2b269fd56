"""How the forecasts turned out: models against "the price stays the same", intervals, confidence, adaptive weights."""

from __future__ import annotations

from cryptoviz.dashboards import style
from cryptoviz.dashboards.dashboard import Dashboard, Row
from cryptoviz.dashboards.panel import chart, column, override, rows, text
from cryptoviz.dashboards.query import Query, line, table
from cryptoviz.dashboards.style import Json, thresholds, words
from cryptoviz.dashboards.variable import ALL, any_of, assets, choices, one, source

KINDS = {"filed": "filed in advance", "back_test": "back-test, not filed", "catch_up": "caught up, too late"}
MODELS = (
    "consensus", "consensus_adaptive", "online", "holt", "ewma", "drift", "ma_short", "ma_long", "trend", "momentum",
    "auto_arima", "auto_ets", "prophet",
)  # fmt: skip
LINES = dict(zip(("consensus", "consensus_adaptive", "online", "holt", "ewma", "drift", "ma_short", "ma_long"),
                 style.PALETTE, strict=True))  # fmt: skip

HOW_TO_READ = """
**Above 1 is worse than doing nothing.** Each forecast is compared with the one that needs no model, "the price stays
the same" (`naive`): *rMAE* is the mean error divided by naive's on the same forecasts. Most models lose, and are shown
all the same.

**Look at how much there is.** Forecasts that overlap share their outcome. Only those *without overlap* say something
of their own; with fewer than 30 of them nearly any figure can be luck.

**Who said it when?**
- *filed*: stored in advance, before the outcome was known
- *back-test*: made over history, such as what a stack fills in at its start; nobody filed it
- *caught up*: the pipeline was down, the forecast came after its own target

What counts are forecasts **whose time came in the period** at the top right, from the day in the column *from*.
An 80 % interval is right if it holds the price 80 % of the time, no more and no less. Not financial advice.
"""


def _period(name: str) -> str:
    return f"{name}(since = $__fromTime, until = $__toTime)"


CHOSEN = (
    f"asset IN {any_of('asset')} AND source = {one('source')} AND kind IN {any_of('kind')}"
    f" AND toString(horizon_s) IN {any_of('horizon')}"
)
OF_MODELS = f"model IN {any_of('model')}"
HOURS = "horizon_s / 3600 AS hours"
BY = f"{HOURS}, kind"
ORDERED = "ORDER BY asset, horizon_s, kind"
TIME = "time:YYYY-MM-DD HH:mm"
COMMON = (
    column("asset", "Asset", width=64),
    column("hours", "Ahead", "suffix: h", width=62),
    column("kind", "Kind", mappings=words(style.KIND_WORDS), width=84),
    column("model", "Model", width=156),
    column("counts_from", "From", TIME, width=144),
    column("counts_until", "Until", TIME, width=144),
    column("n", "n", "locale", width=72),
    column("n_independent", "no overlap", "locale", width=92),
)  # fmt: skip
NOT_YET = {"noValue": "no such forecast had its time in this period: the first come an hour after the start"}
RMAE = thresholds(style.GOOD, (1, style.NEUTRAL), (1.000001, style.WARNING), (1.2, style.BAD))


def _rmae(name: str, title: str) -> Json:
    width = 90 if any(len(word) > 7 for word in title.split()) else 67
    return column(name, title, "none", decimals=3, cell="color-text", thresholds=RMAE, width=width)


counted = rows(
    "What is counted",
    table(
        f"SELECT {BY}, min(from) AS counts_from, max(until) AS counts_until, sum(scored) AS n,"
        " max(independent) AS n_independent, sum(void) AS n_void FROM (SELECT kind, horizon_s, counts_from AS from,"
        " counts_until AS until, n AS scored, n_independent AS independent, n_void AS void"
        f" FROM {_period('scoreboard_between')} WHERE {CHOSEN} AND model = 'naive')"
        " GROUP BY kind, horizon_s ORDER BY kind DESC, horizon_s",
        times=("counts_from", "counts_until"), texts=("kind",), numbers=("hours", "n", "n_independent", "n_void"),
    ),
    description="Forecasts of one model (naive, which always has one) that were scored, all assets chosen together; "
    "how many of one asset do not overlap; how many are void because no price or only a stale one was there to judge "
    "by.",
    width=14, height=13, defaults=NOT_YET, overrides=(*COMMON, column("n_void", "void", "locale", width=72)),
)  # fmt: skip

against_naive = rows(
    "Models against \"the price stays the same\": rMAE, below 1 is better",
    table(
        f"SELECT asset, {BY}, {', '.join(f'anyIf(rmae, model = {name!r}) AS {name}' for name in MODELS)},"
        " max(independent) AS n_independent FROM (SELECT asset, horizon_s, kind, model, rmae,"
        f" n_independent AS independent FROM {_period('scoreboard_between')} WHERE {CHOSEN})"
        f" GROUP BY asset, horizon_s, kind {ORDERED}",
        texts=("asset", "kind"), numbers=("hours", *MODELS, "n_independent"),
    ),
    description="Mean absolute error over that of naive on the same forecasts. Green: better than naive so far; with "
    "few forecasts that do not overlap it may be luck. The last three are there where the batch models run.",
    width=24, height=12, defaults=NOT_YET,
    overrides=(*COMMON, *(_rmae(name, name.replace("_", " ")) for name in MODELS)),
)  # fmt: skip

errors = chart(
    "Error over naive's, $horizon ahead",
    line(
        "SELECT time, model, kind, sum(error_percent) / nullIf(sum(naive_percent), 0) AS error FROM"
        f" v_errors(since = $__fromTime, until = $__toTime, step_s = $__interval_s) WHERE {CHOSEN} AND {OF_MODELS}"
        " GROUP BY time, model, kind ORDER BY time",
        "error", by=("model", "kind"),
    ),
    description="Errors of the forecasts whose time came within a step (an hour at least), in percent of the price, "
    "over those of naive; the assets chosen together. Below 1 is better than naive. Back-tests are dashed.",
    name="${__field.labels.model} ${__field.labels.kind}", repeat="horizon", per_row=3, max_points=80,
    min_interval="1h",
    custom={"scaleDistribution": {"type": "log", "log": 2}, "thresholdsStyle": {"mode": "dashed"},
            "spanNulls": 14_400_000},
    defaults=NOT_YET | {"decimals": 2, "thresholds": thresholds(style.NEUTRAL, (1, style.NEUTRAL))},
    overrides=(
        *(override(f"/^{name} /", {"color": {"mode": "fixed", "fixedColor": colour}})
          for name, colour in LINES.items()),
        override("/ back_test$/", {"custom.lineStyle": {"fill": "dash", "dash": [6, 4]}}),
        override("/ catch_up$/", {"custom.lineStyle": {"fill": "dash", "dash": [2, 4]}}),
    ),
)  # fmt: skip

figures = rows(
    "Every model in figures",
    table(
        f"SELECT asset, {HOURS}, model, rmae, hit_rate, hit_low, hit_high, pt_p, mae_percent, bias / mae AS bias, kind,"
        f" n, n_independent, counts_from FROM {_period('scoreboard_between')} WHERE {CHOSEN} AND {OF_MODELS} AND n > 0"
        f" {ORDERED}, rmae",
        times=("counts_from",), texts=("asset", "kind", "model"),
        numbers=("hours", "mae_percent", "bias", "rmae", "hit_rate", "hit_low", "hit_high", "pt_p", "n",
                 "n_independent"),
    ),
    description="MAE in percent of the price; bias: mean error over mean absolute error, above 0 too high. Hits: how "
    "often the direction was right, with its 95 % interval (Wilson), and p of the test of direction (Pesaran and "
    "Timmermann): both reckon with forecasts without overlap only. Of many p values one in twenty is below "
    "0.05 by chance.",
    width=24, height=10, defaults=NOT_YET,
    overrides=(
        *COMMON, _rmae("rmae", "rMAE"), column("mae_percent", "MAE", style.PERCENT, decimals=3),
        column("bias", "Bias", style.SHARE, decimals=0), column("hit_rate", "Hits", style.SHARE, decimals=1),
        column("hit_low", "at least", style.SHARE, decimals=0), column("hit_high", "at most", style.SHARE, decimals=0),
        column("pt_p", "p", "none", decimals=3),
    ),
)  # fmt: skip


def _held(level: int) -> Json:
    """A share beside its nominal level: green within five points, sky above, orange and vermillion below."""
    nominal, near, far = level / 100, 0.05, 0.15
    steps = thresholds(
        style.BAD, (nominal - far, style.WARNING), (nominal - near, style.GOOD), (nominal + near + 1e-9, style.SKY)
    )
    return column(f"coverage_{level}", f"{level} % held", style.SHARE, decimals=1, cell="color-text", thresholds=steps)


coverage = rows(
    "Intervals: how often they held the price",
    table(
        f"SELECT asset, {HOURS}, model, coverage_80, coverage_50, coverage_95, width_80_percent, winkler_80_percent,"
        f" kind, n_intervals, n_independent FROM {_period('scoreboard_between')}"
        f" WHERE {CHOSEN} AND {OF_MODELS} AND n_intervals > 0 {ORDERED}, model",
        texts=("asset", "kind", "model"),
        numbers=("hours", "coverage_50", "coverage_80", "coverage_95", "width_80_percent", "winkler_80_percent",
                 "n_intervals", "n_independent"),
    ),
    description="An interval of 80 % should hold the price 80 % of the time. Green: within 5 points of that; orange "
    "and red: too narrow; blue: too wide. Width and Winkler score (smaller is better) of the 80 % interval in percent "
    "of the price. A model has intervals from its 30th score of that asset and horizon on.",
    width=24, height=10, defaults=NOT_YET,
    overrides=(
        *COMMON, _held(80), _held(50), _held(95),
        column("width_80_percent", "80 % width", style.PERCENT, decimals=2),
        column("winkler_80_percent", "Winkler", style.PERCENT, decimals=2),
        column("n_intervals", "intervals", "locale"),
    ),
)  # fmt: skip

calibration = rows(
    "Confidence stated, and how often the direction was right",
    table(
        f"SELECT asset, {HOURS}, model, mean_confidence / 100 AS stated, hit_rate, hit_low, hit_high, kind, n,"
        f" n_independent FROM {_period('calibration_between')} WHERE {CHOSEN} AND {OF_MODELS}"
        f" {ORDERED}, model, confidence_from",
        texts=("asset", "kind", "model"),
        numbers=("hours", "stated", "hit_rate", "hit_low", "hit_high", "n", "n_independent"),
    ),
    description="A row per step of 10 % of stated confidence, over the forecasts whose time came in the period. "
    "Confidence is a formula about volatility and deviation, almost always above 90 %: it is no "
    "probability of being right.",
    width=24, height=10, defaults=NOT_YET,
    overrides=(
        *COMMON, column("stated", "Stated", style.SHARE, decimals=1),
        column("hit_rate", "Right", style.SHARE, decimals=1),
        column("hit_low", "at least", style.SHARE, decimals=0), column("hit_high", "at most", style.SHARE, decimals=0),
    ),
)  # fmt: skip

weights = chart(
    "Adaptive weights, $horizon ahead",
    line(
        "SELECT $__timeInterval(made_at) AS time, model, avg(share) AS weight FROM (SELECT made_at, model,"
        f" model_weights.weight AS share FROM model_weights WHERE asset IN {any_of('asset')}"
        f" AND source = {one('source')} AND toString(horizon_s) IN {any_of('horizon')} AND $__timeFilter(made_at))"
        " GROUP BY time, model ORDER BY time",
        "weight", by=("model",),
    ),
    description="Each model's share in consensus_adaptive, filed with the forecasts: the better its recent scores, the "
    "more. The mean over the assets chosen. They are filed from the first forecast of the stream on, and not for "
    "history filled in, hence only points at the right soon after a start; the last of them are in the legend.",
    unit=style.SHARE, name="${__field.labels.model}", repeat="horizon", per_row=3, height=9, max_points=200,
    min_interval="5m",
    custom={"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}, "spanNulls": 3_600_000,
            "showPoints": "always", "pointSize": 4},
    options={"legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": ["lastNotNull"]}},
    defaults={"min": 0, "max": 1, "decimals": 0, "noValue": "nothing filed in this period yet"},
    overrides=tuple(override(f"/^{name}$/", {"color": {"mode": "fixed", "fixedColor": colour}})
                    for name, colour in LINES.items()),
)  # fmt: skip


def _labelled(labels: dict[str, str]) -> str:
    told = ", ".join(f"('{value}', '{label}')" for value, label in labels.items())
    return f"SELECT said.1 AS value, said.2 AS label FROM (SELECT arrayJoin([{told}]) AS said)"


variables = (
    assets,
    source,
    choices(
        "horizon", "Ahead",
        Query("SELECT toString(horizon_s) AS value, concat(toString(intDiv(horizon_s, 3600)), ' h') AS label"
              " FROM v_scored GROUP BY horizon_s ORDER BY horizon_s", texts=("value", "label")),
        ALL,
    ),
    choices("kind", "Kind", Query(_labelled(KINDS), texts=("value", "label")), ALL),
    choices("model", "Models", Query("SELECT DISTINCT model FROM v_scored ORDER BY model", texts=("model",)),
            "consensus", "consensus_adaptive", "online", "holt", "ewma"),
)  # fmt: skip

SCOREBOARD = Dashboard(
    style.SCOREBOARD, "Scoreboard",
    "How the forecasts turned out: models against naive, intervals against their level, confidence, adaptive weights.",
    rows=(
        Row("", (counted, text("How to read it", HOW_TO_READ, width=10, height=13))),
        Row("", (against_naive,)),
        Row("Over time: models chosen above, against naive", (errors,)),
        Row("Intervals and confidence", (coverage, calibration)),
        Row("Weights of consensus_adaptive", (weights,)),
        Row("All figures", (figures,)),
    ),
    variables=variables, since="now-7d",
)  # fmt: skip
