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
