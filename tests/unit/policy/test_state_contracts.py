"""A subject's contracts in time: who is a customer of what type, what lasts, what begins."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.events.model import CustomerType
from ansvar.policy.state import Fact, SubjectState, observe
from judging import at, just_before

START = datetime(2025, 1, 1, tzinfo=UTC)
Step = tuple[str, str, str, CustomerType | None]

hours = st.integers(0, 30)
histories = st.lists(
    st.tuples(
        hours,
        st.sampled_from(["a", "b"]),
        st.sampled_from(["started", "ended"]),
        st.sampled_from([None, "consumer", "company"]),
    ),
    max_size=8,
    unique_by=lambda step: step[
        0
    ],  # steps of one instant follow their order of arrival, another test's matter
)


def after(*steps: Step) -> SubjectState:
    """The state after steps (contract, phase, time, customer type) arrived in this order."""
    state = SubjectState()
    for contract, phase, when, kind in steps:
        _add(state, contract, phase, at(when), kind)
    return state


def _add(state: SubjectState, contract: str, phase: str, when: datetime, kind: CustomerType | None) -> None:
    observe(
        state,
        Fact(
            kind="contract",
            occurred_at=when,
            contract=contract.encode(),
            phase=phase,  # type: ignore[arg-type] # one of two words
            customer_type=kind,
        ),
    )


CONSUMER: Step = ("a", "started", "2025-01-01", "consumer")
COMPANY: Step = ("b", "started", "2025-03-01", "company")


@pytest.mark.parametrize(
    ("when", "steps", "expected"),
    [
        ("2025-02-01", (), set()),
        (just_before("2025-01-01"), (CONSUMER,), set()),
        ("2025-01-01", (CONSUMER,), {"consumer"}),
        (just_before("2025-03-01"), (CONSUMER, COMPANY), {"consumer"}),
        ("2025-03-01", (CONSUMER, COMPANY), {"consumer", "company"}),
        ("2025-03-01", (COMPANY, CONSUMER), {"consumer", "company"}),
        (
            just_before("2025-05-01"),
            (CONSUMER, COMPANY, ("a", "ended", "2025-05-01", None)),
            {"consumer", "company"},
        ),
        ("2025-05-01", (CONSUMER, COMPANY, ("a", "ended", "2025-05-01", None)), {"company"}),
        ("2025-02-01", (("a", "started", "2025-01-01", None),), set()),
        # An end without a start: the contract was there before, and of the type that its end names.
        ("2025-02-01", (("a", "ended", "2025-05-01", "company"),), {"company"}),
        ("2025-05-01", (("a", "ended", "2025-05-01", "company"),), set()),
        # Stated late, true from the beginning; stated twice, the last word by then counts.
        (
            "2025-02-01",
            (("a", "started", "2025-01-01", None), ("a", "ended", "2025-09-01", "company")),
            {"company"},
        ),
        (
            "2025-06-01",
            (CONSUMER, ("a", "ended", "2025-02-01", None), ("a", "started", "2025-05-01", "company")),
            {"company"},
        ),
        (
            "2025-01-15",
            (CONSUMER, ("a", "ended", "2025-02-01", None), ("a", "started", "2025-05-01", "company")),
            {"consumer"},
        ),
    ],
)
def test_customer_types(when: str, steps: tuple[Step, ...], expected: set[CustomerType]) -> None:
    for order in itertools.permutations(steps):
        assert after(*order).customer_at(at(when)) == expected


ENDED: Step = ("a", "ended", "2025-05-01", None)
AGAIN: Step = ("a", "started", "2025-07-01", None)


@pytest.mark.parametrize(
    ("since", "until", "steps", "lasts", "opens"),
    [
        ("2025-02-01", "2025-04-01", (CONSUMER,), True, False),
        ("2025-01-01", "2025-04-01", (CONSUMER,), True, False),
        (just_before("2025-01-01"), "2025-01-01", (CONSUMER,), False, True),
        (just_before("2025-01-01"), just_before("2025-01-01"), (CONSUMER,), False, False),
        ("2025-02-01", just_before("2025-05-01"), (CONSUMER, ENDED), True, False),
        ("2025-02-01", "2025-05-01", (CONSUMER, ENDED), False, False),
        ("2025-05-01", "2025-06-01", (CONSUMER, ENDED), False, False),
        ("2025-02-01", just_before("2025-07-01"), (CONSUMER, ENDED, AGAIN), False, False),
        ("2025-02-01", "2025-07-01", (CONSUMER, ENDED, AGAIN), False, True),
        ("2025-07-01", "2025-08-01", (CONSUMER, ENDED, AGAIN), True, False),
        ("2025-02-01", "2025-08-01", (CONSUMER, AGAIN), True, False),  # started again while it ran
        ("2025-02-01", "2025-04-01", (ENDED,), True, False),  # started at an unknown earlier time
        ("2025-02-01", "2025-04-01", (CONSUMER, COMPANY), True, True),
        ("2025-02-01", "2025-06-01", (CONSUMER, ENDED, COMPANY), False, True),
    ],
)
def test_what_lasts_and_what_begins(
    since: str, until: str, steps: tuple[Step, ...], lasts: bool, opens: bool
) -> None:
    for order in itertools.permutations(steps):
        state = after(*order)
        assert state.contract_lasts(at(since), at(until)) is lasts
        assert state.contract_opens(at(since), at(until)) is opens


def test_started_and_ended_at_one_instant_follow_their_order_of_arrival() -> None:
    made_and_undone = after(CONSUMER, ("a", "ended", "2025-01-01", None))
    renewed = after(CONSUMER, ENDED, ("a", "started", "2025-05-01", "company"))
    assert made_and_undone.customer_at(at("2025-01-01")) == frozenset()
    assert made_and_undone.contract_opens(at("2024-12-31"), at("2025-01-01"))
    assert renewed.customer_at(at("2025-05-01")) == {"company"}
    assert renewed.contract_opens(at("2025-02-01"), at("2025-05-01"))
    assert not renewed.contract_lasts(at("2025-02-01"), at("2025-05-01"))


def _periods(steps: list[tuple[int, str]]) -> list[tuple[float, float]]:
    """The periods of one contract from its steps in order of time, worked out the slow way."""
    found: list[tuple[float, float]] = []
    if steps and steps[0][1] == "ended":
        steps = [(-1, "started"), *steps]
    for when, phase in steps:
        running = bool(found) and found[-1][1] == float("inf")
        if phase == "started" and not running:
            found.append((when, float("inf")))
        elif phase == "ended" and running:
            found[-1] = (found[-1][0], when)
    return found


@given(histories, hours, hours)
def test_all_questions_agree_with_the_periods(
    history: list[tuple[int, str, str, CustomerType | None]], one: int, other: int
) -> None:
    since, until = sorted((one, other))
    state = SubjectState()
    for hour, contract, phase, kind in history:
        _add(state, contract, phase, START + timedelta(hours=hour), kind)
    periods = [
        period
        for contract in ("a", "b")
        for period in _periods(sorted((hour, phase) for hour, c, phase, _ in history if c == contract))
    ]
    from_, to = START + timedelta(hours=since), START + timedelta(hours=until)
    assert (state.contracts_at(to).standing == "active") == any(a <= until < z for a, z in periods)
    assert state.contract_lasts(from_, to) == any(a <= since and until < z for a, z in periods)
    assert state.contract_opens(from_, to) == any(since < a <= until for a, z in periods)
    if state.contracts_at(to).standing != "active":
        assert state.customer_at(to) == frozenset()
