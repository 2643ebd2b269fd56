-- The same answers as before, sooner: what `docs/decisions/panel-speed.md` measured as slow over weeks of quotes.

-- Which horizons and models were scored, kept up by ClickHouse: v_scored reads this and no score.
ALTER TABLE {database}.scores MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild';

ALTER TABLE {database}.scores
    ADD PROJECTION IF NOT EXISTS horizons_and_models (SELECT horizon_s, model, count() GROUP BY horizon_s, model);

ALTER TABLE {database}.scores MATERIALIZE PROJECTION horizons_and_models;

-- The newest quote of every asset at every source, the last filed of those with the same time. Nearly all have one
-- within an hour of the newest of all, whose time ClickHouse knows without reading; where the others begin and end the
-- sorting key tells, so that all quotes are read only of a series that has been silent for longer.
CREATE OR REPLACE VIEW {database}.v_latest AS
WITH (SELECT max(at) FROM {database}.quotes SETTINGS final = 0) AS newest
SELECT
    asset,
    source,
    price,
    currency,
    percent_change_24h,
    market_cap,
    volume_24h,
    at
FROM {database}.quotes FINAL
WHERE feeds AND (asset, source, at) IN
(
    SELECT asset, source, max(at)
    FROM {database}.quotes
    WHERE feeds AND at > newest - toIntervalHour(1)
    GROUP BY asset, source
    UNION ALL
    SELECT asset, source, max(at)
    FROM {database}.quotes
    WHERE feeds AND (asset, source) NOT IN
    (
        SELECT asset, source
        FROM {database}.quotes
        WHERE feeds AND at > newest - toIntervalHour(1)
        GROUP BY asset, source
    )
    GROUP BY asset, source
    SETTINGS final = 0
)
ORDER BY precedence
LIMIT 1 BY asset, source;

-- The scoreboard over periods, as before; what has its time in a period was made no earlier than the longest horizon
-- before it, where a week was taken for the longest that there may be.
CREATE OR REPLACE VIEW {database}.scoreboard_over AS
WITH
    1.959963984540054 AS z,
    (SELECT max(horizon_s) FROM {database}.v_scored) AS longest_s
SELECT
    kind,
    period,
    asset,
    source,
    interval_s,
    horizon_s,
    model,
    counts_from,
    counts_until,
    n,
    n_void,
    n_independent,
    sum_absolute_error / n AS mae,
    sqrt(sum_squared_error / n) AS rmse,
    sum_error / n AS bias,
    sum_absolute_percent / n AS mae_percent,
    sum_absolute_error / nullIf(sum_absolute_naive_error, 0) AS rmae,
    n_direction,
    hits / nullIf(n_direction, 0) AS hit_rate,
    (hit_rate + z * z / 2 / effective_n - spread) / (1 + z * z / effective_n) AS hit_low,
    (hit_rate + z * z / 2 / effective_n + spread) / (1 + z * z / effective_n) AS hit_high,
    (hit_rate - (x * y + (1 - x) * (1 - y))) / sqrt(variance) AS pt_statistic,
    erfc(pt_statistic / sqrt(2)) / 2 AS pt_p,
    n_intervals,
    inside_50 / nullIf(n_50, 0) AS coverage_50,
    inside_80 / nullIf(n_80, 0) AS coverage_80,
    inside_95 / nullIf(n_95, 0) AS coverage_95,
    width_50 / nullIf(n_50, 0) * 100 AS width_50_percent,
    width_80 / nullIf(n_80, 0) * 100 AS width_80_percent,
    width_95 / nullIf(n_95, 0) * 100 AS width_95_percent,
    winkler_50 / nullIf(n_50, 0) * 100 AS winkler_50_percent,
    winkler_80 / nullIf(n_80, 0) * 100 AS winkler_80_percent,
    winkler_95 / nullIf(n_95, 0) * 100 AS winkler_95_percent
