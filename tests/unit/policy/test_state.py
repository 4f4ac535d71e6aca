"""The fold over a subject's history: what it keeps and ignores, and that order of arrival is no matter."""

from __future__ import annotations

import itertools
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.policy.contracts import Contracts
from ansvar.policy.state import (
    Fact,
    SubjectState,
    decode_state,
    encode_state,
    fact_of,
    observe,
)
from ansvar.policy.verdict import PERMIT, Finding, Verdict
from judging import NOW, at, collect, contract, disclose, just_before, objection, process, rights, transfer

DENIED = Verdict("deny", (Finding("basis.missing", "5.1", "deny", ""),))
FLAGGED = Verdict("flag", (Finding("category.personnummer", "", "flag", ""),))
START = datetime(2025, 1, 1, tzinfo=UTC)

times = st.integers(0, 200).map(lambda hours: START + timedelta(hours=hours))
collects = st.builds(
    Fact,
    kind=st.just("processing"),
    operation=st.just("collect"),
    occurred_at=times,
    stage=st.sampled_from(["done", "intent", "not_run", "fail_open"]),
    denied=st.booleans(),
    purpose=st.sampled_from([None, "contract", "marketing"]),
    data_categories=st.lists(st.sampled_from(["name", "email", "age"]), max_size=3).map(tuple),
    source=st.sampled_from([None, "data_subject", "partner"]),
)
requests = st.builds(
    Fact,
    kind=st.just("rights"),
    occurred_at=times,
    stage=st.sampled_from(["done", "intent"]),
    right=st.sampled_from(["objection", "erasure", "restriction", "access"]),
    request=st.sampled_from([b"R1", b"R2"]),
    phase=st.sampled_from(
        ["received", "identified", "extended", "fulfilled", "refused", "withdrawn", "recipients_notified"]
    ),
    scope=st.sampled_from([None, "direct_marketing", "evaluation"]),
    method=st.sampled_from([None, "bankid"]),
    has_reason=st.booleans(),
    fee=st.sampled_from([None, 100]),
)
contracts = st.builds(
    Fact,
    kind=st.just("contract"),
    occurred_at=times,
    contract=st.sampled_from([b"C1", b"C2"]),
    phase=st.sampled_from(["started", "ended"]),
    customer_type=st.sampled_from([None, "consumer", "company"]),
)
others = st.builds(
    Fact, kind=st.sampled_from(["transfer", "disclosure", "notice", "processing"]), occurred_at=times
)
facts = st.lists(st.one_of(collects, requests, contracts, others), max_size=30)


def fold(history: list[Fact], state: SubjectState | None = None) -> SubjectState:
    state = SubjectState() if state is None else state
    for fact in history:
        observe(state, fact)
    return state


def standing(when: str, *steps: tuple[str, str, str]) -> Contracts:
    """The contracts at a time after steps (contract, phase, time) arrived in this order."""
    state = SubjectState()
    for contract_id, phase, time in steps:
        fact = fact_of(contract(phase, time), PERMIT, None, contract_id.encode())
        assert fact is not None
        observe(state, fact)
    return state.contracts_at(at(when))


@given(facts, st.integers(0, 30))
def test_continuing_from_a_snapshot_is_never_having_stopped(history: list[Fact], cut: int) -> None:
    resumed = decode_state(encode_state(fold(history[:cut])))
    assert fold(history[cut:], resumed) == fold(history)


@given(facts.map(lambda history: list({fact.occurred_at: fact for fact in history}.values())), st.randoms())
def test_order_of_arrival_is_no_matter(history: list[Fact], dice: object) -> None:
    shuffled = list(history)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fold(shuffled) == fold(history)


