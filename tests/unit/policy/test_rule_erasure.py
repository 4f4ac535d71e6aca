"""Clause 9.3: what was erased stays erased, and what begins anew is new."""

from __future__ import annotations

import pytest

from ansvar.events.model import Event
from boundaries import begins, ends
from judging import (
    RuleCase,
    collect,
    contract,
    disclose,
    fires,
    interest,
    just_before,
    process,
    rights,
    silent,
    transfer,
)

RULE = "subject.erased"
GONE = "2026-01-10 10:00"
CONTRACTUAL = {"purpose": "contract", "legal_basis": "contract"}
SERVICE = {"purpose": "customer_service", "legal_basis": "contract"}


def erasure(when: str = GONE, phase: str = "fulfilled", request: str = "R1") -> Event:
    return rights("erasure", phase, when, request)


ERASED = (erasure("2026-01-05", "received"), erasure())
STARTED = contract("started", "2024-01-01")

AFTER_IT = [
    fires(RULE, "from its own instant", interest(when=GONE), *ERASED),
    fires(RULE, "the day after", interest(when="2026-01-11"), *ERASED),
    fires(RULE, "never asked for, but done", interest(), erasure()),
    fires(RULE, "a transfer", transfer(**SERVICE), *ERASED),
    fires(RULE, "a disclosure", disclose(**SERVICE), *ERASED),
    fires(RULE, "a processor", interest(role="processor"), *ERASED),
    fires(RULE, "without a purpose", interest(purpose=None), *ERASED),
    fires(RULE, "without a category", interest(data_categories=[]), *ERASED),
    fires(RULE, "collected before it", interest(), collect("2025-12-01"), *ERASED),
    fires(RULE, "arrived later than what it clears", interest(), erasure(), collect("2025-12-01")),
    *(
        fires(RULE, operation, interest(operation), *ERASED)
        for operation in ("store", "use", "rectify", "restrict")
    ),
    silent(RULE, "none", interest()),
    silent(RULE, "just before", interest(when=just_before(GONE)), *ERASED),
    silent(RULE, "the day before", interest(when="2026-01-09 10:00"), *ERASED),
    silent(RULE, "asked for only", interest(), ERASED[0]),
    silent(RULE, "refused", interest(), ERASED[0], erasure(GONE, "refused")),
    silent(RULE, "intended only", interest(), rights("erasure", "fulfilled", GONE, stage="intent")),
    silent(RULE, "erase", interest("erase"), *ERASED),
    silent(RULE, "what the law demands", process("use"), *ERASED),
    silent(RULE, "a disclosure that the law demands", disclose(), *ERASED),
]

ENDED = contract("ended", "2026-02-10")
BY_CONTRACT = [
    silent(RULE, "contract", process("use", **CONTRACTUAL), STARTED, *ERASED),
    silent(RULE, "customer service", process("use", **SERVICE), STARTED, *ERASED),
    silent(
        RULE, "until it ends", process("use", just_before("2026-02-10"), **SERVICE), STARTED, *ERASED, ENDED
    ),
    silent(RULE, "begun at an unknown time", process("use", "2026-02-01", **SERVICE), *ERASED, ENDED),
    silent(RULE, "begun at its instant", process("use", **SERVICE), contract("started", GONE), *ERASED),
    silent(
        RULE,
        "said again that it began",
        process("use", **SERVICE),
        STARTED,
        *ERASED,
        contract("started", "2026-02-01"),
    ),
    fires(RULE, "once it ends", process("use", "2026-02-10", **SERVICE), STARTED, *ERASED, ENDED),
    fires(
        RULE, "ended before the erasure", process("use", **SERVICE), STARTED, contract("ended", GONE), *ERASED
    ),
    fires(RULE, "marketing", interest(purpose="marketing"), STARTED, *ERASED),
    fires(RULE, "evaluation", interest(), STARTED, *ERASED),
    fires(RULE, "security", interest(purpose="security"), STARTED, *ERASED),
    fires(RULE, "without a purpose", process("use", purpose=None), STARTED, *ERASED),
    fires(
        RULE,
        "said again that it began, marketing",
        interest(purpose="marketing"),
        STARTED,
        *ERASED,
        contract("started", "2026-02-01"),
    ),
    fires(
        RULE,
        "erased again after it ended",
        process("use", **SERVICE),
        STARTED,
        *ERASED,
        ENDED,
        erasure("2026-02-11", request="R2"),
    ),
    silent(
        RULE,
        "erased twice while it lasts",
        process("use", **SERVICE),
        STARTED,
        *ERASED,
        erasure("2026-02-11", request="R2"),
    ),
]

