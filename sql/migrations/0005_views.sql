-- For those who used the table of the same name: one row per quote of the pair that stands for the asset.
CREATE OR REPLACE VIEW {database}.crypto_prices AS
SELECT
    name,
    asset AS symbol,
    price,
    percent_change_24h,
    market_cap,
    volume_24h,
    source,
    at AS timestamp
FROM {database}.quotes FINAL
WHERE feeds;

-- The newest quote of every asset at every source. One tuple is picked, so that no figure comes from an older quote.
CREATE OR REPLACE VIEW {database}.v_latest AS
SELECT
    asset,
    source,
    tupleElement(newest, 1) AS price,
    tupleElement(newest, 2) AS currency,
    tupleElement(newest, 3) AS percent_change_24h,
    tupleElement(newest, 4) AS market_cap,
    tupleElement(newest, 5) AS volume_24h,
    tupleElement(newest, 6) AS at
FROM
(
    SELECT
        asset,
        source,
        argMax((price, currency, percent_change_24h, market_cap, volume_24h, at), (at, bitNot(precedence))) AS newest
    FROM {database}.quotes FINAL
    WHERE feeds
    GROUP BY asset, source
);
