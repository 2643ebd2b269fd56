-- What the dashboards about forecasts read beside the scoreboard's own views.

-- Whatever was scored, from replays and filled-in history too; doubles do no harm here, so nothing is merged.
CREATE OR REPLACE VIEW {database}.v_scored AS
SELECT horizon_s, model
FROM {database}.scores
GROUP BY horizon_s, model
SETTINGS final = 0;

-- How far off forecasts were whose time came within a step, each in percent of its price, so that assets can be added
-- up: `error_percent` over `naive_percent` is the error in that of "the price stays the same". Steps are an hour at
-- least; a time is the end of its step, the last one the end of the period.
CREATE OR REPLACE VIEW {database}.v_errors AS
WITH greatest({step_s:UInt32}, 3600) AS wide_s
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
    -- No horizon is longer than a week; by made_at whole stretches of the table are passed over.
    AND made_at > {since:DateTime('UTC')} - toIntervalDay(7) AND made_at < {until:DateTime('UTC')}
GROUP BY time, kind, asset, source, horizon_s, model;
