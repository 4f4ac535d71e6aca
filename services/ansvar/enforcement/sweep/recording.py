"""What a sweep has found, its identity, and which findings stand in the ledger already.

Invariant: a finding's id follows from the chain of the row that it is about, the reference of the subject (no
one's where it is about no subject) and the finding's key, and from nothing that differs between two runs.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from msgspec import Struct

from ansvar.enforcement.rows import EPOCH, microseconds
from ansvar.events.control import Control, RecordFinding
from ansvar.ledger.row import ZERO16
from ansvar.policy.bundle import Bundle
from ansvar.policy.clocks import ClockFinding
from ansvar.store.histories import Histories

_FINDINGS: Final = UUID("5b2f7c1e-8a43-4d0e-9f67-3c1d90ab5e24")  # the namespace; drawn once, never changed


class Shown(Struct, frozen=True):
    """A finding and the row that it is about, with that row's subject where it is about a subject."""

    finding: ClockFinding
    chain: int
    seq: int
    subject: bytes = ZERO16

    def command(self) -> Control:
        """The command that records it."""
        found = self.finding
        return Control(
            finding_id(self.chain, self.subject, found.key),
            RecordFinding(
                chain=self.chain,
                seq=self.seq,
                rule=found.rule,
                clause=found.clause,
                severity=found.severity,
                message=found.message,
                subject=self.subject,
                since=microseconds(found.since),
            ),
        )


class Recorded:
    """The findings that the ledger holds, by id (16 bytes)."""

    def __init__(self, ids: Container[bytes]) -> None:
        self._ids = ids

    def lacks(self, key: str, chains: Iterable[int], references: Iterable[bytes] = (ZERO16,)) -> bool:
        """Whether a finding is in the ledger for none of these chains and references.

        A person who was joined from several references is asked about by all of them: what was recorded
        before they were joined is not recorded again.
        """
        named = list(references)
        return not any(
            finding_id(chain, reference, key).bytes in self._ids for chain in chains for reference in named
        )


class Look(Struct, frozen=True):
    """One chain as a sweep sees it: its rows below `end_seq`, under what is in force there, at a time."""

    chain: int
    end_seq: int
    bundle: Bundle
    now: datetime
    histories: Histories
    recorded: Recorded


def instant(at: int) -> datetime:
    """The aware UTC time of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=at)


def finding_id(chain: int, subject: bytes, key: str) -> UUID:
    """The id of the command that records a finding; `key` is the finding's, `subject` a reference."""
    return uuid5(_FINDINGS, f"{chain}/{subject.hex()}/{key}")
