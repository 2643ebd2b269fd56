"""How the pipeline itself is doing: sources, consumers, what was set aside, storing, delays, disk."""

from __future__ import annotations

from cryptoviz.dashboards import style
from cryptoviz.dashboards.dashboard import Dashboard, Marks, Row
from cryptoviz.dashboards.panel import chart, coloured, column, drawn, figures, override, rows
from cryptoviz.dashboards.query import Query, line, table
from cryptoviz.dashboards.style import thresholds, value_colours

PERIOD = "since = $__fromTime, until = $__toTime"
STEPS = f"{PERIOD}, step_s = $__interval_s"
SAMPLED = "15s"
"""`cryptoviz monitor` samples no more often than this unless told to; a shorter step would leave holes."""
MINUTE = "1m"
QUIET = {"min": 0, "noValue": "nothing in this period"}
FILLED = {"fillOpacity": 20}
BARS = {"drawStyle": "bars", "fillOpacity": 70, "lineWidth": 0, "stacking": {"mode": "normal", "group": "A"},
        "spanNulls": False}  # fmt: skip
CONSUMERS = {
    "/cryptoviz-worker/": drawn("worker: reads quotes, files results", style.ORANGE),
    "/cryptoviz-sink/": drawn("sink: stores them", style.SKY),
}

now = figures(
    "The pipeline now",
    table(
        "SELECT (SELECT countIf(state = 'up') FROM v_parts) AS up,"
        " (SELECT sumOrNull(messages) FROM v_lag_now) AS messages,"
        " (SELECT maxOrNull(value) FROM v_delays_now WHERE kind = 'answer to quote' AND quantile > 0.9) AS p99_s,"
        " (SELECT count() FROM dead_letters WHERE $__timeFilter(filed_at)) AS letters, free_bytes, days_left"
        " FROM v_disk",
        numbers=("up", "messages", "p99_s", "letters", "free_bytes", "days_left"),
    ),
    column("up", "Parts up", thresholds=thresholds(style.BAD, (1, style.GOOD))),
    column("messages", "Messages waiting", "locale",
           thresholds=thresholds(style.GOOD, (1_000, style.WARNING), (100_000, style.BAD))),
    column("p99_s", "Answer to row, 99 %", style.SECONDS, decimals=2,
           thresholds=thresholds(style.GOOD, (2, style.WARNING), (10, style.BAD))),
    column("letters", "Dead letters", "locale", thresholds=thresholds(style.GOOD, (1, style.WARNING))),
    column("free_bytes", "Disk free", style.BYTES, decimals=1,
           thresholds=thresholds(style.BAD, (2e9, style.WARNING), (10e9, style.GOOD))),
    column("days_left", "Days left", decimals=0, noValue="does not grow",
           thresholds=thresholds(style.BAD, (3, style.WARNING), (14, style.GOOD))),
    width=24, height=5,
    description="Parts (producer, workers, sink) that answered last. What consumers have not read yet: above "
    "zero for a moment after each poll. How long 99 of 100 quotes of the last minute took from the source's answer to "
    "their row. What could not be used in this period. The disk under ClickHouse, and when it is full if tables and "
    "logs go on growing as in the last day: too soon while a new stack fills in history.",
)  # fmt: skip

states = rows(
    "Sources",
    table(
        "SELECT source, state, since, until, reason, age_s, heartbeat_age_s FROM v_source_states"
        " LEFT JOIN v_quote_ages USING source ORDER BY source SETTINGS join_use_nulls = 1",
        times=("since", "until"), texts=("source", "state", "reason"), numbers=("age_s", "heartbeat_age_s"),
    ),
    description="What each source's own heartbeat said last: its state, since when, until when it was told to wait "
    "(rate limited, blocked), and why; the age of its newest quote and of that heartbeat.",
    width=15, height=7,
    overrides=(
        column("source", "Source", width=125),
        column("state", "State", cell="color-text", mappings=value_colours(style.SOURCE_STATES), width=100),
        column("since", "Since", style.DAY_TIME, width=105), column("until", "Until", style.DAY_TIME, width=105),
        column("reason", "Reason"),
        column("age_s", "Last quote", style.SECONDS, decimals=0, width=90),
        column("heartbeat_age_s", "Heartbeat", style.SECONDS, decimals=0, width=90),
    ),
)  # fmt: skip
parts = rows(
    "Parts",
    table("SELECT part, state, age_s, memory_bytes FROM v_parts ORDER BY part", texts=("part", "state"),
          numbers=("age_s", "memory_bytes")),
    description="The processes whose metrics are sampled: whether they answered the last time, how long ago they last "
    "did, and their memory (on Linux).",
    width=9, height=7,
    overrides=(
        column("part", "Part"),
        column("state", "State", cell="color-text", mappings=value_colours(style.PART_STATES), width=80),
        column("age_s", "Answered", style.SECONDS, decimals=0, width=95),
        column("memory_bytes", "Memory", style.BYTES, decimals=0, width=95),
    ),
)  # fmt: skip
ages = chart(
    "Age of the newest quote",
    line(f"SELECT time, label AS source, value AS age_s FROM v_gauge({STEPS}, name = 'cryptoviz_quote_age_seconds',"
         " label = 'source') ORDER BY time", "age_s", by=("source",)),
    description="The greatest of each step. A saw whose teeth are as long as the source is polled; a slope is silence.",
    unit=style.SECONDS, name="${__field.labels.source}", min_interval=SAMPLED, defaults=QUIET,
    overrides=coloured(style.SOURCES),
)  # fmt: skip
rate = chart(
    "Quotes per minute",
    line(f"SELECT time, source, per_minute FROM v_quote_rate({STEPS}) ORDER BY time", "per_minute", by=("source",)),
    description="Quotes that came per minute, over the minutes that are complete; beyond 6 hours those in closed bars.",
    name="${__field.labels.source}", custom={**FILLED, "stacking": {"mode": "normal", "group": "A"}},
    defaults=QUIET, overrides=coloured(style.SOURCES),
)  # fmt: skip

