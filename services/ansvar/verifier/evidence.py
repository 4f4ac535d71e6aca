"""Verifying an evidence bundle with nothing but pinned keys: no network, no store, no trust in its maker.

Invariants: a report is returned only if every row of the bundle is proved to be a leaf of a tree that the log
signed; all trees of a chain are proved to be one that grew; and every other file is what it has to be, is
derived from the rows, or is named in the report as proved by nothing (`selection`, `made_at` and the documents
are the maker's words). What a key that was not given has signed counts for nothing.

Only a chain's newest checkpoint has to have the signature of a pinned key, or of one that followed it by
successions: the consistency proofs make the older ones as good. They count without a signature because a
log's key is replaced in time, and whoever pins the present one was not there before.

Not handled here: whether the selection is complete, which no bundle of this form can show; verdicts
(`accountability.reexecution`).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from ansvar.ledger.canonical import MAX_CANONICAL, ZERO32, leaf, values
from ansvar.ledger.checkpoint import Checkpoint, OpenedCheckpoint, Signed, open_checkpoint, signatures_of
from ansvar.ledger.errors import Fault, Malformed, MalformedRow, Unproved, WrongOrigin
from ansvar.ledger.notes import MAX_NOTE, Note, VerifierKey
from ansvar.ledger.proofs import verify_consistency, verify_inclusion
from ansvar.ledger.statements import Succession, followed, split_notes
from ansvar.ledger.tlog_proof import MAX_PROOF, TlogProof
from ansvar.ledger.trust import NO_WITNESSES, TrustPolicy
from ansvar.ledger.witness_protocol import MAX_REQUEST, AddCheckpoint
from ansvar.verifier.archive import Archive, opened
from ansvar.verifier.manifest import (
    MANIFEST,
    MAX_MANIFEST,
    ROWS,
    SCHEMA,
    WITNESSES,
    ChainEntry,
    Manifest,
    checkpoint_path,
    consistency_path,
    lean,
    policy_path,
    proof_path,
    readable,
    row_path,
    schema,
    successions_path,
)

_WHAT: Final = "evidence bundle"
_MAX_DOCUMENT: Final = 1 << 20
_MAX_POLICY: Final = 16 << 20  # canonical bytes of a policy bundle
_MAX_ROWS: Final = 1 << 29  # of rows.jsonl
_MAX_SUCCESSIONS: Final = 1 << 20
_IN_FORCE: Final = ("genesis", "policy")  # kinds of rows that put a policy in force


class NoKey(Unproved):
    """No key was given for a log of the bundle, so that nothing of it can be verified."""


@dataclass(frozen=True, slots=True)
class ProvedCheckpoint:
    """A checkpoint of a chain and whose signatures on it were verified, the log's and witnesses'.

    Without a signature of the log (`signed_by_log`) it is held by the consistency with the newest one.
    """

    chain: int
    checkpoint: Checkpoint
    signed: tuple[Signed, ...]

    @property
    def signed_by_log(self) -> bool:
        """Whether a trusted key of the log has signed it."""
        return any(one.key.name == self.checkpoint.origin for one in self.signed)

    @property
    def witnessed(self) -> tuple[int, int] | None:
        """The earliest and the latest time of witnesses' cosignatures (Unix s), None where there is none."""
        origin = self.checkpoint.origin
        times = [one.time for one in self.signed if one.time and one.key.name != origin]
        return (min(times), max(times)) if times else None


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

    `keys` are those that signatures were verified with; `policies` has the canonical bytes of each policy
    bundle that a row names, by SHA-256.
    """

    manifest: Manifest
    rows: tuple[ProvedRow, ...]
    checkpoints: tuple[ProvedCheckpoint, ...]
    policies: dict[bytes, bytes]

    @property
    def chains(self) -> tuple[int, ...]:
        """The chains that rows stand in."""
        return tuple(self.manifest.chains)

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """The keys with which signatures were verified, each once."""
        return tuple(dict.fromkeys([one.key for each in self.checkpoints for one in each.signed]))


def verify_archive(
    data: Path, keys: Sequence[VerifierKey], policy: TrustPolicy = NO_WITNESSES
) -> EvidenceReport:
    """Verify all of a bundle and say what it proves. `keys` must come from elsewhere than the bundle.

    A witness that `policy` knows must not have a bad signature, and every checkpoint needs its quorum. Raises
    NotEvidence for another thing than a bundle, NoKey where a log's key is missing, and Fault, Malformed or
    Unproved, naming row or file, for a bundle that does not hold.
    """
    if not keys:
        raise NoKey("no key of a log was given (--key); it must not be taken from the bundle itself")
    with opened(data) as archive:
        manifest = Manifest.parse(archive.read(MANIFEST, MAX_MANIFEST))
        _check_files(archive, manifest)
        chains = {
            chain: _Chain(archive, chain, entry, keys, policy) for chain, entry in manifest.chains.items()
        }
        policies = {bytes.fromhex(sha256): _policy(archive, sha256) for sha256 in manifest.policies}
        rows = _rows(archive, manifest, chains, policies)
    checkpoints = tuple(one for chain in chains.values() for one in chain.checkpoints)
    return EvidenceReport(manifest, rows, checkpoints, policies)


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Errors name the file that they were found in."""
    try:
        yield
    except MalformedRow as error:
        raise Malformed(_WHAT, path, str(error)) from error
    except Malformed as error:
        raise Malformed(_WHAT, path, f"{error.what}, {error.where}: {error.problem}") from error
    except Unproved as error:
        raise type(error)(f"{path}: {error}") from error


