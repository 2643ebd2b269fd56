-- Closed bars per series (source `all` is the median over sources); quotes = 0 marks a filled bar.
CREATE TABLE IF NOT EXISTS {database}.bars
(
    asset       LowCardinality(String),
    source      LowCardinality(String),
    interval_s  UInt32 CODEC(ZSTD(1)),
    start       DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    open        Float64 CODEC(Gorilla, ZSTD(1)),
    high        Float64 CODEC(Gorilla, ZSTD(1)),
    low         Float64 CODEC(Gorilla, ZSTD(1)),
    close       Float64 CODEC(Gorilla, ZSTD(1)),
    volume      Nullable(Float64) CODEC(ZSTD(1)),
    quotes      UInt64 CODEC(ZSTD(1)),
    origin      LowCardinality(String),
    filed_at    DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    precedence  UInt64 CODEC(DoubleDelta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(start)
ORDER BY (asset, source, interval_s, start)
SETTINGS non_replicated_deduplication_window = 1000;

-- Statistics over the closes with end in (at - window_s, at]; variation and volatility are in percent.
CREATE TABLE IF NOT EXISTS {database}.stats
(
    asset       LowCardinality(String),
    source      LowCardinality(String),
    interval_s  UInt32 CODEC(ZSTD(1)),
    at          DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    window_s    UInt32 CODEC(ZSTD(1)),
    points      UInt32 CODEC(ZSTD(1)),
    min         Float64 CODEC(Gorilla, ZSTD(1)),
    max         Float64 CODEC(Gorilla, ZSTD(1)),
    mean        Float64 CODEC(Gorilla, ZSTD(1)),
    std         Float64 CODEC(Gorilla, ZSTD(1)),
    variation   Float64 CODEC(Gorilla, ZSTD(1)),
    volatility  Float64 CODEC(Gorilla, ZSTD(1)),
    origin      LowCardinality(String),
    filed_at    DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    precedence  UInt64 CODEC(DoubleDelta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(at)
ORDER BY (asset, source, interval_s, at, window_s)
SETTINGS non_replicated_deduplication_window = 1000;

-- Technical indicators at the end of every bar; NULL while there are too few bars.
CREATE TABLE IF NOT EXISTS {database}.indicators
(
    asset            LowCardinality(String),
    source           LowCardinality(String),
    interval_s       UInt32 CODEC(ZSTD(1)),
    at               DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    rsi              Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    macd             Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    macd_signal      Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    macd_histogram   Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    bollinger_lower  Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    bollinger_middle Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    bollinger_upper  Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    stochastic_k     Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    stochastic_d     Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    atr              Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    ewma_volatility  Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    origin           LowCardinality(String),
    filed_at         DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    precedence       UInt64 CODEC(DoubleDelta, ZSTD(1)),
    inserted_at      DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(at)
ORDER BY (asset, source, interval_s, at)
SETTINGS non_replicated_deduplication_window = 1000;
