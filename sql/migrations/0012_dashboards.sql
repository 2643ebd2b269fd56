-- What the dashboards read: a view per question, so that a panel only says which rows of it. Views over a period have
-- parameters, because the period settles what is read: quotes up to 6 hours, bars up to 3 days, bars of an hour beyond.
-- `step_s` is the spacing of points: each is the state at the end of its step, the last one at the end of the period.

CREATE OR REPLACE VIEW {database}.v_home AS
SELECT
    toUInt32OrDefault(anyIf(value, name = 'bar_seconds'), toUInt32(60)) AS bar_s,
    toUInt32OrDefault(anyIf(value, name = 'stale_seconds'), toUInt32(600)) AS stale_s
FROM {database}.home_settings FINAL;

-- Every asset and source there are bars of; doubles do no harm here, so nothing is merged.
CREATE OR REPLACE VIEW {database}.v_series AS
SELECT asset, source
FROM {database}.bars
GROUP BY asset, source
SETTINGS final = 0;

CREATE OR REPLACE VIEW {database}.v_horizons AS
SELECT DISTINCT horizon_s
FROM {database}.signals
SETTINGS final = 0;

-- Prices as finely as the period allows. `all` has no quotes, so its prices are those of bars always. Bars of an hour
-- end up to an hour before now: `tail` marks the short bars that go on from there.
CREATE OR REPLACE VIEW {database}.v_points AS
WITH
    (SELECT bar_s FROM {database}.v_home) AS home_bar_s,
    toUnixTimestamp({until:DateTime('UTC')}) - toUnixTimestamp({since:DateTime('UTC')}) AS range_s
SELECT
    asset,
    source,
    at,
    bitNot(precedence) AS filed_first,
    price,
    price AS low,
    price AS high,
    0 AS tail
FROM {database}.quotes FINAL
WHERE feeds AND range_s <= 6 * 3600 AND at > {since:DateTime('UTC')} AND at <= {until:DateTime('UTC')}
UNION ALL
SELECT
    asset,
    source,
    start + toIntervalSecond(interval_s) AS at,
    toUInt64(0) AS filed_first,
    close AS price,
    low,
    high,
    interval_s != 3600 AND range_s > 3 * 86400 AS tail
FROM {database}.bars FINAL
WHERE (source = 'all' OR range_s > 6 * 3600)
    AND interval_s IN (home_bar_s, 3600)
    AND if(range_s > 3 * 86400, interval_s = 3600 OR start >= {until:DateTime('UTC')} - 7200, interval_s = home_bar_s)
    AND start >= {since:DateTime('UTC')} AND start < {until:DateTime('UTC')}
    AND start + toIntervalSecond(interval_s) <= {until:DateTime('UTC')};

CREATE OR REPLACE VIEW {database}.v_prices AS
SELECT
    least(
        toDateTime(intDiv(toUnixTimestamp64Milli(at) + {step_s:UInt32} * 1000 - 1, {step_s:UInt32} * 1000)
            * {step_s:UInt32}, 'UTC'),
        {until:DateTime('UTC')}
    ) AS time,
    asset,
    source,
    argMax(price, (at, filed_first)) AS price
