"""`decide` as a whole: order, purity and switches, and that every rule is shown to fire and not to fire."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.events.model import Event
from ansvar.policy import decide as deciding
from ansvar.policy.bundle import Bundle
from ansvar.policy.case import moment
from ansvar.policy.decide import ENGINE, ENGINES, UnknownEngine, decide
from ansvar.policy.errors import PolicyError
from ansvar.policy.evaluation import Evaluator
from ansvar.policy.pattern import resolve
from ansvar.policy.pattern import words as words_of
from ansvar.policy.rules import RULE, RULES
from ansvar.policy.state import SubjectState
from ansvar.policy.verdict import PERMIT, Verdict
from ansvar.sample import sample_bundle
from judging import (
    NOW,
    RuleCase,
    at,
    changed,
    contract,
    disclose,
    interest,
    judge,
    objection,
    process,
    rights,
    transfer,
)

GRAVITY = {"permit": 0, "flag": 1, "deny": 2}

# The order of the table of rules; a new chapter is put in at its place.
ORDER = [
    "purpose.missing", "purpose.undeclared", "purpose.incompatible", "purpose.no_collection_record",
    "category.missing", "category.undeclared", "category.profiling_only", "category.personnummer",
    "basis.missing", "basis.not_in_policy", "basis.unknown", "basis.purpose_mismatch",
    "basis.no_balancing_test", "basis.no_contract", "basis.contract_ended",
    "marketing.objected", "objection.in_force", "objection.overridden",
    "marketing.nix_not_checked", "marketing.nix_result_missing", "marketing.nix_listed",
    "marketing.nix_exempted",
    "recipient.unregistered", "recipient.unvetted", "recipient.type_mismatch", "recipient.no_subscription",
    "transfer.third_country", "transfer.no_safeguard", "transfer.adequacy_not_in_force",
    "transfer.scope_unverified", "transfer.tool_invalid", "transfer.safeguard_unregistered",
    "transfer.assessment_missing", "transfer.tool_not_in_policy", "transfer.country_unknown",
    "disclosure.authority", "disclosure.ground_missing", "disclosure.reference_missing",
]  # fmt: skip

words = {
    "purpose": st.sampled_from([None, "resale", *sample_bundle().purposes]),
    "legal_basis": st.sampled_from([None, "because", *sample_bundle().bases]),
    "data_categories": st.lists(
        st.sampled_from(["name", "age", "personnummer", "shoe_size"]), unique=True, max_size=3
    ),
    "role": st.sampled_from(["controller", "processor"]),
    "compelling_grounds": st.sampled_from([None, "G-1"]),
}
moments = st.sampled_from(
    ["2018-06-01", "2020-07-16", "2024-02-01", "2025-05-31", "2025-06-01", "2025-06-02", NOW]
)
safeguards = ["adequacy", "scc", "bcr", "certification", "derogation", "privacy_shield", "none", None]
handed_over: dict[str, Any] = {
    "recipient": st.sampled_from(["nobody", *sample_bundle().recipients]),
    "via": st.sampled_from([None, "nobody", *sample_bundle().recipients]),
    "country": st.sampled_from([None, "SE", "US", "IN", "UK", "NC"]),
    "safeguard": st.sampled_from(safeguards),
    "safeguard_reference": st.sampled_from([None, "SCC-2023-04", "SCC-2024-02"]),
}
processed: dict[str, Any] = {
    "operation": st.sampled_from(["collect", "store", "use", "profile", "call", "erase", "rectify"]),
    "nix_checked_at": st.sampled_from([None, "2025-05-01", "soon"]),
    "nix_listed": st.sampled_from([None, True, False]),
    "nix_exemption": st.sampled_from([None, "consent", "existing_customer"]),
}
disclosed: dict[str, Any] = {
    "ground": st.sampled_from([None, "legal_request", "service_delivery"]),
    "recipient_type": st.sampled_from([None, "partner", "authority"]),
    "reference": st.sampled_from([None, "R1"]),
}
events = st.one_of(
    st.builds(process, when=moments, **words, **processed),
    st.builds(transfer, when=moments, **words, **handed_over),
    st.builds(disclose, when=moments, **words, **handed_over, **disclosed),
)
scopes = st.sampled_from([None, "direct_marketing", "evaluation", "security", "spam"])
steps = st.one_of(
    st.builds(objection, moments, scopes, st.sampled_from(["received", "refused", "withdrawn"])),
    st.builds(contract, st.sampled_from(["started", "ended"]), moments, st.sampled_from(["C1", "C2"])),
    st.builds(rights, st.just("erasure"), st.just("fulfilled"), moments),
)
histories = st.lists(st.one_of(steps, events), max_size=5)


def gravity(event: Event, *history: Event, bundle: Bundle | None = None) -> int:
    return GRAVITY[judge(event, *history, bundle=bundle).verdict]


def all_cases() -> list[RuleCase]:
    """The tables of all `test_rule_*` modules beside this one."""
    cases: list[RuleCase] = []
    for path in sorted(Path(__file__).parent.glob("test_rule_*.py")):
        spec = spec_from_file_location(f"cases_of_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        cases += module.CASES
    return cases


def test_the_rules_are_those_of_the_table_in_its_order() -> None:
    assert [rule.id for rule in RULES] == ORDER
    assert list(RULE) == ORDER


def test_every_rule_is_shown_to_fire_and_not_to_fire() -> None:
    cases = all_cases()
    assert {case.rule for case in cases if case.severity is not None} == set(ORDER)
    assert {case.rule for case in cases if case.severity is None} == set(ORDER)


def test_every_rule_says_what_it_enforces() -> None:
    for rule in RULES:
        assert rule.clause
        assert rule.article
        assert rule.title_en
        assert rule.title_sv != rule.title_en
        assert rule.meaning.endswith(".")
        assert rule.severity in ("flag", "deny")
    assert len({rule.title_en for rule in RULES}) == len({rule.title_sv for rule in RULES}) == len(RULES)


@given(events, histories)
def test_findings_come_in_the_order_of_the_rules(event: Event, history: list[Event]) -> None:
    verdict = judge(event, *history)
    places = [ORDER.index(finding.rule) for finding in verdict.findings]
    assert places == sorted(places)
    worst = max((finding.severity for finding in verdict.findings), key=GRAVITY.__getitem__, default="permit")
    assert verdict.verdict == worst


@given(events, histories)
def test_no_finding_names_the_person(event: Event, history: list[Event]) -> None:
    assert event.subject is not None
    assert all(event.subject.value not in finding.message for finding in judge(event, *history).findings)


@given(events, histories)
def test_deciding_changes_none_of_its_arguments(event: Event, history: list[Event]) -> None:
    evaluator = Evaluator(sample_bundle())
    for earlier in history:
        evaluator.judge(earlier)
    state = next(iter(evaluator._subjects.values()), SubjectState())
    bundle = sample_bundle()
    before = deepcopy((event, state, bundle))
    first = decide(event, state, bundle, recorded_at=event.occurred_at)
    assert (event, state, bundle) == before
    assert decide(event, state, bundle, recorded_at=event.occurred_at) == first


@given(events, histories)
def test_what_was_judged_before_leaves_no_trace(event: Event, history: list[Event]) -> None:
    warm = judge(event, *history)
    cold = judge(event, *history, bundle=replace(sample_bundle()))
    assert warm == cold


@given(events, histories, moments, scopes)
def test_another_objection_never_makes_a_verdict_milder(
    event: Event, history: list[Event], when: str, scope: str | None
) -> None:
    # It arrives last: were it to deny an earlier collect, that would no longer count as an origin.
    more = [*history, objection(when, scope, request="R9")]
    assert gravity(event, *more) >= gravity(event, *history)


@given(events, moments, moments)
def test_ending_a_contract_never_makes_a_verdict_milder(event: Event, start: str, end: str) -> None:
    # Of a contract whose start is known: an end without one says that there was a contract before it.
    start, end = sorted((start, end))
    running = contract("started", start)
    assert gravity(event, running, contract("ended", end)) >= gravity(event, running)


@given(events, st.data())
def test_removing_an_instrument_never_makes_a_verdict_milder(event: Event, data: st.DataObject) -> None:
    # True of verdicts, not of single findings: without its unassessed clauses a transfer may rest on an
    # adequacy decision, which needs no assessment. It stays a transfer to a third country, so a flag.
    bundle = sample_bundle()
    holder = data.draw(st.sampled_from([r for r in bundle.recipients.values() if r.instruments]))
    poorer = changed(recipients={**bundle.recipients, holder.id: replace(holder, instruments=())})
    assert gravity(event, bundle=poorer) >= gravity(event, bundle=bundle)


def test_kinds_that_no_rule_judges_are_permitted() -> None:
    for event in (contract("started", NOW), objection(NOW), rights("access", "fulfilled", NOW)):
        assert judge(event) is PERMIT


def test_all_rules_that_fire_are_reported() -> None:
    event = disclose(
        "nobody", purpose=None, legal_basis=None, data_categories=["shoe_size"], ground="legal_request"
    )
    assert [finding.rule for finding in judge(event).findings] == [
        "purpose.missing",
        "category.undeclared",
        "basis.missing",
        "recipient.unregistered",
        "disclosure.reference_missing",
    ]


@pytest.mark.parametrize("severity", ["off", "flag", "deny"])
def test_the_bundle_switches_a_rule(severity: str) -> None:
    denied, flagged = process(purpose=None), process(data_categories=None)
    for event, rule in ((denied, "purpose.missing"), (flagged, "category.missing")):
        verdict = judge(event, bundle=changed(severities={rule: severity}))
        assert verdict.verdict == ("permit" if severity == "off" else severity)
        assert [finding.severity for finding in verdict.findings] == ([] if severity == "off" else [severity])


def test_every_rule_can_be_switched_off() -> None:
    bundle = changed(severities=dict.fromkeys(ORDER, "off"))
    for case in all_cases():
        assert judge(case.event, *case.history, bundle=bundle) is PERMIT


def test_an_unknown_engine_is_refused() -> None:
    event = process()
    with pytest.raises(UnknownEngine, match=r"engine 99 .*\(1\)") as caught:
        decide(event, SubjectState(), sample_bundle(), 99, recorded_at=event.occurred_at)
    assert isinstance(caught.value, PolicyError)
    assert caught.value.engine == 99
    assert ENGINE in ENGINES


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "_MOST_PLANS", 3)
    monkeypatch.setattr(deciding, "_MOST_BUNDLES", 2)
    bundles = [replace(sample_bundle()) for _ in range(4)]
    for bundle in bundles:
        for number in range(10):
            verdict = decide(process(purpose=f"p{number}"), SubjectState(), bundle, recorded_at=at(NOW))
            assert [finding.rule for finding in verdict.findings] == ["purpose.undeclared"]
    assert len(deciding._compiled) <= 2
    assert all(len(compiled.plans) <= 3 for compiled in deciding._compiled.values())


def test_own_request_is_the_callers_word() -> None:
    event = disclose("new-alarm", reference="P-1")
    for own, verdict in ((True, PERMIT), (False, None)):
        decided = decide(event, SubjectState(), sample_bundle(), recorded_at=at(NOW), own_request=own)
        assert decided == verdict if own else decided.verdict == "deny"


def test_a_verdict_is_the_worst_finding() -> None:
    assert judge(interest()) == Verdict("permit")
    assert judge(interest(data_categories=["personnummer"])).verdict == "flag"
    assert judge(interest(data_categories=["personnummer", "shoe_size"])).verdict == "deny"


def test_messages_can_be_written_for_the_ends_of_the_calendar() -> None:
    assert moment(datetime.max.replace(tzinfo=UTC)) == "9999-12-31 23:59 UTC"
    assert moment(datetime(1, 1, 1, tzinfo=UTC)).startswith("0001-01-01")


@given(events, events)
def test_equal_words_are_equal_patterns(one: Event, other: Event) -> None:
    bundle = sample_bundle()
    assert words_of(one) != words_of(other) or resolve(one, bundle) == resolve(other, bundle)
    assert words_of(one) == words_of(replace(one, occurred_at=other.occurred_at, system="other"))


def test_events_without_rules_have_words_too() -> None:
    assert words_of(contract("started", NOW)) != words_of(objection(NOW))
