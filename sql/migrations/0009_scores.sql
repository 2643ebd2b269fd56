-- What a score needs to be read by itself. target_at is made_at + horizon_s; price is what "the price stays the same"
-- forecast; relative_error is |error| / |naive_error|, NULL where the latter is 0; intervals follow the levels of
-- covered: width and Winkler score in the unit of the price.
ALTER TABLE {database}.scores
    ADD COLUMN IF NOT EXISTS target_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)) AFTER horizon_s,
    ADD COLUMN IF NOT EXISTS version LowCardinality(String) AFTER model,
    ADD COLUMN IF NOT EXISTS price Float64 CODEC(Gorilla, ZSTD(1)) AFTER version,
    ADD COLUMN IF NOT EXISTS forecast Float64 CODEC(Gorilla, ZSTD(1)) AFTER price,
    ADD COLUMN IF NOT EXISTS confidence Nullable(Float64) CODEC(Gorilla, ZSTD(1)) AFTER forecast,
    ADD COLUMN IF NOT EXISTS relative_error Nullable(Float64) CODEC(ZSTD(1)) AFTER naive_error,
    ADD COLUMN IF NOT EXISTS intervals Array(Tuple(level Float64, width Float64, winkler Float64)) CODEC(ZSTD(1))
        AFTER covered,
    ADD COLUMN IF NOT EXISTS absolute_error Nullable(Float64) ALIAS abs(error);

-- The model's share in consensus_adaptive at that horizon, NULL for what has none.
ALTER TABLE {database}.predictions
    ADD COLUMN IF NOT EXISTS weight Nullable(Float64) CODEC(Gorilla, ZSTD(1)) AFTER bounds;
