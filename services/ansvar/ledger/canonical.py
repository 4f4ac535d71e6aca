"""The canonical bytes of a row, read without knowing more of it than its version's columns.

Pure, and free of everything but the standard library: an auditor's verifier rests on it. A row's canonical
bytes are its stored columns (ClickHouse RowBinary, in order) followed by the 32 bytes of the leaf before; its
leaf is `SHA-256(0x00 || canonical)`, at once the link of the chain and an RFC 6962 leaf hash.

Not handled here: a row as a value, and writing one (`row`).
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any, Final

from ansvar.ledger.columns import COLUMNS, VERSION
from ansvar.ledger.errors import MalformedRow

ZERO32: Final = bytes(32)
MAX_CANONICAL: Final = 65_535  # what the u16 length of an entry in a C2SP entry bundle can say

_PLACE: Final = struct.Struct("<BIQ")
HEAD: Final = struct.Struct("<BIQ16sqHqbb")  # a version 1 row as far as its stage


def leaf(canonical_bytes: bytes) -> bytes:
    """RFC 6962 section 2.1: the hash of a leaf, 32 bytes."""
    return hashlib.sha256(b"\0" + canonical_bytes).digest()


def values(data: bytes, at: int = 0) -> tuple[dict[str, Any], int]:
    """Read one row's columns (without leaf or previous) from `data` at a position, by name.

    Returns them and the position after. Raises MalformedRow when the bytes end early, a value cannot be read,
    or the version has no column list.
    """
    version = data[at] if at < len(data) else None
    if version not in COLUMNS:
        raise MalformedRow(f"row version {version} at byte {at} is not one of {sorted(COLUMNS)}")
    found: dict[str, Any] = {}
    for column in COLUMNS[version]:
        found[column.name], at = column.read(data, at)
    return found, at


def place(columns: bytes) -> tuple[int, int]:
    """(chain, seq) of a stored row of whatever version: every version begins with version, chain and seq.

    Raises MalformedRow when the bytes end before.
    """
    if len(columns) < _PLACE.size:
        raise MalformedRow(f"the row ends at byte {len(columns)}, before its chain and seq")
    _, chain, seq = _PLACE.unpack_from(columns)
    return chain, seq


def kind_code(columns: bytes) -> int | None:
    """The code of a stored row's kind without decoding the rest; None for bytes that are no row we know."""
    if columns[:1] != bytes((VERSION,)) or len(columns) < HEAD.size:
        return None
    code: int = HEAD.unpack_from(columns)[7]
    return code
