"""What a log says besides its checkpoints, as signed notes: which keys follow its own, what was found intact.

Pure. A statement is a signed note (C2SP signed-note) with an Ed25519 signature of the log (0x01). Its first
line names the sort of statement, where a checkpoint has its origin, so neither passes for the other. Several
notes in one file are parted by an empty line; statements and checkpoints have none in their text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ansvar.ledger.checkpoint import Checkpoint, ed25519_key
from ansvar.ledger.errors import BadSignature, Malformed
from ansvar.ledger.notes import (
    COSIGNATURE_MLDSA44,
    ED25519,
    Note,
    NoteSignature,
    VerifierKey,
    decode_decimal,
)

_SUCCESSION: Final = "ansvar/log-key-succession/v1"
_VERIFIED: Final = "ansvar/verified/v1"
_MAX_FILE: Final = 1 << 28

_Successors = dict[VerifierKey, tuple[VerifierKey, VerifierKey]]  # by signer: the next Ed25519 and ML-DSA key


@dataclass(frozen=True, slots=True)
class Succession:
    """The keys that follow in one log: from `since` they sign, until `until` the old ones do too (Unix s)."""

    origin: str
    ed25519: VerifierKey
    mldsa: VerifierKey
    since: int
    until: int

    def text(self) -> str:
        """What the old key signs."""
        return (
            f"{_SUCCESSION}\n{self.origin}\n{self.ed25519}\n{self.mldsa}\n"
            f"since {self.since}\nuntil {self.until}\n"
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises Malformed."""
        what = "key succession"
        lines = text.split("\n", 7)
        if len(lines) != 7 or lines[0] != _SUCCESSION or lines[6]:
            raise Malformed(what, "line 1", f"not the six lines of {_SUCCESSION}")
        found = cls(
            lines[1],
            _key(lines[2], what, "line 3"),
            _key(lines[3], what, "line 4"),
            _labelled(lines[4], "since", what, "line 5"),
            _labelled(lines[5], "until", what, "line 6"),
        )
        if not found.ed25519.name == found.mldsa.name == found.origin:
            raise Malformed(what, "lines 3 and 4", "the keys do not have the log's origin as their name")
        if (found.ed25519.kind, found.mldsa.kind) != (ED25519, COSIGNATURE_MLDSA44):
            raise Malformed(what, "lines 3 and 4", "not an Ed25519 (0x01) and an ML-DSA-44 (0x06) key")
        if found.until < found.since:
            raise Malformed(what, "line 6", "the old keys stop before the new ones begin")
        return found


@dataclass(frozen=True, slots=True)
class Verified:
    """That a log was recomputed from its rows and found intact up to a size, at a time (Unix seconds)."""

    checkpoint: Checkpoint
    time: int

    def text(self) -> str:
        """What the log's key signs."""
        return f"{_VERIFIED}\n{self.checkpoint.text()}time {self.time}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises Malformed."""
        head, _, rest = text.partition("\n")
        body, _, time = rest.removesuffix("\n").rpartition("\n")
        if head != _VERIFIED or not rest.endswith("\n"):
            raise Malformed("verification", "line 1", f"not {_VERIFIED}")
        return cls(Checkpoint.parse(f"{body}\n"), _labelled(time, "time", "verification", "line 5"))


def sign_statement(statement: Succession | Verified, name: str, key: Ed25519PrivateKey) -> Note:
    """The signed note of a statement."""
    text = statement.text()
    return Note(
        text, (NoteSignature(name, ed25519_key(name, key.public_key()).key_id, key.sign(text.encode())),)
    )


def open_statement(data: bytes, keys: Iterable[VerifierKey]) -> tuple[str, VerifierKey]:
    """The text of a statement and the key (0x01) that signed it. Raises Malformed or BadSignature."""
    note = Note.parse(data)
    known = {(key.name, key.key_id): key for key in keys if key.kind == ED25519}
    signed = None
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature.blob, note.text.encode())
        except (InvalidSignature, ValueError) as error:
            raise BadSignature(f"the signature of {key.name!r} on a statement does not verify") from error
        signed = key
    if signed is None:
        raise BadSignature("a statement is signed by no key that is trusted for this log")
    return note.text, signed


def followed(keys: Sequence[VerifierKey], successions: Iterable[bytes]) -> tuple[VerifierKey, ...]:
    """The keys, and those that their successions lead to, one after the other.

    A succession of another log is passed over, and so is one that no trusted key signed: whoever holds a
    newer key has no use for what led to it. The keys of one that is signed by a trusted key of its log are
    trusted like it.

    A trusted key stays trusted: neither `since` nor `until` ends its authority, since only its own holder
    could state when. So who pins an old key trusts whoever holds it for ever, also to name successors: after
    a rotation, pin the new key and drop the old one. Raises Malformed; BadSignature where such a signature
    does not verify, one key names two different successors, or keys succeed each other in a circle.
    """
    trusted = list(keys)
    after: _Successors = {}
    for data in successions:
        note = Note.parse(data)
        succession = Succession.parse(note.text)
        ours = [key for key in trusted if key.name == succession.origin and key.kind == ED25519]
        signed = {(signature.name, signature.key_id) for signature in note.signatures}
        signers = [key for key in ours if (key.name, key.key_id) in signed]
        if not signers:
            continue
        open_statement(data, ours)
        for signer in signers:
            _follow(after, signer, (succession.ed25519, succession.mldsa))
        trusted += [key for key in (succession.ed25519, succession.mldsa) if key not in trusted]
    return tuple(trusted)


def _follow(after: _Successors, signer: VerifierKey, named: tuple[VerifierKey, VerifierKey]) -> None:
    """Take down which keys follow the signer. Raises BadSignature where that leads to two, or back."""
    if after.setdefault(signer, named) != named:
        raise BadSignature(
            f"the key {signer.key_id.hex()} of {signer.name!r} names two different successors; one of them "
            "is false: ask for the present key by another way, and pin that"
        )
    follower = named[0]
    while follower != signer:
        if follower not in after:
            return
        follower = after[follower][0]
    raise BadSignature(f"the keys of {signer.name!r} succeed each other in a circle")


def join_notes(notes: Iterable[bytes]) -> bytes:
    """Several notes as one file."""
    return b"\n".join(notes)


def split_notes(data: bytes) -> list[bytes]:
    """The notes of such a file, unchecked; Malformed where it is too large or ends within a note."""
    if len(data) > _MAX_FILE:
        raise Malformed("file of notes", "length", f"more than {_MAX_FILE} bytes")
    parts = data.split(b"\n\n")  # text, signatures with the next text's empty line before, and so on
    if not data:
        return []
    if len(parts) % 2 or not data.endswith(b"\n"):
        raise Malformed("file of notes", "end", "a text without signatures, or a line that is cut off")
    whole = [
        text + b"\n\n" + signatures + b"\n" for text, signatures in zip(parts[::2], parts[1::2], strict=True)
    ]
    whole[-1] = whole[-1].removesuffix(b"\n")  # the last note's own newline was not split off
    return whole


def _key(line: str, what: str, where: str) -> VerifierKey:
    try:
        return VerifierKey.parse(line)
    except Malformed as error:
        raise Malformed(what, where, f"{error.what}, {error.where}: {error.problem}") from error


def _labelled(line: str, label: str, what: str, where: str) -> int:
    if not line.startswith(f"{label} "):
        raise Malformed(what, where, f"does not begin with '{label} '")
    return decode_decimal(line.removeprefix(f"{label} "), what, where)
