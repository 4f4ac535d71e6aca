"""The trees of one chain in an evidence bundle: signed checkpoints, and that each grew from the one before.

Invariants: the newest checkpoint has the signature of a pinned key of its log, or of one that followed it by
successions; every older one is proved to be a beginning of the newest. An older one counts without a
signature of its log, because keys are replaced in time, and whoever pins the present one was not there
before. What a key that was not given has signed counts for nothing.

Not handled here: what stands in the trees (`evidence`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from ansvar.ledger.checkpoint import Checkpoint, OpenedCheckpoint, Signed, open_checkpoint, signatures_of
from ansvar.ledger.errors import Malformed, MalformedRow, NoQuorum, Unproved, WrongOrigin
from ansvar.ledger.notes import MAX_NOTE, Note, VerifierKey
from ansvar.ledger.proofs import verify_consistency
from ansvar.ledger.statements import Succession, followed, split_notes
from ansvar.ledger.trust import TrustPolicy
from ansvar.ledger.witness_protocol import MAX_REQUEST, AddCheckpoint
from ansvar.verifier.archive import Archive
from ansvar.verifier.manifest import ChainEntry, checkpoint_path, consistency_path, lean, successions_path

_WHAT: Final = "evidence bundle"
_MAX_SUCCESSIONS: Final = 1 << 20


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


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Errors name the file that they were found in."""
    try:
        yield
    except MalformedRow as error:
        raise Malformed(_WHAT, path, str(error)) from error
    except Malformed as error:
        raise Malformed(_WHAT, path, f"{error.what}, {error.where}: {error.problem}") from error
    except Unproved as error:
        raise type(error)(f"{path}: {error}") from error


class ChainTrees:
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
        self._check_witnesses()
        newest, note = self._checkpoint(entry.newest)
        last = lean(note)
        self._trees = {_hash(last): newest.checkpoint}  # by the hash of a note, which may be long
        checkpoints = [newest]
        for size in reversed(entry.checkpoints[:-1]):
            older, older_note = self._checkpoint(size)
            self._check_consistency(older.checkpoint, newest.checkpoint, last)
            self._trees[_hash(lean(older_note))] = older.checkpoint
            checkpoints.append(older)
        self.checkpoints = checkpoints[::-1]

    def tree(self, note: bytes) -> Checkpoint:
        """The checkpoint that a proof has with it. Raises Unproved for one that is none of the bundle's."""
        found = self._trees.get(_hash(note))
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
        with naming(path):
            notes = split_notes(self._archive.read(path, _MAX_SUCCESSIONS))
            if any(Succession.parse(Note.parse(one).text).origin != origin for one in notes):
                raise WrongOrigin(f"a key succession of another log than {origin!r}")
            return followed(trusted, notes)

    def _check_witnesses(self) -> None:
        """No log is a witness of itself, under whatever name. Raises NoQuorum."""
        own = {key.public for key in self._keys}
        for witness in self._policy.witnesses:
            if witness.key.public in own or witness.key.name == self._entry.origin:
                raise NoQuorum(
                    f"the policy names a key of the log {self._entry.origin!r} itself as the witness "
                    f"{witness.name!r}; a log cannot vouch for itself: leave that witness out"
                )

    def _checkpoint(self, size: int) -> tuple[ProvedCheckpoint, Note]:
        path = checkpoint_path(self._chain, size)
        data = self._archive.read(path, MAX_NOTE)
        with naming(path):
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
        with naming(path):
            given = AddCheckpoint.parse(data)
            if given.old != old.size or given.checkpoint != note:
                raise Unproved(f"not a proof from size {old.size} to the newest checkpoint of the chain")
            verify_consistency(old.size, new.size, old.root, new.root, given.proof)


def _hash(note: bytes) -> bytes:
    return hashlib.sha256(note).digest()
