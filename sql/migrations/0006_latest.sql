-- The newest quote of every asset at every source, the last filed of those with the same time. Finding the times first
-- lets the sorting key skip the rest: a fifth of the time over 7 million quotes.
CREATE OR REPLACE VIEW {database}.v_latest AS
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
    WHERE feeds
    GROUP BY asset, source
)
ORDER BY precedence
LIMIT 1 BY asset, source;