lag = chart(
    "Messages waiting, by consumer",
    line(f"SELECT time, consumer, messages FROM v_lag({STEPS}) ORDER BY time", "messages", by=("consumer",)),
    description="What a consumer has not read yet, the most of each step. It may jump with a poll, a bar's end or a "
    "replay; a line that climbs is a consumer that is too slow or down.",
    unit="locale", name="${__field.labels.consumer}", min_interval=SAMPLED, custom=FILLED, defaults=QUIET,
    overrides=tuple(override(name, properties) for name, properties in CONSUMERS.items()),
)  # fmt: skip
delays = chart(
    "How long it takes",
    line(f"SELECT time, kind, p50_s AS `half within`, p99_s AS `99 % within` FROM v_delays({STEPS}) ORDER BY time",
         "half within", "99 % within", by=("kind",)),
    description="answer to quote: from a source's answer to the row that can be queried. bar to forecast: from the end "
    "of a bar, the grace for late quotes included (CRYPTOVIZ_GRACE_SECONDS), to the rows of its forecasts.",
    unit=style.SECONDS, name="${__field.labels.kind}, ${__field.name}", min_interval=SAMPLED,
    defaults=QUIET, custom={"showPoints": "auto"},
)  # fmt: skip
counts = rows(
    "What became of the quotes",
    table(
        "SELECT source, quotes, late, repeated, duplicates, rejected, failed_polls"
        f" FROM v_source_counts({PERIOD}) ORDER BY source",
        texts=("source",),
        numbers=("quotes", "late", "repeated", "duplicates", "rejected", "failed_polls"),
    ),
    description="In this period. Quotes: passed every check and stored. Late: came after their bar was closed; stored, "
    "in no bar. Repeated: with the source's own stamp of the one before; stored. Duplicates: twice in one answer. "
    "Rejected: set aside with a reason. Failed: polls that brought nothing.",
    width=24, height=7,
    overrides=(
        column("source", "Source", width=125),
        *(column(name, title, "locale") for name, title in (
            ("quotes", "Quotes"), ("late", "Late"), ("repeated", "Repeated"), ("duplicates", "Duplicates"),
            ("rejected", "Rejected"), ("failed_polls", "Failed"),
        )),
    ),
)  # fmt: skip
letters = chart(
    "Dead letters by reason",
    line(f"SELECT time, reason, letters FROM v_letters({STEPS}) ORDER BY time", "letters", by=("reason",)),
    unit="locale", name="${__field.labels.reason}", min_interval=MINUTE, custom=BARS, defaults=QUIET, height=7,
    description="What could not be used, by the reason it was set aside for, when it was filed.",
)  # fmt: skip
last_letters = rows(
    "The last dead letters",
    table(
        "SELECT filed_at, topic, source, reason, detail FROM dead_letters WHERE $__timeFilter(filed_at)"
        " ORDER BY filed_at DESC LIMIT 100",
        times=("filed_at",), texts=("topic", "source", "reason", "detail"),
    ),
    description="The originals are in the table dead_letters; `cryptoviz dead-letters show` shows one.",
    defaults={"noValue": "none in this period"},
    width=24, height=8,
    overrides=(
        column("filed_at", "Filed", style.TIME_S, width=170), column("topic", "Topic", width=160),
        column("source", "Source", width=130), column("reason", "Reason", width=170), column("detail", "Detail"),
    ),
)  # fmt: skip

