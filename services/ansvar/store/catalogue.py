"""The two small tables beside the ledger: the deployment record and the policy bundles.

Both are content that rows point to by hash; `verify` checks the hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from ansvar.ledger.rowbinary import read_length, write_length
from ansvar.store.client import Store
from ansvar.store.errors import StoreError, UnknownBundle

_FIRST_WINS: Final = "deployment"


class Catalogue:
    """Bundles and the deployment record of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put_bundle(self, content: bytes) -> bytes:
        """Store a bundle's canonical bytes; returns their SHA-256. Storing it again changes nothing."""
        sha256 = hashlib.sha256(content).digest()
        if not self._has_bundle(sha256):
            block = sha256 + write_length(len(content)) + content
            self._store.insert("bundles", ("sha256", "content"), block, token=sha256.hex())
        return sha256

    def bundle(self, sha256: bytes) -> bytes:
        """A bundle's canonical bytes. Raises UnknownBundle, or StoreError when they do not have that hash."""
        found = self._store.raw(
            "SELECT content FROM {database}.bundles WHERE sha256 = unhex({sha:String})", {"sha": sha256.hex()}
        )
        if not found:
            raise UnknownBundle(f"bundle {sha256.hex()} is not in the store; activate it again")
        content, _ = _string(found, 0)
        if hashlib.sha256(content).digest() != sha256:
            raise StoreError(f"the stored content of bundle {sha256.hex()} was changed")
        return content

    def all_bundles(self) -> Iterator[tuple[bytes, bytes]]:
        """(the hash it is stored under, content) of everything in the table, unchecked."""
        data = self._store.raw("SELECT sha256, content FROM {database}.bundles ORDER BY sha256")
        at = 0
        while at < len(data):
            sha256 = data[at : at + 32]
            content, at = _string(data, at + 32)
            yield sha256, content

    def put_deployment(self, identifier: bytes, record: bytes) -> None:
        """Store the deployment record; the first one wins, so callers read it back."""
        block = identifier + write_length(len(record)) + record
        self._store.insert("deployment", ("id", "record"), block, token=_FIRST_WINS)

    def deployment(self) -> bytes | None:
        """The deployment record, or None before `init`. Raises StoreError when there is more than one."""
        data = self._store.raw("SELECT record FROM {database}.deployment")
        if not data:
            return None
        record, end = _string(data, 0)
        if end != len(data):
            raise StoreError("there is more than one deployment record: another was added to the first")
        return record

    def _has_bundle(self, sha256: bytes) -> bool:
        found = self._store.query(
            "SELECT count() FROM {database}.bundles WHERE sha256 = unhex({sha:String})", {"sha": sha256.hex()}
        )
        return bool(found[0][0])


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = read_length(data, at)
    return data[at : at + size], at + size
