-- What the alert rules in grafana/provisioning/alerting ask: a view per rule, with a row per source, asset or consumer and
-- the figure that is compared to a limit. A row stays while all is well, so that an alert ends with the figure that
-- ended it, and goes when there is nothing to watch any more.

-- The limits that people set, as the last `cryptoviz migrate` was told them; one row.
CREATE OR REPLACE VIEW {database}.v_alert_limits AS
WITH (SELECT stale_s FROM {database}.v_home) AS home_stale_s
SELECT
    toFloat64(home_stale_s) AS quiet_s,
    toFloat64(greatest(900, 3 * toUInt32OrDefault(anyIf(value, name = 'forecast_seconds'), toUInt32(300))))
        AS unanswered_s,
    toFloat64OrDefault(anyIf(value, name = 'alert_divergence_percent'), 2.) AS divergence_percent,
    toFloat64OrDefault(anyIf(value, name = 'alert_price_move_percent'), 5.) AS price_move_percent,
    toFloat64OrDefault(anyIf(value, name = 'alert_lag_messages'), 1000.) AS lag_messages,
    toFloat64OrDefault(anyIf(value, name = 'alert_dead_letters'), 10.) AS dead_letters,
    arrayMap(hours -> toUInt32OrZero(hours) * 3600, splitByChar(',', anyIf(value, name = 'alert_signal_hours')))
        AS signal_horizons_s,
    arrayFilter(name -> name != '', splitByChar(',', anyIf(value, name = 'sources'))) AS sources
FROM {database}.home_settings FINAL;

-- How long each source has given no quote and how long it may: the stale time, or three times its usual spacing where
-- that is longer. Watched is what is to be polled and was heard of within a day; not what is off, as without its key. A
-- source that never gave a quote counts from its first heartbeat.
CREATE OR REPLACE VIEW {database}.v_alert_sources AS
WITH
    (SELECT quiet_s FROM {database}.v_alert_limits) AS limit_s,
    (SELECT sources FROM {database}.v_alert_limits) AS polled
SELECT
    source,
    dateDiff('millisecond', if(newest = toDateTime64(0, 3, 'UTC'), begun, newest), now64(3)) / 1000 AS age_s,
    greatest(limit_s, 3 * spacing_s) AS allowed_s
FROM
(
    SELECT
        source,
        min(since) AS begun,
        argMax(source_health.state, (last_seen, source_health.since)) AS last_state
    FROM {database}.source_health FINAL
    WHERE asset = '' AND last_seen > now64(3) - toIntervalDay(1)
    GROUP BY source
) AS told
FULL OUTER JOIN
(
    SELECT
        source,
        max(received_at) AS newest,
        -- Three of four gaps are no longer: neither an outage nor several answers to one poll make it another.
        ifNotFinite(quantileExactIf(0.75)(gap_s, gap_s > 0), 0) AS spacing_s
    FROM
    (
        SELECT
            source,
            received_at,
            dateDiff('millisecond', lagInFrame(received_at, 1, received_at) OVER (
                PARTITION BY source ORDER BY received_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ), received_at) / 1000 AS gap_s
        FROM
        (
            SELECT source, received_at
            FROM {database}.quotes
            WHERE origin = 'live' AND at > now64(3) - toIntervalDay(1)
            GROUP BY source, received_at
            SETTINGS final = 0
        )
    )
    GROUP BY source
) AS heard
USING source
WHERE last_state != 'off' AND (empty(polled) OR has(polled, source));

-- How old the newest quote of all is: one row, also before the first quote, when it counts from the making of the home.
-- What is older than a day is a day old, unless the home is younger.
CREATE OR REPLACE VIEW {database}.v_alert_quotes AS
WITH now64(3) - toIntervalDay(1) AS a_day_ago
SELECT
    dateDiff(
        'millisecond',
        greatest(
            (SELECT max(received_at) FROM {database}.quotes WHERE at > a_day_ago SETTINGS final = 0),
            (SELECT min(applied_at) FROM {database}.schema_migrations),
            a_day_ago
        ),
        now64(3)
    ) / 1000 AS age_s;

-- How old it may be: as the source that says most, else the stale time.
CREATE OR REPLACE VIEW {database}.v_alert_quotes_allowed AS
SELECT if(count() = 0, (SELECT quiet_s FROM {database}.v_alert_limits), min(allowed_s)) AS allowed_s
FROM {database}.v_alert_sources;

-- How far each fresh quote is from the middle one of its asset, in percent; of two sources each from the other, as
-- nothing says which of them is wrong. Prices in USD, USDT and USDC are taken at par.
CREATE OR REPLACE VIEW {database}.v_alert_divergence AS
WITH (SELECT stale_s FROM {database}.v_home) AS home_stale_s
SELECT
    asset,
    pair.1 AS source,
    abs(pair.2 / if(length(pairs) = 2, pairs[if(pairs[1].1 = pair.1, 2, 1)].2, middle) - 1) * 100 AS off_percent
