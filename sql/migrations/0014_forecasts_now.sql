-- The newest filed forecast of every model and horizon for one series, with its intervals; NULL while it has none. Batch
-- models file once an hour or so, hence two hours.
CREATE OR REPLACE VIEW {database}.v_forecasts_now AS
WITH
    (SELECT bar_s FROM {database}.v_home) AS home_bar_s,
    (
        SELECT max(made_at)
        FROM {database}.predictions
        WHERE asset = {asset:String} AND source = {source:String} AND interval_s = home_bar_s
        SETTINGS final = 0
    ) AS newest,
    indexOf(bounds.level, 0.8) AS at_80,
    indexOf(bounds.level, 0.95) AS at_95
SELECT
    horizon_s,
    model,
    made_at,
    target_at,
    price,
    forecast,
    variation,
    confidence,
    reason,
    if(at_80 = 0, NULL, bounds.lower[at_80]) AS lower_80,
    if(at_80 = 0, NULL, bounds.upper[at_80]) AS upper_80,
    if(at_95 = 0, NULL, bounds.lower[at_95]) AS lower_95,
    if(at_95 = 0, NULL, bounds.upper[at_95]) AS upper_95
FROM {database}.predictions FINAL
WHERE asset = {asset:String} AND source = {source:String} AND interval_s = home_bar_s
    AND made_at > newest - toIntervalHour(2)
ORDER BY made_at DESC
LIMIT 1 BY horizon_s, model;

-- What was filed at one moment against what happened, of one series and model; void ones have nothing to show.
CREATE OR REPLACE VIEW {database}.v_outcomes AS
SELECT
    kind,
    horizon_s,
    made_at,
    target_at,
    price,
    forecast,
    assumeNotNull(actual) AS happened,
    (forecast - happened) / price * 100 AS error_percent,
    (price - happened) / price * 100 AS naive_error_percent,
    multiIf(isNull(hit), 'no direction', hit, 'right', 'wrong') AS direction
FROM {database}.scored
WHERE asset = {asset:String} AND source = {source:String} AND model = {model:String}
    AND interval_s = (SELECT bar_s FROM {database}.v_home) AND void = '';
