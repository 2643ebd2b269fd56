-- How the pipeline itself is doing, sampled by `cryptoviz monitor`. `name` and `labels` are those of /metrics; what only
-- counts up there (`_total`, `_sum`, `_count`) is here by how much it rose since the sample before, so that it can be
-- summed over any period, whichever part was started anew meanwhile.
CREATE TABLE IF NOT EXISTS {database}.metrics
(
    at          DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    part        LowCardinality(String),
    name        LowCardinality(String),
    labels      Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    value       Float64 CODEC(Gorilla, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (name, at, part)
SETTINGS non_replicated_deduplication_window = 1000;

-- Messages that each consumer has not read yet, by topic, as last sampled; one that was not sampled for long is left out.
CREATE OR REPLACE VIEW {database}.v_lag_now AS
SELECT
    labels['consumer'] AS consumer,
    labels['topic'] AS topic,
    argMax(value, metrics.at) AS messages,
    max(metrics.at) AS at
FROM {database}.metrics
WHERE name = 'cryptoviz_consumer_lag_messages' AND metrics.at > now64(3) - toIntervalMinute(5)
GROUP BY consumer, topic;

-- The same over time, all topics of a consumer together: the most of each step.
CREATE OR REPLACE VIEW {database}.v_lag AS
SELECT time, consumer, max(messages_then) AS messages
FROM
(
    SELECT
        toDateTime(intDiv(toUnixTimestamp64Milli(at), {step_s:UInt32} * 1000) * {step_s:UInt32}, 'UTC') AS time,
        at,
        labels['consumer'] AS consumer,
        sum(value) AS messages_then
    FROM {database}.metrics
    WHERE name = 'cryptoviz_consumer_lag_messages' AND at > {since:DateTime('UTC')} AND at <= {until:DateTime('UTC')}
    GROUP BY at, consumer
)
GROUP BY time, consumer;

-- The parts that were asked in the last five minutes: whether they answered the last time, and the memory they take.
CREATE OR REPLACE VIEW {database}.v_parts AS
SELECT
    part,
    if(argMaxIf(value, at, name = 'cryptoviz_up') = 1, 'up', 'down') AS state,
    maxIf(at, name = 'cryptoviz_up' AND value = 1) AS last_up,
    if(last_up = toDateTime64(0, 3, 'UTC'), NULL, dateDiff('millisecond', last_up, now64(3)) / 1000) AS age_s,
    argMaxOrNullIf(value, at, name = 'process_resident_memory_bytes') AS memory_bytes
FROM {database}.metrics
WHERE name IN ('cryptoviz_up', 'process_resident_memory_bytes') AND at > now64(3) - toIntervalMinute(5)
GROUP BY part
HAVING countIf(name = 'cryptoviz_up') > 0;

-- What a gauge was at most in each step, per part and label set.
CREATE OR REPLACE VIEW {database}.v_gauge AS
SELECT
    toDateTime(intDiv(toUnixTimestamp64Milli(at), {step_s:UInt32} * 1000) * {step_s:UInt32}, 'UTC') AS time,
    part,
    labels[{label:String}] AS label,
    max(value) AS value
FROM {database}.metrics
WHERE name = {name:String} AND at > {since:DateTime('UTC')} AND at <= {until:DateTime('UTC')}
GROUP BY time, part, label;

-- Each source now: what its own heartbeats said last, until when it was told to wait, and its newest quote.
CREATE OR REPLACE VIEW {database}.v_source_states AS
SELECT
    source,
    argMax(source_health.state, (last_seen, source_health.since)) AS state,
    argMax(source_health.since, (last_seen, source_health.since)) AS since,
    argMax(tuple(source_health.until), (last_seen, source_health.since)).1 AS told_until,
    if(told_until > now64(3), told_until, NULL) AS until,
    argMax(source_health.reason, (last_seen, source_health.since)) AS reason,
    dateDiff('millisecond', max(source_health.last_seen), now64(3)) / 1000 AS heartbeat_age_s
FROM {database}.source_health FINAL
WHERE asset = ''
GROUP BY source;

-- Per source and period: quotes that passed every check, those that came after their bar was closed, those with the
-- source's own stamp of the one before, and what was set aside.
CREATE OR REPLACE VIEW {database}.v_source_counts AS
SELECT
    source,
    sumIf(value, name = 'cryptoviz_quotes_normalized_total') AS quotes,
    sumIf(value, name = 'cryptoviz_quotes_late_total') AS late,
    sumIf(value, name IN ('cryptoviz_quotes_rejected_total', 'cryptoviz_producer_rejected_total')
        AND reason = 'duplicate') AS duplicates,
    sumIf(value, name = 'cryptoviz_producer_repeated_total') AS repeated,
    sumIf(value, name IN ('cryptoviz_quotes_rejected_total', 'cryptoviz_producer_rejected_total')
        AND reason != 'duplicate') AS rejected,
    sumIf(value, name = 'cryptoviz_producer_failures_total') AS failed_polls
FROM
(
    SELECT labels['source'] AS source, labels['reason'] AS reason, name, value
    FROM {database}.metrics
    WHERE name IN (
        'cryptoviz_quotes_normalized_total', 'cryptoviz_quotes_late_total', 'cryptoviz_quotes_rejected_total',
        'cryptoviz_producer_rejected_total', 'cryptoviz_producer_repeated_total', 'cryptoviz_producer_failures_total'
    ) AND at > {since:DateTime('UTC')} AND at <= {until:DateTime('UTC')}
)
WHERE source != ''
GROUP BY source;

-- Dead letters that were filed in each step, by reason.
CREATE OR REPLACE VIEW {database}.v_letters AS
SELECT
    toDateTime(intDiv(toUnixTimestamp64Milli(filed_at), {step_s:UInt32} * 1000) * {step_s:UInt32}, 'UTC') AS time,
    reason,
    count() AS letters
FROM {database}.dead_letters FINAL
WHERE filed_at > {since:DateTime('UTC')} AND filed_at <= {until:DateTime('UTC')}
GROUP BY time, reason;

-- How the sink stores, per step and table: rows a second, rows of an insert, seconds of an insert, and the mean time
-- from a batch's place in Kafka to its row. What nothing was inserted into is left out.
CREATE OR REPLACE VIEW {database}.v_inserts AS
SELECT
    time,
    table,
    rows / {step_s:UInt32} AS rows_per_s,
    rows / inserts AS rows_per_insert,
    busy_s / inserts AS insert_s,
    waited_s / inserts AS delay_s
FROM
(
    SELECT
        toDateTime(intDiv(toUnixTimestamp64Milli(at), {step_s:UInt32} * 1000) * {step_s:UInt32}, 'UTC') AS time,
        labels['table'] AS table,
        sumIf(value, name = 'cryptoviz_sink_batch_rows_sum') AS rows,
        sumIf(value, name = 'cryptoviz_sink_insert_seconds_count') AS inserts,
        sumIf(value, name = 'cryptoviz_sink_insert_seconds_sum') AS busy_s,
        sumIf(value, name = 'cryptoviz_sink_delay_seconds_sum') AS waited_s
    FROM {database}.metrics
    WHERE name IN (
        'cryptoviz_sink_batch_rows_sum', 'cryptoviz_sink_insert_seconds_count', 'cryptoviz_sink_insert_seconds_sum',
        'cryptoviz_sink_delay_seconds_sum'
    ) AND at > {since:DateTime('UTC')} AND at <= {until:DateTime('UTC')}
    GROUP BY time, table
)
WHERE inserts > 0;

-- Seconds since the newest quote of each source that had one within a day.
CREATE OR REPLACE VIEW {database}.v_quote_ages AS
SELECT source, dateDiff('millisecond', max(received_at), now64(3)) / 1000 AS age_s
FROM {database}.quotes
WHERE at > now64(3) - toIntervalDay(1)
GROUP BY source
SETTINGS final = 0;

-- How long it took what was stored in the last minute: a quote from the source's answer to its row, a forecast from the
-- end of its bar (the grace for late quotes included) to its row. No rows where nothing live was stored.
CREATE OR REPLACE VIEW {database}.v_delays_now AS
SELECT kind, pair.1 AS quantile, pair.2 AS value
FROM
(
    SELECT
        'answer to quote' AS kind,
        quantilesExact(0.5, 0.99)(dateDiff('millisecond', received_at, inserted_at) / 1000) AS found,
        count() AS number
    FROM {database}.quotes
    WHERE origin = 'live' AND at > now64(3) - toIntervalMinute(10) AND inserted_at > now64(3) - toIntervalMinute(1)
    UNION ALL
    SELECT
        'bar to forecast' AS kind,
        quantilesExact(0.5, 0.99)(dateDiff('millisecond', made_at, inserted_at) / 1000) AS found,
        count() AS number
    FROM {database}.predictions
    WHERE origin = 'live' AND made_at > now64(3) - toIntervalMinute(10)
        AND inserted_at > now64(3) - toIntervalMinute(1)
)
ARRAY JOIN arrayZip([0.5, 0.99], found) AS pair
WHERE number > 0
SETTINGS final = 0;

-- The same over time, as sampled: the middle one of the medians and the largest of the others.
CREATE OR REPLACE VIEW {database}.v_delays AS
SELECT
    toDateTime(intDiv(toUnixTimestamp64Milli(at), {step_s:UInt32} * 1000) * {step_s:UInt32}, 'UTC') AS time,
    labels['from'] AS kind,
    quantileExactIf(value, labels['quantile'] = '0.5') AS p50_s,
    maxIf(value, labels['quantile'] = '0.99') AS p99_s
FROM {database}.metrics
WHERE name = 'cryptoviz_delay_seconds' AND at > {since:DateTime('UTC')} AND at <= {until:DateTime('UTC')}
GROUP BY time, kind;

-- The disk under ClickHouse now, what our tables and the embedded broker take of it, and by how much that grew a day, as
-- far back as a day and no less than ten minutes; days_left is NULL while it does not grow.
CREATE OR REPLACE VIEW {database}.v_disk AS
SELECT
    free_bytes,
    total_bytes,
    tables_bytes,
    kafka_bytes,
    if(last_at - first_at < 600, NULL, (used_last - used_first) / (last_at - first_at) * 86400) AS growth_per_day,
    if(growth_per_day > 0, free_bytes / growth_per_day, NULL) AS days_left
FROM
(
    SELECT
        argMaxOrNull(free, at) AS free_bytes,
        argMaxOrNull(total, at) AS total_bytes,
        argMaxOrNull(tables, at) AS tables_bytes,
        argMaxOrNull(kafka, at) AS kafka_bytes,
        argMin(tables + kafka, at) AS used_first,
        argMax(tables + kafka, at) AS used_last,
        toUnixTimestamp64Milli(min(at)) / 1000 AS first_at,
        toUnixTimestamp64Milli(max(at)) / 1000 AS last_at
    FROM
    (
        SELECT
            at,
            sumIf(value, labels['kind'] = 'free') AS free,
            sumIf(value, labels['kind'] = 'total') AS total,
            sumIf(value, name = 'cryptoviz_table_bytes') AS tables,
            sumIf(value, name = 'cryptoviz_kafka_bytes') AS kafka
        FROM {database}.metrics
        WHERE name IN ('cryptoviz_disk_bytes', 'cryptoviz_table_bytes', 'cryptoviz_kafka_bytes')
            AND at > now64(3) - toIntervalDay(1)
        GROUP BY at
        HAVING total > 0
    )
);
