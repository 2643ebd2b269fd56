-- Forecasts on demand, as before, with signals as the stream makes them: HOLD for a series that a gap left with too few
-- points (series_broken) and for one that ends in the stale time without a quote (stale_source), and with the thresholds
-- of the home. home_settings has had these before this view is made, and gets them anew at every start.
--
-- A series may be without a quote for longer than the history asked for, so bars are read as far back as the longer of
-- the history and the stale time; the points are those of the history.
CREATE OR REPLACE VIEW {database}.predict_now AS
WITH
    (
        SELECT mapFromArrays(groupArray(name), groupArray(toFloat64OrZero(value)))
        FROM {database}.home_settings FINAL
    ) AS home,
    toUInt32(home['bar_seconds']) AS home_bar_s,
    toUInt32(3600 * greatest(1, {history_hours:UInt16})) AS history_s
SELECT
    {asset:String} AS asset,
    {source:String} AS source,
    bar_s AS interval_s,
    last_start + toIntervalSecond(bar_s) AS made_at,
    horizon AS horizon_s,
    made_at + toIntervalSecond(horizon) AS target_at,
    said.1 AS model,
    price,
    points,
    volatility,
    said.2 AS forecast,
    (said.2 - price) / price * 100 AS variation,
    said.3 AS confidence,
    if(isNull(said.2), 'not_enough_points', '') AS reason,
    transform(signal_reason, ['variation_above_threshold', 'variation_below_threshold'], ['BUY', 'SELL'], 'HOLD')
        AS signal,
    signal_reason,
    mean_confidence,
    multiIf(
        isNull(ma_short) OR isNull(ma_long), NULL,
        abs(ma_short - ma_long) <= 1e-12 * price, 'neutral',
        ma_short > ma_long, 'bullish',
        'bearish'
    ) AS ma_trend
FROM
(
    -- The consensus: weights renormalised over the models that have enough points.
    SELECT
        *,
        arraySum(member -> member.4 * assumeNotNull(member.2), members) / weight AS consensus,
        arraySum(member -> member.4 * assumeNotNull(member.3), members) / weight AS consensus_confidence,
        arraySum(member -> assumeNotNull(member.3), members) / nullIf(length(members), 0) AS mean_confidence,
        multiIf(
            isNull(consensus) AND broken, 'series_broken',
            isNull(consensus), 'not_enough_points',
            silent_s >= home['stale_seconds'], 'stale_source',
            abs((consensus - price) / price * 100) <= home['signal_variation_percent'], 'variation_within_threshold',
            NOT mean_confidence > home['signal_confidence_percent'], 'confidence_too_low',
            consensus > price, 'variation_above_threshold',
            'variation_below_threshold'
        ) AS signal_reason
    FROM
    (
        SELECT
            *,
            arrayFilter(model -> isNotNull(model.2), models) AS members,
            nullIf(arraySum(member -> member.4, members), 0) AS weight
        FROM
        (
            SELECT
                *,
                arrayMap(
                    (model, forecast, weight) -> (
                        model,
                        forecast,
                        -- greatest and least pass over NULL, so it is said apart.
                        if(isNull(forecast), NULL,
                            least(100., greatest(0., 100 - abs(forecast - price) / price * 100)
                                * greatest(0., 1 - volatility / 200))),
                        weight
                    ),
                    ['ma_short', 'ma_long', 'trend', 'momentum'],
                    [ma_short, ma_long, trend, momentum],
                    [0.3, 0.2, 0.3, 0.2]
                ) AS models
            FROM
            (
                SELECT
                    *,
                    if(points >= {short:UInt16}, price + short_change, NULL) AS ma_short,
                    if(points >= {long:UInt16}, price + long_change, NULL) AS ma_long,
                    -- The least-squares line in centred form, over time in bars before the last one.
                    if(points >= 10,
                        price + (changes / points + slope * ((points - 1) / 2 + horizon / bar_s)), NULL) AS trend,
                    if(points >= {momentum:UInt16} + 10, price + window_change * (horizon / 3600), NULL)
                        AS momentum
                FROM
                (
                    SELECT
                        any(interval_s) AS bar_s,
                        max(start) AS last_start,
                        any(last_close) AS price,
                        toUInt32(countIf(is_point)) AS points,
                        countIf(back_s < history_s) > points AS broken,
                        -- Since the last bar with quotes; where none was read, as long as all that were.
                        least(dateDiff('second', maxIf(start, quotes > 0), max(start)), count() * any(interval_s))
                            AS silent_s,
                        sumIf(change, is_point) AS changes,
                        -- The squared distances of n evenly spaced times from their middle sum to n(n^2 - 1) / 12.
                        ((points - 1) / 2 * changes - sumIf(back * change, is_point))
                            / (points * (points * points - 1) / 12) AS slope,
                        stddevPopStableIf(change, is_point AND back < 20)
                            / (any(last_close) + avgIf(change, is_point AND back < 20)) * 100 AS volatility,
                        sumIf(change, is_point AND back < {short:UInt16}) / {short:UInt16} AS short_change,
                        sumIf(change, is_point AND back < {long:UInt16}) / {long:UInt16} AS long_change,
                        (sumIf(change, is_point AND back < 10)
                            - sumIf(change, is_point AND back >= {momentum:UInt16} AND back < {momentum:UInt16} + 10))
                            / 10 AS window_change,
                        toUInt32({horizon_hours:UInt16} * 3600) AS horizon
                    FROM
                    (
                        -- A point lies as many bars before the last one as there are newer rows: a gap ends the run.
                        SELECT
                            interval_s,
                            start,
                            quotes,
                            first_value(close) OVER newest_first AS last_close,
                            close - first_value(close) OVER newest_first AS change,
                            row_number() OVER newest_first - 1 AS back,
                            dateDiff('second', start, first_value(start) OVER newest_first) AS back_s,
                            back_s = back * interval_s AND back_s < history_s AS is_point
                        FROM {database}.bars FINAL
                        WHERE asset = {asset:String} AND source = {source:String}
                            AND interval_s = home_bar_s
                            AND start > (
                                -- A living series' last bar is found among those of today, without reading years.
                                SELECT max(start)
                                FROM {database}.bars
                                WHERE asset = {asset:String} AND source = {source:String}
                                    AND interval_s = home_bar_s
                                    AND start >= (
                                        SELECT max(start)
                                        FROM {database}.bars
                                        WHERE asset = {asset:String} AND source = {source:String}
                                            AND interval_s = home_bar_s
                                            AND start > now() - 86400
                                    )
                            ) - toIntervalSecond(greatest(history_s, toUInt32(home['stale_seconds'])))
                            AND throwIf(
                                NOT ({history_hours:UInt16} BETWEEN 1 AND 72
                                    AND {horizon_hours:UInt16} BETWEEN 1 AND 168
                                    AND {short:UInt16} BETWEEN 5 AND 30 AND {long:UInt16} BETWEEN 20 AND 100
                                    AND {momentum:UInt16} BETWEEN 5 AND 30),
                                'history_hours is 1-72, horizon_hours 1-168, short 5-30, long 20-100, momentum 5-30'
                            ) = 0
                        WINDOW newest_first AS (ORDER BY start DESC)
                    )
                    HAVING points > 0
                )
            )
        )
    )
)
ARRAY JOIN arrayPushBack(models, ('consensus', consensus, consensus_confidence, 1.)) AS said;