@given(facts, times)
def test_what_happens_later_changes_no_answer_about_earlier(history: list[Fact], when: datetime) -> None:
    # The one exception is stated in the policy: an end without a start says that there was a contract before.
    known = [f for f in history if f.occurred_at <= when]
    later = [f for f in history if f.occurred_at > when and not (f.kind == "contract" and f.phase == "ended")]
    state, wiser = fold(known), fold(known + later)
    assert state.contracts_at(when) == wiser.contracts_at(when)
    assert state.last_erasure(when) == wiser.last_erasure(when)
    for category in ("name", "email", "age"):
        assert sorted(state.collected_for(category, when)) == sorted(wiser.collected_for(category, when))
    for marketing in (True, False):
        assert state.objections_at(when, marketing=marketing) == wiser.objections_at(
            when, marketing=marketing
        )
    assert state.restricted_since(when) == wiser.restricted_since(when)
    assert state.steps("access", b"R1", when) == wiser.steps("access", b"R1", when)
    assert state.requested("access", b"R1", when) == wiser.requested("access", b"R1", when)
    earlier = START + (when - START) / 2
    assert state.contract_opens(earlier, when) == wiser.contract_opens(earlier, when)
    assert state.contract_lasts(earlier, when) == wiser.contract_lasts(earlier, when)
    asked = (("name", "email"), ("contract", "marketing"), earlier, when)
    for source in (None, "data_subject"):
        assert state.not_collected(*asked, source) == wiser.not_collected(*asked, source)  # type: ignore[arg-type] # a literal


@given(facts, times, st.frozensets(st.sampled_from(["contract", "marketing", "evaluation"])))
def test_unserved_is_what_collected_for_says(
    history: list[Fact], when: datetime, origins: frozenset[str]
) -> None:
    state = fold(history)
    categories = ("name", "email", "age", "gender")
    slowly = [c for c in categories if (known := state.collected_for(c, when)) and origins.isdisjoint(known)]
    assert state.unserved(categories, origins, when) == slowly


@given(facts, times)
def test_asking_changes_nothing(history: list[Fact], when: datetime) -> None:
    state = fold(history)
    before = deepcopy(state)
    state.contracts_at(when)
    state.collected_for("name", when)
    state.objections_at(when, marketing=True)
    state.requested("access", b"R1", when)
    state.steps("access", b"R1", when).clear()
    state.restricted_since(when)
    state.customer_at(when)
    state.contract_opens(START, when)
    state.contract_lasts(START, when)
    state.not_collected(("name",), ("contract",), START, when)
    list(state.receipts("access"))
    assert state == before


@pytest.mark.parametrize(
    ("when", "steps", "expected"),
    [
        ("2025-06-01", (), Contracts("none")),
        (just_before("2025-01-01"), (("a", "started", "2025-01-01"),), Contracts("none")),
        ("2025-01-01", (("a", "started", "2025-01-01"),), Contracts("active")),
        ("2025-06-01", (("a", "ended", "2025-05-01"),), Contracts("ended", at("2025-05-01"))),
        ("2025-05-01", (("a", "ended", "2025-05-01"),), Contracts("ended", at("2025-05-01"))),
        (just_before("2025-05-01"), (("a", "ended", "2025-05-01"),), Contracts("active")),
        (
            "2025-06-01",  # an end said twice is the first
            (("a", "started", "2025-01-01"), ("a", "ended", "2025-04-01"), ("a", "ended", "2025-05-01")),
            Contracts("ended", at("2025-04-01")),
        ),
        (
            "2025-06-01",  # the end of one does not end another
            (("a", "started", "2025-01-01"), ("b", "ended", "2025-04-01")),
            Contracts("active"),
        ),
        (
            "2025-06-01",  # the last end counts
            (("a", "ended", "2025-05-01"), ("b", "ended", "2025-04-01")),
            Contracts("ended", at("2025-05-01")),
        ),
        (
            "2025-06-01",  # ended and renewed at one instant, in order of arrival
            (("a", "started", "2025-01-01"), ("a", "ended", "2025-04-01"), ("a", "started", "2025-04-01")),
            Contracts("active"),
        ),
        (
            "2025-06-01",  # made and undone at one instant, in order of arrival
            (("a", "started", "2025-04-01"), ("a", "ended", "2025-04-01")),
            Contracts("ended", at("2025-04-01")),
        ),
        (
            "2025-06-01",  # a contract that begins later is not known yet
            (("a", "ended", "2025-04-01"), ("b", "started", "2025-07-01")),
            Contracts("ended", at("2025-04-01")),
        ),
    ],
)
def test_contracts(when: str, steps: tuple[tuple[str, str, str], ...], expected: Contracts) -> None:
    assert standing(when, *steps) == expected


