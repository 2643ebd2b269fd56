-- One row per quote. Its id is (asset, source, symbol, at, ref); of two rows with one id the first filed stays,
-- because precedence falls as Kafka's time and offset rise. topic, partition, offset and item say where the raw
-- message lies. Volume figures are in `currency`; a field the source does not give is NULL.
CREATE TABLE IF NOT EXISTS {database}.quotes
(
    asset              LowCardinality(String),
    name               LowCardinality(String),
    source             LowCardinality(String),
    symbol             LowCardinality(String),
    ref                String CODEC(ZSTD(1)),
    currency           LowCardinality(String),
    price              Float64 CODEC(Gorilla, ZSTD(1)),
    open               Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    high               Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    low                Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    volume             Nullable(Float64) CODEC(ZSTD(1)),
    percent_change_24h Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    market_cap         Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    volume_24h         Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    event_at           Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    received_at        DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    at                 DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    repeated           Bool,
    feeds              Bool,
    origin             LowCardinality(String),
    topic              LowCardinality(String),
    partition          UInt16 CODEC(ZSTD(1)),
    offset             UInt64 CODEC(DoubleDelta, ZSTD(1)),
    item               UInt32 CODEC(ZSTD(1)),
    precedence         UInt64 CODEC(DoubleDelta, ZSTD(1)),
    inserted_at        DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(at)
ORDER BY (asset, source, symbol, at, ref)
SETTINGS non_replicated_deduplication_window = 1000;