def _check_files(archive: Archive, manifest: Manifest) -> None:
    """Every file that belongs to the bundle is there, and no other; those that nothing proves are as listed."""
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
            with _naming(path):
                TrustPolicy.parse(content)
    if archive.read(SCHEMA, _MAX_DOCUMENT) != schema():
        raise Malformed(_WHAT, SCHEMA, "not the columns of this version's rows")


def _policy(archive: Archive, sha256: str) -> bytes:
    path = policy_path(sha256)
    content = archive.read(path, _MAX_POLICY)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Malformed(_WHAT, path, "its content does not have the SHA-256 of its name")
    return content


class _Chain:
    """The trees of one chain, verified; `tree` gives the one that a proof is for."""

    def __init__(
        self,
        archive: Archive,
        chain: int,
        entry: ChainEntry,
        keys: Sequence[VerifierKey],
        policy: TrustPolicy,
    ) -> None:
        self._archive = archive
        self._chain = chain
        self._entry = entry
        self._policy = policy
        self._keys = self._trusted(keys)
        newest, note = self._checkpoint(entry.newest)
        self._trees = {lean(note): newest.checkpoint}
        self.checkpoints = [newest]
        for size in reversed(entry.checkpoints[:-1]):
            older, older_note = self._checkpoint(size)
            self._check_consistency(older.checkpoint, newest.checkpoint, lean(note))
            self._trees[lean(older_note)] = older.checkpoint
            self.checkpoints.insert(0, older)

    def tree(self, note: bytes) -> Checkpoint:
        """The checkpoint that a proof has with it. Raises Unproved for one that is none of the bundle's."""
        found = self._trees.get(note)
        if found is None:
            raise Unproved("the proof is for a checkpoint that is none of this chain's in the bundle")
        return found

    def _trusted(self, keys: Sequence[VerifierKey]) -> tuple[VerifierKey, ...]:
        """The keys of this log that were given, and those that they lead to."""
        origin = self._entry.origin
        trusted = tuple(key for key in keys if key.name == origin)
        if not trusted:
            raise NoKey(f"no key was given for the log {origin!r}; get it from whoever answers for that log")
        if not self._entry.successions:
            return trusted
        path = successions_path(self._chain)
        with _naming(path):
            for data in split_notes(self._archive.read(path, _MAX_SUCCESSIONS)):
                note = Note.parse(data)
                if Succession.parse(note.text).origin != origin:
                    raise WrongOrigin(f"a key succession of another log than {origin!r}")
                known = {(key.name, key.key_id) for key in trusted}
                if any((one.name, one.key_id) in known for one in note.signatures):
                    trusted = followed(trusted, [data])
        return trusted

    def _checkpoint(self, size: int) -> tuple[ProvedCheckpoint, Note]:
        path = checkpoint_path(self._chain, size)
        data = self._archive.read(path, MAX_NOTE)
        with _naming(path):
            is_newest = size == self._entry.newest
            seen = self._open(data) if is_newest else self._read(data)
            if seen.checkpoint.size != size:
                raise Unproved(f"a checkpoint of size {seen.checkpoint.size}")
            self._policy.check(seen)
        return ProvedCheckpoint(self._chain, seen.checkpoint, seen.signed), seen.note

    def _open(self, data: bytes) -> OpenedCheckpoint:
        """The newest checkpoint, which a key of the log must have signed."""
        return open_checkpoint(data, self._keys, self._policy.witness_keys, self._entry.origin)

    def _read(self, data: bytes) -> OpenedCheckpoint:
        """An older one, held by its consistency with the newest."""
        note = Note.parse(data)
        checkpoint = Checkpoint.parse(note.text)
        if checkpoint.origin != self._entry.origin:
            raise WrongOrigin(f"a checkpoint of {checkpoint.origin!r}, not of {self._entry.origin!r}")
        signed = signatures_of(note, checkpoint, (*self._keys, *self._policy.witness_keys))
        return OpenedCheckpoint(checkpoint, note, signed)

    def _check_consistency(self, old: Checkpoint, new: Checkpoint, note: bytes) -> None:
        path = consistency_path(self._chain, old.size)
        data = self._archive.read(path, MAX_REQUEST)
        with _naming(path):
            given = AddCheckpoint.parse(data)
            if given.old != old.size or given.checkpoint != note:
                raise Unproved(f"not a proof from size {old.size} to the newest checkpoint of the chain")
            verify_consistency(old.size, new.size, old.root, new.root, given.proof)


