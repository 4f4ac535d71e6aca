"""Rows of judged events: what they say, what the fold reads back from them, and what they must not say."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

import judging
from ansvar.enforcement.judging import judge
from ansvar.enforcement.opening import Batch, Record
from ansvar.enforcement.rows import extra_json, fact_of_row, microseconds, time_of
from ansvar.enforcement.sheet import Judged
from ansvar.events.envelope import SessionHeader
from ansvar.events.errors import InvalidEvent
from ansvar.events.identifiers import normalise, normalise_event
from ansvar.events.model import (
    ContractEvent,
    Event,
    Identifier,
    NoticeEvent,
    RightsEvent,
)
from ansvar.ledger.row import NO_EVENT, ZERO16, canonical
from ansvar.policy.state import fact_of
from ansvar.policy.verdict import Verdict
from ansvar.vault.keys import DeploymentKeys, SubjectKeys, position_bytes
from records import NOW, SECRET, Chain, customer, known, numbered, persons
from strategies import events, good_identifiers

COLUMNS = ["purpose", "legal_basis", "operation", "recipient", "recipient_type", "country", "safeguard"]
COLUMNS += ["safeguard_reference", "via", "reference", "ground", "right", "phase"]
EXTRA = ["aggregated", "automated_decision", "cookie", "deidentified", "nix_checked_at", "nix_exemption"]
EXTRA += ["nix_listed", "source", "source_name", "subject_informed", "remote_access", "fee", "method"]
EXTRA += ["scope", "customer_type", "topic", "version"]

HEADER = SessionHeader(b"d" * 16, "local", b"s" * 16, NOW, 1, b"", b"", b"")
normal_people = good_identifiers().map(lambda identifier: normalise(identifier, year=2026))
any_event = events(identifiers=normal_people).map(lambda event: replace(event, aliases=()))


def taken(*batch: Event, chain: Chain | None = None) -> list[Judged]:
    """The rows of a batch that was opened already."""
    chain = chain or Chain()
    record = Record(chain.partition, chain.memory.offset + 1, NOW, b"the record")
    opened = Batch(HEADER, record.offset, batch, {})
    made = judge(record, opened, chain.memory, persons(*batch), chain.rules)
    assert [judged.row.kind for judged in made] == [event.kind for event in batch]
    return made


def keys_of(event: Event, chain: Chain) -> SubjectKeys:
    return chain.rules.deployment.no_subject if event.subject is None else known(event.subject).keys


@given(any_event)
def test_the_fold_reads_the_same_from_event_and_row(event: Event) -> None:
    chain = Chain()
    judged = taken(event, chain=chain)[0]
    keys = keys_of(event, chain)
    request = keys.request_id(event.request_id) if isinstance(event, RightsEvent) else None
    contract = keys.contract_id(event.contract_id) if isinstance(event, ContractEvent) else None
    verdict = Verdict(judged.row.verdict, judged.findings)  # type: ignore[arg-type] # a column is any string
    assert fact_of_row(judged.row) == fact_of(event, verdict, request, contract)


@given(any_event)
def test_extra_is_canonical_json(event: Event) -> None:
    extra = taken(event)[0].row.extra
    assert extra == "" or extra.encode() == rfc8785.dumps(msgspec.json.decode(extra))


facts = st.dictionaries(
    st.from_regex(r"[a-z_0-9]{1,12}", fullmatch=True),
    st.text(st.characters(codec="utf-8")) | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1),
)


@given(facts)
def test_extra_json_is_rfc_8785(found: dict[str, Any]) -> None:
    assert extra_json(found) == (rfc8785.dumps(found).decode() if found else "")


@pytest.mark.parametrize("number", [2**53, 2**64 - 1, -(2**53)])
def test_integers_beyond_a_double_are_strings(number: int) -> None:
    assert extra_json({"to": number, "yes": True}) == f'{{"to":"{number}","yes":true}}'


@given(any_event)
def test_columns_say_what_the_event_says(event: Event) -> None:
    chain = Chain()
    row = taken(event, chain=chain)[0].row
    assert (row.kind, row.stage, row.event_id, row.system) == (
        event.kind,
        event.stage,
        event.event_id,
        event.system,
    )
    assert (row.occurred_at, row.recorded_at) == (microseconds(event.occurred_at), NOW)
    assert (row.role, row.controller, row.data_categories) == (
        event.role,
        event.controller or "",
        event.data_categories,
    )
    assert row.subject == (ZERO16 if event.subject is None else known(event.subject).reference)
    told = asdict(event)
    for name in COLUMNS:
        assert getattr(row, name) == (told.get(name) or ""), name
    extra = msgspec.json.decode(row.extra or "{}")
    for name in EXTRA:
        assert extra.get(name) == told.get(name), name
    columns = {"actor", "aliases", "correlation_id", "contract_id", "details", "event_id", "occurred_at"}
    columns |= {"request_id", "subject", "compelling_grounds", "reason", *row.__struct_fields__, *extra}
    assert {name for name, value in told.items() if value is not None} <= columns, "a field leaves no trace"


def _marked(event: Event) -> Event:
    """The event with every secret replaced by one that occurs nowhere else."""
    subject = Identifier("customer_number", "SECRET-subject")
    changes: dict[str, Any] = {
        "actor": Identifier("employee_number", "SECRET-actor"),
        "details": 'SECRET-details "quoted"',
        "compelling_grounds": "SECRET-grounds",
        "correlation_id": "SECRET-correlation",
        "subject": subject,
    }
    if isinstance(event, RightsEvent):
        changes |= {"request_id": "SECRET-request", "reason": "SECRET-reason"}
    if isinstance(event, ContractEvent):
        changes["contract_id"] = "SECRET-contract"
    return replace(event, **changes)


@given(events(identifiers=normal_people).map(lambda event: replace(event, aliases=())))
def test_nothing_secret_stands_in_a_row(event: Event) -> None:
    judged = taken(_marked(event))[0]
    assert b"SECRET" not in canonical(judged.row, bytes(32))
    assert b"SECRET" not in judged.stored
    assert b"SECRET" not in repr(judged).encode()  # nor in what an alert is made from


@given(any_event)
def test_details_open_to_the_free_texts(event: Event) -> None:
    chain = Chain()
    row = taken(event, chain=chain)[0].row
    texts = {
        name: text
        for name in ("compelling_grounds", "details", "reason")
        if (text := getattr(event, name, None)) is not None
    }
    if not texts:
        assert row.details == b""
        return
    position = position_bytes(row.chain, row.stream, row.offset, row.index)
    assert msgspec.json.decode(keys_of(event, chain).open_details(position, row.details)) == texts


def test_ids_are_keyed_by_subject_and_correlation_by_deployment() -> None:
    one, two = customer(0, 0), customer(0, 1)
    request = numbered(judging.rights("access", "received", judging.NOW, "R1"), 1, subject=one)
    batch = (
        replace(request, correlation_id="C"),
        numbered(request, 2, subject=two, correlation_id="C"),
        numbered(judging.contract("started", judging.NOW, "R1"), 3, subject=one),
    )
    first, second, third = (judged.row for judged in taken(*batch))
    assert first.request_id == known(one).keys.request_id("R1") != second.request_id
    assert first.correlation_id == second.correlation_id == DeploymentKeys(SECRET).correlation_id("C")
    assert third.contract_id == known(one).keys.contract_id("R1") != first.request_id
    assert third.request_id == third.correlation_id == ZERO16
    assert first.digest != second.digest


def test_a_person_as_actor_has_a_reference_and_a_service_its_name() -> None:
    who = Identifier("employee_number", "E-1")
    person = numbered(judging.process(actor=who), 1, subject=customer(0))
    service = numbered(judging.process(actor="billing"), 2, subject=customer(0))
    nobody = numbered(judging.process(), 3, subject=customer(0))
    found = [judged.row.actor for judged in taken(person, service, nobody)]
    assert found == [f"person:{known(who).reference.hex()}", "billing", ""]


REQUEST = "R-1 2026"


def disclosure(number: int, reference: str | None, when: str = judging.NOW) -> Event:
    return numbered(
        judging.disclose("insurer", when, ground="service_delivery", reference=reference),
        number,
        subject=customer(0),
    )


@pytest.mark.parametrize(
    ("right", "phases", "own"),
    [
        ("portability", ["received"], True),
        ("portability", ["received", "withdrawn"], False),
        ("access", ["received"], False),
    ],
)
def test_a_request_named_as_reference_is_keyed(right: str, phases: list[str], own: bool) -> None:
    """Clause 9.4: the id of a request stays a keyed hash wherever it is named."""
    steps = [
        numbered(judging.rights(right, phase, f"2026-03-01 1{n}:00", REQUEST), n + 1, subject=customer(0))
        for n, phase in enumerate(phases)
    ]
    row = taken(*steps, disclosure(9, REQUEST))[-1].row
    assert (row.reference, row.request_id) == ("", known(customer(0)).keys.request_id(REQUEST))
    assert REQUEST.encode() not in canonical(row, bytes(32))
    assert msgspec.json.decode(row.extra or "{}").get("own_request", False) is own


def test_a_reference_of_other_people_stays_readable() -> None:
    """A case number of the police is what an auditor looks for."""
    step = numbered(
        judging.rights("portability", "received", judging.NOW, REQUEST), 1, subject=customer(0, 1)
    )
    for batch in ([disclosure(2, REQUEST)], [step, disclosure(2, REQUEST)], [disclosure(2, None)]):
        row = taken(*batch)[-1].row
        assert (row.reference, row.request_id) == (batch[-1].reference or "", ZERO16)  # type: ignore[union-attr]
        assert "own_request" not in row.extra


@given(st.integers(-2_208_988_800_000, 10_413_791_999_999))
def test_time_of_is_exact(ms: int) -> None:
    assert microseconds(time_of(ms)) == ms * 1000


def test_a_notice_to_nobody_has_no_subject() -> None:
    event = NoticeEvent(
        occurred_at=judging.at(judging.NOW), system="crm", event_id=UUID(int=1), details="to all customers"
    )
    chain = Chain()
    row = taken(event, chain=chain)[0].row
    assert row.subject == ZERO16
    position = position_bytes(row.chain, row.stream, row.offset, row.index)
    opened = chain.rules.deployment.no_subject.open_details(position, row.details)
    assert opened == b'{"details":"to all customers"}'


def test_rows_that_are_no_events_give_no_fact() -> None:
    chain = Chain()
    genesis, refused = chain.judged[0].row, chain.take(b"")[0].row
    assert (refused.kind, refused.event_id) == ("refused", NO_EVENT)
    assert fact_of_row(genesis) is None
    assert fact_of_row(refused) is None


@given(any_event)
def test_normal_events_stay_as_they_are(event: Event) -> None:
    """What these tests call normal is normal, so that they test what a worker gets."""
    try:
        assert normalise_event(event) == event
    except InvalidEvent as fault:  # only an actor or subject that is normal in another year could be at fault
        raise AssertionError(fault) from fault
