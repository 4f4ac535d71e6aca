"""The checkpoints that the log signed, and what verifications found, as the store holds them.

Invariants: both tables are appended to only. Nothing read here is believed before its signature is verified;
that is the caller's matter (`ledger.checkpoint`), who has the keys.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from ansvar.ledger.rowbinary import write_length
from ansvar.store.client import Store

_HEAD: Final = struct.Struct("<IQqB")
_VERIFIED: Final = struct.Struct("<IQq")


class Stored(Struct, frozen=True):
    """One checkpoint: chain, tree size, when it was signed (ms since 1970), and the signed note."""

    chain: int
    size: int
    at: int
    published: bool
    note: bytes


class Checkpoints:
    """The tables `checkpoints` and `verifications` of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, checkpoints: Iterable[Stored]) -> None:
        """Store checkpoints; storing one again changes nothing."""
        block = b"".join(
            _HEAD.pack(c.chain, c.size, c.at, c.published) + write_length(len(c.note)) + c.note
            for c in checkpoints
        )
        if block:
            columns = ("chain", "size", "at", "published", "note")
            self._store.insert("checkpoints", columns, block, token=hashlib.sha256(block).hexdigest())

    def newest(self, chain: int, *, published: bool = False, up_to: int | None = None) -> Stored | None:
        """The checkpoint with the largest size, or with `published` the largest that was published.

        `up_to` leaves out those of larger trees.
        """
        found = self._select(
            "chain = {chain:UInt32} AND size <= {up_to:UInt64} AND published >= {published:UInt8} "
            "ORDER BY size DESC, published DESC, at DESC LIMIT 1",
            {"chain": chain, "up_to": (1 << 64) - 1 if up_to is None else up_to, "published": int(published)},
        )
        return next(iter(found), None)

    def first_covering(self, chain: int, seq: int) -> Stored | None:
        """The smallest published checkpoint whose tree holds row `seq`."""
        found = self._select(
            "chain = {chain:UInt32} AND size > {seq:UInt64} AND published = 1 ORDER BY size, at LIMIT 1",
            {"chain": chain, "seq": seq},
        )
        return next(iter(found), None)

    def all(self, chain: int) -> Iterator[Stored]:
        """Every checkpoint of a chain, by size."""
        return iter(self._select("chain = {chain:UInt32} ORDER BY size, at", {"chain": chain}))

    def chains(self) -> list[int]:
        """Every chain that has a checkpoint, in order."""
        found = self._store.query("SELECT DISTINCT chain FROM {database}.checkpoints ORDER BY chain")
        return [chain for (chain,) in found]

    def keep_verified(self, chain: int, size: int, at: int, note: bytes) -> None:
        """Store the note that says a chain was found intact up to a size; `at` in ms since 1970."""
        block = _VERIFIED.pack(chain, size, at) + write_length(len(note)) + note
        columns = ("chain", "size", "at", "note")
        self._store.insert("verifications", columns, block, token=hashlib.sha256(block).hexdigest())

    def last_verified(self, chain: int) -> bytes | None:
        """The newest such note of a chain."""
        found = self._store.query(
            "SELECT hex(note) FROM {database}.verifications WHERE chain = {chain:UInt32} "
            "ORDER BY at DESC, size DESC LIMIT 1",
            {"chain": chain},
        )
        return bytes.fromhex(found[0][0]) if found else None

    def _select(self, condition: str, parameters: dict[str, int]) -> list[Stored]:
        found = self._store.query(
            f"SELECT chain, size, toUnixTimestamp64Milli(at), published, hex(note) "  # noqa: S608 - all ours
            f"FROM {{database}}.checkpoints WHERE {condition}",
            parameters,
        )
        return [Stored(chain, size, at, bool(p), bytes.fromhex(note)) for chain, size, at, p, note in found]
