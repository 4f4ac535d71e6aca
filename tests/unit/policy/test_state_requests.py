"""A subject's requests in time: receipts, restrictions, and data given anew."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ansvar.events.model import Event
from ansvar.policy.requests import receipt
from ansvar.policy.state import SubjectState, fact_of, observe
from ansvar.policy.verdict import PERMIT
from judging import at, collect, just_before, rights

PURPOSES = ("contract", "marketing")


def after(*history: Event) -> SubjectState:
    """The state after events arrived in this order."""
    state = SubjectState()
    for event in history:
        request = event.request_id.encode() if event.kind == "rights" else None
        fact = fact_of(event, PERMIT, request)
        assert fact is not None
        observe(state, fact)
    return state


def asked(phase: str, when: str, request: str = "R1", right: str = "access") -> Event:
    return rights(right, phase, when, request)


@pytest.mark.parametrize(
    ("when", "steps", "expected"),
    [
        ("2026-02-01", (), None),
        (just_before("2026-01-05"), (("received", "2026-01-05"),), None),
        ("2026-01-05", (("received", "2026-01-05"),), "2026-01-05"),
        ("2026-02-01", (("received", "2026-01-05"), ("received", "2026-01-20")), "2026-01-05"),
        ("2026-02-01", (("identified", "2026-01-05"), ("fulfilled", "2026-01-06")), None),
        ("2026-02-01", (("received", "2026-01-05"), ("withdrawn", "2026-01-06")), "2026-01-05"),
        (
            "2026-02-01",  # withdrawn, and made anew
            (("received", "2026-01-05"), ("withdrawn", "2026-01-06"), ("received", "2026-01-20")),
            "2026-01-20",
        ),
        (
            just_before("2026-01-20"),
            (("received", "2026-01-05"), ("withdrawn", "2026-01-06"), ("received", "2026-01-20")),
            "2026-01-05",
        ),
        (
            "2026-02-01",
            (("withdrawn", "2026-01-01"), ("received", "2026-01-05"), ("received", "2026-01-20")),
            "2026-01-05",
        ),
    ],
)
def test_receipt(when: str, steps: tuple[tuple[str, str], ...], expected: str | None) -> None:
    for order in itertools.permutations(steps):
        state = after(*(asked(phase, time) for phase, time in order))
        found = receipt(state.steps("access", b"R1", at(when)), at(when))
        assert found == (None if expected is None else at(expected))


def test_steps_are_those_by_then_of_the_request_of_that_right() -> None:
    state = after(
        asked("fulfilled", "2026-01-20"),
        asked("received", "2026-01-05"),
        asked("received", "2026-01-06", "R2"),
        asked("received", "2026-01-07", right="portability"),
    )
    assert [step.at for step in state.steps("access", b"R1", at("2026-01-20"))] == [
        at("2026-01-05"),
        at("2026-01-20"),
    ]
    assert len(state.steps("access", b"R1", at(just_before("2026-01-20")))) == 1
    assert state.steps("erasure", b"R1", at("2026-02-01")) == []
    assert state.steps("access", b"R3", at("2026-02-01")) == []
    assert sorted(state.receipts("access")) == [(b"R1", at("2026-01-05")), (b"R2", at("2026-01-06"))]
    assert list(state.receipts("objection")) == []


RESTRICTED = ("R1", "fulfilled", "2026-01-10")
LIFTED = ("R1", "withdrawn", "2026-01-20")


@pytest.mark.parametrize(
    ("when", "steps", "since"),
    [
        ("2026-01-15", (), None),
        ("2026-01-15", (("R1", "received", "2026-01-05"),), None),
        (just_before("2026-01-10"), (RESTRICTED,), None),
        ("2026-01-10", (RESTRICTED,), "2026-01-10"),
        (just_before("2026-01-20"), (RESTRICTED, LIFTED), "2026-01-10"),
        ("2026-01-20", (RESTRICTED, LIFTED), None),
        ("2026-02-01", (RESTRICTED, ("R1", "refused", "2026-01-20")), "2026-01-10"),
        ("2026-02-01", (RESTRICTED, LIFTED, ("R2", "fulfilled", "2026-01-12")), "2026-01-12"),
        ("2026-01-15", (RESTRICTED, ("R2", "fulfilled", "2026-01-12")), "2026-01-10"),
        ("2026-02-01", (RESTRICTED, ("R2", "withdrawn", "2026-01-20")), "2026-01-10"),
        ("2026-02-01", (RESTRICTED, LIFTED, ("R1", "fulfilled", "2026-01-25")), "2026-01-25"),
        ("2026-02-01", (RESTRICTED, ("R1", "fulfilled", "2026-01-25")), "2026-01-10"),
    ],
)
def test_restrictions(when: str, steps: tuple[tuple[str, str, str], ...], since: str | None) -> None:
    for order in itertools.permutations(steps):
        state = after(*(asked(phase, time, request, "restriction") for request, phase, time in order))
        assert state.restricted_since(at(when)) == (None if since is None else at(since))


def missing(*history: Event, **changes: Any) -> list[str]:
    asked_for = {
        "categories": ("name", "email"),
        "purposes": PURPOSES,
        "since": at("2026-01-01"),
        "at": at("2026-02-01"),
        **changes,
    }
    return after(*history).not_collected(**asked_for)


BOTH = ("name", "email")


@pytest.mark.parametrize(
    ("history", "changes", "expected"),
    [
        ((), {}, ["name", "email"]),
        ((), {"categories": ()}, []),
        ((collect("2026-01-15"),), {}, ["email"]),
        ((collect("2026-01-15", categories=BOTH),), {}, []),
        ((collect("2026-01-15"), collect("2026-01-16", "marketing", ("email",))), {}, []),
        ((collect("2026-01-01", categories=BOTH),), {}, []),
        ((collect(just_before("2026-01-01"), categories=BOTH),), {}, ["name", "email"]),
        ((collect("2026-02-01", categories=BOTH),), {}, []),
        ((collect("2026-02-02", categories=BOTH),), {}, ["name", "email"]),
        ((collect("2025-06-01", categories=BOTH), collect("2026-01-15", categories=BOTH)), {}, []),
        ((collect("2026-01-15", "recruitment", BOTH),), {}, ["name", "email"]),
        ((collect("2026-01-15", categories=BOTH),), {"source": "data_subject"}, []),
        ((collect("2026-01-15", categories=BOTH),), {"source": "partner"}, ["name", "email"]),
        (
            (collect("2026-01-15", categories=BOTH), rights("erasure", "fulfilled", "2026-01-15")),
            {},
            ["name", "email"],
        ),
        (
            (collect("2026-01-15", categories=BOTH), rights("erasure", "fulfilled", "2026-01-14")),
            {},
            [],
        ),
        (
            (collect("2026-01-15", categories=BOTH), rights("erasure", "fulfilled", "2026-02-02")),
            {},
            [],
        ),
    ],
)
def test_not_collected(history: tuple[Event, ...], changes: dict[str, Any], expected: list[str]) -> None:
    for order in itertools.permutations(history):
        assert missing(*order, **changes) == expected
