-- Forecasts on demand: the models of the stream over the stored bars, for parameters of one's own. Windows are counted
-- in bars of the home's bar length, and now is the end of the last closed bar of the series. One row per model, and one
-- for the consensus; signal and the columns after it are about the consensus and the same in every row.
--
-- Prices are taken as changes since the last one, so that flat prices give exactly that price and sums keep their
-- digits at any level of prices. A bar belongs to the run at the end if it lies as many bars before the last one as
-- there are newer rows: a gap ends the run. Averages that differ by no more than the rounding of their sums are equal.
CREATE OR REPLACE VIEW {database}.predict_now AS
WITH (SELECT toUInt32(value) FROM {database}.home_settings FINAL WHERE name = 'bar_seconds') AS home_bar_s
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
    SELECT
        *,
        multiIf(
            isNull(consensus), 'not_enough_points',
            abs((consensus - price) / price * 100) <= 2, 'variation_within_threshold',
            NOT mean_confidence > 60, 'confidence_too_low',
            consensus > price, 'variation_above_threshold',
            'variation_below_threshold'
        ) AS signal_reason
    FROM
    (
        -- The consensus: weights renormalised over the models that have enough points.
        SELECT
            *,
            arraySum(member -> member.4 * assumeNotNull(member.2), members) / weight AS consensus,
            arraySum(member -> member.4 * assumeNotNull(member.3), members) / weight AS consensus_confidence,
            arraySum(member -> assumeNotNull(member.3), members) / nullIf(length(members), 0) AS mean_confidence
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
                            toUInt32(count()) AS points,
                            sum(change) AS changes,
                            -- The squared distances of n evenly spaced times from their middle sum to n(n^2 - 1) / 12.
                            ((count() - 1) / 2 * sum(change) - sum(back * change))
                                / (count() * (count() * count() - 1) / 12) AS slope,
                            stddevPopStableIf(change, back < 20) / (any(last_close) + avgIf(change, back < 20)) * 100
                                AS volatility,
                            sumIf(change, back < {short:UInt16}) / {short:UInt16} AS short_change,
                            sumIf(change, back < {long:UInt16}) / {long:UInt16} AS long_change,
                            (sumIf(change, back < 10)
                                - sumIf(change, back >= {momentum:UInt16} AND back < {momentum:UInt16} + 10)) / 10
                                AS window_change,
                            toUInt32({horizon_hours:UInt16} * 3600) AS horizon
                        FROM
                        (
                            SELECT
                                interval_s,
                                start,
                                first_value(close) OVER newest_first AS last_close,
                                close - first_value(close) OVER newest_first AS change,
                                row_number() OVER newest_first - 1 AS back,
                                first_value(start) OVER newest_first AS newest_start
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
                                ) - toIntervalHour(greatest(1, {history_hours:UInt16}))
                                AND throwIf(
                                    NOT ({history_hours:UInt16} BETWEEN 1 AND 72
                                        AND {horizon_hours:UInt16} BETWEEN 1 AND 168
                                        AND {short:UInt16} BETWEEN 5 AND 30 AND {long:UInt16} BETWEEN 20 AND 100
                                        AND {momentum:UInt16} BETWEEN 5 AND 30),
                                    'history_hours is 1-72, horizon_hours 1-168, short 5-30, long 20-100, momentum 5-30'
                                ) = 0
                            WINDOW newest_first AS (ORDER BY start DESC)
                        )
                        WHERE start = newest_start - toIntervalSecond(back * interval_s)
                        HAVING points > 0
                    )
                )
            )
        )
    )
)
ARRAY JOIN arrayPushBack(models, ('consensus', consensus, consensus_confidence, 1.)) AS said;
