"""Checkpoints of a log and who signed them (C2SP tlog-checkpoint, tlog-cosignature).

Pure: keys and times come as values, and nothing here looks at a clock, so a cosignature from the future is
for the caller to judge. `open_checkpoint` is the one way to believe a checkpoint: it checks the origin, asks
for a signature of the log, and refuses the whole note if any key it knows has a signature that does not
verify. Whether enough witnesses signed is `trust`'s job; whether a tree extends another one `proofs`'.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from ansvar.ledger.errors import BadSignature, Malformed, WrongOrigin
from ansvar.ledger.notes import (
    COSIGNATURE_ED25519,
    COSIGNATURE_MLDSA44,
    ED25519,
    MAX_NAME,
    MAX_NUMBER,
    Note,
    NoteSignature,
    VerifierKey,
    decode_decimal,
    decode_hash,
    encode_base64,
    encode_utf8,
)

_WHAT: Final = "checkpoint"
_SIGNATURE_BYTES: Final = {ED25519: 64, COSIGNATURE_ED25519: 8 + 64, COSIGNATURE_MLDSA44: 8 + 2420}
_SUBTREE_LABEL: Final = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log's tree: `size` leaves, `root` of 32 bytes. Raises Malformed when made of else."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        length = len(encode_utf8(self.origin, _WHAT, "line 1"))
        if not 0 < length <= MAX_NAME:
            raise Malformed(_WHAT, "line 1", f"an origin of {length} bytes, not 1 to {MAX_NAME}")
        if any(char < " " for char in self.origin):
            raise Malformed(_WHAT, "line 1", "a control character in the origin")
        if not 0 <= self.size <= MAX_NUMBER:
            raise Malformed(_WHAT, "line 2", "a tree size that is not from 0 to 2^63 - 1")
        if len(self.root) != 32:
            raise Malformed(_WHAT, "line 3", f"a root of {len(self.root)} bytes, not 32")

    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint that a note's text is. Raises Malformed, also for extension lines.

        An extension line would not be covered by an ML-DSA-44 cosignature, so none is taken.
        """
        lines = text.split("\n", 4)
        if len(lines) < 4 or (len(lines) == 4 and lines[3]):
            raise Malformed(_WHAT, "end", "not the three lines origin, size and root")
        if len(lines) > 4:
            raise Malformed(_WHAT, "line 4", "extension lines are not accepted")
        origin, size, root = lines[:3]
        return cls(origin, decode_decimal(size, _WHAT, "line 2"), decode_hash(root, _WHAT, "line 3"))


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that verified: by whom, and for a cosignature when (Unix seconds; 0 if it states none)."""

    key: VerifierKey
    time: int | None


@dataclass(frozen=True, slots=True)
class OpenedCheckpoint:
    """A checkpoint that its log signed, the note it stood in, and all signatures of known keys."""

    checkpoint: Checkpoint
    note: Note
    signed: tuple[Signed, ...]


def ed25519_key(name: str, public: Ed25519PublicKey, kind: int = ED25519) -> VerifierKey:
    """The verifier key of an Ed25519 key, of a log (0x01) or cosigner (0x04). Raises Malformed."""
    return VerifierKey(name, kind, public.public_bytes_raw())


def mldsa_key(name: str, public: MLDSA44PublicKey) -> VerifierKey:
    """The verifier key of an ML-DSA-44 cosigner (0x06). Raises Malformed for the name."""
    return VerifierKey(name, COSIGNATURE_MLDSA44, public.public_bytes_raw())


def sign(checkpoint: Checkpoint, name: str, key: Ed25519PrivateKey) -> NoteSignature:
    """The log's own note signature (0x01)."""
    verifier = ed25519_key(name, key.public_key())
    return NoteSignature(name, verifier.key_id, key.sign(_message(checkpoint, verifier, 0)))


def cosign_ed25519(checkpoint: Checkpoint, name: str, key: Ed25519PrivateKey, time: int) -> NoteSignature:
    """A cosignature/v1 (0x04) as of `time`, in Unix seconds."""
    verifier = ed25519_key(name, key.public_key(), COSIGNATURE_ED25519)
    return _timestamped(verifier, time, key.sign(_message(checkpoint, verifier, _checked(time))))


def cosign_mldsa(checkpoint: Checkpoint, name: str, key: MLDSA44PrivateKey, time: int) -> NoteSignature:
    """An ML-DSA-44 cosignature (0x06) of the whole tree as of `time`, in Unix seconds."""
    verifier = mldsa_key(name, key.public_key())
    return _timestamped(verifier, time, key.sign(_message(checkpoint, verifier, _checked(time))))


