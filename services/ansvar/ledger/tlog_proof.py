"""Proofs that a leaf is in a log, to be checked offline (C2SP tlog-proof).

Pure. A proof holds the checkpoint as the very bytes that the log published. Parsing believes nothing;
`verify` does all that the specification asks for: origin and log key, every known cosignature, the quorum,
and the inclusion of the leaf in the signed tree. `extra` is covered by no signature and must not be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ansvar.ledger.checkpoint import OpenedCheckpoint, open_checkpoint
from ansvar.ledger.errors import Malformed
from ansvar.ledger.notes import (
    MAX_NOTE,
    VerifierKey,
    decode_base64,
    decode_decimal,
    decode_hashes,
    encode_base64,
    split_head,
)
from ansvar.ledger.proofs import verify_inclusion
from ansvar.ledger.trust import TrustPolicy

MAX_PROOF: Final = 2 * MAX_NOTE  # bytes

_WHAT: Final = "tlog-proof"
_HEADER: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A leaf's `index` (from 0), `hashes` from its sibling up, and `checkpoint`, the signed note verbatim."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """The proof as a file; empty `extra` is left out."""
        head = [_HEADER]
        if self.extra:
            head.append(f"extra {encode_base64(self.extra)}")
        head += [f"index {self.index}", *[encode_base64(hashed) for hashed in self.hashes]]
        return "".join([line + "\n" for line in head]).encode() + b"\n" + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> TlogProof:
        """The proof that a file is, its checkpoint unread. Raises Malformed."""
        lines, checkpoint = split_head(data, _WHAT, MAX_PROOF)
        if lines[0] != _HEADER:
            raise Malformed(_WHAT, "line 1", f"not {_HEADER}")
        extra: bytes | None = None
        at = 1
        if lines[1:] and lines[1].startswith("extra "):
            extra = decode_base64(lines[1].removeprefix("extra "), _WHAT, "line 2")
            if not extra:
                raise Malformed(_WHAT, "line 2", "no extra data, so the line must be left out")
            at = 2
        if not lines[at:] or not lines[at].startswith("index "):
            raise Malformed(_WHAT, f"line {at + 1}", "not 'index' and a number")
        index = decode_decimal(lines[at].removeprefix("index "), _WHAT, f"line {at + 1}")
        return cls(index, decode_hashes(lines[at + 1 :], _WHAT, at + 2), checkpoint, extra)

    def verify(
        self, leaf: bytes, log_keys: Sequence[VerifierKey], policy: TrustPolicy, origin: str | None = None
    ) -> OpenedCheckpoint:
        """The checkpoint that proves the leaf hash (32 bytes); returns only if all of it holds.

        `log_keys` says which logs are meant, not `policy.logs`; give `origin` too where it is known. Raises
        Malformed, WrongOrigin, BadSignature, NoQuorum, or Unproved when the leaf is not in the tree there.
        """
        opened = open_checkpoint(self.checkpoint, log_keys, policy.witness_keys, origin)
        policy.check(opened)
        tree = opened.checkpoint
        verify_inclusion(leaf, self.index, tree.size, self.hashes, tree.root)
        return opened
