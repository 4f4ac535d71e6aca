"""Judging a sequence without recording it: one person is one subject, and a bad event leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest

from ansvar.events.boundary import event_from_object
from ansvar.events.errors import InvalidEvent
from ansvar.events.model import Event
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


def test_aliases_are_refused_in_so_many_words() -> None:
    event = event_from_object(
        {
            "kind": "processing",
            "operation": "use",
            "occurred_at": at(NOW),
            "system": "crm",
            "subject": {"type": "customer_number", "value": "K1"},
            "aliases": [{"type": "email", "value": "anna@example.com"}],
        }
    )
    with pytest.raises(InvalidEvent, match=r"aliases.*not supported yet") as caught:
        judge(event)
    assert "anna" not in str(caught.value)


def test_an_invalid_event_leaves_no_trace() -> None:
    evaluator = Evaluator(sample_bundle())
    with pytest.raises(InvalidEvent):
        evaluator.judge(by(objection("2026-01-05"), "personnummer", "640823-3235"))
    assert evaluator.judge(interest("email", purpose="marketing")) is PERMIT


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
