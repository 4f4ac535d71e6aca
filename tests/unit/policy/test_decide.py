"""`decide` as a whole: order, purity and switches, and that every rule is shown to fire and not to fire."""

from __future__ import annotations

import itertools
from copy import deepcopy
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.events.model import DisclosureEvent, Event, TransferEvent
from ansvar.policy import decide as deciding
from ansvar.policy.bundle import Bundle
from ansvar.policy.case import Case, ProducerScope, moment
from ansvar.policy.decide import ENGINE, ENGINES, UnknownEngine, decide
from ansvar.policy.errors import PolicyError
from ansvar.policy.evaluation import Evaluator
from ansvar.policy.pattern import resolve
from ansvar.policy.pattern import words as words_of
from ansvar.policy.rule import Chapter
from ansvar.policy.rules import (
    ALL_RULES,
    CHAPTERS,
    RULE,
    RULES,
    basis,
    category,
    disclosure,
    marketing,
    purpose,
    recipient,
)
from ansvar.policy.rules import objection as objecting
from ansvar.policy.rules import transfer as transferring
from ansvar.policy.state import SubjectState
from ansvar.policy.verdict import PERMIT, Finding, Verdict, conclude
from ansvar.sample import sample_bundle
from judging import (
    ANY_RULE,
    NOW,
    RuleCase,
    at,
    changed,
    collect,
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

# What the engines are made of. The first is what judged the oldest ledgers, so it stays as it is; a new
# chapter is put into the newest at its place in the table of rules.
_TO_MARKETING = [
    "purpose.missing", "purpose.undeclared", "purpose.incompatible", "purpose.no_collection_record",
    "category.missing", "category.undeclared", "category.profiling_only", "category.personnummer",
    "basis.missing", "basis.not_in_policy", "basis.unknown", "basis.purpose_mismatch",
    "basis.no_balancing_test", "basis.no_contract", "basis.contract_ended",
    "marketing.objected", "objection.in_force", "objection.overridden",
    "marketing.nix_not_checked", "marketing.nix_result_missing", "marketing.nix_listed",
    "marketing.nix_exempted",
]  # fmt: skip
_HANDOVERS = [
    "recipient.unregistered", "recipient.unvetted", "recipient.type_mismatch", "recipient.no_subscription",
    "transfer.third_country", "transfer.no_safeguard", "transfer.adequacy_not_in_force",
    "transfer.scope_unverified", "transfer.tool_invalid", "transfer.safeguard_unregistered",
    "transfer.assessment_missing", "transfer.tool_not_in_policy", "transfer.country_unknown",
    "disclosure.authority", "disclosure.ground_missing", "disclosure.reference_missing",
]  # fmt: skip
FIRST = [*_TO_MARKETING, *_HANDOVERS]
SECOND = [
    *_TO_MARKETING,
    "profiling.individual", "decision.automated", "source.uninformed", "source.missing",
    "retention.expired", "processing.restricted", "subject.erased",
    "system.unregistered", "system.outside_eea",
    *_HANDOVERS,
    "corporate.not_controller", "corporate.own_purpose", "corporate.no_controller",
    "rights.not_identified", "rights.weak_identification", "rights.fee", "rights.late",
    "rights.extension_late", "rights.refused_without_reason", "rights.erasure_blocked",
    "rights.portability_not_customer", "rights.scope_unknown", "rights.unknown_request",
    "cookie.undeclared", "producer.out_of_scope", "event.future", "event.late",
]  # fmt: skip
ORDERS = {1: FIRST, 2: SECOND}
NEWEST = max(ORDERS)

words = {
    "purpose": st.sampled_from([None, "resale", *sample_bundle().purposes]),
    "legal_basis": st.sampled_from([None, "because", *sample_bundle().bases]),
    "data_categories": st.lists(
        st.sampled_from(["name", "age", "personnummer", "shoe_size"]), unique=True, max_size=3
    ),
    "role": st.sampled_from(["controller", "processor"]),
    "controller": st.sampled_from([None, "Alfa AB"]),
    "system": st.sampled_from(["crm", "legacy_backup", "pricing_engine", "somewhere"]),
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
    "operation": st.sampled_from(
        ["collect", "store", "use", "analyse", "profile", "decide", "call", "set_cookie", "erase", "rectify"]
    ),
    "source": st.sampled_from([None, "data_subject", "partner"]),
    "subject_informed": st.sampled_from([None, True]),
    "aggregated": st.sampled_from([None, True]),
    "deidentified": st.sampled_from([None, True]),
    "automated_decision": st.sampled_from([None, True]),
    "cookie": st.sampled_from([None, "necessary", "tracking"]),
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
    st.builds(
        contract,
        st.sampled_from(["started", "ended"]),
        moments,
        st.sampled_from(["C1", "C2"]),
        customer_type=st.sampled_from([None, "consumer", "company"]),
    ),
    st.builds(rights, st.just("erasure"), st.just("fulfilled"), moments),
)
histories = st.lists(st.one_of(steps, events), max_size=5)
engines = st.sampled_from(sorted(ORDERS))


def gravity(event: Event, *history: Event, bundle: Bundle | None = None, engine: int = NEWEST) -> int:
    return GRAVITY[judge(event, *history, bundle=bundle, engine=engine).verdict]


def known_of(history: list[Event]) -> SubjectState:
    """The state of the subject after a history."""
    evaluator = Evaluator(sample_bundle(), engine=NEWEST)
    for earlier in history:
        evaluator.judge(earlier)
    return next(iter(evaluator._subjects.values()), SubjectState())


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
    for number, order in ORDERS.items():
        assert [rule.id for chapter in ENGINES[number].chapters for rule in chapter.rules] == order
    assert [rule.id for rule in ALL_RULES] == ORDERS[NEWEST]
    assert ENGINES.keys() == ORDERS.keys()


def test_the_rules_that_need_no_engine_named_are_those_of_the_default() -> None:
    assert ENGINES[ENGINE].chapters == CHAPTERS
    assert [rule.id for rule in RULES] == list(RULE) == ORDERS[ENGINE]


def test_every_rule_is_shown_to_fire_and_not_to_fire() -> None:
    cases = all_cases()
    assert {case.rule for case in cases if case.severity is not None} == set(ORDERS[NEWEST])
    assert {case.rule for case in cases if case.severity is None} == set(ORDERS[NEWEST])


def plainly(
    event: Event, state: SubjectState, chapters: tuple[Chapter, ...], recorded_at: datetime
) -> Verdict:
    """What the rules of some chapters say one after the other: no plan, no memory, no short cut."""
    findings: list[Finding] = []
    pattern = resolve(event, sample_bundle())
    case = Case(event, state, pattern, event.occurred_at, recorded_at, False, None, findings)
    for chapter in chapters:
        if event.kind in chapter.kinds:
            for rule in chapter.rules:
                if rule.concerns(pattern):
                    rule.check(case)
    return conclude(findings)


# The families of rules that the first engine had when it was the only one.
_FIRST_CHAPTERS = (
    purpose.CHAPTER,
    category.CHAPTER,
    basis.CHAPTER,
    marketing.OBJECTION,
    objecting.CHAPTER,
    marketing.NIX,
    recipient.CHAPTER,
    transferring.CHAPTER,
    disclosure.CHAPTER,
)


@given(st.one_of(events, steps), histories, moments)
def test_the_first_engine_judges_as_ever(event: Event, history: list[Event], recorded: str) -> None:
    state = known_of(history)
    judged = decide(event, state, sample_bundle(), 1, recorded_at=at(recorded))
    assert judged == plainly(event, state, _FIRST_CHAPTERS, at(recorded))


def _reread(event: Event) -> bool:
    """Whether engine 2 reads what protects the data otherwise: a reference to a safeguard nobody named."""
    handed = isinstance(event, TransferEvent | DisclosureEvent)
    return handed and event.safeguard is None and event.safeguard_reference is not None


@given(st.one_of(events, steps), histories, moments)
@example(transfer("monitoring-group-ch", safeguard_reference="SCC-2023-04"), [], "2018-06-01")
def test_a_newer_engine_adds_findings_and_changes_none(
    event: Event, history: list[Event], recorded: str
) -> None:
    state = known_of(history)
    newer = decide(event, state, sample_bundle(), NEWEST, recorded_at=at(recorded))
    older = decide(event, state, sample_bundle(), 1, recorded_at=at(recorded))
    kept = [rule for rule in FIRST if not (rule.startswith("transfer.") and _reread(event))]
    assert [f for f in newer.findings if f.rule in kept] == [f for f in older.findings if f.rule in kept]
    assert newer == plainly(event, state, ENGINES[NEWEST].chapters, at(recorded))


@given(events, st.data())
def test_the_first_engine_asks_for_no_producer_and_no_time(event: Event, data: st.DataObject) -> None:
    recorded = data.draw(st.datetimes(timezones=st.just(UTC)))
    scope = ProducerScope(frozenset(), frozenset())
    plain = decide(event, SubjectState(), sample_bundle(), 1, recorded_at=event.occurred_at)
    assert decide(event, SubjectState(), sample_bundle(), 1, recorded_at=recorded, scope=scope) == plain


def test_a_check_concerns_more_than_it_reports() -> None:
    # `concerns` looks at words alone, so it may only leave out what could not fire: no rule fires beyond it.
    for case in all_cases():
        pattern = resolve(case.event, case.bundle or sample_bundle())
        if case.severity is not None:
            assert ANY_RULE[case.rule].concerns(pattern)


def test_every_rule_says_what_it_enforces() -> None:
    for rule in ALL_RULES:
        assert rule.clause
        assert rule.article
        assert rule.title_en
        assert rule.title_sv != rule.title_en
        assert rule.meaning.endswith(".")
        assert rule.severity in ("flag", "deny")
    assert len({rule.title_en for rule in ALL_RULES}) == len(ALL_RULES)
    assert len({rule.title_sv for rule in ALL_RULES}) == len(ALL_RULES)


@given(events, histories, engines)
def test_findings_come_in_the_order_of_the_rules(event: Event, history: list[Event], engine: int) -> None:
    verdict = judge(event, *history, engine=engine)
    places = [ORDERS[engine].index(finding.rule) for finding in verdict.findings]
    assert places == sorted(places)
    worst = max((finding.severity for finding in verdict.findings), key=GRAVITY.__getitem__, default="permit")
    assert verdict.verdict == worst


@given(events, histories)
def test_no_finding_names_the_person(event: Event, history: list[Event]) -> None:
    assert event.subject is not None
    findings = judge(event, *history, engine=NEWEST).findings
    assert all(event.subject.value not in finding.message for finding in findings)


@given(events, histories, engines)
def test_deciding_changes_none_of_its_arguments(event: Event, history: list[Event], engine: int) -> None:
    state = known_of(history)
    bundle = replace(sample_bundle(), scc_sets=dict(sample_bundle().scc_sets))
    before = deepcopy((event, state, msgspec.to_builtins(bundle)))
    first = decide(event, state, bundle, engine, recorded_at=event.occurred_at)
    assert (event, state, msgspec.to_builtins(bundle)) == before
    assert decide(event, state, bundle, engine, recorded_at=event.occurred_at) == first


@given(events, histories, engines)
def test_what_was_judged_before_leaves_no_trace(event: Event, history: list[Event], engine: int) -> None:
    warm = judge(event, *history, engine=engine)
    cold = judge(event, *history, bundle=replace(sample_bundle()), engine=engine)
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
        assert judge(event, engine=1) is PERMIT


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
    bundle = changed(severities=dict.fromkeys(ORDERS[NEWEST], "off"))
    for case in all_cases():
        assert case.verdict(bundle) is PERMIT


def test_an_unknown_engine_is_refused() -> None:
    event = process()
    with pytest.raises(UnknownEngine, match=r"engine 99 .*\(1, 2\)") as caught:
        decide(event, SubjectState(), sample_bundle(), 99, recorded_at=event.occurred_at)
    assert isinstance(caught.value, PolicyError)
    assert caught.value.engine == 99
    assert ENGINE in ENGINES


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "_MOST_PLANS", 3)
    monkeypatch.setattr(deciding, "_MOST_BUNDLES", 2)
    bundles = [replace(sample_bundle()) for _ in range(4)]
    for bundle in bundles:
        for number, engine in itertools.product(range(10), ENGINES):
            event = process(purpose=f"p{number}")
            verdict = decide(event, SubjectState(), bundle, engine, recorded_at=at(NOW))
            assert [finding.rule for finding in verdict.findings] == ["purpose.undeclared"]
    for judge_ in ENGINES.values():
        assert len(judge_.compiled) <= 2
        assert all(len(compiled.plans) <= 3 for compiled in judge_.compiled.values())


