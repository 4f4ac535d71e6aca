"""What can be wrong with a ledger, as errors."""

from __future__ import annotations

from typing import Literal

FaultKind = Literal[
    "edited",
    "missing",
    "reordered",
    "doubled",
    "forked",
    "truncated",
    "rolled-back",
    "bad-signature",
    "wrong-origin",
]


class LedgerError(Exception):
    """Root of everything that this room raises."""


class RowTooLarge(LedgerError):
    """A canonical row of more than 65,535 bytes (an entry bundle of C2SP tlog-tiles has a u16 length)."""


class MalformedRow(LedgerError):
    """Bytes that are not a row of the version they state."""


class Fault(LedgerError):
    """Verification found the ledger different from what was sealed.

    `kind` is one of a fixed list, `chain` and `seq` name the first row concerned.
    """

    def __init__(self, kind: FaultKind, chain: int, seq: int, message: str) -> None:
        super().__init__(f"chain {chain}, seq {seq}: {kind}: {message}")
        self.kind: FaultKind = kind
        self.chain = chain
        self.seq = seq
        self.message = message


class Malformed(LedgerError):
    """Bytes from outside that are not of the format they claim: a note, a proof, a tile, an evidence bundle.

    `what` is the format, `where` the line, byte or file, `problem` what is wrong there.
    """

    def __init__(self, what: str, where: str, problem: str) -> None:
        super().__init__(f"{what}, {where}: {problem}")
        self.what = what
        self.where = where
        self.problem = problem


class Unproved(LedgerError):
    """A proof, a signature or a quorum that does not hold."""


class BadSignature(Unproved):
    """A signature of a known key that does not verify, or none of a known key."""


class WrongOrigin(Unproved):
    """A checkpoint of another log than the one asked for."""


class NoQuorum(Unproved):
    """Too few witnesses have cosigned."""
