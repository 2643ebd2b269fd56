-- Indicators from the bars themselves, so that what the stream did not see, such as the history filled in at the start,
-- has them too. Formulas and warm-up are those of docs/indicators.md, and the figures those that the stream files. Bars
-- are of the home's length up to 3 days and of an hour beyond, as for candles. 500 bars before the period are read: by
-- then nothing is left of where an average began.
--
-- `run` and `place`: consecutive bars, and which of them a bar is. `exponentialMovingAverage` begins at 0 and loses half
-- in so many bars: `begun` gives the bars whose mean an average begins with, the last of them at `last`, shares that
-- outweigh what is lost until then; `kept` is what an average keeps of itself at every bar.
CREATE OR REPLACE VIEW {database}.v_indicators AS
WITH
    (SELECT bar_s FROM {database}.v_home) AS home_bar_s,
    toUnixTimestamp({until:DateTime('UTC')}) - toUnixTimestamp({since:DateTime('UTC')}) AS range_s,
    if(range_s > 3 * 86400, 3600, home_bar_s) AS read_s,
    (place, last, points, kept) -> multiIf(
        place > last, 1., place > last - points, pow(kept, toInt64(place) - last) / points / (1 - kept), 0.
    ) AS begun
SELECT
    least(
        toDateTime(intDiv(toUnixTimestamp(at) + {step_s:UInt32} - 1, {step_s:UInt32}) * {step_s:UInt32}, 'UTC'),
        {until:DateTime('UTC')}
    ) AS time,
    argMax(tuple(if(place < 15, NULL, 100 * gain / if(gain + loss = 0, 1, gain + loss))), at).1 AS rsi,
    argMax(tuple(if(place < 34, NULL, fast - slow)), at).1 AS macd,
    argMax(tuple(if(place < 34, NULL, signal)), at).1 AS macd_signal,
    argMax(tuple(if(place < 34, NULL, fast - slow - signal)), at).1 AS macd_histogram,
    argMax(tuple(if(place < 18, NULL, k)), at).1 AS stochastic_k,
    argMax(tuple(if(place < 18, NULL, d)), at).1 AS stochastic_d,
    argMax(tuple(if(place < 15, NULL, range)), at).1 AS atr
FROM
(
    SELECT
        *,
        exponentialMovingAverage(-log(2) / log(8 / 10))((fast - slow) * begun(place, 34, 9, 8 / 10), place) OVER to_now
            AS signal,
        avg(k) OVER (PARTITION BY run ORDER BY place ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS d
    FROM
    (
        SELECT
            run,
            place,
            at,
            exponentialMovingAverage(-log(2) / log(13 / 14))(
                greatest(change, 0) * begun(place, 15, 14, 13 / 14), place
            ) OVER to_now AS gain,
            exponentialMovingAverage(-log(2) / log(13 / 14))(
                greatest(-change, 0) * begun(place, 15, 14, 13 / 14), place
            ) OVER to_now AS loss,
            exponentialMovingAverage(-log(2) / log(13 / 14))(
                true_range * begun(place, 15, 14, 13 / 14), place
            ) OVER to_now AS range,
            exponentialMovingAverage(-log(2) / log(11 / 13))(close * begun(place, 26, 12, 11 / 13), place) OVER to_now
                AS fast,
            exponentialMovingAverage(-log(2) / log(25 / 27))(close * begun(place, 26, 26, 25 / 27), place) OVER to_now
                AS slow,
            avg(100 * (close - lowest) / if(highest = lowest, 1, highest - lowest)) OVER (
                PARTITION BY run ORDER BY place ROWS BETWEEN 2 PRECEDING AND CURRENT ROW
            ) AS k
        FROM
        (
            SELECT
                run,
                start + toIntervalSecond(read_s) AS at,
                close,
                row_number() OVER to_now AS place,
                if(place = 1, 0, close - before) AS change,
                lagInFrame(close) OVER to_now AS before,
                if(place = 1, 0, greatest(high, before) - least(low, before)) AS true_range,
                min(low) OVER fourteen AS lowest,
                max(high) OVER fourteen AS highest
            FROM
            (
                SELECT
                    start,
                    high,
                    low,
                    close,
                    toInt64(toUnixTimestamp(start)) - toInt64(read_s) * row_number() OVER (ORDER BY start) AS run
                FROM {database}.bars FINAL
                WHERE asset = {asset:String} AND source = {source:String} AND interval_s = read_s
                    AND start >= {since:DateTime('UTC')} - toIntervalSecond(read_s * 500)
                    AND start < {until:DateTime('UTC')}
            )
            WINDOW
                to_now AS (PARTITION BY run ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
                fourteen AS (PARTITION BY run ORDER BY start ROWS BETWEEN 13 PRECEDING AND CURRENT ROW)
        )
        WINDOW to_now AS (PARTITION BY run ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
    WINDOW to_now AS (PARTITION BY run ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE at > {since:DateTime('UTC')} AND at <= {until:DateTime('UTC')}
GROUP BY time;

-- What the sources last said of the worth of all coins of an asset; it moves slowly, so an hour back is far enough.
CREATE OR REPLACE VIEW {database}.v_market_caps AS
SELECT asset, argMax(assumeNotNull(quotes.market_cap), at) AS market_cap
FROM {database}.quotes
WHERE isNotNull(quotes.market_cap) AND at > now64(3) - toIntervalHour(1)
GROUP BY asset
SETTINGS final = 0;