def test_engines_remember_apart() -> None:
    event, bundle = process(system="legacy_backup"), replace(sample_bundle())
    for _ in range(2):
        assert decide(event, SubjectState(), bundle, 1, recorded_at=at(NOW)) is PERMIT
        assert decide(event, SubjectState(), bundle, 2, recorded_at=at(NOW)).verdict == "deny"


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
    assert words_of(one) == words_of(replace(one, occurred_at=other.occurred_at, correlation_id="other"))


def test_events_without_rules_have_words_too() -> None:
    assert words_of(contract("started", NOW)) != words_of(objection(NOW))


@pytest.mark.parametrize(
    ("engine", "verdict", "rules"),
    [
        (1, "deny", ["transfer.third_country", "transfer.safeguard_unregistered"]),
        (2, "flag", ["transfer.third_country"]),
    ],
)
def test_an_engine_keeps_its_reading(engine: int, verdict: str, rules: list[str]) -> None:
    """A reference that no instrument has, where a decision covers: read otherwise since engine 2."""
    for to, reference in (("monitoring-group-ch", "2000/518/EC"), ("app-hosting-us", "WRONG-1")):
        contracted = [collect("2025-01-01", categories=("address",)), contract("started", "2025-01-01")]
        given = transfer(to, safeguard_reference=reference, data_categories=["address"])
        found = judge(given, *contracted, engine=engine)
        assert (found.verdict, [finding.rule for finding in found.findings]) == (verdict, rules)
