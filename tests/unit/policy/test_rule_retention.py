"""Clause 8.2: what is kept after the customer has left, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from ansvar.events.model import Event
from ansvar.policy.bundle import Settings
from boundaries import begins
from judging import (
    RuleCase,
    changed,
    collect,
    contract,
    disclose,
    fires,
    interest,
    just_before,
    objection,
    process,
    rights,
    silent,
    transfer,
)

RULE = "retention.expired"
END = "2025-01-31 15:00"
STARTED, ENDED = contract("started", "2024-01-01"), contract("ended", END)
CUSTOMER = (STARTED, ENDED)
LAST_DAY = "2026-01-31 23:59"  # twelve months after the last end
DAY_AFTER = "2026-02-01"


def marketing(operation: str = "use", when: str = DAY_AFTER, **changes: Any) -> Event:
    return process(
        operation, when, **{"purpose": "marketing", "legal_basis": "legitimate_interest", **changes}
    )


def contractual(operation: str = "use", when: str = END, **changes: Any) -> Event:
    return process(operation, when, **{"purpose": "contract", "legal_basis": "contract", **changes})


AT_THE_END = [
    fires(RULE, "contract, at the very end", contractual(), *CUSTOMER),
    fires(RULE, "contract, the day after", contractual(when="2025-02-01"), *CUSTOMER),
    fires(RULE, "evaluation, at the very end", interest(when=END), *CUSTOMER),
    fires(
        RULE,
        "evaluation without a basis",
        process("use", END, purpose="evaluation", legal_basis=None),
        *CUSTOMER,
    ),
    fires(RULE, "a transfer", transfer(when=END, purpose="contract", legal_basis="contract"), *CUSTOMER),
    fires(
        RULE,
        "a disclosure to a company",
        disclose("membership-partner", END, purpose="contract", legal_basis="contract"),
        *CUSTOMER,
    ),
    fires(RULE, "store for evaluation", interest("store", END), *CUSTOMER),
    fires(
        RULE,
        "store for the contract on another basis",
        contractual("store", legal_basis="legitimate_interest"),
        *CUSTOMER,
    ),
    fires(RULE, "ended, begun at an unknown time", contractual(), ENDED),
    fires(RULE, "the end arrived first", contractual(), ENDED, STARTED),
    fires(
        RULE,
        "the last of two",
        contractual(when="2025-06-01"),
        *CUSTOMER,
        contract("started", "2024-06-01", "C2"),
        contract("ended", "2025-06-01", "C2"),
    ),
    silent(RULE, "contract, before the end", contractual(when=just_before(END)), *CUSTOMER),
    silent(RULE, "evaluation, before the end", interest(when=just_before(END)), *CUSTOMER),
    silent(RULE, "never a customer", contractual()),
    silent(RULE, "still a customer", contractual(), STARTED),
    silent(
        RULE,
        "customer by another contract",
        contractual(when=just_before("2025-06-01")),
        *CUSTOMER,
        contract("started", "2024-06-01", "C2"),
        contract("ended", "2025-06-01", "C2"),
    ),
    silent(
        RULE, "customer again", contractual(when="2025-09-01"), *CUSTOMER, contract("started", "2025-09-01")
    ),
    fires(
        RULE,
        "not yet customer again",
        contractual(when=just_before("2025-09-01")),
        *CUSTOMER,
        contract("started", "2025-09-01"),
    ),
    *(
        silent(RULE, f"{operation} on basis contract", contractual(operation), *CUSTOMER)
        for operation in ("collect", "store")
    ),
    *(
        silent(RULE, operation, contractual(operation), *CUSTOMER)
        for operation in ("erase", "rectify", "restrict")
    ),
]

AFTER_A_YEAR = [
    *(
        case
        for purpose in ("marketing", "security", "customer_service")
        for case in (
            fires(
                RULE,
                f"{purpose}, the day after the last",
                interest(when=DAY_AFTER, purpose=purpose),
                *CUSTOMER,
            ),
            silent(RULE, f"{purpose}, on the last day", interest(when=LAST_DAY, purpose=purpose), *CUSTOMER),
            silent(
                RULE,
                f"{purpose}, the day before the last",
                interest(when="2026-01-30 23:59", purpose=purpose),
                *CUSTOMER,
            ),
        )
    ),
    silent(RULE, "the last instant of the last day", marketing(when=just_before(DAY_AFTER)), *CUSTOMER),
    fires(RULE, "store", marketing("store"), *CUSTOMER),
    fires(RULE, "store without a basis", marketing("store", legal_basis=None), *CUSTOMER),
    fires(
        RULE,
        "customer service on basis contract",
        contractual("store", DAY_AFTER, purpose="customer_service"),
        *CUSTOMER,
    ),
    fires(RULE, "collect that names no category", marketing("collect", data_categories=[]), *CUSTOMER),
    *(
        silent(RULE, operation, marketing(operation), *CUSTOMER)
        for operation in ("erase", "rectify", "restrict")
    ),
    silent(
        RULE,
        "a last day on a holiday moves nothing",
        marketing(when="2026-01-01"),
        contract("ended", "2025-01-01"),
    ),
    fires(RULE, "nor does its being one", marketing(when="2026-01-02"), contract("ended", "2025-01-01")),
    silent(
        RULE, "ended on a leap day", marketing(when="2025-02-28 23:59"), contract("ended", "2024-02-29 08:00")
    ),
    fires(
        RULE,
        "ended on a leap day, March",
        marketing(when="2025-03-01"),
        contract("ended", "2024-02-29 08:00"),
    ),
    silent(
        RULE,
        "ended before midnight",
        marketing(when="2026-01-31"),
        contract("ended", just_before("2025-02-01")),
    ),
    fires(
        RULE,
        "ended before midnight, day after",
        marketing(when=DAY_AFTER),
        contract("ended", just_before("2025-02-01")),
    ),
    silent(RULE, "ended at midnight", marketing(when=DAY_AFTER), contract("ended", "2025-02-01")),
    silent(
        RULE,
        "a year in summer time",
        marketing(when="2026-07-15 23:59"),
        contract("ended", "2025-07-15 00:00"),
    ),
    fires(
        RULE,
        "a year in summer time, day after",
        marketing(when="2026-07-16"),
        contract("ended", "2025-07-15 23:59"),
    ),
    fires(
        RULE,
        "the bundle's own limit",
        marketing(when="2025-03-01"),
        *CUSTOMER,
        bundle=changed(settings=Settings(retention_months=1)),
    ),
    silent(
        RULE,
        "the bundle's own limit, 31 January plus one month",
        marketing(when="2025-02-28 23:59"),
        *CUSTOMER,
        bundle=changed(settings=Settings(retention_months=1)),
    ),
]

SOON = "2025-02-10"  # within the twelve months
OBJECTED = [
    *(
        fires(
            RULE,
            f"{purpose}, objected before the end",
            interest(when=SOON, purpose=purpose),
            *CUSTOMER,
            objection("2025-01-05"),
        )
        for purpose in ("marketing", "security", "customer_service")
    ),
    fires(RULE, "objected at the end", interest(when=END, purpose="security"), *CUSTOMER, objection(END)),
    fires(
        RULE,
        "objected before, arriving later",
        interest(when=SOON, purpose="security"),
        *CUSTOMER,
        objection(just_before(END)),
    ),
    fires(
        RULE,
        "objected, refused",
        interest(when=SOON, purpose="security"),
        *CUSTOMER,
        objection("2025-01-05"),
        objection("2025-01-06", phase="refused"),
    ),
    fires(
        RULE,
        "objected, withdrawn after the end",
        interest(when=SOON, purpose="security"),
        *CUSTOMER,
        objection("2025-01-05"),
        objection("2025-02-01", phase="withdrawn"),
    ),
    *(
        fires(
            RULE,
            f"objected to {scope}",
            interest(when=SOON, purpose="customer_service"),
            *CUSTOMER,
            objection("2025-01-05", scope),
        )
        for scope in ("marketing", "direct_marketing", "spam")
    ),
    silent(
        RULE,
        "objected to another purpose",
        interest(when=SOON, purpose="customer_service"),
        *CUSTOMER,
        objection("2025-01-05", "evaluation"),
    ),
    silent(
        RULE,
        "objected after the end",
        interest(when=SOON, purpose="security"),
        *CUSTOMER,
        objection("2025-01-31 15:01"),
    ),
    silent(
        RULE,
        "objected, withdrawn before the end",
        interest(when=SOON, purpose="security"),
        *CUSTOMER,
        objection("2025-01-05"),
        objection("2025-01-20", phase="withdrawn"),
    ),
    silent(
        RULE,
        "objected, still a customer",
        interest(when=SOON, purpose="security"),
        STARTED,
        objection("2025-01-05"),
    ),
    silent(
        RULE,
        "objected, before the end",
        interest(when=just_before(END), purpose="security"),
        *CUSTOMER,
        objection("2025-01-05"),
    ),
]

NEW = collect("2025-06-01", "marketing", ("name", "email"))
NOT_JUDGED = [
    silent(RULE, "recruitment", interest(when=DAY_AFTER, purpose="recruitment"), *CUSTOMER),
    silent(RULE, "a final invoice", process(when=DAY_AFTER), *CUSTOMER),
    silent(RULE, "no purpose", marketing(purpose=None), *CUSTOMER),
    silent(RULE, "a purpose that is not the policy's", marketing(purpose="fun"), *CUSTOMER),
    silent(RULE, "a processor", marketing(role="processor"), *CUSTOMER),
    silent(
        RULE, "a disclosure to an authority", disclose("police", DAY_AFTER, purpose="security"), *CUSTOMER
    ),
    silent(
        RULE,
        "a disclosure to what is said to be an authority",
        disclose("coastguard", DAY_AFTER, purpose="security", recipient_type="authority"),
        *CUSTOMER,
    ),
    fires(RULE, "a transfer to an authority", transfer("police", DAY_AFTER, purpose="security"), *CUSTOMER),
    silent(RULE, "collected after the end", marketing(data_categories=["name", "email"]), *CUSTOMER, NEW),
    silent(
        RULE, "collected after the end, evaluation", interest(when=SOON), *CUSTOMER, collect("2025-02-01")
    ),
    silent(RULE, "collected at the end", marketing(), *CUSTOMER, collect(END)),
    silent(RULE, "collected anew, arriving first", marketing(), NEW, *CUSTOMER),
    silent(RULE, "collected by this event", marketing("collect"), *CUSTOMER),
    fires(RULE, "collected before the end", marketing(), collect(just_before(END)), *CUSTOMER),
    fires(
        RULE, "one of two collected after it", marketing(data_categories=["name", "address"]), *CUSTOMER, NEW
    ),
    fires(RULE, "no category named", marketing(data_categories=[]), *CUSTOMER, NEW),
    fires(RULE, "collected later than this", marketing(when=DAY_AFTER), *CUSTOMER, collect("2026-02-02")),
    fires(
        RULE,
        "collected anew for no purpose of the policy",
        marketing(),
        *CUSTOMER,
        process("collect", "2025-06-01", purpose="fun", source="data_subject"),
    ),
    fires(
        RULE,
        "collected anew and erased",
        marketing(),
        *CUSTOMER,
        NEW,
        rights("erasure", "received", "2025-06-02"),
        rights("erasure", "fulfilled", "2025-06-03"),
    ),
]

CASES = AT_THE_END + AFTER_A_YEAR + OBJECTED + NOT_JUDGED

MONTH = changed(settings=Settings(retention_months=1))
# By the day: at the end for the contract, a period of months later for marketing.
CASES += [
    *(
        case
        for day in ("2025-01-31", "2024-02-29")
        for case in begins(
            RULE, f"contract, ended {day}", day, lambda when: contractual(when=when), contract("ended", day)
        )
    ),
    *(
        case
        for ended, day, bundle in (
            ("2025-01-31 15:00", "2026-02-01", None),
            ("2024-02-29 08:00", "2025-03-01", None),
            ("2023-02-28 08:00", "2024-02-29", None),
            ("2025-01-31 15:00", "2025-03-01", MONTH),
            ("2024-01-31 15:00", "2024-03-01", MONTH),
            ("2024-01-29 15:00", "2024-03-01", MONTH),
        )
        for case in begins(
            RULE,
            f"marketing, ended {ended}",
            day,
            lambda when: marketing(when=when),
            contract("ended", ended),
            bundle=bundle,
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_messages_state_the_facts() -> None:
    late = fires(RULE, "", marketing(), *CUSTOMER).check()
    objected = fires(
        RULE, "", interest(when=SOON, purpose="security"), *CUSTOMER, objection("2025-01-05 09:30")
    ).check()
    ended = fires(RULE, "", contractual(), *CUSTOMER).check()
    assert late is not None
    assert objected is not None
    assert ended is not None
    assert late.message == (
        "use for marketing at 2026-02-01 00:00, the last contract ended 2025-01-31 15:00, limit 12 months"
    )
    assert objected.message == (
        "use for security at 2025-02-10 00:00, the last contract ended 2025-01-31 15:00, "
        "marketing objected to since 2025-01-05 09:30"
    )
    assert ended.message == ("use for contract at 2025-01-31 15:00, the last contract ended 2025-01-31 15:00")
