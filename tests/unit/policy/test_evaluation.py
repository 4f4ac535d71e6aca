"""Judging a sequence without recording it: one person is one subject, and a bad event leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ansvar.events.boundary import event_from_object
from ansvar.events.errors import InvalidEvent
from ansvar.events.model import Event, Identifier
from ansvar.policy.decide import UnknownEngine
from ansvar.policy.evaluation import Evaluator
from ansvar.policy.verdict import PERMIT
from ansvar.sample import sample_bundle
from judging import NOW, at, interest, judge, objection, process


def by(event: Event, type_: str, value: str) -> Event:
    """The event of another subject."""
    fields: dict[str, Any] = {f: getattr(event, f) for f in event.__struct_fields__}
    return type(event)(**{**fields, "subject": event.subject.__class__(type_, value)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("personnummer", "640823-3234", "196408233234"),
        ("email", "Anna@Example.com", "anna@example.com"),
        ("phone_number", "070-123 45 67", "+46701234567"),
    ],
)
def test_one_person_in_two_spellings_is_one_subject(type_: str, one: str, other: str) -> None:
    no = by(objection("2026-01-05"), type_, one)
    offer = interest("email", purpose="marketing")
    assert judge(by(offer, type_, other), no).verdict == "deny"
    assert judge(by(offer, "customer_number", one), no) is PERMIT


def test_a_coordination_number_is_one_subject_under_both_types() -> None:
    no = by(objection("2026-01-05"), "samordningsnummer", "701063-2391")
    assert (
        judge(by(interest("email", purpose="marketing"), "personnummer", "701063-2391"), no).verdict == "deny"
    )


def test_an_event_of_nobody_is_judged() -> None:
    notice = {"kind": "notice", "occurred_at": at(NOW), "system": "crm", "topic": "policy_version"}
    assert judge(event_from_object(notice)) is PERMIT


EMAIL, PHONE, NUMBER = (
    ("email", "anna@example.com"),
    ("phone_number", "+46701234567"),
    ("customer_number", "K1"),
)


def naming(*identifiers: tuple[str, str], event: Event | None = None) -> Event:
    """An event of the first identifier that names the others together with it."""
    subject, *aliases = (Identifier(type_, value) for type_, value in identifiers)  # type: ignore[arg-type] # types
    return replace(event or process(), subject=subject, aliases=tuple(aliases))


NO = objection("2026-01-05", "direct_marketing")
OFFER = interest("email", purpose="marketing")


def fired(event: Event, *history: Event) -> list[str]:
    return [finding.rule for finding in judge(event, *history).findings]


def test_identifiers_are_different_subjects_until_an_event_names_them_together() -> None:
    evaluator = Evaluator(sample_bundle())
    told = [
        [finding.rule for finding in evaluator.judge(event).findings]
        for event in (by(NO, *EMAIL), by(OFFER, *PHONE), naming(PHONE, EMAIL), by(OFFER, *PHONE))
    ]
    assert told == [[], [], [], ["marketing.objected"]]


@pytest.mark.parametrize(
    "names",
    [(EMAIL, PHONE), (PHONE, EMAIL), (NUMBER, EMAIL, PHONE), (PHONE, NUMBER, EMAIL), (EMAIL, PHONE, EMAIL)],
)
def test_the_joining_event_sees_the_union(names: tuple[tuple[str, str], ...]) -> None:
    assert fired(naming(*names, event=OFFER), by(NO, *EMAIL)) == ["marketing.objected"]
    assert fired(naming(*names, event=OFFER), by(NO, *PHONE)) == ["marketing.objected"]


def test_joined_by_way_of_a_third() -> None:
    chain = (by(NO, *EMAIL), naming(PHONE, NUMBER), naming(NUMBER, EMAIL))
    assert fired(by(OFFER, *PHONE), *chain) == ["marketing.objected"]
    assert fired(by(OFFER, *PHONE), *chain[:2]) == []


def test_a_second_spelling_of_an_alias_is_the_same_person() -> None:
    joined = naming(PHONE, ("email", "Anna@Example.com"))
    assert fired(by(OFFER, *PHONE), by(NO, *EMAIL), joined) == ["marketing.objected"]


def test_requests_and_contracts_of_one_id_are_one() -> None:
    """Received under one identifier, withdrawn under another, before it was known that they are one's."""
    history = [by(NO, *EMAIL), by(objection("2026-01-06", phase="withdrawn"), *PHONE)]
    assert fired(by(OFFER, *EMAIL), *history) == ["marketing.objected"]
    assert fired(by(OFFER, *EMAIL), *history, naming(PHONE, EMAIL)) == []
    other = [history[0], by(objection("2026-01-06", phase="withdrawn", request="R2"), *PHONE)]
    assert fired(by(OFFER, *EMAIL), *other, naming(PHONE, EMAIL)) == ["marketing.objected"]


def test_a_request_goes_on_under_another_identifier() -> None:
    withdrawn = by(objection("2026-01-06", phase="withdrawn"), *PHONE)
    assert fired(by(OFFER, *EMAIL), by(NO, *EMAIL), naming(PHONE, EMAIL), withdrawn) == []


def test_whoever_is_joined_goes_on_as_one() -> None:
    """What comes after under either name enters the one state."""
    for one, other in ((EMAIL, PHONE), (PHONE, EMAIL)):
        assert fired(by(OFFER, *one), naming(EMAIL, PHONE), by(NO, *other)) == ["marketing.objected"]


def test_an_invalid_event_leaves_no_trace() -> None:
    evaluator = Evaluator(sample_bundle())
    with pytest.raises(InvalidEvent):
        evaluator.judge(by(objection("2026-01-05"), "personnummer", "640823-3235"))
    assert evaluator.judge(interest("email", purpose="marketing")) is PERMIT


def test_an_invalid_event_joins_nobody() -> None:
    evaluator = Evaluator(sample_bundle())
    evaluator.judge(by(NO, *EMAIL))
    with pytest.raises(InvalidEvent):
        evaluator.judge(naming(PHONE, EMAIL, ("personnummer", "640823-3235")))
    assert evaluator.judge(by(OFFER, *PHONE)) is PERMIT


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UnknownEngine):
        Evaluator(sample_bundle(), engine=99).judge(process())


@pytest.mark.parametrize(
    ("engine", "as_of", "rules"),
    [
        (1, "2030-01-01", []),
        (2, "2030-01-01", ["event.late"]),
        (2, "2026-03-01", ["event.future"]),
        (2, NOW, []),
        (2, None, []),
    ],
)
def test_as_of_is_when_everything_counts_as_recorded(
    engine: int, as_of: str | None, rules: list[str]
) -> None:
    evaluator = Evaluator(sample_bundle(), as_of=None if as_of is None else at(as_of), engine=engine)
    assert [finding.rule for finding in evaluator.judge(process()).findings] == rules


def test_no_producer_is_known_where_nothing_is_recorded() -> None:
    findings = Evaluator(sample_bundle(), engine=2).judge(process(system="somewhere")).findings
    assert [finding.rule for finding in findings] == ["system.unregistered"]