AGAIN = contract("started", "2026-02-20", "C2")
NEW_CONTRACT = [
    silent(RULE, "anything from the next contract on", interest(when="2026-02-20"), *ERASED, AGAIN),
    silent(
        RULE, "after that has ended too", interest(), *ERASED, AGAIN, contract("ended", "2026-02-25", "C2")
    ),
    silent(
        RULE, "the same contract anew", interest(), STARTED, *ERASED, ENDED, contract("started", "2026-02-20")
    ),
    silent(RULE, "arrived before the erasure did", interest(), AGAIN, *ERASED),
    fires(RULE, "just before it", interest(when=just_before("2026-02-20")), *ERASED, AGAIN),
    fires(RULE, "begun at the erasure's instant", interest(), contract("started", GONE), *ERASED),
    fires(RULE, "begun before it", interest(), contract("started", just_before(GONE)), *ERASED),
    fires(RULE, "erased again since", interest(), *ERASED, AGAIN, erasure("2026-02-21", request="R2")),
]

TWO = ("name", "email")
COLLECTED = collect("2026-02-20", "marketing", TWO)


def partly(*categories: str) -> Event:
    return interest(data_categories=list(categories))


NEW_DATA = [
    silent(RULE, "given anew", partly(*TWO), *ERASED, COLLECTED),
    silent(RULE, "one of those given anew", partly("email"), *ERASED, COLLECTED),
    silent(RULE, "given in two steps", partly(*TWO), *ERASED, collect("2026-02-01"), COLLECTED),
    silent(RULE, "arrived before the erasure did", partly(*TWO), COLLECTED, *ERASED),
    silent(RULE, "at the instant of the collect", interest(when="2026-02-20"), *ERASED, COLLECTED),
    silent(RULE, "by this collect", collect("2026-02-20", "marketing", TWO), *ERASED),
    silent(RULE, "by this collect, the first instant", collect(GONE, "marketing", TWO), *ERASED),
    fires(RULE, "before it", interest(when=just_before("2026-02-20")), *ERASED, COLLECTED),
    fires(RULE, "another category", partly("name", "address"), *ERASED, COLLECTED),
    fires(RULE, "no category", partly(), *ERASED, COLLECTED),
    fires(RULE, "collected at the erasure's instant", interest(), collect(GONE), *ERASED),
    fires(RULE, "erased again since", interest(), *ERASED, COLLECTED, erasure("2026-02-21", request="R2")),
    fires(RULE, "collect from a partner", interest("collect", source="partner"), *ERASED),
    fires(RULE, "collect from nobody knows where", interest("collect"), *ERASED),
    fires(
        RULE, "collect without a purpose", interest("collect", purpose=None, source="data_subject"), *ERASED
    ),
    fires(
        RULE,
        "collect for no purpose of the policy",
        interest("collect", purpose="fun", source="data_subject"),
        *ERASED,
    ),
    fires(
        RULE,
        "bought since, not given",
        interest(),
        *ERASED,
        process("collect", "2026-02-20", source="partner", subject_informed=True),
    ),
    fires(
        RULE,
        "given since in a collect that was denied",
        interest(),
        *ERASED,
        process("collect", "2026-02-20", source="data_subject", purpose="evaluation", legal_basis=None),
    ),
]

CASES = AFTER_IT + BY_CONTRACT + NEW_CONTRACT + NEW_DATA

# By the day, also a leap day.
CASES += [
    case
    for day in ("2026-01-10", "2024-02-29")
    for case in (
        *begins(RULE, f"fulfilled {day}", day, lambda when: interest(when=when), erasure(day)),
        *ends(
            RULE,
            f"a new contract {day}",
            day,
            lambda when: interest(when=when),
            erasure("2024-01-10"),
            contract("started", day),
        ),
        *ends(
            RULE,
            f"given anew {day}",
            day,
            lambda when: interest(when=when),
            erasure("2024-01-10"),
            collect(day),
        ),
        *begins(
            RULE,
            f"the contract ended {day}",
            day,
            lambda when: process("use", when, **SERVICE),
            contract("started", "2023-01-10"),
            erasure("2024-01-10"),
            contract("ended", day),
        ),
    )
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_the_message_names_what_is_gone() -> None:
    some = fires(RULE, "", partly("email", "address"), *ERASED, COLLECTED).check()
    none = fires(RULE, "", partly(), *ERASED).check()
    assert some is not None
    assert none is not None
    assert some.message == "use of 'address' at 2026-03-02 14:00, the subject was erased 2026-01-10 10:00"
    assert none.message == "use at 2026-03-02 14:00, the subject was erased 2026-01-10 10:00"
