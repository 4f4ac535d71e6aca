"""A bundle may switch a clock as it may a rule; and what the clocks let a sweep leave out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from ansvar.events.model import Event
from ansvar.policy.bundle import AdequacyDecision, Bundle
from ansvar.policy.canonical import canonical, decode, encode
from ansvar.policy.clocks import CLOCKS, asks_recipients, ends_any
from ansvar.policy.errors import PolicyError
from ansvar.policy.loader import bundle_from_bytes
from ansvar.policy.requests import RequestStep, months_to_answer
from ansvar.policy.state import SubjectState, fact_of, observe
from ansvar.policy.verdict import PERMIT
from ansvar.sample import SAMPLE_BUNDLE, sample_bundle
from judging import at, changed, days, just_before, rights


def with_switches(text: str) -> Bundle:
    files = decode(canonical(SAMPLE_BUNDLE))
    text = files["bundle.yaml"].replace("switches: {}", f"switches: {text}")
    assert text != files["bundle.yaml"]
    return bundle_from_bytes(encode({**files, "bundle.yaml": text}))


@pytest.mark.parametrize("clock", [clock.id for clock in CLOCKS])
@pytest.mark.parametrize("severity", ["off", "flag", "deny"])
def test_a_bundle_may_switch_a_clock(clock: str, severity: str) -> None:
    bundle = with_switches(f"{{{clock}: {{severity: {severity}, reason: Looked after by hand.}}}}")
    assert bundle.severities == {clock: severity}
    assert bundle.switch_reasons == {clock: "Looked after by hand."}
    assert [known.switched_off(bundle) for known in CLOCKS if known.id == clock] == [severity == "off"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{rights.overdue: {severity: off}}", r"switches\.rights\.overdue\.reason"),
        ("{rights.overdu: {severity: off, reason: x}}", r"`rights\.overdu` is not a known rule"),
    ],
)
def test_a_switch_has_a_reason_and_names_a_clock_that_there_is(text: str, what: str) -> None:
    with pytest.raises(PolicyError, match=what):
        with_switches(text)


def ending(decision: str, **changes: Any) -> Bundle:
    def kept(decisions: Sequence[AdequacyDecision]) -> tuple[AdequacyDecision, ...]:
        return tuple(replace(known, **changes) if known.id == decision else known for known in decisions)

    known = sample_bundle().decisions
    return changed(decisions={code: kept(decisions) for code, decisions in known.items()})


def test_whether_a_bundle_ends_any_decision() -> None:
    old = sample_bundle()
    ended = ending("US-DPF", period=days("2023-07-10", "2026-06-01"))
    later = ending("US-DPF", period=days("2023-07-10", "2027-06-01"))
    assert not ends_any(old, old)
    assert not ends_any(old, ending("US-DPF", under_appeal=None))
    assert ends_any(old, ended)
    assert ends_any(later, ended)
    assert not ends_any(ended, later)
    assert not ends_any(ended, old)
    assert ends_any(old, changed(decisions={}))


def after(*history: Event) -> SubjectState:
    state = SubjectState()
    for event in history:
        fact = fact_of(event, PERMIT, b"R1")
        assert fact is not None
        observe(state, fact)
    return state


@pytest.mark.parametrize("right", ["rectification", "erasure", "restriction"])
def test_recipients_matter_once_the_thirty_days_are_over(right: str) -> None:
    state = after(rights(right, "received", "2026-01-01"), rights(right, "fulfilled", "2026-01-10 15:00"))
    assert not asks_recipients(state, at(just_before("2026-02-10")))
    assert asks_recipients(state, at("2026-02-10"))


def test_recipients_are_told_of_nothing_else() -> None:
    for right, phase in (("access", "fulfilled"), ("erasure", "received"), ("erasure", "refused")):
        assert not asks_recipients(after(rights(right, phase, "2025-01-10")), at("2026-02-10"))
    assert not asks_recipients(SubjectState(), at("2026-02-10"))


RECEIVED = "2026-03-02"


@pytest.mark.parametrize(
    ("when", "has_reason", "months"),
    [
        ("2026-03-20", True, 3),
        ("2026-03-20", False, 1),
        (RECEIVED, True, 3),
        (just_before(RECEIVED), True, 1),
        (just_before("2026-04-03"), True, 3),  # the first month ends on 2 April, at 24:00
        ("2026-04-03", True, 1),
    ],
)
def test_an_extension_with_reasons_within_the_first_month_gives_two_more(
    when: str, has_reason: bool, months: int
) -> None:
    steps = [
        RequestStep(at(RECEIVED), "received", None, None, False, None),
        RequestStep(at(when), "extended", None, None, has_reason, None),
    ]
    assert months_to_answer(steps, at(RECEIVED)) == months
    assert months_to_answer(steps[:1], at(RECEIVED)) == 1
