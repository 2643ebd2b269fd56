-- The data-quality ledger, series by series: how each stood, from when until when; the present state lasts until now.
CREATE OR REPLACE VIEW {database}.v_ledger AS
SELECT
    asset,
    source,
    since AS time,
    if(following = toDateTime64(0, 3, 'UTC'), now64(3), following) AS time_end,
    state,
    reason
FROM
(
    SELECT
        asset,
        source,
        since,
        state,
        reason,
        leadInFrame(since) OVER (
            PARTITION BY asset, source ORDER BY since ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS following
    FROM {database}.source_health FINAL
    WHERE asset != ''
);

-- How each series stands now.
CREATE OR REPLACE VIEW {database}.v_series_states AS
SELECT asset, source, state, since, reason
FROM {database}.source_health FINAL
WHERE asset != ''
ORDER BY since DESC
LIMIT 1 BY asset, source;
