"""A witness: cosigns what a log shows it, and never two histories (C2SP tlog-witness).

Invariants: of each log it cosigns only checkpoints that extend the newest one it cosigned, decides that in
one transaction with persisting, and answers after it is on disk. Its times never go back, whatever the clock
does, as a cosignature says that no larger tree was known at its time. A signed checkpoint that does not fit
is kept as evidence, together with the one it does not fit.

A checkpoint with extension lines is refused as malformed: an ML-DSA-44 cosignature would not cover them.
Sockets and limits of time are `witness_http`'s job, memory is `witness_store`'s. Needs only `cryptography`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ansvar.ledger.checkpoint import (
    Checkpoint,
    OpenedCheckpoint,
    cosign_ed25519,
    cosign_mldsa,
    ed25519_key,
    mldsa_key,
    open_checkpoint,
)
from ansvar.ledger.errors import Malformed, Unproved
from ansvar.ledger.merkle import EMPTY_ROOT
from ansvar.ledger.notes import COSIGNATURE_ED25519, Note, NoteSignature, VerifierKey
from ansvar.ledger.proofs import verify_consistency
from ansvar.ledger.witness_protocol import SIZE_TYPE, AddCheckpoint
from ansvar.verifier.witness_store import Conflict, ConflictKind, Head, WitnessStore

TEXT: Final = "text/plain; charset=utf-8"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WitnessKeys:
    """The name and the two private keys that a witness cosigns with."""

    name: str
    ed25519: Ed25519PrivateKey
    mldsa: MLDSA44PrivateKey

    @property
    def public(self) -> tuple[VerifierKey, VerifierKey]:
        """The cosigner keys: Ed25519 (0x04), ML-DSA-44 (0x06). Raises Malformed for the name."""
        return (
            ed25519_key(self.name, self.ed25519.public_key(), COSIGNATURE_ED25519),
            mldsa_key(self.name, self.mldsa.public_key()),
        )

    def cosign(self, checkpoint: Checkpoint, time: int) -> tuple[NoteSignature, NoteSignature]:
        """Both cosignatures, as of a time in Unix seconds."""
        return (
            cosign_ed25519(checkpoint, self.name, self.ed25519, time),
            cosign_mldsa(checkpoint, self.name, self.mldsa, time),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, body and its type."""

    status: int
    body: bytes
    content_type: str = TEXT


class Witness:
    """A witness of the logs that have these keys; a log is known by its key's name, which is its origin.

    Threads, and processes with the same store, may call at once. Raises WitnessError where the store is
    another witness's.
    """

    def __init__(self, store: WitnessStore, keys: WitnessKeys, log_keys: Iterable[VerifierKey]) -> None:
        store.belong_to(keys.public)
        self._store = store
        self._keys = keys
        self._logs: dict[str, list[VerifierKey]] = {}
        for key in log_keys:
            self._logs.setdefault(key.name, []).append(key)

    def add_checkpoint(self, body: bytes, now: int) -> Answer:
        """The answer to a body of the call add-checkpoint at a time in Unix seconds; the checks in the
        specification's order.

        Raises WitnessError when the store fails: nothing was cosigned then.
        """
        try:
            request = AddCheckpoint.parse(body)
            origin = Checkpoint.parse(Note.parse(request.checkpoint).text).origin
            if origin not in self._logs:
                return _refused(404, "a log with this origin is not known here")
            opened = open_checkpoint(request.checkpoint, self._logs[origin], origin=origin)
        except Malformed as error:
            return _refused(400, str(error))
        except Unproved as error:
            return _refused(403, str(error))
        if request.old > opened.checkpoint.size:
            return _refused(400, "the old size is larger than the checkpoint's")
        with self._store.deciding():
            return self._decided(request, opened, now)

    def published(self, origin_hash: str) -> Answer:
        """The answer to GET /<origin hash>/checkpoint: the newest cosigned checkpoint of a log."""
        note = self._store.published(origin_hash)
        return (
            _refused(404, "no checkpoint of such a log was cosigned") if note is None else Answer(200, note)
        )

    def _decided(self, request: AddCheckpoint, opened: OpenedCheckpoint, now: int) -> Answer:
        """Check against what is known, and remember; within the store's transaction."""
        new, note = opened.checkpoint, self._believed(opened)
        head = self._store.head(new.origin) or Head(Checkpoint(new.origin, 0, EMPTY_ROOT), 0, b"")
        known = head.checkpoint
        if known.size == new.size and not compare_digest(known.root, new.root):
            self._keep("two-roots", head, new, note, now)
        if request.old != known.size:
            return Answer(409, f"{known.size}\n".encode(), SIZE_TYPE)
        try:
            verify_consistency(known.size, new.size, known.root, new.root, request.proof)
        except Unproved as error:
            if 0 < known.size < new.size:
                self._keep("unproved", head, new, note, now)
            return _refused(422, str(error))
        time = max(now, head.time, 1)
        cosignatures = self._keys.cosign(new, time)
        self._store.advance(Head(new, time, note.with_signatures(*cosignatures).encode()))
        return Answer(200, "".join([one.line() for one in cosignatures]).encode())

    def _believed(self, opened: OpenedCheckpoint) -> Note:
        """The note with one signature of each of the log's keys: of others nothing was checked."""
        keys = {(key.name, key.key_id) for key in self._logs[opened.checkpoint.origin]}
        mine = {(one.name, one.key_id): one for one in opened.note.signatures}
        return Note(opened.note.text, tuple([one for which, one in mine.items() if which in keys]))

    def _keep(self, kind: ConflictKind, head: Head, new: Checkpoint, note: Note, now: int) -> None:
        """Keep the checkpoint as one that conflicts with the known one."""
        if self._store.keep(new, Conflict(new.origin, kind, now, head.note, note.encode(), 1)):
            _log.warning(
                "%r, size %d: in conflict with size %d (%s); both checkpoints are kept",
                new.origin,
                new.size,
                head.checkpoint.size,
                kind,
            )


def _refused(status: int, why: str) -> Answer:
    return Answer(status, f"{why}\n".encode())