FROM
(
    SELECT
        *,
        nullIf(n_direction * n_independent / n, 0) AS effective_n,
        z * sqrt(hits / n_direction * (1 - hits / n_direction) / effective_n + z * z / 4 / pow(effective_n, 2))
            AS spread,
        forecasts_up / nullIf(n_direction, 0) AS x,
        prices_up / nullIf(n_direction, 0) AS y,
        4 * x * (1 - x) * y * (1 - y) * (effective_n - 1) / pow(effective_n, 2) AS any_variance,
        if(any_variance > 0, any_variance, NULL) AS variance
    FROM
    (
        SELECT
            kind,
            period,
            asset,
            source,
            interval_s,
            horizon_s,
            model,
            min(sums.first_made_at) AS counts_from,
            max(sums.last_target_at) AS counts_until,
            sum(sums.n) AS n,
            sum(sums.n_void) AS n_void,
            sum(sums.n_independent) AS n_independent,
            sumKahan(sums.error) AS sum_error,
            sumKahan(sums.absolute_error) AS sum_absolute_error,
            sumKahan(sums.squared_error) AS sum_squared_error,
            sumKahan(sums.absolute_percent) AS sum_absolute_percent,
            sumKahan(sums.absolute_naive_error) AS sum_absolute_naive_error,
            sum(sums.n_direction) AS n_direction,
            sum(sums.hits) AS hits,
            sum(sums.forecasts_up) AS forecasts_up,
            sum(sums.prices_up) AS prices_up,
            sum(sums.n_intervals) AS n_intervals,
            sum(sums.n_50) AS n_50,
            sum(sums.n_80) AS n_80,
            sum(sums.n_95) AS n_95,
            sum(sums.inside_50) AS inside_50,
            sum(sums.inside_80) AS inside_80,
            sum(sums.inside_95) AS inside_95,
            sumKahan(sums.width_50) AS width_50,
            sumKahan(sums.width_80) AS width_80,
            sumKahan(sums.width_95) AS width_95,
            sumKahan(sums.winkler_50) AS winkler_50,
            sumKahan(sums.winkler_80) AS winkler_80,
            sumKahan(sums.winkler_95) AS winkler_95
        FROM
        (
            WITH
                -- The place of a level among a forecast's intervals; place 0, where it has none, holds 0 and false.
                indexOf(covered.level, 0.5) AS at_50,
                indexOf(covered.level, 0.8) AS at_80,
                indexOf(covered.level, 0.95) AS at_95
            SELECT
                kind,
                asset,
                source,
                interval_s,
                horizon_s,
                model,
                arrayCount(start -> target_at < start, {starts:Array(DateTime64(3, 'UTC'))}) AS youngest,
                min(made_at) AS first_made_at,
                max(target_at) AS last_target_at,
                countIf(void = '') AS n,
                countIf(void != '') AS n_void,
                countIf(void = '' AND independent) AS n_independent,
                sumKahan(scored.error) AS error,
                sumKahan(abs(scored.error)) AS absolute_error,
                sumKahan(scored.error * scored.error) AS squared_error,
                sumKahan(abs(scored.error) / price * 100) AS absolute_percent,
                sumKahan(abs(naive_error)) AS absolute_naive_error,
                count(hit) AS n_direction,
                countIf(hit) AS hits,
                countIf(isNotNull(hit) AND forecast > price) AS forecasts_up,
                countIf(isNotNull(hit) AND actual > price) AS prices_up,
                countIf(notEmpty(covered.level)) AS n_intervals,
                countIf(at_50 > 0) AS n_50,
                countIf(at_80 > 0) AS n_80,
                countIf(at_95 > 0) AS n_95,
                countIf(covered.inside[at_50]) AS inside_50,
                countIf(covered.inside[at_80]) AS inside_80,
                countIf(covered.inside[at_95]) AS inside_95,
                sumKahan(intervals.width[at_50] / price) AS width_50,
                sumKahan(intervals.width[at_80] / price) AS width_80,
                sumKahan(intervals.width[at_95] / price) AS width_95,
                sumKahan(intervals.winkler[at_50] / price) AS winkler_50,
                sumKahan(intervals.winkler[at_80] / price) AS winkler_80,
                sumKahan(intervals.winkler[at_95] / price) AS winkler_95
            FROM {database}.scored
            -- By made_at whole stretches of the table are passed over.
            WHERE target_at >= arrayMin({starts:Array(DateTime64(3, 'UTC'))})
                AND target_at < {until:DateTime64(3, 'UTC')}
                AND made_at >= arrayMin({starts:Array(DateTime64(3, 'UTC'))}) - toIntervalSecond(longest_s)
                AND made_at < {until:DateTime64(3, 'UTC')}
            GROUP BY kind, asset, source, interval_s, horizon_s, model, youngest
        ) AS sums
        ARRAY JOIN arraySlice({names:Array(String)}, youngest + 1) AS period
        GROUP BY kind, period, asset, source, interval_s, horizon_s, model
    )
);

