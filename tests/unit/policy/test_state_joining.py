"""The union of two states: whatever is joined to whatever, and in which order, the answers are the same."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.events.model import Event
from ansvar.policy.collecting import Collected, Collection
from ansvar.policy.contracts import Contracts, ContractStep
from ansvar.policy.joining import join
from ansvar.policy.requests import Objection
from ansvar.policy.state import Fact, SubjectState, decode_state, encode_state, fact_of, observe
from ansvar.policy.verdict import PERMIT
from judging import at, collect, contract, objection, rights

START = datetime(2025, 1, 1, tzinfo=UTC)
# Few instants, so that many steps fall on one.
times = st.integers(0, 6).map(lambda days: START + timedelta(days=days))
facts = st.one_of(
    st.builds(
        Fact,
        kind=st.just("processing"),
        operation=st.just("collect"),
        occurred_at=times,
        purpose=st.sampled_from(["contract", "marketing"]),
        data_categories=st.lists(st.sampled_from(["name", "email"]), min_size=1, max_size=2).map(tuple),
        source=st.sampled_from([None, "data_subject", "partner"]),
    ),
    st.builds(
        Fact,
        kind=st.just("rights"),
        occurred_at=times,
        right=st.sampled_from(["objection", "erasure", "restriction"]),
        request=st.sampled_from([b"R1", b"R2"]),
        phase=st.sampled_from(["received", "identified", "fulfilled", "refused", "withdrawn"]),
        scope=st.sampled_from([None, "direct_marketing"]),
        has_reason=st.booleans(),
        fee=st.sampled_from([None, 0, 100]),
    ),
    st.builds(
        Fact,
        kind=st.just("contract"),
        occurred_at=times,
        contract=st.sampled_from([b"C1", b"C2"]),
        phase=st.sampled_from(["started", "ended"]),
        customer_type=st.sampled_from([None, "consumer", "company"]),
    ),
)
histories = st.lists(facts, max_size=16)


def fold(history: list[Fact]) -> SubjectState:
    state = SubjectState()
    for fact in history:
        observe(state, fact)
    return state


states = histories.map(fold)


def of(*events: Event, key: bytes = b"R1") -> SubjectState:
    """The state after events that all name one request or contract."""
    return fold([fact for event in events if (fact := fact_of(event, PERMIT, key, key)) is not None])


def answers(state: SubjectState, when: datetime) -> list[object]:
    """What rules ask; lists whose order means nothing are sorted."""
    objections = [
        sorted(
            state.objections_at(when, marketing=marketing), key=lambda held: (held.since, held.scope or "")
        )
        for marketing in (False, True)
    ]
    categories, wanted = ("name", "email"), ("marketing", "contract")
    return [
        state.contracts_at(when),
        state.customer_at(when),
        state.contract_lasts(START, when),
        state.contract_opens(START, when),
        [state.collected_for(category, when) for category in categories],
        state.unserved(categories, frozenset({"marketing"}), when),
        [state.not_collected(categories, wanted, START, when, source) for source in (None, "partner")],
        state.last_erasure(when),
        state.restricted_since(when),
        objections,
        [state.requested("erasure", request, when) for request in (b"R1", b"R2")],
        [state.steps("objection", request, when) for request in (b"R1", b"R2")],
        sorted(set(state.receipts("objection"))),
    ]


@given(states, states)
def test_it_does_not_matter_which_is_joined_to_which(one: SubjectState, other: SubjectState) -> None:
    assert join(one, other) == join(other, one)


@given(states, states, states, times)
def test_it_does_not_matter_which_are_joined_first(
    one: SubjectState, two: SubjectState, three: SubjectState, when: datetime
) -> None:
    left, right = join(join(one, two), three), join(one, join(two, three))
    assert left == right
    assert answers(left, when) == answers(right, when)


@given(states, times)
def test_a_state_joined_with_itself_or_with_nothing_is_the_same(state: SubjectState, when: datetime) -> None:
    for joined in (join(state, deepcopy(state)), join(state, SubjectState()), join(SubjectState(), state)):
        assert joined == state
        assert answers(joined, when) == answers(state, when)


@given(histories.map(lambda drawn: list({fact.occurred_at: fact for fact in drawn}.values())), st.data())
def test_the_union_is_what_one_subject_would_have_had(history: list[Fact], data: st.DataObject) -> None:
    """Where no two things happened at one instant, so that order of arrival is no matter."""
    ours = [data.draw(st.booleans()) for _ in history]
    one = fold([fact for fact, mine in zip(history, ours, strict=True) if mine])
    other = fold([fact for fact, mine in zip(history, ours, strict=True) if not mine])
    assert join(one, other) == fold(history)


@given(states, states, histories)
def test_a_union_shares_nothing_that_changes(
    one: SubjectState, other: SubjectState, later: list[Fact]
) -> None:
    before = deepcopy((one, other))
    for joined in (join(one, other), join(one, SubjectState()), join(SubjectState(), other)):
        for fact in later:
            observe(joined, fact)
    assert (one, other) == before


@given(states, states)
def test_a_union_can_be_kept(one: SubjectState, other: SubjectState) -> None:
    joined = join(one, other)
    assert decode_state(encode_state(joined)) == joined


def test_steps_of_one_request_are_one_request() -> None:
    joined = join(of(objection("2026-01-10")), of(objection("2026-02-10", phase="withdrawn")))
    assert joined.objections_at(at("2026-02-01"), marketing=True) == [Objection(None, at("2026-01-10"))]
    assert joined.objections_at(at("2026-02-10"), marketing=True) == []


def test_requests_of_two_ids_stay_two() -> None:
    joined = join(of(objection("2026-01-10")), of(objection("2026-02-10", phase="withdrawn"), key=b"R2"))
    assert len(joined.objections_at(at("2026-03-01"), marketing=True)) == 1


def test_steps_of_one_contract_are_one_contract() -> None:
    joined = join(of(contract("started", "2025-01-01")), of(contract("ended", "2025-06-01")))
    assert joined.contracts_at(at("2025-07-01")) == Contracts("ended", at("2025-06-01"))
    assert joined.contracts_at(at("2024-07-01")) == Contracts("none")


def test_an_erasure_of_either_clears_what_was_collected_of_both() -> None:
    joined = join(of(collect("2026-01-10")), of(rights("erasure", "fulfilled", "2026-02-01")))
    assert joined.collected_for("name", at("2026-01-20")) == ["contract"]
    assert joined.collected_for("name", at("2026-02-01")) == []


def test_collects_of_the_same_are_one_group() -> None:
    joined = join(of(collect("2026-01-10")), of(collect("2026-01-05"), collect("2026-01-10")))
    collects = [Collection(at(when), "data_subject") for when in ("2026-01-05", "2026-01-10")]
    assert joined.collected == [Collected("contract", ("name",), collects)]


def step(phase: str, customer_type: str | None = None) -> ContractStep:
    return ContractStep(START, phase, customer_type)  # type: ignore[arg-type] # literals


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        # made and undone at once, as it arrived, whoever else says the same
        ([step("started"), step("ended")], [], [step("started"), step("ended")]),
        (
            [step("started"), step("ended")],
            [step("started"), step("ended")],
            [step("started"), step("ended")],
        ),
        # of two tellers a contract that ends and starts at once was renewed
        ([step("started")], [step("ended")], [step("ended"), step("started")]),
        ([step("started"), step("ended")], [step("ended")], [step("ended"), step("started")]),
        (
            [step("started", "company")],
            [step("started"), step("started", "company")],
            [step("started"), step("started", "company")],
        ),
    ],
)
def test_steps_of_one_instant(
    one: list[ContractStep], other: list[ContractStep], expected: list[ContractStep]
) -> None:
    assert join(SubjectState({b"C": one}), SubjectState({b"C": other})).contracts == {b"C": expected}
    assert join(SubjectState({b"C": other}), SubjectState({b"C": one})).contracts == {b"C": expected}


def test_a_request_that_was_answered_at_once_was_received_first() -> None:
    joined = join(of(objection("2026-01-10", phase="withdrawn")), of(objection("2026-01-10")))
    assert joined.objections_at(at("2026-02-01"), marketing=True) == []