FROM
(
    SELECT asset, groupArray((source, price)) AS pairs, quantileExactInclusive(0.5)(price) AS middle
    FROM
    (
        SELECT asset, source, argMax(price, (at, bitNot(precedence))) AS price
        FROM {database}.quotes FINAL
        WHERE feeds AND at > now64(3) - toIntervalSecond(home_stale_s)
        GROUP BY asset, source
    )
    GROUP BY asset
    HAVING length(pairs) > 1
)
ARRAY JOIN pairs AS pair;

-- For how long quotes of an asset have come without a forecast for `all`, by the times of their rows; 0 where a forecast
-- came after them. An asset whose quotes have ended is another matter and not here.
CREATE OR REPLACE VIEW {database}.v_alert_predictions AS
WITH (SELECT unanswered_s FROM {database}.v_alert_limits) AS limit_s
SELECT
    asset,
    if(unanswered = 0, 0, dateDiff('millisecond', first_unanswered, now64(3)) / 1000) AS waiting_s
FROM
(
    SELECT
        asset,
        max(quotes.inserted_at) AS newest,
        countIf(quotes.inserted_at > forecast_at) AS unanswered,
        minIf(quotes.inserted_at, quotes.inserted_at > forecast_at) AS first_unanswered
    FROM {database}.quotes
    LEFT JOIN
    (
        SELECT asset, max(inserted_at) AS forecast_at
        FROM {database}.predictions
        WHERE source = 'all' AND made_at > now64(3) - toIntervalDay(2)
        GROUP BY asset
    ) AS made
    USING asset
    WHERE feeds AND at > now64(3) - toIntervalDay(1)
    GROUP BY asset
    SETTINGS final = 0
)
WHERE newest > now64(3) - toIntervalSecond(toUInt32(limit_s));

-- Messages that each consumer has not read yet, now and before: five minutes ago, or one if those were more, so that a
-- backlog that is being read, as at the start, does not grow. Only what was sampled within the minute: an old figure is
-- none.
CREATE OR REPLACE VIEW {database}.v_alert_lag AS
SELECT
    consumer,
    argMax(messages_then, at) AS messages,
    greatest(
        argMin(messages_then, abs(dateDiff('millisecond', at, now64(3)) - 300000)),
        argMin(messages_then, abs(dateDiff('millisecond', at, now64(3)) - 60000))
    ) AS messages_before
FROM
(
    SELECT at, labels['consumer'] AS consumer, sum(value) AS messages_then
    FROM {database}.metrics
    WHERE name = 'cryptoviz_consumer_lag_messages' AND at > now64(3) - toIntervalSecond(345)
    GROUP BY at, consumer
)
GROUP BY consumer
HAVING max(at) > now64(3) - toIntervalMinute(1);

-- Dead letters of the last ten minutes, where there were any within an hour, by the times of their rows: a letter that
-- waited in Kafka is news when it is stored.
CREATE OR REPLACE VIEW {database}.v_alert_letters AS
SELECT
    topic,
    source,
    reason,
    countIf(inserted_at > now64(3) - toIntervalMinute(10)) AS letters
FROM {database}.dead_letters FINAL
WHERE inserted_at > now64(3) - toIntervalHour(1)
GROUP BY topic, source, reason;

-- How far the price of `all` is from what it was an hour before; nothing where either is missing.
CREATE OR REPLACE VIEW {database}.v_alert_prices AS
WITH
    (SELECT bar_s FROM {database}.v_home) AS home_bar_s,
    (SELECT stale_s FROM {database}.v_home) AS home_stale_s
SELECT asset, (price / hour_ago - 1) * 100 AS change_percent
FROM
(
    SELECT
        asset,
        argMax(close, start) AS price,
        argMaxOrNullIf(close, start, start <= last - 3600) AS hour_ago
    FROM
    (
        SELECT asset, start, close, max(start) OVER (PARTITION BY asset) AS last
        FROM {database}.bars FINAL
        WHERE source = 'all' AND interval_s = home_bar_s AND quotes > 0
            AND start > now64(3) - toIntervalSecond(3600 + 2 * home_bar_s + 2 * home_stale_s)
    )
    GROUP BY asset
    HAVING max(start) > now64(3) - toIntervalSecond(home_bar_s + home_stale_s)
)
WHERE hour_ago > 0;

-- The last change of each asset's signal for `all`, at the horizons that are watched, where there was one within the hour.
CREATE OR REPLACE VIEW {database}.v_alert_signals AS
WITH (SELECT signal_horizons_s FROM {database}.v_alert_limits) AS watched
SELECT
    asset,
    concat(toString(intDiv(horizon_s, 3600)), ' h') AS horizon,
    before,
    signal,
    dateDiff('millisecond', made_at, now64(3)) / 1000 AS age_s,
    price,
    ifNull(variation, 0) AS variation
FROM
(
    SELECT
        asset,
        horizon_s,
        made_at,
        signal,
        price,
        variation,
        lagInFrame(signal) OVER (
            PARTITION BY asset, horizon_s ORDER BY made_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS before
    FROM {database}.signals FINAL
    WHERE source = 'all' AND has(watched, horizon_s) AND made_at > now64(3) - toIntervalDay(1)
)
WHERE before != '' AND signal != before AND made_at > now64(3) - toIntervalHour(1)
ORDER BY made_at DESC
LIMIT 1 BY asset, horizon_s;
