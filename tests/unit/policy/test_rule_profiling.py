"""Clause 4.1: segments are analysed, people are not, and no machine decides."""

from __future__ import annotations

from typing import Any

import pytest

from ansvar.policy.bundle import System
from boundaries import begins, ends
from judging import (
    NOW,
    RuleCase,
    changed,
    days,
    disclose,
    fires,
    interest,
    judge,
    just_before,
    process,
    silent,
)

AGGREGATE: dict[str, Any] = {"aggregated": True, "deidentified": True}
# A machine that decided by itself in 2025 and the day it was last allowed to.
MACHINE = changed(
    systems={
        "scoring": (
            System("scoring", "SE", True, period=days("2025-01-01", "2026-01-01")),
            System("scoring", "SE", False, period=days("2026-01-01")),
        )
    }
)

_LACKING: dict[str, dict[str, Any]] = {
    "neither stated": {},
    "not aggregated": {"aggregated": False, "deidentified": True},
    "aggregation not stated": {"deidentified": True},
    "identified": {"aggregated": True, "deidentified": False},
    "identification not stated": {"aggregated": True},
}

CASES = [
    *(
        fires("profiling.individual", title, interest("analyse", purpose="marketing", **facts))
        for title, facts in _LACKING.items()
    ),
    silent(
        "profiling.individual",
        "aggregates without anyone in them",
        interest("analyse", purpose="marketing", **AGGREGATE),
    ),
    *(
        silent("profiling.individual", f"analyse for {purpose}", interest("analyse", purpose=purpose))
        for purpose in ("evaluation", "security", "customer_service", "recruitment")
    ),
    *(
        fires(
            "profiling.individual",
            f"profile for {purpose}",
            interest("profile", purpose=purpose, **AGGREGATE),
        )
        for purpose in ("evaluation", "security", "customer_service", "recruitment")
    ),
    fires(
        "profiling.individual", "a processor's", interest("profile", role="processor", controller="Alfa AB")
    ),
    silent("profiling.individual", "profile for marketing", interest("profile", purpose="marketing")),
    silent("profiling.individual", "profile without purpose", process("profile", purpose=None)),
    silent("profiling.individual", "profile for no purpose of ours", process("profile", purpose="resale")),
    silent("profiling.individual", "analyse without purpose", process("analyse", purpose=None)),
    silent("profiling.individual", "another operation", interest("use", purpose="marketing")),
    silent("profiling.individual", "a disclosure", disclose(purpose="evaluation")),
    *(
        fires("decision.automated", f"stated on {operation}", process(operation, automated_decision=True))
        for operation in ("decide", "use", "erase")
    ),
    fires("decision.automated", "a system that decides", process("decide", system="pricing_engine")),
    fires(
        "decision.automated",
        "whatever the event denies",
        process("decide", system="pricing_engine", automated_decision=False),
    ),
    silent("decision.automated", "such a system stores", process("store", system="pricing_engine")),
    silent("decision.automated", "a human with a system", process("decide", system="crm")),
    silent("decision.automated", "stated as none", process("decide", automated_decision=False)),
    silent("decision.automated", "an unknown system", process("decide", system="somewhere")),
    silent("decision.automated", "a disclosure", disclose(system="pricing_engine")),
    silent(
        "decision.automated",
        "before the register has it",
        process("decide", just_before("2025-01-01"), system="scoring"),
        bundle=MACHINE,
    ),
    fires(
        "decision.automated",
        "its first day",
        process("decide", "2025-01-01", system="scoring"),
        bundle=MACHINE,
    ),
    fires(
        "decision.automated",
        "its last moment",
        process("decide", just_before("2026-01-01"), system="scoring"),
        bundle=MACHINE,
    ),
    silent(
        "decision.automated",
        "from the day a human decides",
        process("decide", "2026-01-01", system="scoring"),
        bundle=MACHINE,
    ),
]

# By the day from which the register says that a system decides by itself.
CASES += [
    *begins(
        "decision.automated",
        "set to decide",
        "2025-01-01",
        lambda when: process("decide", when, system="scoring"),
        bundle=MACHINE,
    ),
    *ends(
        "decision.automated",
        "a human decides",
        "2026-01-01",
        lambda when: process("decide", when, system="scoring"),
        bundle=MACHINE,
    ),
    *begins(
        "decision.automated",
        "set to decide on a leap day",
        "2024-02-29",
        lambda when: process("decide", when, system="scoring"),
        bundle=changed(systems={"scoring": (System("scoring", "SE", True, period=days("2024-02-29")),)}),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({}, "analyse for marketing at 2026-03-02 14:00, not aggregated and not deidentified"),
        ({"aggregated": True}, "analyse for marketing at 2026-03-02 14:00, not deidentified"),
    ],
)
def test_messages_state_what_is_lacking(facts: dict[str, Any], message: str) -> None:
    (finding,) = judge(interest("analyse", purpose="marketing", **facts), engine=2).findings
    assert finding.message == message


def test_a_decision_says_whose_word_it_is() -> None:
    stated = fires("decision.automated", "", process("decide", automated_decision=True)).check()
    assert stated is not None
    assert stated.message == f"decide at {NOW} is stated as an automated decision"
    registered = fires("decision.automated", "", process("decide", system="pricing_engine")).check()
    assert registered is not None
    assert registered.message == f"decide at {NOW} by 'pricing_engine', registered as deciding by itself"
