-- Snapshots of subjects' states, to begin a fold in the middle. They are no evidence: whoever verifies or
-- replays reads rows alone. Appended to only. A state counts where a mark has its `through` and `leaf`, and that
-- row of the chain still has that leaf: what an interrupted write left, or another history, counts for nothing.
-- `check` is a checksum against damage.
CREATE TABLE IF NOT EXISTS {database}.snapshots
(
    `chain` UInt32 CODEC(ZSTD(1)),
    `subject` FixedString(16) CODEC(ZSTD(1)),
    `through` UInt64 CODEC(Delta, ZSTD(1)),
    `leaf` FixedString(32) CODEC(ZSTD(1)),
    `survivor` String CODEC(ZSTD(1)),
    `state` String CODEC(ZSTD(1)),
    `check` FixedString(8) CODEC(NONE)
)
ENGINE = MergeTree
ORDER BY (chain, subject, through)
SETTINGS non_replicated_deduplication_window = 10000;

-- How far a sweep has seen a chain (the leaf of that row tells which history it was), and by which bundle.
-- Written after the states up to there.
CREATE TABLE IF NOT EXISTS {database}.marks
(
    `chain` UInt32 CODEC(ZSTD(1)),
    `through` UInt64 CODEC(Delta, ZSTD(1)),
    `leaf` FixedString(32) CODEC(NONE),
    `policy` FixedString(32) CODEC(ZSTD(1)),
    `at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (chain, through, at)
SETTINGS non_replicated_deduplication_window = 10000;
