"""Art. 18: data whose processing is restricted lie still."""

from __future__ import annotations

import pytest

from ansvar.events.model import Event
from boundaries import begins, ends
from judging import (
    RuleCase,
    disclose,
    fires,
    interest,
    just_before,
    process,
    rights,
    silent,
    transfer,
)

RULE = "processing.restricted"
FROM, UNTIL = "2026-01-10 10:00", "2026-02-10 10:00"


def restriction(phase: str, when: str, request: str = "R1") -> Event:
    return rights("restriction", phase, when, request)


ASKED, GRANTED = restriction("received", "2026-01-05"), restriction("fulfilled", FROM)
LIFTED = restriction("withdrawn", UNTIL)
SERVICE = {"purpose": "customer_service", "legal_basis": "contract"}

CASES = [
    fires(RULE, "from its own instant", interest(when=FROM), ASKED, GRANTED),
    fires(RULE, "never asked for, but granted", interest(when=FROM), GRANTED),
    fires(RULE, "the day after", interest(when="2026-01-11 10:00"), ASKED, GRANTED),
    fires(RULE, "until just before it is lifted", interest(when=just_before(UNTIL)), ASKED, GRANTED, LIFTED),
    fires(RULE, "arrived in the wrong order", interest(when=just_before(UNTIL)), LIFTED, GRANTED, ASKED),
    fires(RULE, "a refusal does not lift it", interest(), GRANTED, restriction("refused", UNTIL)),
    fires(RULE, "another still holds", interest(), GRANTED, LIFTED, restriction("fulfilled", FROM, "R2")),
    fires(RULE, "granted again", interest(), GRANTED, LIFTED, restriction("fulfilled", "2026-03-01")),
    fires(RULE, "a transfer", transfer(**SERVICE), GRANTED),
    fires(RULE, "a disclosure", disclose("membership-partner", **SERVICE), GRANTED),
    fires(RULE, "a processor", interest(role="processor"), GRANTED),
    fires(RULE, "without a purpose", interest(purpose=None), GRANTED),
    fires(RULE, "without a basis", process("use", purpose="evaluation", legal_basis=None), GRANTED),
    *(
        fires(RULE, operation, interest(operation, purpose="marketing"), GRANTED)
        for operation in ("collect", "call", "profile")
    ),
    silent(RULE, "none", interest()),
    silent(RULE, "just before", interest(when=just_before(FROM)), ASKED, GRANTED),
    silent(RULE, "the day before", interest(when="2026-01-09 10:00"), ASKED, GRANTED),
    silent(RULE, "asked for only", interest(), ASKED),
    silent(RULE, "refused", interest(), ASKED, restriction("refused", FROM)),
    silent(RULE, "once it is lifted", interest(when=UNTIL), ASKED, GRANTED, LIFTED),
    silent(RULE, "lifted, arrived in the wrong order", interest(when=UNTIL), LIFTED, GRANTED, ASKED),
    silent(RULE, "another right", interest(), rights("rectification", "fulfilled", FROM)),
    silent(RULE, "intended only", interest(), rights("restriction", "fulfilled", FROM, stage="intent")),
    silent(RULE, "what the law demands", process("use"), GRANTED),
    silent(RULE, "a transfer that the law demands", transfer(), GRANTED),
    *(
        silent(RULE, operation, interest(operation), GRANTED)
        for operation in ("store", "erase", "rectify", "restrict")
    ),
]

# By the day, also a leap day.
CASES += [
    case
    for day in ("2026-01-10", "2024-02-29")
    for case in (
        *begins(RULE, f"granted {day}", day, lambda when: interest(when=when), restriction("fulfilled", day)),
        *ends(
            RULE,
            f"lifted {day}",
            day,
            lambda when: interest(when=when),
            restriction("fulfilled", "2024-01-10"),
            restriction("withdrawn", day),
        ),
    )
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_the_message_states_since_when() -> None:
    finding = fires(RULE, "", interest(), GRANTED).check()
    assert finding is not None
    assert finding.message == "use at 2026-03-02 14:00, processing restricted since 2026-01-10 10:00"
