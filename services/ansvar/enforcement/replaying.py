"""Judging the ledger's rows again: every verdict follows from the rows before it.

Pure but for reading rows. An event is rebuilt from its row as far as rules look at it: persons are their
references, request and contract ids their keyed ids, free text only its being there. Facts that came from the
record's broker (`recorded_at`; of a forwarded event, that of the record in which it was first sent) or from
the worker's own judgement of identity (`own_request`) stand in the row. So who has the ledger and the
bundles, and nothing else, can compute every verdict.

Not handled here: whether the rows are what was sealed (`ansvar verify`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from msgspec import Struct

from ansvar.enforcement.registering import Registry
from ansvar.enforcement.rows import EPOCH, EXTRA_FIELDS, extra_of, origin_of, time_of
from ansvar.enforcement.subjects import Subjects
from ansvar.events.model import EVENT_TYPES, Event, Identifier
from ansvar.ledger.row import ZERO16, Row
from ansvar.policy.bundle import Bundle
from ansvar.policy.case import ProducerScope
from ansvar.policy.decide import decide
from ansvar.policy.state import SubjectState
from ansvar.policy.verdict import Verdict
from ansvar.store.ledger import LedgerStore

_TYPES: Final[dict[str, type[Event]]] = {event_type.kind: event_type for event_type in EVENT_TYPES}
_WORDS: Final = (
    *("system", "purpose", "legal_basis", "role", "controller", "operation", "recipient", "recipient_type"),
    *("country", "safeguard", "safeguard_reference", "via", "reference", "ground", "right", "phase"),
)
_TOLD: Final = "told"  # stands for free text of which a row says only that it was there

Judge = Callable[[bytes, int], tuple[Bundle, int]]  # a row's policy and engine -> those to judge it by


class Replayed(Struct, frozen=True):
    """A row that judges an event, what the event was, what was known before it, and the verdict now."""

    row: Row
    event: Event
    state: SubjectState
    verdict: Verdict
    scope: ProducerScope | None

    @property
    def agrees(self) -> bool:
        """Whether verdict and findings are those of the row."""
        found = tuple(finding.rule for finding in self.verdict.findings)
        return self.verdict.verdict == self.row.verdict and found == self.row.findings


def replay(
    rows: Iterable[Row], judge: Judge, scopes: Mapping[str, ProducerScope] | None
) -> Iterator[Replayed]:
    """Judge the rows of one chain, from its first on. `state` of a result is changed by going on.

    `scopes` says what the producers of the founding may claim, which `keys` rows then change; None: nobody
    is asked what he may claim.
    """
    subjects = Subjects()
    registry = Registry(scopes=dict(scopes or {}))
    for row in rows:
        if row.kind not in _TYPES:
            subjects.took(row)
            registry.took(row)
            continue
        event = event_of_row(row)
        state = subjects.state(row.subject)
        bundle, engine = judge(row.policy, row.engine)
        own = bool(extra_of(row).get("own_request"))
        recorded_at, producer = origin_of(row)
        scope = None if scopes is None else registry.scopes.get(producer)
        verdict = decide(
            event,
            state,
            bundle,
            engine,
            recorded_at=time_of(recorded_at),
            own_request=own,
            scope=scope,
            request=row.request_id if row.kind == "rights" else None,
        )
        yield Replayed(row, event, state, verdict, scope)
        subjects.took(row)


def judged_again(
    ledger: LedgerStore, chain: int, seq: int, judge: Judge, scopes: Mapping[str, ProducerScope]
) -> Replayed | None:
    """One row, judged by what the rows before it say of its subject and of whoever was joined to it by then.

    None where there is no such row or it judges no event. Raises StoreError when the store fails.
    """
    row = next((found for found, _ in ledger.rows(chain, seq, seq + 1)), None)
    if row is None or row.kind not in _TYPES:
        return None
    one_person = _joined_by(ledger.rows_of_kind(chain, ("link",), 0, seq), row.subject)
    before = (earlier for earlier in ledger.state_rows(chain, seq) if earlier.subject in one_person)
    keys = ledger.rows_of_kind(chain, ("keys",), 0, seq)
    return next((again for again in replay((*keys, *before, row), judge, scopes) if again.row is row), None)


def _joined_by(links: Iterable[Row], survivor: bytes) -> set[bytes]:
    """The references that some link rows joined to a survivor, itself included."""
    subjects = Subjects()
    for link in links:
        subjects.took(link)
    return {survivor} | {joined for joined in subjects.survivors if subjects.survivor(joined) == survivor}


def event_of_row(row: Row) -> Event:
    """The event that a row judges, as far as rules look at it."""
    event_type = _TYPES[row.kind]
    extra = extra_of(row)
    fields: dict[str, Any] = {
        "event_id": row.event_id,
        "occurred_at": EPOCH + timedelta(microseconds=row.occurred_at),
        "stage": row.stage,
        "data_categories": row.data_categories,
        "subject": None if row.subject == ZERO16 else Identifier("customer_number", row.subject.hex()),
    }
    fields |= {name: word for name in _WORDS if (word := getattr(row, name))}
    fields |= {name: extra[name] for name in EXTRA_FIELDS[event_type] if name in extra}
    for text in ("compelling_grounds", "reason"):
        if extra.get(text):
            fields[text] = _TOLD
    if row.request_id != ZERO16:
        fields["reference" if row.kind == "disclosure" else "request_id"] = row.request_id.hex()
    if row.contract_id != ZERO16:
        fields["contract_id"] = row.contract_id.hex()
    known = event_type.__struct_fields__
    return event_type(**{name: value for name, value in fields.items() if name in known})
