"""Verifying an evidence bundle with nothing but pinned keys: no network, no store, no trust in its maker.

Invariants: a report is returned only if every row of the bundle is proved to be a leaf of a tree that the log
signed; all trees of a chain are proved to be one that grew; and every other file is what it has to be, is
derived from the rows, or is named in the report as proved by nothing (`selection`, `made_at` and the
documents are the maker's words).

Not handled here: trees and signatures (`trees`); whether the selection is complete, which no bundle of this
form can show; verdicts (`accountability.reexecution`).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from ansvar.ledger.canonical import MAX_CANONICAL, ZERO32, leaf, values
from ansvar.ledger.errors import Fault, Malformed, MalformedRow
from ansvar.ledger.notes import VerifierKey
from ansvar.ledger.proofs import verify_inclusion
from ansvar.ledger.tlog_proof import MAX_PROOF, TlogProof
from ansvar.ledger.trust import NO_WITNESSES, TrustPolicy
from ansvar.verifier.archive import Archive, opened
from ansvar.verifier.manifest import (
    MANIFEST,
    MAX_MANIFEST,
    ROWS,
    WITNESSES,
    Manifest,
    policy_path,
    proof_path,
    readable,
    row_path,
    schema,
    schema_path,
)
from ansvar.verifier.trees import ChainTrees, NoKey, ProvedCheckpoint, naming

_WHAT: Final = "evidence bundle"
_MAX_DOCUMENT: Final = 1 << 20
_MAX_POLICY: Final = 16 << 20  # canonical bytes of a policy bundle
MAX_KEPT: Final = 64 << 20  # of all rows and policies together, which a report holds in memory
_MAX_ROWS: Final = 1 << 29  # of rows.jsonl
_IN_FORCE: Final = ("genesis", "policy")  # kinds of rows that put a policy in force


@dataclass(frozen=True, slots=True)
class ProvedRow:
    """A row, why it is in the bundle, the size of the tree that it is proved in, its canonical bytes."""

    chain: int
    seq: int
    why: str
    size: int
    canonical: bytes


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    """What a bundle proves, and in `manifest` what its maker says besides.

    `keys` are those that signatures were verified with, `pinned` those that were given; `policies` has the
    canonical bytes of each policy bundle that a row names, by SHA-256.
    """

    manifest: Manifest
    rows: tuple[ProvedRow, ...]
    checkpoints: tuple[ProvedCheckpoint, ...]
    policies: dict[bytes, bytes]
    pinned: frozenset[VerifierKey]

    @property
    def chains(self) -> tuple[int, ...]:
        """The chains that rows stand in."""
        return tuple(self.manifest.chains)

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """The keys with which signatures were verified, each once."""
        return tuple(dict.fromkeys([one.key for each in self.checkpoints for one in each.signed]))

    def signed_by_pinned(self, chain: int) -> bool:
        """Whether a key that was given has signed the chain's newest checkpoint; else a successor of one."""
        newest = [one for one in self.checkpoints if one.chain == chain][-1]
        return any(one.key in self.pinned for one in newest.signed)


def verify_archive(
    data: Path, keys: Sequence[VerifierKey], policy: TrustPolicy = NO_WITNESSES
) -> EvidenceReport:
    """Verify all of a bundle and say what it proves. `keys` must come from elsewhere than the bundle.

    The logs that `policy` names are trusted like those of `keys`. A witness that it knows must not have a bad
    signature and must not be the log itself, and every checkpoint needs its quorum. Raises NotEvidence for
    another thing than a bundle, NoKey where a log's key is missing, and Fault, Malformed or Unproved, naming
    row or file, for a bundle that does not hold.
    """
    keys = (*keys, *policy.log_keys)
    if not keys:
        raise NoKey("no key of a log was given (--key); it must not be taken from the bundle itself")
    with opened(data) as archive:
        manifest = Manifest.parse(archive.read(MANIFEST, MAX_MANIFEST))
        _check_files(archive, manifest)
        chains = {
            chain: ChainTrees(archive, chain, entry, keys, policy) for chain, entry in manifest.chains.items()
        }
        reader = _Rows(manifest, _Kept(archive))
        rows = _rows(archive, manifest, chains, reader)
    checkpoints = tuple(one for chain in chains.values() for one in chain.checkpoints)
    return EvidenceReport(manifest, rows, checkpoints, reader.policies, frozenset(keys))


def _check_files(archive: Archive, manifest: Manifest) -> None:
    """Every file of the bundle is there, and no other; those that nothing proves are as listed."""
    expected = manifest.files()
    for path in sorted(expected - archive.names)[:1]:
        raise Malformed(_WHAT, path, "the file is missing")
    for path in sorted(archive.names - expected)[:1]:
        raise Malformed(_WHAT, path, "the manifest has no such file")
    for path, sha256 in manifest.documents.items():
        content = archive.read(path, _MAX_DOCUMENT)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Malformed(_WHAT, path, "not the document that the manifest lists")
        if path == WITNESSES:
            with naming(path):
                TrustPolicy.parse(content)
    for version in manifest.versions:
        if archive.read(schema_path(version), _MAX_DOCUMENT) != schema(version):
            raise Malformed(_WHAT, schema_path(version), "not the columns of that row version")


