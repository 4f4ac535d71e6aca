"""The clocks of one subject: what is overdue, from which instant, and under which key."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.events.model import Event
from ansvar.policy.bundle import Settings
from ansvar.policy.clocks import (
    CLOCK,
    CLOCKS,
    NOTHING,
    ClockFinding,
    Handover,
    Happened,
    Notification,
    due,
)
from ansvar.policy.state import SubjectState, fact_of, observe
from ansvar.policy.verdict import PERMIT
from ansvar.sample import sample_bundle
from judging import at, changed, contract, just_before, objection, rights

RETENTION, OVERDUE = "retention.overdue", "rights.overdue"
SOON, NOT_NOTIFIED = "rights.due_soon", "rights.recipients_not_notified"
END = "2025-01-31 15:00"
CUSTOMER = (contract("started", "2024-01-01"), contract("ended", END))
REQUEST = "R-secret"


def after(*history: Event) -> SubjectState:
    """The state after events arrived in this order."""
    state = SubjectState()
    for event in history:
        request = event.request_id.encode() if event.kind == "rights" else None
        contract_key = event.contract_id.encode() if event.kind == "contract" else None
        fact = fact_of(event, PERMIT, request, contract_key)
        assert fact is not None
        observe(state, fact)
    return state


def found(rule: str, when: str, *history: Event, happened: Happened = NOTHING) -> tuple[ClockFinding, ...]:
    every = due(after(*history), sample_bundle(), at(when), happened)
    return tuple(finding for finding in every if finding.rule == rule)


def asked(phase: str, when: str, right: str = "access", **changes: str) -> Event:
    return rights(right, phase, when, REQUEST, **changes)


def extended(when: str, reason: str | None = "many records") -> Event:
    return rights("access", "extended", when, REQUEST, reason=reason)


# Rule, from when it holds (None: never), history. Asked just before and at that instant, and a year later.
RECEIVED = asked("received", "2026-03-02")
BOUNDARIES = [
    (RETENTION, "2026-02-01", CUSTOMER),
    (RETENTION, "2026-02-01", CUSTOMER[::-1]),
    (RETENTION, "2026-02-01", CUSTOMER[1:]),
    (RETENTION, "2025-03-01", (contract("ended", "2024-02-29 10:00"),)),  # a leap day
    (RETENTION, "2026-04-13", (contract("ended", "2025-04-12 23:59"),)),  # it does not move for a Sunday
    (RETENTION, END, (*CUSTOMER, objection("2024-06-01", "direct_marketing"))),
    (RETENTION, END, (*CUSTOMER, objection("2024-06-01", "marketing"))),
    (RETENTION, END, (*CUSTOMER, objection("2024-06-01"))),
    (RETENTION, END, (*CUSTOMER, objection("2024-06-01", "newsletters of all sorts"))),
    (RETENTION, END, (*CUSTOMER, objection(END))),
    (RETENTION, END, (*CUSTOMER, objection("2024-06-01"), objection("2024-07-01", phase="refused"))),
    (RETENTION, "2026-02-01", (*CUSTOMER, objection("2024-06-01", "evaluation"))),
    (RETENTION, "2026-02-01", (*CUSTOMER, objection("2025-02-01"))),
    (
        RETENTION,
        "2026-02-01",
        (*CUSTOMER, objection("2024-06-01"), objection("2024-07-01", None, "withdrawn")),
    ),
    (
        RETENTION,
        "2026-06-02",
        (*CUSTOMER, contract("started", "2024-03-01", "C2"), contract("ended", "2025-06-01 08:00", "C2")),
    ),
    (RETENTION, "2026-02-01", (*CUSTOMER, rights("erasure", "fulfilled", just_before(END)))),
    (RETENTION, None, (*CUSTOMER, rights("erasure", "fulfilled", END))),
    (RETENTION, None, (*CUSTOMER, rights("erasure", "fulfilled", "2025-12-01"))),
    (RETENTION, None, (*CUSTOMER, contract("started", "2025-05-01", "C2"))),
    (RETENTION, None, ()),
    (OVERDUE, "2026-04-03", (RECEIVED,)),
    (OVERDUE, "2026-04-08", (asked("received", "2026-03-03"),)),  # Good Friday to Easter Monday
    (OVERDUE, "2025-03-01", (asked("received", "2025-01-31"),)),
    (OVERDUE, "2026-06-03", (RECEIVED, extended("2026-04-02 23:59"))),
    (OVERDUE, "2026-04-03", (RECEIVED, extended("2026-04-02", None))),
    (OVERDUE, "2026-04-03", (RECEIVED, asked("identified", "2026-03-04", method="bankid"))),
    (
        OVERDUE,
        "2026-05-21",
        (RECEIVED, asked("withdrawn", "2026-03-10"), asked("received", "2026-04-20")),
    ),
    *(
        (OVERDUE, "2026-04-03", (asked("received", "2026-03-02", right),))
        for right in ("objection", "erasure")
    ),
    (OVERDUE, None, (RECEIVED, asked("fulfilled", "2026-03-02"))),
    (OVERDUE, None, (RECEIVED, asked("fulfilled", "2026-03-05"))),
    (OVERDUE, "2026-04-03", (RECEIVED, asked("fulfilled", "2026-03-01"))),  # of something before it
    (OVERDUE, None, (RECEIVED, asked("refused", "2026-04-01", reason="as the law says"))),
    (OVERDUE, None, (RECEIVED, asked("withdrawn", "2026-03-05"))),
    (OVERDUE, None, (asked("received", "2026-03-02", "complaint"),)),
    (OVERDUE, None, (asked("identified", "2026-03-02", method="bankid"),)),
]


@pytest.mark.parametrize(("rule", "since", "history"), BOUNDARIES)
def test_a_clock_runs_out_at_its_instant(rule: str, since: str | None, history: tuple[Event, ...]) -> None:
    if since is None:
        assert found(rule, "2031-01-01", *history) == ()
        return
    assert found(rule, just_before(since), *history) == ()
    (first,) = found(rule, since, *history)
    assert first.since == at(since)
    assert (first.clause, first.article) == (CLOCK[rule].clause, CLOCK[rule].article)
    assert first.severity == CLOCK[rule].severity == "deny"
    assert found(rule, "2031-01-01", *history) == (first,)  # key and words as before
    for said in (first.message, first.key):
        assert REQUEST not in said


@pytest.mark.parametrize(
    ("history", "since", "end"),
    [
        ((RECEIVED,), "2026-03-26", "2026-04-03"),
        ((asked("received", "2026-03-03"),), "2026-03-31", "2026-04-08"),
        ((RECEIVED, extended("2026-03-20")), "2026-05-26", "2026-06-03"),
    ],
)
def test_a_request_is_due_soon_for_the_last_week(history: tuple[Event, ...], since: str, end: str) -> None:
    assert found(SOON, just_before(since), *history) == ()
    (first,) = found(SOON, since, *history)
    assert (first.severity, first.since) == ("flag", at(since))
    assert found(SOON, just_before(end), *history) == (first,)
    assert found(SOON, end, *history) == ()
    (overdue,) = found(OVERDUE, end, *history)
    assert overdue.key != first.key


def test_an_answer_ends_what_is_due_soon_and_overdue() -> None:
    answered = asked("fulfilled", "2026-04-20")
    assert found(OVERDUE, "2026-04-19", RECEIVED, answered) != ()
    assert found(OVERDUE, "2026-04-20", RECEIVED, answered) == ()


def test_data_of_a_former_customer_may_be_erased_by_an_operation() -> None:
    before, later = at(just_before(END)), at("2026-05-01")
    assert found(RETENTION, "2026-06-01", *CUSTOMER, happened=Happened(erased=(before,))) != ()
    assert found(RETENTION, "2026-06-01", *CUSTOMER, happened=Happened(erased=(before, at(END)))) == ()
    assert found(RETENTION, "2026-04-30", *CUSTOMER, happened=Happened(erased=(later,))) != ()
    assert found(RETENTION, "2026-05-01", *CUSTOMER, happened=Happened(erased=(later,))) == ()


def test_the_company_chooses_the_period() -> None:
    bundle = changed(settings=Settings(retention_months=1))
    state = after(*CUSTOMER)
    assert due(state, bundle, at(just_before("2025-03-01"))) == []
    assert [finding.since for finding in due(state, bundle, at("2025-03-01"))] == [at("2025-03-01")]


DONE = "2026-03-10 12:00"
LIMIT = "2026-04-10"  # 30 days after the day of the fulfilment have passed


def handed(when: str = "2026-01-01", recipient: str = "mailing-house") -> Handover:
    return Handover(recipient, at(when))


def told(
    when: str, right: str = "erasure", request: str = REQUEST, recipient: str = "mailing-house"
) -> Notification:
    return Notification(right, request.encode(), recipient, at(when))


@pytest.mark.parametrize("right", ["rectification", "erasure", "restriction"])
def test_a_recipient_is_told_within_thirty_days(right: str) -> None:
    steps = (asked("received", "2026-03-01", right), asked("fulfilled", DONE, right))
    happened = Happened(handovers=(handed(), handed(DONE, "sms-gateway"), handed("2026-03-11", "police")))
    assert found(NOT_NOTIFIED, just_before(LIMIT), *steps, happened=happened) == ()
    first = found(NOT_NOTIFIED, LIMIT, *steps, happened=happened)
    assert {finding.about.recipient for finding in first} == {"mailing-house", "sms-gateway"}
    assert {finding.since for finding in first} == {at(LIMIT)}
    assert len({finding.key for finding in first}) == 2
    assert found(NOT_NOTIFIED, "2027-01-01", *steps, happened=happened) == first


@pytest.mark.parametrize(
    ("notices", "fires"),
    [
        ((), True),
        ((told(DONE),), False),
        ((told("2026-03-09"),), False),
        ((told(just_before(LIMIT)),), False),
        ((told(LIMIT),), True),
        ((told(DONE, right="restriction"),), True),
        ((told(DONE, request="R2"),), True),
        ((told(DONE, recipient="sms-gateway"),), True),
    ],
)
def test_only_a_notice_of_this_request_in_time_counts(notices: tuple[Notification, ...], fires: bool) -> None:
    happened = Happened(handovers=(handed(),), notifications=notices)
    erasure = asked("fulfilled", DONE, "erasure")
    assert bool(found(NOT_NOTIFIED, "2026-06-01", erasure, happened=happened)) is fires


def test_recipients_need_not_hear_of_other_rights_or_of_a_refusal() -> None:
    happened = Happened(handovers=(handed(),))
    steps = (
        asked("fulfilled", DONE, "access"),
        asked("refused", DONE, "erasure", reason="as the law says"),
    )
    assert found(NOT_NOTIFIED, "2027-01-01", *steps, happened=happened) == ()


def test_a_restriction_laid_anew_is_told_anew() -> None:
    happened = Happened(handovers=(handed(),))
    steps = [
        asked(phase, when, "restriction")
        for phase, when in (
            ("fulfilled", "2026-01-10"),
            ("fulfilled", "2026-01-12"),
            ("withdrawn", "2026-02-01"),
            ("fulfilled", "2026-03-01"),
        )
    ]
    first = found(NOT_NOTIFIED, "2027-01-01", *steps, happened=happened)
    assert [finding.since for finding in first] == [at("2026-02-10"), at("2026-04-01")]


def test_a_word_that_may_hold_an_identifier_is_not_repeated() -> None:
    happened = Happened(handovers=(handed(recipient="someone@example.com"),))
    (first,) = found(NOT_NOTIFIED, "2027-01-01", asked("fulfilled", DONE, "erasure"), happened=happened)
    assert "someone" not in first.message


@pytest.mark.parametrize("rule", [RETENTION, OVERDUE, SOON, NOT_NOTIFIED])
def test_the_bundle_switches_a_clock(rule: str) -> None:
    # The erasure was before the end, so it excuses nothing.
    state = after(*CUSTOMER, RECEIVED, rights("erasure", "fulfilled", "2025-01-01", "R2"))
    when = at("2026-03-30") if rule == SOON else at("2027-01-01")
    happened = Happened(handovers=(handed("2024-05-01"),))

    def severities(switch: str) -> list[str]:
        bundle = changed(severities={rule: switch})
        return [f.severity for f in due(state, bundle, when, happened) if f.rule == rule]

    assert severities("off") == []
    assert severities("flag") == ["flag"]
    assert severities("deny") == ["deny"]


def test_keys_do_not_depend_on_the_order_of_arrival() -> None:
    history = (
        *CUSTOMER,
        RECEIVED,
        rights("erasure", "received", "2026-03-02", "R2"),
        rights("portability", "received", "2026-03-02", "R3"),
    )
    when = at("2026-04-03")
    assert due(after(*history), sample_bundle(), when) == due(after(*history[::-1]), sample_bundle(), when)


def test_every_clock_is_declared_once_with_both_titles() -> None:
    assert len(CLOCK) == len(CLOCKS) == 10
    for clock in CLOCKS:
        assert clock.clause
        assert clock.article
        assert clock.meaning
        assert clock.title_en != clock.title_sv


BEGIN = at("2024-01-01")
_days = st.integers(0, 900)


def _on(day: int) -> str:
    return (BEGIN + timedelta(days=day, hours=3)).replace(tzinfo=None).isoformat(" ")


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[Event], Happened, int]:
    contracts = st.builds(
        lambda phase, day, one: contract(phase, _on(day), one),
        st.sampled_from(("started", "ended")),
        _days,
        st.sampled_from(("C1", "C2")),
    )
    phases = ("received", "extended", "fulfilled", "refused", "withdrawn", "identified")
    requests = st.builds(
        lambda right, phase, day, one: rights(right, phase, _on(day), one, reason="why", method="bankid"),
        st.sampled_from(("access", "erasure", "restriction", "objection")),
        st.sampled_from(phases),
        _days,
        st.sampled_from(("R1", "R2")),
    )
    events = draw(st.lists(contracts | requests, max_size=8))
    instants: st.SearchStrategy[datetime] = _days.map(lambda day: at(_on(day)))
    recipients = st.sampled_from(("mailing-house", "sms-gateway"))
    happened = Happened(
        erased=tuple(draw(st.lists(instants, max_size=1))),
        handovers=tuple(draw(st.lists(st.builds(Handover, recipients, instants), max_size=2))),
    )
    return events, happened, draw(st.integers(901, 2000))


@given(_histories(), st.integers(0, 2000))
def test_what_is_overdue_stays_so_until_something_happens(
    drawn: tuple[list[Event], Happened, int], later: int
) -> None:
    events, happened, day = drawn  # everything happened by `day`
    state, bundle = after(*events), sample_bundle()
    now = BEGIN + timedelta(days=day)
    first = [f for f in due(state, bundle, now, happened) if f.rule != SOON]
    again = due(state, bundle, now + timedelta(days=later), happened)
    assert [finding for finding in first if finding not in again] == []
    assert len({finding.key for finding in again}) == len(again)
    assert all(finding.since <= now for finding in first)
