"""Clause 9.5: objections to processing on a legitimate interest."""

from __future__ import annotations

from functools import partial

import pytest

from boundaries import begins, ends
from judging import (
    RuleCase,
    disclose,
    fires,
    interest,
    just_before,
    objection,
    process,
    silent,
    transfer,
)

SAID_NO = "2026-01-05 10:00"
GROUNDS = {"compelling_grounds": "G-2026-1"}

CASES = [
    fires("objection.in_force", "to the purpose", interest(), objection(SAID_NO, "evaluation")),
    fires("objection.in_force", "without scope", interest(), objection(SAID_NO)),
    fires(
        "objection.in_force", "with a scope that means nothing here", interest(), objection(SAID_NO, "spam")
    ),
    fires(
        "objection.in_force",
        "every purpose on legitimate interest",
        interest(purpose="security"),
        objection(SAID_NO),
    ),
    fires("objection.in_force", "from its own instant", interest(when=SAID_NO), objection(SAID_NO)),
    fires(
        "objection.in_force",
        "before the refusal",
        interest(when=just_before("2026-02-01")),
        objection(SAID_NO),
        objection("2026-02-01", phase="refused"),
    ),
    fires(
        "objection.in_force",
        "refused, and objected again",
        interest(),
        objection(SAID_NO),
        objection("2026-02-01", phase="refused"),
        objection("2026-02-10", request="R2"),
    ),
    fires(
        "objection.in_force",
        "a transfer",
        transfer(purpose="evaluation", legal_basis="legitimate_interest"),
        objection(SAID_NO),
    ),
    fires(
        "objection.in_force",
        "a disclosure",
        disclose(purpose="security", legal_basis="legitimate_interest"),
        objection(SAID_NO),
    ),
    silent("objection.in_force", "none", interest()),
    silent("objection.in_force", "before it", interest(when=just_before(SAID_NO)), objection(SAID_NO)),
    silent("objection.in_force", "to another purpose", interest(), objection(SAID_NO, "security")),
    silent("objection.in_force", "to direct marketing", interest(), objection(SAID_NO, "direct_marketing")),
    silent("objection.in_force", "to marketing", interest(), objection(SAID_NO, "marketing")),
    silent(
        "objection.in_force", "marketing has its own rule", interest(purpose="marketing"), objection(SAID_NO)
    ),
    silent(
        "objection.in_force",
        "refused",
        interest(when="2026-02-01"),
        objection(SAID_NO),
        objection("2026-02-01", phase="refused"),
    ),
    silent(
        "objection.in_force",
        "withdrawn",
        interest(),
        objection(SAID_NO),
        objection("2026-02-01", phase="withdrawn"),
    ),
    silent(
        "objection.in_force",
        "withdrawn, arriving in the wrong order",
        interest(),
        objection("2026-02-01", phase="withdrawn"),
        objection(SAID_NO),
    ),
    silent("objection.in_force", "another basis", process(), objection(SAID_NO)),
    silent("objection.in_force", "compelling grounds", interest(**GROUNDS), objection(SAID_NO)),
    silent("objection.in_force", "no purpose", interest(purpose=None), objection(SAID_NO)),
    silent("objection.in_force", "a processor", interest(role="processor"), objection(SAID_NO)),
    silent(
        "objection.in_force",
        "a purpose that never rests on it",
        interest(purpose="contract"),
        objection(SAID_NO),
    ),
    *(
        silent("objection.in_force", operation, interest(operation), objection(SAID_NO))
        for operation in ("erase", "rectify", "restrict")
    ),
    fires(
        "objection.overridden", "compelling grounds", interest(**GROUNDS), objection(SAID_NO, "evaluation")
    ),
    silent("objection.overridden", "no objection", interest(**GROUNDS)),
    silent("objection.overridden", "no grounds", interest(), objection(SAID_NO)),
    silent(
        "objection.overridden",
        "marketing has its own rule",
        interest(purpose="marketing", **GROUNDS),
        objection(SAID_NO),
    ),
    silent(
        "objection.overridden",
        "refused before",
        interest(**GROUNDS),
        objection(SAID_NO),
        objection("2026-02-01", phase="refused"),
    ),
    silent("objection.overridden", "erase", interest("erase", **GROUNDS), objection(SAID_NO)),
]

# By the day, also a leap day.
CASES += [
    case
    for day in ("2026-01-05", "2024-02-29")
    for rule, grounds in (("objection.in_force", {}), ("objection.overridden", GROUNDS))
    for case in (
        *begins(rule, f"on {day}", day, partial(interest, "use", **grounds), objection(day)),
        *(
            later
            for phase in ("refused", "withdrawn")
            for later in ends(
                rule,
                f"{phase} {day}",
                day,
                partial(interest, "use", **grounds),
                objection("2024-01-10"),
                objection(day, phase=phase),
            )
        ),
    )
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_the_message_states_since_when() -> None:
    finding = fires("objection.in_force", "", interest(), objection(SAID_NO)).check()
    assert finding is not None
    assert finding.message == (
        "use for evaluation on legitimate interest at 2026-03-02 14:00, "
        "objection in force since 2026-01-05 10:00, no compelling grounds stated"
    )
