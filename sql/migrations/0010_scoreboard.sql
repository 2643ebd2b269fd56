-- Live forecasts that came to the log after their own target, because the worker was down: nobody could have followed
-- them. Late rows are few, so they are found first, without FINAL; of those, a forecast that was filed in time and sent
-- again later counts as filed in time.
CREATE OR REPLACE VIEW {database}.catch_ups AS
SELECT asset, source, interval_s, made_at, horizon_s, model
FROM {database}.predictions FINAL
WHERE origin = 'live' AND filed_at > target_at AND (asset, source, interval_s, made_at) IN
(
    SELECT asset, source, interval_s, made_at
    FROM {database}.predictions
    WHERE origin = 'live' AND filed_at > target_at
    SETTINGS final = 0
);

-- Every score once, with its kind: filed (in advance), back_test (replayed or filled-in history) or catch_up.
-- independent: forecasts made a whole number of horizons apart do not overlap. Those made in between share most of what
-- happens with their neighbours, so they say little more, and only these count where chance is reckoned with.
CREATE OR REPLACE VIEW {database}.scored AS
SELECT
    *,
    multiIf(
        origin != 'live', 'back_test',
        (asset, source, interval_s, made_at, horizon_s, model) IN {database}.catch_ups, 'catch_up',
        'filed'
    ) AS kind,
    toUnixTimestamp(made_at) % horizon_s = 0 AS independent
FROM {database}.scores FINAL;

-- How good every model was, over periods that all end at `until` and begin at `starts`, the youngest first; `names` are
-- the periods' names. Every score is read and added up once, by the youngest period it falls in; an older period takes
-- the sums of the younger ones in. A sum over nothing is NULL, and so is what follows from it.
--
-- The interval of the hit rate is Wilson's, 95 % (Wilson, E. B., 1927: Probable inference, the law of succession, and
-- statistical inference, JASA 22, 209-212). The test of direction is Pesaran's and Timmermann's (1992: A simple
-- nonparametric test of predictive performance, JBES 10, 461-465): are hits more frequent than if forecast and price
-- went up independently, each as often as it did? With x and y the shares of forecasts and prices that went up, their
-- V(P) - V(P*) comes to 4 x (1 - x) y (1 - y) (n - 1) / n^2: without that form rounding would decide whether it is 0.
-- pt_p is one-sided, small where the model is better than that. Both use effective_n, the share of the forecasts with a
-- direction that is independent, as their number of trials: overlapping forecasts would make chance look like skill.
CREATE OR REPLACE VIEW {database}.scoreboard_over AS
WITH 1.959963984540054 AS z
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
            -- No horizon is longer than a week; by made_at whole stretches of the table are passed over.
            WHERE target_at >= arrayMin({starts:Array(DateTime64(3, 'UTC'))})
                AND target_at < {until:DateTime64(3, 'UTC')}
                AND made_at >= arrayMin({starts:Array(DateTime64(3, 'UTC'))}) - toIntervalDay(7)
                AND made_at < {until:DateTime64(3, 'UTC')}
            GROUP BY kind, asset, source, interval_s, horizon_s, model, youngest
        ) AS sums
        ARRAY JOIN arraySlice({names:Array(String)}, youngest + 1) AS period
        GROUP BY kind, period, asset, source, interval_s, horizon_s, model
    )
);

-- The same for forecasts with target_at from `since` on and before `until`.
CREATE OR REPLACE VIEW {database}.scoreboard_between AS
SELECT * EXCEPT period
FROM {database}.scoreboard_over(
    names = [''], starts = [{since:DateTime64(3, 'UTC')}], until = {until:DateTime64(3, 'UTC')}
);

-- The scoreboard of today. Only a replay of times to come has scores after now, which every period then takes in.
CREATE OR REPLACE VIEW {database}.scoreboard AS
SELECT *
FROM {database}.scoreboard_over(
    names = ['24 h', '7 d', '30 d', 'all'],
    starts = [
        now64(3) - toIntervalDay(1), now64(3) - toIntervalDay(7), now64(3) - toIntervalDay(30), toDateTime64(0, 3)
    ],
    until = toDateTime64('2100-01-01 00:00:00', 3)
);

-- Does confidence say how often a model is right? Per step of 10 percent: the confidence stated, and the share of
-- forecasts whose direction was right, with Wilson's 95 % interval over the independent ones.
CREATE OR REPLACE VIEW {database}.calibration AS
WITH 1.959963984540054 AS z
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
        GROUP BY kind, asset, source, interval_s, horizon_s, model, confidence_from
    )
);

-- What following every signal would have come to, on paper: at made_at a BUY buys and a SELL sells short for one unit
-- of money, at target_at it is closed; a HOLD does nothing. The fee is a percentage of the money that changes hands, at
-- opening and at closing. Signals without a consensus, or whose moment could not be judged, are left out.
-- buy_and_hold_percent is the mean of buying at the same BUYs and SELLs, free of fees. Trades overlap, as forecasts do.
CREATE OR REPLACE VIEW {database}.paper_results AS
WITH
    (
        SELECT toFloat64OrDefault(any(value), 0.1) FROM {database}.home_settings FINAL WHERE name = 'fee_percent'
    ) AS fee
SELECT
    kind,
    asset,
    source,
    interval_s,
    horizon_s,
    countIf(side != 0) AS n_signals,
    countIf(side > 0) AS n_buy,
    countIf(side < 0) AS n_sell,
    countIf(side = 0) AS n_hold,
    countIf(side != 0 AND independent) AS n_independent,
    total_return_percent / nullIf(n_signals, 0) AS mean_return_percent,
    sumKahan(return_percent) AS total_return_percent,
    countIf(return_percent > 0) / nullIf(n_signals, 0) AS win_rate,
    max(return_percent) AS best_percent,
    min(return_percent) AS worst_percent,
    any(fee) AS fee_percent,
    sumKahan(if(side = 0, NULL, rise_percent)) / nullIf(n_signals, 0) AS buy_and_hold_percent
FROM
(
    SELECT
        *,
        transform(signal, ['BUY', 'SELL'], [1, -1], 0) AS side,
        (actual - price) / price * 100 AS rise_percent,
        if(side = 0, NULL, side * rise_percent - fee * (1 + actual / price)) AS return_percent
    FROM
    (
        SELECT kind, asset, source, interval_s, made_at, horizon_s, independent, price, assumeNotNull(actual) AS actual
        FROM {database}.scored
        WHERE model = 'consensus' AND void = ''
    ) AS outcomes
    INNER JOIN
    (
        SELECT asset, source, interval_s, made_at, horizon_s, signal
        FROM {database}.signals FINAL
    ) AS said
    USING (asset, source, interval_s, made_at, horizon_s)
)
GROUP BY kind, asset, source, interval_s, horizon_s;

-- Each model's share in consensus_adaptive, moment by moment.
CREATE OR REPLACE VIEW {database}.model_weights AS
SELECT asset, source, interval_s, horizon_s, model, made_at, assumeNotNull(predictions.weight) AS weight, origin
FROM {database}.predictions FINAL
WHERE isNotNull(predictions.weight);