def _rows(
    archive: Archive, manifest: Manifest, chains: dict[int, _Chain], policies: dict[bytes, bytes]
) -> tuple[ProvedRow, ...]:
    """Every row, proved, in order; and what is derived from them is what they give."""
    reader = _Rows(manifest, chains, policies)
    rows = []
    for chain, seq, why in manifest.rows:
        path = row_path(chain, seq)
        data = archive.read(path, MAX_CANONICAL)
        with _naming(path):
            hashed = reader.take(chain, seq, data)
        path = proof_path(chain, seq)
        proof = archive.read(path, MAX_PROOF)
        with _naming(path):
            size = _prove(chain, seq, hashed, proof, chains[chain])
        rows.append(ProvedRow(chain, seq, why, size, data))
    for sha256 in sorted(policies.keys() - reader.named)[:1]:
        raise Malformed(_WHAT, policy_path(sha256.hex()), "no row of the bundle names this policy")
    if archive.read(ROWS, _MAX_ROWS) != "".join(reader.lines).encode():
        raise Malformed(_WHAT, ROWS, "not what the rows of the bundle say")
    return tuple(rows)


def _prove(chain: int, seq: int, hashed: bytes, data: bytes, trees: _Chain) -> int:
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
    """The rows read so far: how they are linked, which policy is in force, and their lines for reading."""

    def __init__(
        self, manifest: Manifest, chains: dict[int, _Chain], policies: dict[bytes, bytes]
    ) -> None:
        self._manifest = manifest
        self._policies = policies
        self._place = (-1, -1)  # of the row before
        self._leaf = ZERO32
        self._in_force: bytes | None = None
        self.named: set[bytes] = set()
        self.lines: list[str] = []

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
        self.lines.append(readable(row, previous, self._leaf))
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
        if policy not in self._policies:
            raise Malformed("row", "policy", f"the policy {policy.hex()} is not in the bundle")
        if policy != self._in_force:
            raise Fault("missing", chain, seq, f"no row before it puts the policy {policy.hex()} in force")
        self.named.add(policy)


def _deployment(extra: str) -> str | None:
    """The deployment's id in a genesis row, None where it has none."""
    try:
        return str(UUID(bytes=base64.b64decode(json.loads(extra)["id"], validate=True)))
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