-- Errors by step, and confidence against hits: as before, with the same bound.
CREATE OR REPLACE VIEW {database}.v_errors AS
WITH
    greatest({step_s:UInt32}, 3600) AS wide_s,
    (SELECT max(horizon_s) FROM {database}.v_scored) AS longest_s
SELECT
    least(
        toDateTime(intDivOrZero(toUnixTimestamp(target_at) + wide_s - 1, wide_s) * wide_s, 'UTC'),
        {until:DateTime('UTC')}
    ) AS time,
    kind,
    asset,
    source,
    horizon_s,
    model,
    count() AS n,
    sum(abs(scored.error) / price) * 100 AS error_percent,
    sum(abs(naive_error) / price) * 100 AS naive_percent
FROM {database}.scored
WHERE void = '' AND target_at > {since:DateTime('UTC')} AND target_at <= {until:DateTime('UTC')}
    -- By made_at whole stretches of the table are passed over.
    AND made_at > {since:DateTime('UTC')} - toIntervalSecond(longest_s) AND made_at < {until:DateTime('UTC')}
GROUP BY time, kind, asset, source, horizon_s, model;

-- Does confidence say how often a model is right? Over forecasts with target_at from `since` on and before `until`.
CREATE OR REPLACE VIEW {database}.calibration_between AS
WITH
    1.959963984540054 AS z,
    (SELECT max(horizon_s) FROM {database}.v_scored) AS longest_s
SELECT
    kind,
    asset,
    source,
    interval_s,
    horizon_s,
    model,
    confidence_from,
    confidence_from + 10 AS confidence_to,
    n,
    n_independent,
    mean_confidence,
    hits / n AS hit_rate,
    (hit_rate + z * z / 2 / trials - spread) / (1 + z * z / trials) AS hit_low,
    (hit_rate + z * z / 2 / trials + spread) / (1 + z * z / trials) AS hit_high
FROM
(
    SELECT
        *,
        nullIf(n_independent, 0) AS trials,
        z * sqrt(hits / n * (1 - hits / n) / trials + z * z / 4 / pow(trials, 2)) AS spread
    FROM
    (
        SELECT
            kind,
            asset,
            source,
            interval_s,
            horizon_s,
            model,
            toUInt8(least(9, floor(assumeNotNull(confidence) / 10)) * 10) AS confidence_from,
            count() AS n,
            countIf(independent) AS n_independent,
            sumKahan(assumeNotNull(confidence)) / n AS mean_confidence,
            countIf(hit) AS hits
        FROM {database}.scored
        WHERE isNotNull(hit) AND isNotNull(confidence)
            AND target_at >= {since:DateTime64(3, 'UTC')} AND target_at < {until:DateTime64(3, 'UTC')}
            -- By made_at whole stretches of the table are passed over.
            AND made_at >= {since:DateTime64(3, 'UTC')} - toIntervalSecond(longest_s)
            AND made_at < {until:DateTime64(3, 'UTC')}
        GROUP BY kind, asset, source, interval_s, horizon_s, model, confidence_from
    )
);
