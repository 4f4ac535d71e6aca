"""The order of findings: that of the rules, each once, and the same whatever order facts were written in."""

from __future__ import annotations

import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.events.model import ContractEvent, Event, RightsEvent
from ansvar.policy.bundle import Bundle
from ansvar.policy.decide import ENGINES
from ansvar.policy.verdict import Finding, Verdict
from judging import contract, interest, process, transfer
from situations import ENGINE, SAMPLE, STRICT, Situation, facts, handovers, histories, situations, uses

# Documented in docs/policy-coverage.md, rule by rule; `test_decide` holds it to the policy's own table.
ORDER = {
    rule.id: place
    for place, rule in enumerate(rule for chapter in ENGINES[ENGINE].chapters for rule in chapter.rules)
}
# These report once a processor or once a country; every other rule once an event.
MANY = {
    "recipient.unvetted",
    "transfer.no_safeguard",
    "transfer.adequacy_not_in_force",
    "transfer.scope_unverified",
    "transfer.tool_invalid",
    "transfer.safeguard_unregistered",
    "transfer.assessment_missing",
    "transfer.tool_not_in_policy",
    "transfer.country_unknown",
}


def said(verdict: Verdict) -> list[tuple[str, str, str]]:
    """The findings in their order, without the words in which they list what they found."""
    return [(finding.rule, finding.clause, finding.severity) for finding in verdict.findings]


def words(findings: tuple[Finding, ...]) -> Counter[str]:
    """The words of all messages, in no order."""
    return Counter(word for finding in findings for word in re.split(r"[\s,;:()]+", finding.message))


@given(situations())
def test_findings_follow_the_order_of_the_rules(situation: Situation) -> None:
    places = [ORDER[finding.rule] for finding in situation.verdict().findings]
    assert places == sorted(places)


@given(situations(handovers()))
def test_no_finding_comes_twice(situation: Situation) -> None:
    findings = situation.verdict().findings
    assert len(set(findings)) == len(findings)
    often = {rule for rule, count in Counter(f.rule for f in findings).items() if count > 1}
    assert often <= MANY


@given(situations())
def test_judging_again_says_the_same(situation: Situation) -> None:
    first = situation.verdict()
    assert situation.verdict() == first
    assert situation.but(bundle=replace(situation.bundle)).verdict() == first  # nothing remembered


@given(situations(uses()), st.randoms(use_true_random=False))
def test_the_order_of_categories_changes_no_finding(situation: Situation, chance: Random) -> None:
    shuffled = list(situation.event.data_categories)
    chance.shuffle(shuffled)
    first = situation.verdict()
    again = situation.stating(data_categories=tuple(shuffled)).verdict()
    assert again.verdict == first.verdict
    assert said(again) == said(first)
    assert words(again.findings) == words(first.findings)


@given(situations(uses()), st.data())
def test_a_category_said_twice_is_said_once(situation: Situation, data: st.DataObject) -> None:
    stated = situation.event.data_categories
    repeated = (*stated, *data.draw(st.lists(st.sampled_from(stated), max_size=3) if stated else st.just([])))
    assert situation.stating(data_categories=repeated).verdict() == situation.verdict()


def _whose(event: Event) -> tuple[object, ...]:
    """Facts of equal marks follow each other at one instant in the order of arrival, which then matters."""
    if isinstance(event, ContractEvent):
        return ("contract", event.contract_id, event.occurred_at)
    if isinstance(event, RightsEvent):
        return (event.right, event.request_id, event.occurred_at)
    return ("collect",)


@given(situations(), histories, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(
    situation: Situation, more: list[Event], chance: Random
) -> None:
    # Steps of one contract, or of one request, at one instant keep their order; all others are shuffled.
    history = [*situation.history, *more]
    groups: dict[tuple[object, ...], list[Event]] = {}
    for event in history:
        groups.setdefault(_whose(event) if _whose(event) != ("collect",) else (id(event),), []).append(event)
    turns = [key for key, events in groups.items() for _ in events]
    chance.shuffle(turns)
    left = {key: iter(events) for key, events in groups.items()}
    shuffled = tuple(next(left[key]) for key in turns)
    assert Counter(map(id, shuffled)) == Counter(map(id, history))
    assert situation.but(history=shuffled).verdict() == situation.but(history=tuple(history)).verdict()


@given(situations(), st.lists(facts(), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_facts_of_one_instant_may_come_in_any_order(
    situation: Situation, drawn: list[Event], chance: Random
) -> None:
    instant = situation.event.occurred_at
    moved = [replace(event, occurred_at=instant) for event in drawn]
    apart = list(
        {_whose(event) if _whose(event) != ("collect",) else id(event): event for event in moved}.values()
    )
    shuffled = apart[:]
    chance.shuffle(shuffled)
    assert situation.but(*shuffled).verdict() == situation.but(*apart).verdict()


def test_steps_of_one_contract_at_one_instant_are_the_case_where_order_matters() -> None:
    when = "2026-03-02 14:00"
    started, ended = contract("started", when), contract("ended", when)
    event = process("use", when, purpose="contract", legal_basis="contract")
    orders = [Situation(event, order).verdict().verdict for order in ((started, ended), (ended, started))]
    assert orders == ["deny", "permit"]


@given(situations(handovers()), st.permutations(sorted(SAMPLE.recipients)))
def test_the_order_of_the_register_changes_nothing(situation: Situation, order: list[str]) -> None:
    bundle = situation.bundle
    shuffled = replace(bundle, recipients={name: bundle.recipients[name] for name in order})
    assert situation.but(bundle=shuffled).verdict() == situation.verdict()


@given(situations(uses()), st.randoms(use_true_random=False))
def test_the_order_of_the_vocabulary_changes_nothing(situation: Situation, chance: Random) -> None:
    bundle = situation.bundle
    tables: dict[str, dict[str, object]] = {}
    for name in ("purposes", "categories", "bases", "systems", "decisions", "balancing_tests"):
        table = list(getattr(bundle, name).items())
        chance.shuffle(table)
        tables[name] = dict(table)
    assert situation.but(bundle=replace(bundle, **tables)).verdict() == situation.verdict()


@pytest.mark.parametrize("bundle", [SAMPLE, STRICT], ids=["sample", "strict"])
@pytest.mark.parametrize(
    ("recipient", "via", "countries"),
    [("analytics-trial", "support-desk-in", "AU US IN"), ("support-desk-in", "analytics-trial", "AU IN US")],
)
def test_countries_are_reported_as_they_are_brought(
    recipient: str, via: str, countries: str, bundle: Bundle
) -> None:
    event = transfer(recipient, country="AU", via=via, safeguard="none")
    findings = Situation(event, bundle=bundle).verdict().findings
    named = [f.message.split(" at ")[0] for f in findings if f.rule == "transfer.no_safeguard"]
    assert " ".join(named) == countries  # the one stated, then the recipient's, then via's


def test_an_event_against_much_reports_in_the_order_of_the_table() -> None:
    event = interest("profile", data_categories=[], system="somewhere", automated_decision=True)
    assert [finding.rule for finding in Situation(event).verdict().findings] == [
        "category.missing",
        "profiling.individual",
        "decision.automated",
        "system.unregistered",
    ]
