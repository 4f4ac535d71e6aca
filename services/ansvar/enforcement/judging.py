"""One record in, its ledger rows out: numbering, repetition, verdict, row, leaf. The pure batch step.

Invariants: the rows are a function of the record, the memory of the chain before it, and the persons found;
there is no clock, no randomness and no I/O. All rows of a record share its source position and go into one
append. Everything a record holds becomes a row: an event, a `refused`, a `duplicate`, a `gap`, a `session`,
or what a command asks for; an event that names persons together has `link` rows before its own.

Not handled here: opening records (`opening`), whose are taken (`admitting`), finding persons (`people`),
commands (`commanding`), storing rows (`appending`), what rows cause outside (`effects`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Final

from msgspec import Struct

from ansvar.enforcement.admitting import admitted
from ansvar.enforcement.commanding import carry_out
from ansvar.enforcement.linking import Home, join_here, leave, meeting, told
from ansvar.enforcement.memory import ChainMemory
from ansvar.enforcement.opening import Batch, Close, Command, Opened, Record, Refusal, Told
from ansvar.enforcement.people import Persons
from ansvar.enforcement.rows import Place, event_row, microseconds, time_of
from ansvar.enforcement.sheet import Judged, Sheet
from ansvar.events.boundary import normal_form
from ansvar.events.envelope import SessionHeader
from ansvar.events.forwarded import Forwarded, ForwardedEvent
from ansvar.events.minimisation import BESIDE, PersonalData, beside, fault_of, minimised
from ansvar.events.model import ContractEvent, DisclosureEvent, Event, Identifier, RightsEvent
from ansvar.events.personal_data import PersonalKind
from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.errors import RowTooLarge
from ansvar.ledger.position import stream_id
from ansvar.ledger.row import ZERO16, seal
from ansvar.policy.bundle import Bundle
from ansvar.policy.decide import decide
from ansvar.policy.joining import join
from ansvar.policy.state import SubjectState, fact_of
from ansvar.vault.keys import DeploymentKeys, SubjectKeys, position_bytes


class Rules(Struct, frozen=True):
    """What judging needs besides memory and record; the same for all chains."""

    deployment: DeploymentKeys
    bundle: Callable[[bytes], Bundle]  # by SHA-256
    keep: Callable[[bytes], object]  # store a bundle's canonical form, so that rows may name it
    home: Home | None = None  # an identifier's own chain; without it all are the chain's that names them


class _Sealing:
    """What a row says of one event's persons; see `rows.Sealing`.

    Digest and details stand under the key of the identifier that the event names as its subject, whoever it
    was joined to, so that a repetition is known as one. `reference` is that of the survivor.
    """

    __slots__ = ("_deployment", "_ids", "_keys", "_persons", "_place", "digest", "reference")

    def __init__(self, event: Event, place: Place, survivor: bytes, persons: Persons, rules: Rules) -> None:
        known = None if event.subject is None else persons[event.subject]
        no_subject = rules.deployment.no_subject
        self.reference = survivor
        self._keys: SubjectKeys = no_subject if known is None else known.keys
        self._ids: SubjectKeys = no_subject if known is None else known.ids
        self._place = place
        self._persons = persons
        self._deployment = rules.deployment
        self.digest = self._keys.digest(normal_form(event))

    def request_id(self, value: str) -> bytes:
        return self._ids.request_id(value)

    def contract_id(self, value: str) -> bytes:
        return self._ids.contract_id(value)

    def correlation_id(self, value: str) -> bytes:
        return self._deployment.correlation_id(value)

    def actor(self, named: str | Identifier | None) -> str:
        if isinstance(named, Identifier):
            return f"person:{self._persons[named].reference.hex()}"
        return named or ""

    def details(self, text: bytes) -> bytes:
        at = self._place
        return self._keys.seal_details(position_bytes(at.chain, at.stream, at.offset, at.index), text)


GAP_OFFSETS: Final = "offsets"
GAP_BATCHES: Final = "batches"


def judge(
    record: Record, opened: Opened, memory: ChainMemory, persons: Persons, rules: Rules
) -> list[Judged]:
    """The rows of one record, in order; `memory` follows them. The record must be above `memory.offset`."""
    if memory.stream == ZERO16:
        memory.stream = stream_id(record.partition, record.timestamp, record.value)
    opened = admitted(opened, memory.registry, record.timestamp)
    named = {"sha256": record.sha256.hex(), "size": len(record.value)}
    sheet = Sheet(memory, record, opened.header, opened.number, named)
    expected = memory.offset + 1
    if record.offset > expected:
        _gap(sheet, GAP_OFFSETS, expected, record.offset)
    match opened:
        case Refusal(header=None):
            sheet.refuse(opened.reason, opened.explanation)
        case Refusal(header=SessionHeader() as header):
            if _is_new(sheet, header, opened.number, memory, known=True):
                sheet.refuse(opened.reason, opened.explanation)
        case Close():
            _close(sheet, opened, memory)
        case Batch():
            if _is_new(sheet, opened.header, opened.number, memory, known=_knows(memory, opened)):
                _batch(sheet, opened, memory, persons, rules, beside(record.beside))
        case Command():
            known = memory.recent.digest(opened.control.id.bytes, memory.next_seq) is not None
            if _is_new(sheet, opened.header, opened.number, memory, known=known):
                carry_out(sheet, opened, memory, rules.deployment)
        case Told():
            if _is_new(sheet, opened.header, opened.number, memory, known=True):
                _told(sheet, opened.forwarded, memory, persons, rules)
    return sheet.made


def _gap(sheet: Sheet, what: str, first: int, after: int) -> None:
    sheet.note(
        "gap",
        {"from": first, "missing": what, "to": after - 1},
        f"{what} {first} to {after - 1} never arrived",
    )


def _close(sheet: Sheet, close: Close, memory: ChainMemory) -> None:
    session = (close.header.producer, close.header.session)
    if session in memory.closed:
        sheet.note("session", {"next_batch": close.next_batch, "repeated": True, "type": "close"})
        return
    expected = memory.numbers(session).next
    if close.next_batch > expected:
        _gap(sheet, GAP_BATCHES, expected, close.next_batch)
    sheet.note("session", {"next_batch": close.next_batch, "type": "close"})


def _knows(memory: ChainMemory, batch: Batch) -> bool:
    """Whether every event of a batch that could be judged stands in the recent rows."""
    return all(
        memory.recent.digest(event.event_id.bytes, memory.next_seq) is not None
        for place, event in enumerate(batch.events)
        if place not in batch.unfit and event.event_id is not None
    )


def _is_new(sheet: Sheet, header: SessionHeader, number: int, memory: ChainMemory, *, known: bool) -> bool:
    """Whether a batch number is seen for the first time; a repetition and a jump leave their rows.

    A number is bound to one ciphertext: when a repeated one brings events that are not `known`, they were
    never judged, and the record is refused, so that it is kept as a dead letter and nothing is lost.
    """
    numbers = memory.numbers((header.producer, header.session))
    if number in numbers:
        if known:
            sheet.repeated()
        else:
            text = "the batch number was used before, by other events; seal them anew under the next number"
            sheet.refuse("number_reused", text)
        return False
    if number > numbers.next:
        _gap(sheet, GAP_BATCHES, numbers.next, number)
    return True


def _batch(
    sheet: Sheet,
    batch: Batch,
    memory: ChainMemory,
    persons: Persons,
    rules: Rules,
    kind: PersonalKind | None,
) -> None:
    """Add the rows of a batch; `kind` is that of what stands beside it for all to read."""
    if not batch.events:  # the codec refuses such a batch; its offset would be accounted for all the same
        sheet.refuse("empty_batch", "the batch holds no event")
    bundle = rules.bundle(memory.policy)
    if kind is not None and bundle.settings.personal_data_in_words == "refuse":
        fault = fault_of([(BESIDE, kind)])
        sheet.refuse(fault.reason, str(fault))
        return
    masked = () if kind is None else (BESIDE,)
    for place, event in enumerate(batch.events):
        refusal = batch.unfit.get(place)
        if refusal is not None:
            sheet.refuse(refusal.reason, refusal.explanation, event_id=event.event_id)
            continue
        judge_event(sheet, event, memory, persons, rules, bundle, masked=masked)


def judge_event(
    sheet: Sheet,
    event: Event,
    memory: ChainMemory,
    persons: Persons,
    rules: Rules,
    bundle: Bundle,
    origin: Forwarded | None = None,
    masked: tuple[str, ...] = (),
) -> None:
    """Add the row of one normalised event: judged, forwarded, or a repetition of one seen before.

    Where it is the first to name some identifiers together, a `link` row for each that is joined goes before
    its own, and it is judged by what is known of all of them. Where the person's history is another chain's,
    it is sent there. `origin` is what forwarded it here; then it is judged by the time and producer there.
    What looks like personal data in its words is masked, or the event refused, before a rule sees it; its
    digest and keyed ids are of the event as sent. `masked` names what was masked of its record.
    """
    assert event.event_id is not None  # noqa: S101 - the codec refuses an event without one
    known = ZERO16 if event.subject is None else persons[event.subject].reference
    sent = None if origin is None else origin.content
    if isinstance(sent, ForwardedEvent):
        known = sent.subject
    met = meeting(event, known, memory.subjects, persons, memory.chain, rules.home)
    place = sheet.place(ahead=met.rows)
    sealing = _Sealing(event, place, met.survivor, persons, rules)
    if sheet.repeats("event", event.event_id, sealing.digest):
        return
    at, producer = place.recorded_at, place.producer
    further: dict[str, Any] = {}
    if origin is not None and isinstance(sent, ForwardedEvent):
        at, producer = sent.recorded_at, sent.producer
        further = {
            "origin_at": at,
            "origin_chain": origin.chain,
            "origin_producer": producer,
            "origin_seq": origin.seq,
        }
    if met.gone is not None:
        join_here(sheet, met, memory.subjects)
        if met.leaving is not None:
            leave(sheet, met.survivor, met.gone.chain, met.leaving, memory.subjects)
        _forward(sheet, met.gone.chain, ForwardedEvent(event, met.gone.reference, at, producer), sealing)
        memory.recent.add(sheet.made[-1].row.seq, event.event_id.bytes, sealing.digest)
        return
    survivor = met.survivor
    state = memory.subjects.state(survivor)
    if met.joined:
        state = reduce(join, map(memory.subjects.state, met.joined), state)
    request = _request_of(event, state, sealing)
    own = (
        isinstance(event, DisclosureEvent)
        and request is not None
        and state.requested("portability", request, event.occurred_at)
    )
    keyed = "reference" if isinstance(event, DisclosureEvent) and request is not None else None
    try:
        event, fields = minimised(event, bundle.settings.personal_data_in_words, keyed=keyed)
    except PersonalData as fault:
        sheet.refuse(fault.reason, str(fault), event_id=event.event_id, digest=sealing.digest)
        return
    verdict = decide(
        event,
        state,
        bundle,
        memory.engine,
        recorded_at=time_of(at),
        own_request=own,
        scope=memory.registry.scopes.get(producer),
        request=request if isinstance(event, RightsEvent) else None,
    )
    if masked or fields:
        further["masked"] = ",".join((*masked, *fields))
    row = event_row(event, verdict, place, sealing, request=request, own_request=own, further=further)
    try:
        if met.rows:
            seal(row, ZERO32)  # before the links stand there for nothing
            join_here(sheet, met, memory.subjects)
        sheet.add(row, findings=verdict.findings)
    except RowTooLarge:  # control characters take six bytes each in the JSON that is sealed
        text = "the event's texts are too long for one row of the ledger; send less"
        sheet.refuse("over_limit", text, event_id=event.event_id, digest=sealing.digest)
        return
    memory.recent.add(row.seq, row.event_id.bytes, sealing.digest)
    contract = row.contract_id if isinstance(event, ContractEvent) else None
    fact = fact_of(event, verdict, request, contract)
    if fact is not None:
        memory.subjects.observe(survivor, fact)


def _told(sheet: Sheet, forwarded: Forwarded, memory: ChainMemory, persons: Persons, rules: Rules) -> None:
    content = forwarded.content
    if isinstance(content, ForwardedEvent):
        bundle = rules.bundle(memory.policy)
        judge_event(sheet, content.event, memory, persons, rules, bundle, forwarded)
    else:
        told(sheet, content, memory.subjects, persons)


def _forward(sheet: Sheet, to: int, sent: ForwardedEvent, sealing: _Sealing) -> None:
    event = sent.event
    sheet.tell(
        "forwarded",
        to,
        sent,
        {},
        subject=sent.subject,
        event_id=event.event_id,
        occurred_at=microseconds(event.occurred_at),
        digest=sealing.digest,
    )


def _request_of(event: Event, state: SubjectState, sealing: _Sealing) -> bytes | None:
    """The keyed id of the request that an event names.

    That of a rights event, and of a disclosure whose reference is a known request of the subject's.
    """
    if isinstance(event, RightsEvent):
        return sealing.request_id(event.request_id)
    if not isinstance(event, DisclosureEvent) or event.reference is None or not state.requests:
        return None
    key = sealing.request_id(event.reference)
    return key if any(key in requests for requests in state.requests.values()) else None
