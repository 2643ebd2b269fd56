-- What could not be used and why. letter names the thing set aside: its place in the log where it has one, else the
-- place of the dead letter itself; so a letter written twice is one row, and two equal rejected rows stay two.
-- Not partitioned: a letter written twice may carry two times, and rows in different partitions never merge.
CREATE TABLE IF NOT EXISTS {database}.dead_letters
(
    letter      String CODEC(ZSTD(1)),
    topic       LowCardinality(String),
    partition   Nullable(UInt16) CODEC(ZSTD(1)),
    offset      Nullable(UInt64) CODEC(ZSTD(1)),
    item        Nullable(UInt32) CODEC(ZSTD(1)),
    source      LowCardinality(String),
    reason      LowCardinality(String),
    detail      String CODEC(ZSTD(1)),
    at          DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    encoding    LowCardinality(String),
    payload     String CODEC(ZSTD(3)),
    filed_at    DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    precedence  UInt64 CODEC(DoubleDelta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
ORDER BY (topic, letter)
SETTINGS non_replicated_deduplication_window = 1000;

-- How each source is doing and since when; asset is '' for the source as a whole. The row last seen stays.
CREATE TABLE IF NOT EXISTS {database}.source_health
(
    source      LowCardinality(String),
    asset       LowCardinality(String),
    since       DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    state       LowCardinality(String),
    until       Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    reason      String CODEC(ZSTD(1)),
    last_seen   DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(last_seen)
PARTITION BY toYYYYMM(since)
ORDER BY (source, asset, since)
SETTINGS non_replicated_deduplication_window = 1000;

-- Empty until alert rules are built.
CREATE TABLE IF NOT EXISTS {database}.alerts
(
    rule        LowCardinality(String),
    asset       LowCardinality(String),
    source      LowCardinality(String),
    at          DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    value       Nullable(Float64) CODEC(ZSTD(1)),
    threshold   Nullable(Float64) CODEC(ZSTD(1)),
    message     String CODEC(ZSTD(1)),
    origin      LowCardinality(String),
    filed_at    DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    precedence  UInt64 CODEC(DoubleDelta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(at)
ORDER BY (rule, asset, source, at)
SETTINGS non_replicated_deduplication_window = 1000;