FROM {database}.v_points(since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
GROUP BY time, asset, source;

-- The same in percent of the first price of the period.
CREATE OR REPLACE VIEW {database}.v_changes AS
SELECT
    time,
    asset,
    source,
    price,
    (price / first_value(price) OVER (PARTITION BY asset, source ORDER BY time) - 1) * 100 AS change_percent
FROM {database}.v_prices(
    since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')}, step_s = {step_s:UInt32}
);

-- A period in figures, per asset and source.
CREATE OR REPLACE VIEW {database}.v_range AS
SELECT
    asset,
    source,
    countIf(NOT tail) AS points,
    argMin(price, (at, filed_first)) AS first_price,
    argMax(price, (at, filed_first)) AS last_price,
    min(low) AS min_price,
    max(high) AS max_price,
    avgIf(price, NOT tail) AS mean_price,
    last_price - first_price AS change,
    (last_price / first_price - 1) * 100 AS change_percent,
    stddevPopIf(price, NOT tail) / mean_price * 100 AS volatility_percent,
    max(at) AS last_at
FROM {database}.v_points(since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
GROUP BY asset, source;

-- How far the sources are apart, at the end of each step in which at least two had quotes. `sources` names those that
-- are compared; prices in USD, USDT and USDC are taken at par.
CREATE OR REPLACE VIEW {database}.v_gaps AS
WITH
    (SELECT bar_s FROM {database}.v_home) AS home_bar_s,
    toUnixTimestamp({until:DateTime('UTC')}) - toUnixTimestamp({since:DateTime('UTC')}) AS range_s,
    if(range_s > 3 * 86400, 3600, home_bar_s) AS read_s,
    if({step_s:UInt32} > read_s, intDivOrZero({step_s:UInt32} + read_s - 1, read_s) * read_s, read_s) AS wide_s
SELECT
    time,
    asset,
    argMin(source, price) AS lowest,
    argMax(source, price) AS highest,
    max(price) - min(price) AS gap,
    gap / min(price) * 100 AS gap_percent,
    count() AS n_sources
FROM
(
    SELECT
        least(
            toDateTime(intDivOrZero(toUnixTimestamp(start) + interval_s + wide_s - 1, wide_s) * wide_s, 'UTC'),
            {until:DateTime('UTC')}
        ) AS time,
        asset,
        source,
        argMax(close, start) AS price
    FROM {database}.bars FINAL
    WHERE source != 'all' AND has({sources:Array(String)}, source) AND quotes > 0 AND interval_s = read_s
        AND start >= {since:DateTime('UTC')} AND start < {until:DateTime('UTC')}
        AND start + toIntervalSecond(interval_s) <= {until:DateTime('UTC')}
    GROUP BY time, asset, source
)
GROUP BY time, asset
HAVING n_sources > 1;

-- How far they are apart now: the newest quote of each source that had one within the stale time.
CREATE OR REPLACE VIEW {database}.v_gaps_now AS
WITH (SELECT stale_s FROM {database}.v_home) AS home_stale_s
SELECT
    asset,
    argMin(source, price) AS lowest,
    min(price) AS lowest_price,
    argMax(source, price) AS highest,
    max(price) AS highest_price,
    highest_price - lowest_price AS gap,
    gap / lowest_price * 100 AS gap_percent,
    count() AS n_sources
FROM {database}.v_latest
WHERE has({sources:Array(String)}, source) AND at > now64(3) - toIntervalSecond(home_stale_s)
GROUP BY asset
HAVING n_sources > 1;

-- Quotes per minute of every source, over the steps that are complete.
CREATE OR REPLACE VIEW {database}.v_quote_rate AS
WITH
    (SELECT bar_s FROM {database}.v_home) AS home_bar_s,
    toUnixTimestamp({until:DateTime('UTC')}) - toUnixTimestamp({since:DateTime('UTC')}) AS range_s,
    if(range_s > 3 * 86400, 3600, home_bar_s) AS read_s,
    intDivOrZero(arrayMax([{step_s:UInt32}, read_s, 60]) + read_s - 1, read_s) * read_s AS wide_s
SELECT
    toDateTime(intDivOrZero(ended_s + wide_s - 1, wide_s) * wide_s, 'UTC') AS time,
    source,
    sum(said) / any(wide_s) * 60 AS per_minute
FROM
(
    SELECT source, toInt64(intDiv(toUnixTimestamp64Milli(at), 1000) + 1) AS ended_s, 1 AS said
    FROM {database}.quotes FINAL
    WHERE range_s <= 6 * 3600 AND at >= {since:DateTime('UTC')} - toIntervalSecond(wide_s)
        AND at < {until:DateTime('UTC')}
    UNION ALL
    SELECT source, toInt64(toUnixTimestamp(start)) + interval_s AS ended_s, quotes AS said
    FROM {database}.bars FINAL
    WHERE range_s > 6 * 3600 AND source != 'all' AND interval_s = read_s
        AND start >= {since:DateTime('UTC')} - toIntervalSecond(wide_s) AND start < {until:DateTime('UTC')}
)
GROUP BY time, source
HAVING time > {since:DateTime('UTC')} AND time <= {until:DateTime('UTC')};

-- Is it streaming? `live` while the newest quote is no older than three times the spacing of the source that says most,
-- `stopped` when it is older than the stale time as well, `late` in between. One row; its ages are NULL without quotes.
CREATE OR REPLACE VIEW {database}.v_streaming AS
WITH
    (SELECT stale_s FROM {database}.v_home) AS home_stale_s,
    (SELECT max(received_at) FROM {database}.quotes SETTINGS final = 0) AS newest,
    (
        SELECT min(spacing_s)
        FROM
        (
            SELECT
                source,
                dateDiff('millisecond', min(received_at), max(received_at)) / 1000
                    / nullIf(uniqExact(received_at) - 1, 0) AS spacing_s
            FROM {database}.quotes
            WHERE received_at > newest - toIntervalHour(1) AND at > newest - toIntervalHour(2)
            GROUP BY source
            SETTINGS final = 0
        )
    ) AS spacing_s,
    arrayMax([30., 3 * ifNull(spacing_s, 10.)]) AS late_s
SELECT
    multiIf(isNull(age_s), 'stopped', age_s <= late_s, 'live', age_s <= arrayMax([late_s, toFloat64(home_stale_s)]),
        'late', 'stopped') AS state,
    if(newest = toDateTime64(0, 3, 'UTC'), NULL, newest) AS last_quote_at,
    dateDiff('millisecond', last_quote_at, now64(3)) / 1000 AS age_s,
    (
        SELECT uniqExact(source)
        FROM {database}.quotes
        WHERE received_at > now64(3) - toIntervalSecond(home_stale_s)
            AND at > now64(3) - toIntervalSecond(2 * home_stale_s)
        SETTINGS final = 0
    ) AS active_sources;

-- What there is. A quote that was sent again counts twice until ClickHouse has merged it: counting without merging takes
-- no time, however many there are.
CREATE OR REPLACE VIEW {database}.v_totals AS
SELECT count() AS quotes, (SELECT uniqExact(asset) FROM {database}.v_series) AS assets
FROM {database}.quotes
SETTINGS final = 0;

-- Each source now: what its own heartbeats said last, and the age of its newest quote.
CREATE OR REPLACE VIEW {database}.v_sources AS
SELECT
    source,
    if(state = '', 'unknown', state) AS state,
    if(state = '', NULL, since) AS since,
    reason,
    age_s,
    assets
FROM
(
    SELECT source, toNullable(dateDiff('millisecond', max(at), now64(3)) / 1000) AS age_s, uniqExact(asset) AS assets
    FROM {database}.v_latest
    GROUP BY source
) AS heard
FULL OUTER JOIN
(
    SELECT
        source,
        argMax(source_health.state, (last_seen, source_health.since)) AS state,
        argMax(source_health.since, (last_seen, source_health.since)) AS since,
        argMax(source_health.reason, (last_seen, source_health.since)) AS reason
    FROM {database}.source_health FINAL
    WHERE asset = ''
    GROUP BY source
) AS told
USING source;

-- When a source was not available, from the ledger of its states; the present state lasts until it was last seen.
CREATE OR REPLACE VIEW {database}.v_outages AS
SELECT source, since AS time, ended_at AS time_end, state, reason
FROM
(
    SELECT
        source,
        since,
        state,
        reason,
        if(following = toDateTime64(0, 3, 'UTC'), last_seen, following) AS ended_at
    FROM
    (
        SELECT
            source,
            since,
            state,
            reason,
            last_seen,
            leadInFrame(since) OVER (
                PARTITION BY source ORDER BY since ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            ) AS following
        FROM {database}.source_health FINAL
        WHERE asset = ''
    )
)
WHERE state NOT IN ('available', 'off');

-- The newest signal of every series and horizon, of the last hour that has any.
CREATE OR REPLACE VIEW {database}.v_signals_now AS
WITH (SELECT max(made_at) FROM {database}.signals SETTINGS final = 0) AS newest
SELECT asset, source, interval_s, horizon_s, made_at, signal, price, variation, confidence, ma_trend, reason
FROM {database}.signals FINAL
WHERE made_at > newest - toIntervalHour(1)
ORDER BY made_at DESC
LIMIT 1 BY asset, source, horizon_s;

-- Every asset as it stands: the last price of `all`, how it changed, and what the signal for this horizon says. A price
-- of an hour or a day ago may be older than that by the half hour that is bridged in bars, no more.
CREATE OR REPLACE VIEW {database}.v_market AS
WITH
    (SELECT bar_s FROM {database}.v_home) AS home_bar_s,
    (
        SELECT max(start) FROM {database}.bars WHERE source = 'all' AND interval_s = home_bar_s SETTINGS final = 0
    ) AS newest
SELECT
    asset,
    price,
    (price / hour_ago - 1) * 100 AS change_1h,
    (price / day_ago - 1) * 100 AS change_24h,
    if(said.signal = '', NULL, said.signal) AS signal,
    said.variation AS variation,
    said.confidence AS confidence,
    dateDiff('millisecond', last_start + toIntervalSecond(home_bar_s), now64(3)) / 1000 AS age_s
FROM
(
    SELECT
        asset,
        max(start) AS last_start,
        argMax(close, start) AS price,
        argMaxOrNullIf(close, start, start <= last - 3600 AND start > last - 3600 - 1800) AS hour_ago,
        argMaxOrNullIf(close, start, start <= last - 86400 AND start > last - 86400 - 1800) AS day_ago
    FROM
    (
        SELECT asset, start, close, max(start) OVER (PARTITION BY asset) AS last
        FROM {database}.bars FINAL
        WHERE source = 'all' AND interval_s = home_bar_s AND start > newest - toIntervalHour(26)
    )
    GROUP BY asset
) AS prices
LEFT JOIN
(
    SELECT asset, signal, variation, confidence
    FROM {database}.v_signals_now
    WHERE source = 'all' AND horizon_s = {horizon_s:UInt32} AND made_at > newest - toIntervalHour(1)
) AS said
USING asset;

-- Candles of one series with averages and Bollinger bands (20 bars, two standard deviations of the population). The
-- averages are over bars as they are read, and a candle has those of its last bar: NULL where a gap or the beginning
-- leaves too few.
CREATE OR REPLACE VIEW {database}.v_candles AS
WITH
    (SELECT bar_s FROM {database}.v_home) AS home_bar_s,
    toUnixTimestamp({until:DateTime('UTC')}) - toUnixTimestamp({since:DateTime('UTC')}) AS range_s,
    if(range_s > 3 * 86400, 3600, home_bar_s) AS read_s,
    if({step_s:UInt32} > read_s, intDivOrZero({step_s:UInt32} + read_s - 1, read_s) * read_s, read_s) AS wide_s
SELECT
    toDateTime(intDivOrZero(toUnixTimestamp(start), wide_s) * wide_s, 'UTC') AS time,
    argMin(bar_open, start) AS open,
    max(bar_high) AS high,
    min(bar_low) AS low,
    argMax(bar_close, start) AS close,
    sum(bar_traded) AS volume,
    argMax(tuple(short_average), start).1 AS ma_short,
    argMax(tuple(long_average), start).1 AS ma_long,
    argMax(tuple(band_middle - 2 * band_deviation), start).1 AS bollinger_lower,
    argMax(tuple(band_middle), start).1 AS bollinger_middle,
    argMax(tuple(band_middle + 2 * band_deviation), start).1 AS bollinger_upper
FROM
(
    SELECT
        start,
        open AS bar_open,
        high AS bar_high,
        low AS bar_low,
        close AS bar_close,
        -- What was traded where the source says so for the whole period, else how many quotes came.
        if(countIf(isNull(bars.volume) AND quotes > 0) OVER () = 0, ifNull(bars.volume, 0), toFloat64(quotes))
            AS bar_traded,
        if(min(start) OVER short = start - toIntervalSecond(read_s * ({short:UInt16} - 1)), avg(close) OVER short, NULL)
            AS short_average,
        if(min(start) OVER long = start - toIntervalSecond(read_s * ({long:UInt16} - 1)), avg(close) OVER long, NULL)
            AS long_average,
        if(min(start) OVER band = start - toIntervalSecond(read_s * 19), avg(close) OVER band, NULL) AS band_middle,
        stddevPopStable(close) OVER band AS band_deviation
    FROM {database}.bars FINAL
    WHERE asset = {asset:String} AND source = {source:String} AND interval_s = read_s
        AND start >= {since:DateTime('UTC')} - toIntervalSecond(read_s * 200) AND start < {until:DateTime('UTC')}
    WINDOW
        short AS (ORDER BY start ROWS BETWEEN greatest(1, {short:UInt16}) - 1 PRECEDING AND CURRENT ROW),
        long AS (ORDER BY start ROWS BETWEEN greatest(1, {long:UInt16}) - 1 PRECEDING AND CURRENT ROW),
        band AS (ORDER BY start ROWS BETWEEN 19 PRECEDING AND CURRENT ROW)
)
WHERE start >= {since:DateTime('UTC')}
GROUP BY time;

-- Indicators of one series as the stream filed them, over bars of the home's length: the last ones of every step.
CREATE OR REPLACE VIEW {database}.v_indicators AS
SELECT
    least(
        toDateTime(intDiv(toUnixTimestamp(at) + {step_s:UInt32} - 1, {step_s:UInt32}) * {step_s:UInt32}, 'UTC'),
        {until:DateTime('UTC')}
    ) AS time,
    argMax(tuple(indicators.rsi), at).1 AS rsi,
    argMax(tuple(indicators.macd), at).1 AS macd,
    argMax(tuple(indicators.macd_signal), at).1 AS macd_signal,
    argMax(tuple(indicators.macd_histogram), at).1 AS macd_histogram,
    argMax(tuple(indicators.stochastic_k), at).1 AS stochastic_k,
    argMax(tuple(indicators.stochastic_d), at).1 AS stochastic_d,
    argMax(tuple(indicators.atr), at).1 AS atr
FROM {database}.indicators FINAL
WHERE asset = {asset:String} AND source = {source:String}
    AND interval_s = (SELECT bar_s FROM {database}.v_home)
    AND at > {since:DateTime('UTC')} AND at <= {until:DateTime('UTC')}
GROUP BY time;

-- Where the signal of a series became another one; what it was is looked for in the day before the period.
CREATE OR REPLACE VIEW {database}.v_signal_changes AS
SELECT asset, source, horizon_s, made_at AS time, signal, before, price, variation, confidence, reason
FROM
(
    SELECT
        *,
        lagInFrame(signal) OVER (
            PARTITION BY asset, source, horizon_s ORDER BY made_at
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS before
    FROM {database}.signals FINAL
    WHERE made_at >= {since:DateTime('UTC')} - toIntervalDay(1) AND made_at <= {until:DateTime('UTC')}
)
WHERE signal != before AND made_at >= {since:DateTime('UTC')};

-- How many decimals an asset's price needs to be told with five digits: 2 for 98,123, 10 for 0.0000091235.
CREATE OR REPLACE VIEW {database}.v_decimals AS
WITH
    (SELECT bar_s FROM {database}.v_home) AS home_bar_s,
    (SELECT max(start) FROM {database}.bars WHERE interval_s = home_bar_s SETTINGS final = 0) AS newest
SELECT asset, toUInt8(greatest(2, least(12, 4 - floor(log10(greatest(argMax(close, start), 1e-12)))))) AS decimals
FROM {database}.bars
WHERE interval_s = home_bar_s AND start > newest - toIntervalHour(1)
GROUP BY asset
SETTINGS final = 0;
