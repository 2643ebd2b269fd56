-- Values of indicators that have no column of their own, by name; a name is missing while there are too few bars.
ALTER TABLE {database}.indicators
    ADD COLUMN IF NOT EXISTS more Map(LowCardinality(String), Float64) CODEC(ZSTD(1)) AFTER ewma_volatility;
