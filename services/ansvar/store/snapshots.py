"""Snapshots of subjects' states, and the marks that say how far a sweep has seen each chain.

Invariants: both tables are only added to. A mark is written last, and states count only up to the newest
mark (`through` at most its own), so a write that was cut off changes nothing; what was written twice reads
as written once. A state is the one of its subject after the chain's row `through`.

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

from ansvar.ledger.row import ZERO16
from ansvar.ledger.rowbinary import read_length, write_length
from ansvar.store.client import Store

BLOCK_STATES: Final = 50_000
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
        """The newest mark of a chain, with `end_seq` the newest below it; None where there is none.

        None also where any of them has another leaf than the ledger's row: the ledger was put back to an
        earlier point and has grown differently, and no snapshot of before can be told from one of since.
        """
        found = self._store.query(
            "SELECT through, marks.leaf, policy, toUnixTimestamp64Milli(at), marks.leaf = rows.leaf "
            "FROM {database}.marks LEFT JOIN ("
            " SELECT seq, leaf FROM {database}.ledger WHERE chain = {chain:UInt32}"
            " AND seq IN (SELECT through FROM {database}.marks WHERE chain = {chain:UInt32})"
            ") AS rows ON rows.seq = through "
            "WHERE chain = {chain:UInt32} AND through < {end:UInt64} ORDER BY through DESC, at DESC",
            {"chain": chain, "end": 2**64 - 1 if end_seq is None else max(end_seq, 0)},
        )
        if not all(same for *_, same in found):
            return None
        return next(
            (Mark(chain, through, bytes(leaf), bytes(policy), at) for through, leaf, policy, at, _ in found),
            None,
        )

    def write(self, chain: int, through: int, kept: Iterable[Kept]) -> None:
        """Write subjects as they are after row `through`; they count once a mark covers that row.

        A block's token is the hash of its content, so that a repeated write adds nothing and another one is
        never taken for it. Raises StoreError; the same call may then be repeated.
        """
        place = _U32.pack(chain), _U64.pack(through)
        waiting = iter(kept)
        while some := list(islice(waiting, BLOCK_STATES)):
            block = b"".join(_row(entry, *place) for entry in some)
            columns = ("chain", "subject", "through", "survivor", "state")
            self._store.insert("snapshots", columns, block, token=hashlib.sha256(block).hexdigest())

    def states(self, chain: int, through: int) -> Iterator[Kept]:
        """Every subject of a chain as last written at or before row `through`, in no order; one query.

        `through` is that of a mark: what lies above the newest mark may be half a snapshot.
        """
        data = self._store.raw(
            "SELECT subject, argMax((survivor, state), through) FROM {database}.snapshots "
            "WHERE chain = {chain:UInt32} AND through <= {through:UInt64} GROUP BY subject",
            {"chain": chain, "through": through},
        )
        return _split(data)


def _row(entry: Kept, chain: bytes, through: bytes) -> bytes:
    survivor, state = entry.survivor, entry.state
    return b"".join(
        (
            chain,
            entry.subject,
            through,
            write_length(len(survivor)),
            survivor,
            write_length(len(state)),
            state,
        )
    )


def _split(data: bytes) -> Iterator[Kept]:
    """Take apart the RowBinary of (FixedString(16), Tuple(String, String))."""
    at, end, fixed = 0, len(data), len(ZERO16)
    while at < end:
        subject = data[at : at + fixed]
        at += fixed
        if data[at]:
            size, at = read_length(data, at)
            survivor = data[at : at + size]
            at += size
        else:  # nearly always: nobody joined it to another
            survivor = b""
            at += 1
        size, at = read_length(data, at)
        yield Kept(subject, data[at : at + size], survivor)
        at += size