unwell = rows(
    "Series that are not well",
    Query(
        "SELECT source, asset, state, since, reason FROM v_series_states"
        " WHERE state NOT IN ('available', 'backfilled') ORDER BY since DESC",
        times=("since",), texts=("source", "asset", "state", "reason"), may_be_empty=True,
    ),
    description="The ledger's last word on each asset at each source, unless all is well: diverging (differs from the "
    "others and does not count for `all`), late, stale, or a gap (no bars).",
    defaults={"noValue": "all are well"},
    width=12, height=7,
    overrides=(
        column("source", "Source", width=125), column("asset", "Asset", width=75),
        column("state", "State", cell="color-text", mappings=value_colours(style.SERIES_STATES), width=95),
        column("since", "Since", style.DAY_TIME, width=105), column("reason", "Reason"),
    ),
)  # fmt: skip

inserts = chart(
    "Rows per second",
    line(f"SELECT time, table, rows_per_s FROM v_inserts({STEPS}) ORDER BY time", "rows_per_s", by=("table",)),
    unit="locale", name="${__field.labels.table}", min_interval=MINUTE, custom=BARS, defaults=QUIET | {"decimals": 1},
    description="What the sink stored, by table.", width=8,
)  # fmt: skip
sizes = chart(
    "Rows of an insert",
    line(f"SELECT time, table, rows_per_insert FROM v_inserts({STEPS}) ORDER BY time", "rows_per_insert",
         by=("table",)),
    unit="locale", name="${__field.labels.table}", min_interval=MINUTE, defaults=QUIET | {"decimals": 0},
    description="Mean of each step. ClickHouse prefers few and large inserts.", width=8,
)  # fmt: skip
insert_delays = chart(
    "From Kafka to the row",
    line(f"SELECT time, table, delay_s FROM v_inserts({STEPS}) ORDER BY time", "delay_s", by=("table",)),
    unit=style.SECONDS, name="${__field.labels.table}", min_interval=MINUTE, defaults=QUIET | {"decimals": 2},
    description="Mean time from a batch's place in Kafka to its rows: how long the sink waits for more "
    "(CRYPTOVIZ_SINK_QUOTES_SECONDS, CRYPTOVIZ_SINK_ROWS_SECONDS) and what the insert takes.", width=8,
)  # fmt: skip
tables = chart(
    "Size of the tables",
    line(f"SELECT time, label AS table, value AS bytes FROM v_gauge({STEPS}, name = 'cryptoviz_table_bytes',"
         " label = 'table') ORDER BY time", "bytes", by=("table",)),
    unit=style.BYTES, name="${__field.labels.table}", min_interval=MINUTE, width=8, defaults=QUIET,
    custom={**FILLED, "stacking": {"mode": "normal", "group": "A"}}, description="On the disk, compressed.",
)  # fmt: skip
memory = chart(
    "Memory of the parts",
    line(f"SELECT time, part, max(value) AS bytes FROM v_gauge({STEPS}, name = 'process_resident_memory_bytes',"
         " label = '') GROUP BY time, part ORDER BY time", "bytes", by=("part",)),
    unit=style.BYTES, name="${__field.labels.part}", min_interval=MINUTE, width=8, defaults=QUIET,
    description="Resident memory, as each process says (on Linux).",
)  # fmt: skip
disk = rows(
    "Disk",
    table(
        "SELECT pair.1 AS what, pair.2 AS bytes FROM (SELECT arrayJoin([('disk', total_bytes), ('free', free_bytes),"
        " ('tables', tables_bytes), ('logs of the embedded broker', kafka_bytes), ('more a day', growth_per_day)])"
        " AS pair FROM v_disk)",
        texts=("what",), numbers=("bytes",),
    ),
    description="The disk under ClickHouse, what tables and the embedded broker's logs take, and by how much both grew "
    "a day, as far back as a day and no less than ten minutes.",
    width=8, overrides=(column("what", "Of"), column("bytes", "Bytes", style.BYTES, decimals=1, width=120)),
)  # fmt: skip

outages = Marks(
    "Outages",
    Query(
        "SELECT time, time_end AS timeEnd, concat(source, ' ', state) AS title, reason AS text, source AS tags"
        " FROM v_outages WHERE time <= $__toTime AND time_end >= $__fromTime ORDER BY time LIMIT 200",
        times=("time", "timeEnd"), texts=("title", "text", "tags"), may_be_empty=True,
    ),
    style.WARNING, shown=False,
)  # fmt: skip

PIPELINE = Dashboard(
    style.PIPELINE, "Pipeline",
    "How the pipeline itself is doing: sources, consumers, what was set aside, storing, delays, disk.",
    rows=(
        Row("", (now,)),
        Row("Sources and parts", (states, parts, ages, rate)),
        Row("Through Kafka", (lag, delays)),
        Row("What was set aside", (counts, unwell, letters, last_letters)),
        Row("Into ClickHouse", (inserts, sizes, insert_delays, tables, memory, disk)),
    ),
    marks=(outages,), since="now-1h",
)  # fmt: skip
