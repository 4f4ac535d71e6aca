"""What a DPV record is made of: a judged event as `evaluate` gives it, or a row of the ledger.

Invariants: nothing is checked or left out here; a row is read by its columns' names, so that the policy room
knows no row.

Not handled here: which of the words may be written (`records`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, get_args
from uuid import UUID

from msgspec import Struct

from ansvar.events.model import Event, Kind
from ansvar.policy.verdict import Outcome, Severity, Verdict

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS: Final = frozenset(get_args(Kind))
_OUTCOMES: Final = frozenset(get_args(Outcome))


class FoundRule(Struct, frozen=True):
    """A rule that fired; `severity` is None where the source does not keep it."""

    rule: str
    severity: Severity | None = None


class Judged(Struct, frozen=True, kw_only=True):
    """What an export needs of a judged event, from wherever it comes. Empty words are absent.

    `name` identifies the record among those under one bundle (None: it gets no IRI); `subject` is the
    ledger's opaque reference.
    """

    name: str | None = None
    kind: str
    event_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime | None = None
    verdict: Outcome
    findings: tuple[FoundRule, ...]
    policy: bytes
    engine: int | None = None  # None where the source does not keep it
    subject: bytes | None = None
    stage: str = ""
    system: str = ""
    role: str = ""
    purpose: str = ""
    legal_basis: str = ""
    data_categories: tuple[str, ...] = ()
    operation: str = ""
    recipient: str = ""
    recipient_type: str = ""
    via: str = ""
    country: str = ""
    safeguard: str = ""
    ground: str = ""
    right: str = ""
    phase: str = ""


_WORDS: Final = Judged.__struct_fields__[Judged.__struct_fields__.index("stage") :]


class JudgedRow(Protocol):
    """The columns of a ledger row that a record is made of; times in µs and ms since 1970, UTC."""

    @property
    def chain(self) -> int: ...
    @property
    def seq(self) -> int: ...
    @property
    def stream(self) -> bytes: ...
    @property
    def recorded_at(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def event_id(self) -> UUID: ...
    @property
    def occurred_at(self) -> int: ...
    @property
    def subject(self) -> bytes: ...
    @property
    def verdict(self) -> str: ...
    @property
    def findings(self) -> tuple[str, ...]: ...
    @property
    def policy(self) -> bytes: ...
    @property
    def engine(self) -> int: ...


def judged_event(event: Event, verdict: Verdict, *, policy: bytes, engine: int | None = None) -> Judged:
    """An event and its verdict, as `decide` and `Evaluator` give it. It has no reference of the subject."""
    words: dict[str, Any] = {word: getattr(event, word, None) or "" for word in _WORDS}
    return Judged(
        kind=event.kind,
        event_id=event.event_id,
        occurred_at=event.occurred_at,
        verdict=verdict.verdict,
        findings=tuple(FoundRule(found.rule, found.severity) for found in verdict.findings),
        policy=policy,
        engine=engine,
        **words | {"data_categories": event.data_categories},
    )


def judged_row(row: JudgedRow) -> Judged | None:
    """A row of the ledger; None for one that records no judged event."""
    if row.kind not in _KINDS or row.verdict not in _OUTCOMES:
        return None
    words: dict[str, Any] = {word: getattr(row, word) for word in _WORDS}
    verdict: Any = row.verdict
    return Judged(
        name=f"{row.stream.hex()}.{row.chain}.{row.seq}",
        kind=row.kind,
        event_id=row.event_id,
        occurred_at=_EPOCH + timedelta(microseconds=row.occurred_at),
        recorded_at=_EPOCH + timedelta(milliseconds=row.recorded_at),
        verdict=verdict,
        findings=tuple(FoundRule(found) for found in row.findings),
        policy=row.policy,
        engine=row.engine,
        subject=row.subject if any(row.subject) else None,
        **words,
    )
