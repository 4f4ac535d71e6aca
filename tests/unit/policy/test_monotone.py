"""No verdict gets milder by what should only make it worse: an objection, an end, something taken away.

Said of one event and a given state, under every rule. The rules whose text makes them an exception are held
apart one by one: the verdicts are compared without the findings of that rule, for the change that the text
names and no other, and an example shows that the exception is needed.

What is not claimed: a change that denies an earlier `collect` unmakes it as an origin (clause 3.2 counts only
those not denied), so a whole history judged again may have an event that is judged more mildly. The state is
therefore the same on both sides but for the change itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.events.model import ContractEvent, Event
from ansvar.policy.bundle import Bundle, Period
from ansvar.policy.verdict import conclude
from judging import at, contract, interest, just_before, objection, process, rights, transfer
from situations import (
    MOMENTS,
    SAMPLE,
    SCOPES,
    STRICT,
    Situation,
    calls,
    handovers,
    interests,
    moments,
    situations,
    subsets,
)

GRAVITY = {"permit": 0, "flag": 1, "deny": 2}
COMPANY = "corporate.not_controller"
BLOCKED = "rights.erasure_blocked"
NO_RESULT = "marketing.nix_result_missing"


def gravity(situation: Situation, leaving_out: Iterable[str] = ()) -> int:
    """How grave the verdict is, without the findings of some rules."""
    out = frozenset(leaving_out)
    return GRAVITY[conclude([f for f in situation.verdict().findings if f.rule not in out]).verdict]


def never_milder(before: Situation, after: Situation, leaving_out: Iterable[str] = ()) -> None:
    assert gravity(after, leaving_out) >= gravity(before, leaving_out), (
        f"{before.verdict()} became {after.verdict()}"
    )


# An objection. It is a request of its own: a receipt under the id of a request that the event is a step of
# would give that request its beginning, which is another change.


@given(situations(), moments, st.sampled_from(SCOPES))
def test_an_objection(situation: Situation, when: str, scope: str | None) -> None:
    never_milder(situation, situation.but(objection(when, scope, request="R9")))


# The end of a contract that runs, and of which nothing later is known: a later `started` would open a new
# period, which clause 9.3 lets erased data begin anew with, and then two facts change instead of one.


def _running_at(history: tuple[Event, ...], contract_id: str, end: str) -> bool:
    steps = [e for e in history if isinstance(e, ContractEvent) and e.contract_id == contract_id]
    steps.sort(key=lambda e: e.occurred_at)
    return bool(steps) and steps[-1].phase == "started" and steps[-1].occurred_at <= at(end)


def _of_a_company(history: tuple[Event, ...], contract_id: str) -> bool:
    return any(
        isinstance(e, ContractEvent) and e.contract_id == contract_id and e.customer_type == "company"
        for e in history
    )


@given(
    situations(),
    st.sampled_from(["C1", "C2"]),
    moments,
    moments,
    st.sampled_from([None, "consumer", "company"]),
)
def test_the_end_of_a_contract(
    situation: Situation, contract_id: str, start: str, end: str, customer: Any
) -> None:
    started = situation.but(contract("started", start, contract_id, customer_type=customer))
    assume(_running_at(started.history, contract_id, end))
    # 9.3: an erasure is blocked while a contract runs, so its end is what unblocks it. 11.1: this company is
    # not controller of what belongs to a company customer, and is nobody's processor once that has left.
    leaving_out = {BLOCKED, *([COMPANY] if _of_a_company(started.history, contract_id) else [])}
    never_milder(started, started.but(contract("ended", end, contract_id)), leaving_out)


@pytest.mark.parametrize(
    ("rule", "event", "customer", "before"),
    [
        (BLOCKED, rights("erasure", "fulfilled", "2026-03-02", request="R1"), "consumer", "flag"),
        (COMPANY, process(data_categories=["bank_account"]), "company", "deny"),
    ],
)
def test_the_end_of_a_contract_lifts_what_only_a_running_one_forbids(
    rule: str, event: Event, customer: str, before: str
) -> None:
    known = (rights("erasure", "received", "2026-03-01"),)
    running = Situation(event, (*known, contract("started", "2024-01-01", customer_type=customer)))
    assert [f.rule for f in running.verdict().findings] == [rule]
    assert running.verdict().verdict == before
    assert running.but(contract("ended", "2026-03-02")).verdict().verdict == "permit"


def test_an_end_before_a_start_that_is_known_makes_that_start_a_new_contract() -> None:
    # Not an end alone: without it the second `started` repeats the first, with it a new contract begins.
    history = (
        contract("started", "2024-01-01"),
        rights("erasure", "received", "2025-01-31"),
        rights("erasure", "fulfilled", "2025-02-28"),
        contract("started", "2025-06-01"),
    )
    one_contract = Situation(interest(when="2026-03-02"), history)
    assert [f.rule for f in one_contract.verdict().findings] == ["subject.erased"]
    assert one_contract.but(contract("ended", "2025-02-01")).verdict().verdict == "permit"


# An instrument that is no longer in the bundle.


HOLDERS = [recipient for recipient in SAMPLE.recipients.values() if recipient.instruments]


def _without_instruments(bundle: Bundle, holders: Iterable[str]) -> Bundle:
    poorer = {name: replace(bundle.recipients[name], instruments=()) for name in holders}
    return replace(bundle, recipients={**bundle.recipients, **poorer})


CHOSEN = subsets([holder.id for holder in HOLDERS])
handed_over = situations(handovers())
# What an instrument is asked for: stated or not, referred to rightly, wrongly or not at all.
_TOOLS = ("scc", "bcr", "adequacy", "none", None, None)
_REFERENCES = ("SCC-2023-04", "SCC-2024-02", "BCR-CH-1", "2000/518/EC", None, None)
held = situations(
    st.builds(
        transfer,
        st.sampled_from([holder.id for holder in HOLDERS]),
        moments | st.just(MOMENTS[-1]),
        safeguard=st.sampled_from(_TOOLS),
        safeguard_reference=st.sampled_from(_REFERENCES),
    )
)


@given(handed_over | held, st.sampled_from(CHOSEN))
def test_an_instrument_less(situation: Situation, holders: tuple[str, ...]) -> None:
    never_milder(situation, situation.but(bundle=_without_instruments(situation.bundle, holders)))


def test_a_reference_to_no_instrument_in_force_is_left_to_the_decision_that_covers() -> None:
    event = transfer("monitoring-group-ch", safeguard_reference="2000/518/EC")  # the decision on CH
    with_rules = Situation(event)
    without = with_rules.but(bundle=_without_instruments(SAMPLE, ["monitoring-group-ch"]))
    for situation in (with_rules, without):
        assert [f.rule for f in situation.verdict().findings] == ["transfer.third_country"]


@given(handed_over | held, st.sampled_from(sorted(SAMPLE.recipients)))
def test_one_of_two_instruments_less(situation: Situation, holder: str) -> None:
    recipient = SAMPLE.recipients[holder]
    from_india = SAMPLE.recipients["support-desk-in"].instruments
    both = replace(recipient, instruments=(*recipient.instruments, *from_india))
    for left in (recipient.instruments, from_india):
        rich, poor = (
            replace(SAMPLE, recipients={**SAMPLE.recipients, holder: one})
            for one in (both, replace(recipient, instruments=left))
        )
        never_milder(situation.but(bundle=rich), situation.but(bundle=poor))


# Decisions, balancing tests, agreements and guarantees that end or are gone.


def _ended(period: Period, end: str) -> Period:
    return replace(period, end=at(end)) if period.end is None or period.end > at(end) else period


def _ended_each(tables: Mapping[str, tuple[Any, ...]], names: Iterable[str], end: str) -> dict[str, Any]:
    chosen = frozenset(names)
    return {
        name: tuple(replace(one, period=_ended(one.period, end)) for one in each) if name in chosen else each
        for name, each in tables.items()
    }


THIRD = ("US", "CH", "GB", "CA")
ENDS = tuple(moment for moment in MOMENTS if moment >= "2016")


@given(handed_over, st.sampled_from(subsets(THIRD)), st.sampled_from(ENDS))
def test_the_end_of_adequacy_decisions(situation: Situation, countries: tuple[str, ...], end: str) -> None:
    ended = _ended_each(situation.bundle.decisions, countries, end)
    never_milder(situation, situation.but(bundle=replace(situation.bundle, decisions=ended)))


@given(situations(interests()), st.sampled_from(subsets(SAMPLE.balancing_tests)), st.sampled_from(ENDS))
def test_the_end_of_balancing_tests(situation: Situation, purposes: tuple[str, ...], end: str) -> None:
    ended = _ended_each(situation.bundle.balancing_tests, purposes, end)
    never_milder(situation, situation.but(bundle=replace(situation.bundle, balancing_tests=ended)))


@given(
    handed_over,
    st.sampled_from(sorted(SAMPLE.recipients)),
    st.sampled_from(subsets(["agreements", "guarantees", "scope"])),
)
def test_a_recipient_without_agreement_guarantees_or_evidence(
    situation: Situation, name: str, gone: tuple[str, ...]
) -> None:
    recipients = situation.bundle.recipients
    poorer = replace(recipients[name], **dict.fromkeys(gone, ()))
    bundle = replace(situation.bundle, recipients={**recipients, name: poorer})
    never_milder(situation, situation.but(bundle=bundle))


# A number that NIX lists.


@given(situations(calls(False)))
def test_a_listing(situation: Situation) -> None:
    never_milder(situation, situation.stating(nix_listed=True))


@given(situations(calls(None)))
def test_a_listing_where_the_result_was_missing(situation: Situation) -> None:
    # 4.2 A: a check without its result allows nothing, an exemption allows a listed number. Stating the
    # listing supplies the result as well, so that one rule is left out.
    never_milder(situation, situation.stating(nix_listed=True), [NO_RESULT])


def test_a_missing_result_is_worse_than_a_listing_with_an_exemption() -> None:
    event = interest(
        "call", purpose="marketing", nix_checked_at="2026-03-02", nix_exemption="consent", nix_listed=None
    )
    missing = Situation(event)
    assert [f.rule for f in missing.verdict().findings] == [NO_RESULT]
    listed = missing.stating(nix_listed=True)
    assert [f.rule for f in listed.verdict().findings] == ["marketing.nix_exempted"]
    assert gravity(listed) < gravity(missing)


# That each change does make some verdict worse, so that no property above holds for want of an effect.

CALL = interest("call", purpose="marketing", nix_checked_at="2026-03-02", nix_listed=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Situation(interest()), Situation(interest(), (objection("2026-01-05"),))),
        (
            Situation(transfer("membership-partner"), (contract("started", "2024-01-01"),)),
            Situation(
                transfer("membership-partner"),
                (contract("started", "2024-01-01"), contract("ended", just_before("2026-03-02 14:00"))),
            ),
        ),
        (
            Situation(transfer("app-hosting-us", safeguard="scc")),
            Situation(
                transfer("app-hosting-us", safeguard="scc"),
                bundle=_without_instruments(SAMPLE, ["app-hosting-us"]),
            ),
        ),
        (
            Situation(transfer("google-maps", safeguard="adequacy")),
            Situation(
                transfer("google-maps", safeguard="adequacy"),
                bundle=replace(SAMPLE, decisions=_ended_each(SAMPLE.decisions, ["US"], "2026-03-02")),
            ),
        ),
        (
            Situation(interest()),
            Situation(
                interest(),
                bundle=replace(
                    SAMPLE,
                    balancing_tests=_ended_each(SAMPLE.balancing_tests, ["evaluation"], "2026-03-02"),
                ),
            ),
        ),
        (
            Situation(transfer()),
            Situation(
                transfer(),
                bundle=replace(
                    SAMPLE,
                    recipients={
                        **SAMPLE.recipients,
                        "mailing-house": replace(SAMPLE.recipients["mailing-house"], guarantees=()),
                    },
                ),
            ),
        ),
        (Situation(CALL), Situation(CALL).stating(nix_listed=True)),
    ],
    ids=["objection", "contract", "instrument", "decision", "balancing test", "guarantees", "listing"],
)
def test_each_change_is_one_that_matters(before: Situation, after: Situation) -> None:
    for bundle in (None, STRICT):
        worse = after if bundle is None else after.but(bundle=replace(after.bundle, settings=bundle.settings))
        milder = before if bundle is None else before.but(bundle=bundle)
        assert gravity(worse) == 2 > gravity(milder)
