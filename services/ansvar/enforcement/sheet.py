"""The rows of one record as they are made: each gets its place, is sealed, and memory follows.

Invariants: rows are sealed in the order in which they are added, each onto the leaf before; all carry their
record's source position and the policy and engine in force there.

Not handled here: which rows a record becomes (`judging`, `commanding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct

from ansvar.enforcement.memory import ChainMemory
from ansvar.enforcement.opening import Record
from ansvar.enforcement.rows import Place, extra_json, place_columns
from ansvar.events.envelope import SessionHeader
from ansvar.events.forwarded import Content
from ansvar.ledger.row import ZERO16, Row, seal
from ansvar.policy.verdict import Finding

_REUSED: Final = {
    "event": "another event with the same event_id is in the ledger; give each event its own",
    "command": "another command or event with the same id is in the ledger; give each its own",
}


class Tells(Struct, frozen=True):
    """What a row tells another chain, as the how manieth."""

    chain: int
    number: int
    content: Content


class Judged(Struct, frozen=True):
    """One sealed row: its value, its stored bytes (columns and leaf), and what an alert would say of it."""

    row: Row
    stored: bytes
    findings: tuple[Finding, ...] = ()
    explanation: str = ""
    reason: str = ""  # the code of a refused row
    earlier_refusals: int = 0  # refused rows of this chain in this hour before this one
    tells: Tells | None = None

    @property
    def leaf(self) -> bytes:
        """The row's leaf, 32 bytes."""
        return self.stored[-32:]


class Sheet:
    """The rows of one record as they are made: gives each its place, seals it, and lets memory follow.

    `named` are the facts by which a row that holds none of its record's content tells which record that was.
    """

    def __init__(
        self,
        memory: ChainMemory,
        record: Record,
        header: SessionHeader | None,
        number: int,
        named: Mapping[str, Any],
    ) -> None:
        self._memory = memory
        self._record = record
        self._header = header
        self._number = number
        self._named = named
        self.made: list[Judged] = []

    def place(self, ahead: int = 0) -> Place:
        """The place of the next row, or of the one after so many more."""
        memory, header = self._memory, self._header
        return Place(
            memory.chain,
            memory.next_seq + ahead,
            memory.stream,
            self._record.offset,
            len(self.made) + ahead,
            self._record.timestamp,
            memory.policy,
            memory.engine,
            "" if header is None else header.producer,
            ZERO16 if header is None else header.session,
            self._number,
        )

    def add(
        self,
        row: Row,
        *,
        findings: tuple[Finding, ...] = (),
        explanation: str = "",
        reason: str = "",
        tells: Tells | None = None,
    ) -> None:
        earlier = self._memory.refused_this_hour(row.recorded_at) if row.kind == "refused" else 0
        columns, leaf = seal(row, self._memory.leaf)
        self._memory.took(row, leaf)
        self.made.append(Judged(row, columns + leaf, findings, explanation, reason, earlier, tells))

    def note(
        self, kind: str, facts: dict[str, Any], explanation: str = "", reason: str = "", **columns: Any
    ) -> None:
        """Add a row that is not an event's: it happened when it was recorded."""
        at = self.place()
        self.add(
            Row(
                kind=kind,
                occurred_at=at.recorded_at * 1000,
                extra=extra_json(facts),
                **place_columns(at),
                **columns,
            ),
            explanation=explanation,
            reason=reason,
        )

    def tell(self, kind: str, to: int, content: Content, facts: Mapping[str, Any], **columns: Any) -> None:
        """Add a row by which this chain tells another one something."""
        at = self.place()
        number = self._memory.sent.get(to, 0)
        values = {"occurred_at": at.recorded_at * 1000} | columns
        extra = extra_json({**facts, "to": to, "number": number})
        self.add(Row(kind=kind, extra=extra, **values, **place_columns(at)), tells=Tells(to, number, content))

    def refuse(self, reason: str, explanation: str, **columns: Any) -> None:
        """Add a row for what cannot be judged."""
        self.note("refused", {"reason": reason, **self._named}, explanation, reason, **columns)

    def repeated(self) -> None:
        """Add the one row of a batch whose number was seen before."""
        self.note("duplicate", {"what": "batch", **self._named})

    def repeats(self, what: Literal["event", "command"], event_id: UUID, digest: bytes) -> bool:
        """Whether an id stands in the recent rows; if so, add the row of the repetition or of its misuse."""
        known = self._memory.recent.digest(event_id.bytes, self._memory.next_seq)
        if known is None:
            return False
        if known == digest:
            self.note("duplicate", {"what": what}, event_id=event_id, digest=digest)
        else:
            self.refuse("event_id_reused", _REUSED[what], event_id=event_id, digest=digest)
        return True