def _timestamped(verifier: VerifierKey, time: int, signature: bytes) -> NoteSignature:
    return NoteSignature(verifier.name, verifier.key_id, struct.pack(">Q", time) + signature)


def _checked(time: int) -> int:
    if not 0 <= time <= MAX_NUMBER:
        raise Malformed("cosignature", "time", "not from 0 to 2^63 - 1 seconds")
    return time


def _message(checkpoint: Checkpoint, key: VerifierKey, time: int) -> bytes:
    """What a key of its kind signs."""
    if key.kind == ED25519:
        return checkpoint.text().encode()
    if key.kind == COSIGNATURE_ED25519:
        return f"cosignature/v1\ntime {time}\n{checkpoint.text()}".encode()
    name, origin = key.name.encode(), checkpoint.origin.encode()
    return b"".join(  # `cosigned_message` of tlog-cosignature
        [
            _SUBTREE_LABEL,
            bytes([len(name)]),
            name,
            struct.pack(">Q", time),
            bytes([len(origin)]),
            origin,
            struct.pack(">QQ", 0, checkpoint.size),  # from the first leaf, or it is no checkpoint
            checkpoint.root,
        ]
    )


def _verify(checkpoint: Checkpoint, key: VerifierKey, blob: bytes) -> Signed:
    """Raises BadSignature."""
    whose = f"{_which(checkpoint)}: the signature of {_shown(key.name, key.key_id)}"
    if len(blob) != _SIGNATURE_BYTES[key.kind]:
        raise BadSignature(f"{whose} has {len(blob)} bytes, not {_SIGNATURE_BYTES[key.kind]}")
    time = None if key.kind == ED25519 else int.from_bytes(blob[:8], "big")
    if time is not None and time > MAX_NUMBER:
        raise BadSignature(f"{whose} states a time above 2^63 - 1")
    message = _message(checkpoint, key, time or 0)
    try:
        if key.kind == COSIGNATURE_MLDSA44:
            MLDSA44PublicKey.from_public_bytes(key.public).verify(blob[8:], message)
        else:
            Ed25519PublicKey.from_public_bytes(key.public).verify(blob[-64:], message)
    except InvalidSignature as error:
        raise BadSignature(f"{whose} does not verify") from error
    return Signed(key, time)


def signatures_of(note: Note, checkpoint: Checkpoint, keys: Iterable[VerifierKey]) -> tuple[Signed, ...]:
    """The note's signatures over the checkpoint by the given keys, in the note's order; others are ignored.

    A signature belongs to a key if name and key id are the key's. Raises BadSignature if one of those does
    not verify, Malformed if two different keys share name and key id, so that nobody can tell them apart.
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise Malformed(
                "verifier keys", _shown(key.name, key.key_id), "two keys have this name and key id"
            )
    return tuple(
        [
            _verify(checkpoint, known[s.name, s.key_id], s.blob)
            for s in note.signatures
            if (s.name, s.key_id) in known
        ]
    )


def open_checkpoint(
    data: bytes,
    log_keys: Sequence[VerifierKey],
    witness_keys: Sequence[VerifierKey] = (),
    origin: str | None = None,
) -> OpenedCheckpoint:
    """The checkpoint that the bytes are, signed by a log key whose name is its origin.

    Give `origin` wherever one log is meant: without it, any log with a key among `log_keys` is taken.
    Raises Malformed, WrongOrigin, or BadSignature: no signature of the log, or one of any known key, log or
    witness, that does not verify. A quorum of witnesses is not asked for here.
    """
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    if origin is not None and checkpoint.origin != origin:
        raise WrongOrigin(f"a checkpoint of {checkpoint.origin!r} where one of {origin!r} is expected")
    signed = signatures_of(note, checkpoint, [*log_keys, *witness_keys])
    if not any(s.key in log_keys and s.key.name == checkpoint.origin for s in signed):
        names = ", ".join([_shown(s.name, s.key_id) for s in note.signatures])
        raise BadSignature(
            f"{_which(checkpoint)}: signed by no key that is trusted for this log; the note has signatures of"
            f" {names}"
        )
    return OpenedCheckpoint(checkpoint, note, signed)


def _which(checkpoint: Checkpoint) -> str:
    return f"checkpoint of {checkpoint.origin!r}, size {checkpoint.size}"


def _shown(name: str, key_id: bytes) -> str:
    return f"{name!r} ({key_id.hex()})"
