"""A ledger row of version 1 as a value, and its canonical bytes.

Invariants: a Row holds no reading of a clock and no identifier of a person; `canonical(row, previous)` is
byte for byte what ClickHouse stores (RowBinary) and ends with the previous row's leaf, so the leaf
`SHA-256(0x00 || canonical)` is at once the link of the chain and an RFC 6962 leaf hash.

Two encoders stand side by side: `canonical` says what the bytes are, column by column, and checking uses
it; `encode` is the fast one of the hot path, and a property test holds them equal.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final
from uuid import UUID

from msgspec import Struct

from ansvar.ledger.canonical import HEAD, MAX_CANONICAL, leaf, values
from ansvar.ledger.columns import (
    COLUMNS,
    KIND_CODES,
    ROLE_CODES,
    STAGE_CODES,
    VERDICT_CODES,
    VERSION,
)
from ansvar.ledger.errors import MalformedRow, RowTooLarge
from ansvar.ledger.rowbinary import write_length

ZERO16: Final = bytes(16)
NO_EVENT: Final = UUID(int=0)


class Row(Struct, frozen=True, kw_only=True):
    """One row. `recorded_at` is in milliseconds, `occurred_at` in microseconds since 1970, UTC.

    What a kind of row does not have is empty: zeros for fixed bytes, '' for words, () for lists.
    """

    version: int = VERSION
    chain: int
    seq: int
    stream: bytes
    offset: int
    index: int
    recorded_at: int
    kind: str
    stage: str = ""
    event_id: UUID = NO_EVENT
    occurred_at: int
    subject: bytes = ZERO16
    system: str = ""
    actor: str = ""
    purpose: str = ""
    legal_basis: str = ""
    role: str = ""
    controller: str = ""
    data_categories: tuple[str, ...] = ()
    operation: str = ""
    recipient: str = ""
    recipient_type: str = ""
    country: str = ""
    safeguard: str = ""
    safeguard_reference: str = ""
    via: str = ""
    reference: str = ""
    ground: str = ""
    right: str = ""
    phase: str = ""
    request_id: bytes = ZERO16
    contract_id: bytes = ZERO16
    correlation_id: bytes = ZERO16
    digest: bytes = ZERO16
    verdict: str = ""
    findings: tuple[str, ...] = ()
    policy: bytes
    engine: int
    producer: str = ""
    session: bytes = ZERO16
    batch: int = 0
    details: bytes = b""
    extra: str = ""


def canonical(row: Row, previous: bytes) -> bytes:
    """The canonical bytes of a row: its columns in order, then `previous`, the leaf before (32 bytes)."""
    columns = b"".join(c.write(getattr(row, c.name)) for c in COLUMNS[row.version])
    return _bounded(columns + previous, row)


def decode(data: bytes, at: int = 0) -> tuple[Row, int]:
    """Read one row (without leaf or previous) from `data` at a position; returns it and the position after.

    Raises MalformedRow when the bytes end early, a value cannot be read, or the version has no column list.
    """
    found, at = values(data, at)
    return Row(**found), at


def _bounded(data: bytes, row: Row) -> bytes:
    if len(data) > MAX_CANONICAL:
        raise RowTooLarge(
            f"chain {row.chain}, seq {row.seq}: a canonical row of {len(data)} bytes, at most {MAX_CANONICAL}"
        )
    return data


_EVENT = struct.Struct("<q16s")
_IDS = struct.Struct("<16s16s16s16sb")
_RULES = struct.Struct("<32sH")
_BATCH = struct.Struct("<16sQ")


@lru_cache(maxsize=65_536)
def _words(*values: str) -> bytes:
    return b"".join(write_length(len(raw)) + raw for raw in (value.encode() for value in values))


@lru_cache(maxsize=16_384)
def _list(values: tuple[str, ...]) -> bytes:
    return write_length(len(values)) + _words(*values)


def _text(value: str) -> bytes:
    raw = value.encode()
    return write_length(len(raw)) + raw


def _fixed_columns_fit(row: Row) -> bool:
    return (
        len(row.stream)
        == len(row.subject)
        == len(row.request_id)
        == len(row.contract_id)
        == len(row.correlation_id)
        == len(row.digest)
        == len(row.session)
        == 16
        and len(row.policy) == 32
    )


def encode(row: Row) -> bytes:
    """The stored columns of a version 1 row but `leaf`: equal to `canonical(row, previous)[:-32]`, faster.

    Raises MalformedRow when a column of fixed size has another (struct would cut or fill it in silence).
    """
    if not _fixed_columns_fit(row):
        raise MalformedRow(f"chain {row.chain}, seq {row.seq}: a fixed column has the wrong number of bytes")
    event_id = row.event_id.bytes
    return b"".join(
        (
            HEAD.pack(
                row.version,
                row.chain,
                row.seq,
                row.stream,
                row.offset,
                row.index,
                row.recorded_at,
                KIND_CODES[row.kind],
                STAGE_CODES[row.stage],
            ),
            event_id[7::-1],
            event_id[:7:-1],
            _EVENT.pack(row.occurred_at, row.subject),
            _words(row.system, row.actor, row.purpose, row.legal_basis),
            b"%c" % ROLE_CODES[row.role],
            _words(row.controller),
            _list(row.data_categories),
            _words(row.operation, row.recipient, row.recipient_type, row.country, row.safeguard),
            _text(row.safeguard_reference),
            _words(row.via),
            _text(row.reference),
            _words(row.ground, row.right, row.phase),
            _IDS.pack(
                row.request_id, row.contract_id, row.correlation_id, row.digest, VERDICT_CODES[row.verdict]
            ),
            _list(row.findings),
            _RULES.pack(row.policy, row.engine),
            _words(row.producer),
            _BATCH.pack(row.session, row.batch),
            write_length(len(row.details)),
            row.details,
            _text(row.extra),
        )
    )


def seal(row: Row, previous: bytes) -> tuple[bytes, bytes]:
    """Encode one row after the row whose leaf is `previous`; returns (stored columns, leaf)."""
    columns = encode(row)
    return columns, leaf(_bounded(columns + previous, row))