def test_arrival_of_three_steps_in_any_order() -> None:
    steps = (("a", "started", "2025-01-01"), ("a", "ended", "2025-03-01"), ("a", "started", "2025-05-01"))
    for order in itertools.permutations(steps):
        assert [
            standing(when, *order).standing for when in ("2024-12-01", "2025-02-01", "2025-04-01", NOW)
        ] == [
            "none",
            "active",
            "ended",
            "active",
        ]


def test_most_events_change_no_state() -> None:
    for event in (
        process("use"),
        process("collect", purpose=None, source="data_subject"),
        transfer(),
        disclose(),
        collect(NOW, stage="intent"),
        collect(NOW, stage="not_run"),
        rights("access", "received", NOW, stage="intent"),
        contract("started", NOW, stage="not_run"),
    ):
        assert fact_of(event, PERMIT, b"R1", b"C1") is None
    assert fact_of(collect(NOW), DENIED) is None


def test_what_happened_counts_whatever_the_verdict() -> None:
    for event in (
        objection(NOW),
        contract("ended", NOW),
        rights("erasure", "fulfilled", NOW, stage="fail_open"),
    ):
        assert fact_of(event, DENIED, b"R1", b"C1") is not None
    for verdict in (PERMIT, FLAGGED):
        assert fact_of(collect(NOW, stage="fail_open"), verdict) is not None


def test_the_fold_itself_ignores_what_a_ledger_row_may_bring() -> None:
    history = [
        Fact(
            kind="processing",
            occurred_at=START,
            operation="collect",
            purpose="contract",
            denied=True,
            data_categories=("name",),
        ),
        Fact(
            kind="processing",
            occurred_at=START,
            operation="use",
            purpose="contract",
            data_categories=("name",),
        ),
        Fact(kind="transfer", occurred_at=START, purpose="contract", data_categories=("name",)),
        Fact(kind="contract", occurred_at=START, stage="intent", contract=b"C1", phase="started"),
        Fact(kind="rights", occurred_at=START, right="erasure", request=b"R1", phase="recipients_notified"),
    ]
    assert fold(history) == SubjectState()


def test_a_state_holds_no_free_text() -> None:
    fact = fact_of(rights("access", "refused", NOW, reason="Anna asked last week"), PERMIT, b"key")
    assert fact is not None
    assert fact.has_reason
    assert b"Anna" not in encode_state(fold([fact]))
    assert b"R1" not in encode_state(fold([fact]))


def test_requests_of_different_rights_do_not_meet() -> None:
    state = fold(
        [
            Fact(kind="rights", occurred_at=START, right="access", request=b"R1", phase="received"),
            Fact(kind="rights", occurred_at=START, right="portability", request=b"R2", phase="received"),
        ]
    )
    assert state.requested("access", b"R1", START)
    assert not state.requested("portability", b"R1", START)
    assert not state.requested("access", b"R1", START - timedelta(seconds=1))


@pytest.mark.parametrize(
    "fact",
    [
        Fact(kind="rights", occurred_at=START, right="access", phase="received"),
        Fact(kind="rights", occurred_at=START, right="access", request=b"R1", phase="started"),
        Fact(kind="contract", occurred_at=START, phase="started"),
        Fact(kind="contract", occurred_at=START, contract=b"C1", phase="received"),
    ],
    ids=["no key", "a contract's phase", "no contract", "a request's phase"],
)
def test_a_fact_that_lacks_its_key_is_a_mistake_of_the_caller(fact: Fact) -> None:
    with pytest.raises(TypeError):
        observe(SubjectState(), fact)
