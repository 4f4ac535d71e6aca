"""The bodies of the tlog-witness protocol, as bytes (C2SP tlog-witness, call add-checkpoint).

Pure. What a witness answers to a body is the server's to decide, and so is whether the checkpoint in it is
believed: it stays the bytes that came.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from ansvar.ledger.errors import Malformed
from ansvar.ledger.notes import (
    MAX_NOTE,
    NoteSignature,
    decode_decimal,
    decode_hashes,
    decode_signatures,
    decode_text,
    encode_base64,
    encode_utf8,
    split_head,
)

MAX_REQUEST: Final = MAX_NOTE + 4096  # bytes: 63 hashes of 45 each, a line and a checkpoint
SIZE_TYPE: Final = "text/x.tlog.size"  # the content type of a 409's body

_REQUEST: Final = "add-checkpoint request"
_RESPONSE: Final = "add-checkpoint response"


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: the size that the witness is thought to have, a consistency proof from it, a checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """The request's body."""
        head = [f"old {self.old}", *[encode_base64(hashed) for hashed in self.proof]]
        return "".join([line + "\n" for line in head]).encode() + b"\n" + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> AddCheckpoint:
        """The request that a body is, its checkpoint unread. Raises Malformed."""
        lines, checkpoint = split_head(data, _REQUEST, MAX_REQUEST)
        if not lines[0].startswith("old "):
            raise Malformed(_REQUEST, "line 1", "not 'old' and a size")
        old = decode_decimal(lines[0].removeprefix("old "), _REQUEST, "line 1")
        return cls(old, decode_hashes(lines[1:], _REQUEST, 2), checkpoint)


def parse_cosignatures(body: bytes) -> tuple[NoteSignature, ...]:
    """The signature lines that a 200's body consists of, unchecked. Raises Malformed."""
    return decode_signatures(decode_text(body, _RESPONSE, MAX_NOTE), _RESPONSE, 1)


def parse_size(body: bytes) -> int:
    """The size in a 409's body: that of the newest checkpoint the witness cosigned. Raises Malformed."""
    text = decode_text(body, _RESPONSE, 64)
    if not text.endswith("\n"):
        raise Malformed(_RESPONSE, "end", "not a size and a newline")
    return decode_decimal(text[:-1], _RESPONSE, "line 1")


def origin_hash(origin: str) -> str:
    """The name that a log has in a witness's monitoring path: SHA-256 of its origin, in lowercase hex."""
    return hashlib.sha256(encode_utf8(origin, "origin", "text")).hexdigest()
