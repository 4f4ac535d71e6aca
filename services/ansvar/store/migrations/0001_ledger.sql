-- The ledger, row version 1. Every column is computed by the client; nothing has a default.
-- ORDER BY (chain, seq) alone: no partition key, so that one append is one block in one partition, and no
-- engine that replaces rows, so that a forged row cannot displace a real one.
CREATE TABLE IF NOT EXISTS {database}.ledger
(
    `version` UInt8 CODEC(ZSTD(1)),
    `chain` UInt32 CODEC(ZSTD(1)),
    `seq` UInt64 CODEC(Delta, ZSTD(1)),
    `stream` FixedString(16) CODEC(ZSTD(1)),
    `offset` Int64 CODEC(Delta, ZSTD(1)),
    `index` UInt16 CODEC(Delta, ZSTD(1)),
    `recorded_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `kind` Enum8('genesis' = 1, 'stream' = 2, 'session' = 3, 'processing' = 4, 'transfer' = 5, 'disclosure' = 6, 'rights' = 7, 'contract' = 8, 'notice' = 9, 'policy' = 10, 'refused' = 11, 'duplicate' = 12, 'gap' = 13, 'forwarded' = 14, 'link' = 15, 'hold' = 16, 'keys' = 17, 'index' = 18, 'finding' = 19, 'review' = 20, 'access' = 21, 'erasure' = 22) CODEC(ZSTD(1)),
    `stage` Enum8('' = 0, 'done' = 1, 'intent' = 2, 'not_run' = 3, 'fail_open' = 4) CODEC(ZSTD(1)),
    `event_id` UUID CODEC(ZSTD(1)),
    `occurred_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    `subject` FixedString(16) CODEC(ZSTD(1)),
    `system` LowCardinality(String) CODEC(ZSTD(1)),
    `actor` LowCardinality(String) CODEC(ZSTD(1)),
    `purpose` LowCardinality(String) CODEC(ZSTD(1)),
    `legal_basis` LowCardinality(String) CODEC(ZSTD(1)),
    `role` Enum8('' = 0, 'controller' = 1, 'processor' = 2) CODEC(ZSTD(1)),
    `controller` LowCardinality(String) CODEC(ZSTD(1)),
    `data_categories` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `operation` LowCardinality(String) CODEC(ZSTD(1)),
    `recipient` LowCardinality(String) CODEC(ZSTD(1)),
    `recipient_type` LowCardinality(String) CODEC(ZSTD(1)),
    `country` LowCardinality(String) CODEC(ZSTD(1)),
    `safeguard` LowCardinality(String) CODEC(ZSTD(1)),
    `safeguard_reference` String CODEC(ZSTD(1)),
    `via` LowCardinality(String) CODEC(ZSTD(1)),
    `reference` String CODEC(ZSTD(1)),
    `ground` LowCardinality(String) CODEC(ZSTD(1)),
    `right` LowCardinality(String) CODEC(ZSTD(1)),
    `phase` LowCardinality(String) CODEC(ZSTD(1)),
    `request_id` FixedString(16) CODEC(ZSTD(1)),
    `contract_id` FixedString(16) CODEC(ZSTD(1)),
    `correlation_id` FixedString(16) CODEC(ZSTD(1)),
    `digest` FixedString(16) CODEC(NONE),
    `verdict` Enum8('' = 0, 'permit' = 1, 'flag' = 2, 'deny' = 3) CODEC(ZSTD(1)),
    `findings` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `policy` FixedString(32) CODEC(ZSTD(1)),
    `engine` UInt16 CODEC(ZSTD(1)),
    `producer` LowCardinality(String) CODEC(ZSTD(1)),
    `session` FixedString(16) CODEC(ZSTD(1)),
    `batch` UInt64 CODEC(Delta, ZSTD(1)),
    `details` String CODEC(ZSTD(1)),
    `extra` String CODEC(ZSTD(1)),
    `leaf` FixedString(32) CODEC(NONE)
)
ENGINE = MergeTree
ORDER BY (chain, seq)
SETTINGS non_replicated_deduplication_window = 10000;

-- Bundles, content-addressed: sha256 is the hash of content.
CREATE TABLE IF NOT EXISTS {database}.bundles
(
    `sha256` FixedString(32),
    `content` String CODEC(ZSTD(3))
)
ENGINE = MergeTree
ORDER BY sha256
SETTINGS non_replicated_deduplication_window = 1000;

-- The deployment record: one row, written once (the insert carries a deduplication token).
CREATE TABLE IF NOT EXISTS {database}.deployment
(
    `id` FixedString(16),
    `record` String
)
ENGINE = MergeTree
ORDER BY id
SETTINGS non_replicated_deduplication_window = 100;