class _Kept:
    """Reads what the report keeps: at most MAX_KEPT bytes in all, however well they were packed."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._left = MAX_KEPT

    def read(self, path: str, limit: int) -> bytes:
        """A file. Raises Malformed."""
        content = self._archive.read(path, limit)
        self._left -= len(content)
        if self._left < 0:
            raise Malformed(_WHAT, path, f"rows and policies of more than {MAX_KEPT} bytes in all")
        return content


def _rows(
    archive: Archive, manifest: Manifest, chains: dict[int, ChainTrees], reader: _Rows
) -> tuple[ProvedRow, ...]:
    """Every row, proved, in order; and what is derived from them is what they give."""
    rows = []
    for chain, seq, why in manifest.rows:
        path = row_path(chain, seq)
        data = reader.kept.read(path, MAX_CANONICAL)
        with naming(path):
            hashed = reader.take(chain, seq, data)
        path = proof_path(chain, seq)
        proof = archive.read(path, MAX_PROOF)
        with naming(path):
            size = _prove(chain, seq, hashed, proof, chains[chain])
        rows.append(ProvedRow(chain, seq, why, size, data))
    for sha256 in manifest.policies:
        if bytes.fromhex(sha256) not in reader.policies:
            raise Malformed(_WHAT, policy_path(sha256), "no row of the bundle names this policy")
    if reader.versions != set(manifest.versions):
        raise Malformed(_WHAT, MANIFEST, "the versions that it states are not those of the rows")
    if archive.sha256(ROWS, _MAX_ROWS) != reader.lines.digest():
        raise Malformed(_WHAT, ROWS, "not what the rows of the bundle say")
    return tuple(rows)


def _prove(chain: int, seq: int, hashed: bytes, data: bytes, trees: ChainTrees) -> int:
    """The size of the tree in which the proof shows the leaf to be."""
    proof = TlogProof.parse(data)
    if proof.extra is not None:
        raise Malformed("tlog-proof", "line 2", "extra data, which nothing proves")
    if proof.index != seq:
        raise Fault("reordered", chain, seq, f"the proof beside the row is for leaf {proof.index}")
    tree = trees.tree(proof.checkpoint)
    verify_inclusion(hashed, seq, tree.size, proof.hashes, tree.root)
    return tree.size


class _Rows:
    """The rows read so far: how they are linked, their policies, and the hash of their lines for reading."""

    def __init__(self, manifest: Manifest, kept: _Kept) -> None:
        self._manifest = manifest
        self.kept = kept
        self._place = (-1, -1)  # of the row before
        self._leaf = ZERO32
        self._in_force: bytes | None = None
        self._listed = set(manifest.policies)
        self.policies: dict[bytes, bytes] = {}
        self.versions: set[int] = set()
        self.lines = hashlib.sha256()

    def take(self, chain: int, seq: int, data: bytes) -> bytes:
        """Read the next row; its leaf. Raises MalformedRow, Malformed or Fault."""
        row, end = values(data)
        previous = data[end:]
        if len(previous) != len(ZERO32):
            raise MalformedRow(f"{len(previous)} bytes after the last column, not the leaf of the row before")
        if row["chain"] != chain:
            raise Fault("wrong-origin", chain, seq, f"the row says that it stands in chain {row['chain']}")
        if row["seq"] != seq:
            raise Fault("reordered", chain, seq, f"the row says that it has the number {row['seq']}")
        self._check_genesis(chain, seq, row, previous)
        if (chain, seq - 1) == self._place and previous != self._leaf:
            raise Fault("forked", chain, seq, "the row follows another row than the one before it")
        self._check_policy(chain, seq, row)
        self._place, self._leaf = (chain, seq), leaf(data)
        self.versions.add(row["version"])
        self.lines.update(readable(row, previous, self._leaf).encode())
        return self._leaf

    def _check_genesis(self, chain: int, seq: int, row: dict[str, Any], previous: bytes) -> None:
        if (seq == 0) != (row["kind"] == "genesis"):
            raise Fault("edited", chain, seq, "the first row of a chain, and no other, is its genesis")
        if seq:
            return
        if previous != ZERO32:
            raise Fault("edited", chain, seq, "the first row of a chain follows no other")
        if _deployment(row["extra"]) != self._manifest.chains[chain].deployment:
            raise Fault("wrong-origin", chain, seq, "founded in another deployment than the origin names")

    def _check_policy(self, chain: int, seq: int, row: dict[str, Any]) -> None:
        """The policy that a row names is in the bundle, with the row that put it in force."""
        if chain != self._place[0]:
            self._in_force = None
        policy = row["policy"]
        if row["kind"] in _IN_FORCE:
            self._in_force = policy
        if policy == ZERO32:
            return
        if policy.hex() not in self._listed:
            raise Malformed("row", "policy", f"the policy {policy.hex()} is not in the bundle")
        if policy != self._in_force:
            raise Fault("missing", chain, seq, f"no row before it puts the policy {policy.hex()} in force")
        if policy not in self.policies:
            self.policies[policy] = self._policy(policy)

    def _policy(self, sha256: bytes) -> bytes:
        path = policy_path(sha256.hex())
        content = self.kept.read(path, _MAX_POLICY)
        if hashlib.sha256(content).digest() != sha256:
            raise Malformed(_WHAT, path, "its content does not have the SHA-256 of its name")
        return content


def _deployment(extra: str) -> str | None:
    """The deployment's id in a genesis row, None where it has none."""
    try:
        return str(UUID(bytes=base64.b64decode(json.loads(extra)["id"], validate=True)))
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
