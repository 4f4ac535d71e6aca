-- The root of every completed tile of a chain's Merkle tree: 256 hashes of the level below. The hashes of level 0
-- are the ledger's leaves and stand nowhere else. Appended to only; nothing rests on it but speed, since a tree that
-- is put together from here must have the root of a signed checkpoint.
CREATE TABLE IF NOT EXISTS {database}.tiles
(
    `chain` UInt32 CODEC(ZSTD(1)),
    `level` UInt8 CODEC(ZSTD(1)),
    `index` UInt64 CODEC(Delta, ZSTD(1)),
    `root` FixedString(32) CODEC(NONE)
)
ENGINE = MergeTree
ORDER BY (chain, level, index)
SETTINGS non_replicated_deduplication_window = 10000;

-- Every checkpoint that was signed. `published` ones have the cosignatures that the witness policy asks for.
CREATE TABLE IF NOT EXISTS {database}.checkpoints
(
    `chain` UInt32 CODEC(ZSTD(1)),
    `size` UInt64 CODEC(Delta, ZSTD(1)),
    `at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `published` Bool,
    `note` String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (chain, size, at)
SETTINGS non_replicated_deduplication_window = 10000;

-- What a verification found intact, as a note signed by the log key of the chain. Appended to only.
CREATE TABLE IF NOT EXISTS {database}.verifications
(
    `chain` UInt32 CODEC(ZSTD(1)),
    `size` UInt64 CODEC(Delta, ZSTD(1)),
    `at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `note` String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (chain, size, at)
SETTINGS non_replicated_deduplication_window = 10000;
