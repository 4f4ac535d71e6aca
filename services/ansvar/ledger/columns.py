"""The columns of a ledger row, by version: the one list from which SQL, encoding and checking are made.

Version 1 is frozen. A later version adds columns and gets a list of its own; rows of an older version are
checked with theirs. A row's canonical form is the ClickHouse RowBinary encoding of these columns in this
order, followed by the 32 bytes of the previous row's `leaf` (zeros for the first row of a chain).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ansvar.ledger import rowbinary as rb

KINDS: Final = (
    "genesis",
    "stream",
    "session",
    "processing",
    "transfer",
    "disclosure",
    "rights",
    "contract",
    "notice",
    "policy",
    "refused",
    "duplicate",
    "gap",
    "forwarded",
    "link",
    "hold",
    "keys",
    "index",
    "finding",
    "review",
    "access",
    "erasure",
)
# An empty name stands for "has none": a gap has no stage, a genesis no verdict.
KIND_CODES: Final = {name: code for code, name in enumerate(KINDS, start=1)}
STAGE_CODES: Final = {"": 0, "done": 1, "intent": 2, "not_run": 3, "fail_open": 4}
ROLE_CODES: Final = {"": 0, "controller": 1, "processor": 2}
VERDICT_CODES: Final = {"": 0, "permit": 1, "flag": 2, "deny": 3}


class Column(NamedTuple):
    """One column: its name, its ClickHouse type and how a value is written to and read from RowBinary."""

    name: str
    sql: str
    write: Callable[[Any], bytes]
    read: Callable[[bytes, int], tuple[Any, int]]


def _enum(codes: dict[str, int]) -> str:
    return "Enum8(" + ", ".join(f"'{name}' = {code}" for name, code in codes.items()) + ")"


def _column(name: str, sql: str, kind: rb.Type) -> Column:
    return Column(name, sql, kind.write, kind.read)


def _word(name: str) -> Column:
    return _column(name, "LowCardinality(String)", rb.STRING)


VERSION: Final = 1

COLUMNS_V1: Final[tuple[Column, ...]] = (
    _column("version", "UInt8", rb.UINT8),
    _column("chain", "UInt32", rb.UINT32),
    _column("seq", "UInt64", rb.UINT64),
    _column("stream", "FixedString(16)", rb.fixed(16)),
    _column("offset", "Int64", rb.INT64),
    _column("index", "UInt16", rb.UINT16),
    _column("recorded_at", "DateTime64(3, 'UTC')", rb.INT64),
    _column("kind", _enum(KIND_CODES), rb.enum8(KIND_CODES)),
    _column("stage", _enum(STAGE_CODES), rb.enum8(STAGE_CODES)),
    _column("event_id", "UUID", rb.UUID),
    _column("occurred_at", "DateTime64(6, 'UTC')", rb.INT64),
    _column("subject", "FixedString(16)", rb.fixed(16)),
    _word("system"),
    _word("actor"),
    _word("purpose"),
    _word("legal_basis"),
    _column("role", _enum(ROLE_CODES), rb.enum8(ROLE_CODES)),
    _word("controller"),
    _column("data_categories", "Array(LowCardinality(String))", rb.STRINGS),
    _word("operation"),
    _word("recipient"),
    _word("recipient_type"),
    _word("country"),
    _word("safeguard"),
    _column("safeguard_reference", "String", rb.STRING),
    _word("via"),
    _column("reference", "String", rb.STRING),
    _word("ground"),
    _word("right"),
    _word("phase"),
    _column("request_id", "FixedString(16)", rb.fixed(16)),
    _column("contract_id", "FixedString(16)", rb.fixed(16)),
    _column("correlation_id", "FixedString(16)", rb.fixed(16)),
    _column("digest", "FixedString(16)", rb.fixed(16)),
    _column("verdict", _enum(VERDICT_CODES), rb.enum8(VERDICT_CODES)),
    _column("findings", "Array(LowCardinality(String))", rb.STRINGS),
    _column("policy", "FixedString(32)", rb.fixed(32)),
    _column("engine", "UInt16", rb.UINT16),
    _word("producer"),
    _column("session", "FixedString(16)", rb.fixed(16)),
    _column("batch", "UInt64", rb.UINT64),
    _column("details", "String", rb.STRING_BYTES),
    _column("extra", "String", rb.STRING),
)

COLUMNS: Final = {1: COLUMNS_V1}
LEAF_SQL: Final = "FixedString(32)"


def names(version: int = VERSION) -> tuple[str, ...]:
    """The column names of a row version, without `leaf`."""
    return tuple(column.name for column in COLUMNS[version])
