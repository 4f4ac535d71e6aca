"""Snapshots of subjects' states, and the marks that say how far a sweep has seen each chain.

Invariants: both tables are only added to. A mark is written after its states and names a row with its leaf.
A state counts only where a mark has its row and leaf, and the ledger's row still has that leaf: a write that
was cut off changes nothing, nor does a history that the ledger no longer has; what was written twice reads as
written once. A state is the one of its subject after the chain's row `through`.

A snapshot is no evidence: it only saves folding rows again. `ansvar verify` and `ansvar sweep --replay` never
read one. Not handled here: what a state is and how it is folded (`enforcement.snapshotting`).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import Struct

from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.row import ZERO16
from ansvar.ledger.rowbinary import read_length, write_length
from ansvar.store.client import Store
from ansvar.store.errors import StoreError

BLOCK_STATES: Final = 50_000
_CHECK_BYTES: Final = 8
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_I64 = struct.Struct("<q")


class Mark(Struct, frozen=True):
    """A chain was swept up to and with row `through`, by a bundle (SHA-256), as of a time (ms since 1970).

    `leaf` is that row's: it tells which history was swept.
    """

    chain: int
    through: int
    leaf: bytes
    policy: bytes
    at: int


class Kept(Struct, frozen=True, gc=False):
    """One subject of a snapshot: its encoded state, or whom it was joined to (then `state` is empty)."""

    subject: bytes
    state: bytes = b""
    survivor: bytes = b""


class Snapshots:
    """The tables `snapshots` and `marks` of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def mark(self, mark: Mark) -> None:
        """Write a mark, after the states that it covers. Writing it again changes nothing."""
        place = _U32.pack(mark.chain) + _U64.pack(mark.through) + mark.leaf
        block = place + mark.policy + _I64.pack(mark.at)
        token = hashlib.sha256(block).hexdigest()
        self._store.insert("marks", ("chain", "through", "leaf", "policy", "at"), block, token=token)

    def newest(self, chain: int, end_seq: int | None = None) -> Mark | None:
        """The newest mark of a chain whose row the ledger has, with `end_seq` the newest below; or None."""
        found = self._store.query(
            "SELECT through, leaf, policy, toUnixTimestamp64Milli(at) FROM {database}.marks "  # noqa: S608 - all ours
            "WHERE chain = {chain:UInt32} AND through < {end:UInt64} "
            f"AND (through, leaf) IN ({_ROWS_OF_MARKS}) ORDER BY through DESC, at DESC LIMIT 1",
            {"chain": chain, "end": 2**64 - 1 if end_seq is None else max(end_seq, 0)},
        )
        return next(
            (Mark(chain, through, bytes(leaf), bytes(policy), at) for through, leaf, policy, at in found),
            None,
        )

    def write(self, mark: Mark, kept: Iterable[Kept]) -> None:
        """Write subjects as they are after the row of a mark that is to be written next.

        A block's token is the hash of its content, so that a repeated write adds nothing and another one is
        never taken for it. Raises StoreError; the same call may then be repeated.
        """
        waiting = iter(kept)
        while some := list(islice(waiting, BLOCK_STATES)):
            block = b"".join(_row(entry, mark) for entry in some)
            columns = ("chain", "subject", "through", "leaf", "survivor", "state", "check")
            self._store.insert("snapshots", columns, block, token=hashlib.sha256(block).hexdigest())

    def states(self, mark: Mark) -> Iterator[Kept]:
        """Every subject of a chain as of a mark, in no order; one query. Raises DamagedSnapshot."""
        data = self._store.raw(
            "SELECT subject, argMax((through, leaf, survivor, state, check), through) FROM "  # noqa: S608 - all ours
            "{database}.snapshots WHERE chain = {chain:UInt32} AND through <= {through:UInt64} "
            "AND (through, leaf) IN (SELECT through, leaf FROM {database}.marks "
            f"WHERE chain = {{chain:UInt32}} AND (through, leaf) IN ({_ROWS_OF_MARKS})) GROUP BY subject",
            {"chain": mark.chain, "through": mark.through},
        )
        return _split(data, mark.chain)


class DamagedSnapshot(StoreError):
    """What stands in the table is not what was written there."""


# The ledger's rows that marks of a chain name, as (seq, leaf).
_ROWS_OF_MARKS: Final = (
    "SELECT seq, leaf FROM {database}.ledger WHERE chain = {chain:UInt32} "
    "AND seq IN (SELECT through FROM {database}.marks WHERE chain = {chain:UInt32})"
)


def _row(entry: Kept, mark: Mark) -> bytes:
    content = b"".join(
        (
            _U64.pack(mark.through),
            mark.leaf,
            write_length(len(entry.survivor)),
            entry.survivor,
            write_length(len(entry.state)),
            entry.state,
        )
    )
    return _U32.pack(mark.chain) + entry.subject + content + _check(mark.chain, entry.subject, content)


def _check(chain: int, subject: bytes, content: bytes) -> bytes:
    return hashlib.sha256(_U32.pack(chain) + subject + content).digest()[:_CHECK_BYTES]


def _split(data: bytes, chain: int) -> Iterator[Kept]:
    """Take apart the RowBinary of (FixedString(16), Tuple(UInt64, FixedString(32), String, String, ...))."""
    at, end = 0, len(data)
    while at < end:
        subject = data[at : at + len(ZERO16)]
        begin = at + len(ZERO16)
        size, at = read_length(data, begin + _U64.size + len(ZERO32))
        survivor = data[at : at + size]
        size, at = read_length(data, at + size)
        state, at = data[at : at + size], at + size
        if data[at : at + _CHECK_BYTES] != _check(chain, subject, data[begin:at]):
            raise DamagedSnapshot(f"chain {chain}: the snapshot of subject {subject.hex()} was changed")
        at += _CHECK_BYTES
        yield Kept(subject, state, survivor)
