-- One row per forecast; the first one filed stays. filed_at is Kafka's own time, so a forecast cannot be back-dated.
-- forecast and confidence are NULL, with a reason, when the model has too few points.
CREATE TABLE IF NOT EXISTS {database}.predictions
(
    asset       LowCardinality(String),
    source      LowCardinality(String),
    interval_s  UInt32 CODEC(ZSTD(1)),
    made_at     DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    horizon_s   UInt32 CODEC(ZSTD(1)),
    target_at   DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    model       LowCardinality(String),
    version     LowCardinality(String),
    price       Float64 CODEC(Gorilla, ZSTD(1)),
    forecast    Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    variation   Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    confidence  Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    reason      LowCardinality(String),
    bounds      Array(Tuple(level Float64, lower Float64, upper Float64)) CODEC(ZSTD(1)),
    points      UInt32 CODEC(ZSTD(1)),
    origin      LowCardinality(String),
    filed_at    DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    precedence  UInt64 CODEC(DoubleDelta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(made_at)
ORDER BY (asset, source, interval_s, made_at, horizon_s, model)
SETTINGS non_replicated_deduplication_window = 1000;

-- BUY, SELL or HOLD per horizon, with the rule that decided.
CREATE TABLE IF NOT EXISTS {database}.signals
(
    asset       LowCardinality(String),
    source      LowCardinality(String),
    interval_s  UInt32 CODEC(ZSTD(1)),
    made_at     DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    horizon_s   UInt32 CODEC(ZSTD(1)),
    signal      LowCardinality(String),
    price       Float64 CODEC(Gorilla, ZSTD(1)),
    variation   Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    confidence  Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    ma_trend    LowCardinality(Nullable(String)),
    reason      LowCardinality(String),
    origin      LowCardinality(String),
    filed_at    DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    precedence  UInt64 CODEC(DoubleDelta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(made_at)
ORDER BY (asset, source, interval_s, made_at, horizon_s)
SETTINGS non_replicated_deduplication_window = 1000;

-- A forecast against what happened; void says why it could not be judged ('' when it could).
-- covered says per level of the forecast's bounds whether the price fell inside.
CREATE TABLE IF NOT EXISTS {database}.scores
(
    asset       LowCardinality(String),
    source      LowCardinality(String),
    interval_s  UInt32 CODEC(ZSTD(1)),
    made_at     DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    horizon_s   UInt32 CODEC(ZSTD(1)),
    model       LowCardinality(String),
    actual      Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    error       Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    naive_error Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    hit         Nullable(Bool),
    covered     Array(Tuple(level Float64, inside Bool)) CODEC(ZSTD(1)),
    void        LowCardinality(String),
    scored_at   DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    origin      LowCardinality(String),
    filed_at    DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    precedence  UInt64 CODEC(DoubleDelta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(made_at)
ORDER BY (asset, source, interval_s, made_at, horizon_s, model)
SETTINGS non_replicated_deduplication_window = 1000;
