"""Clauses 5.1 to 5.4: a legal basis that the policy uses, for a purpose that may rest on it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from ansvar.events.model import Event
from ansvar.policy.bundle import BalancingTest
from ansvar.sample import sample_bundle
from boundaries import begins, ends
from judging import (
    NOW,
    RuleCase,
    changed,
    contract,
    days,
    disclose,
    fires,
    interest,
    judge,
    just_before,
    process,
    silent,
    transfer,
)

TABLE = {
    "contract": {"contract", "customer_service"},
    "legal_obligation": {"legal_obligation"},
    "legitimate_interest": {"marketing", "customer_service", "recruitment", "security", "evaluation"},
}
PURPOSES = tuple(sample_bundle().purposes)
STARTED, ENDED = contract("started", "2025-01-10 09:00"), contract("ended", "2025-06-30 17:00")
UNTIL_MAY = changed(
    balancing_tests={"evaluation": (BalancingTest("LIA-E", "evaluation", days("2025-05-01", "2026-05-01")),)}
)


def on_contract(operation: str = "use", when: str = NOW, **changes: Any) -> Event:
    return process(operation, when, **{"purpose": "contract", "legal_basis": "contract", **changes})


CASES = [
    fires("basis.missing", "processing", process(legal_basis=None)),
    fires("basis.missing", "transfer", transfer(legal_basis=None)),
    fires("basis.missing", "disclosure", disclose(legal_basis=None)),
    silent("basis.missing", "stated", process()),
    silent(
        "basis.missing", "a processor works on its customer's", process(legal_basis=None, role="processor")
    ),
    silent("basis.missing", "a contract event needs none", contract("started", NOW)),
    *(
        fires("basis.not_in_policy", word, process(legal_basis=word))
        for word in ("consent", "vital_interests", "public_task")
    ),
    silent("basis.not_in_policy", "a basis of the policy's", process()),
    silent("basis.not_in_policy", "no basis at all", process(legal_basis="because")),
    silent("basis.not_in_policy", "none stated", process(legal_basis=None)),
    silent("basis.not_in_policy", "a processor", process(legal_basis="consent", role="processor")),
    fires("basis.unknown", "no word of Art. 6", process(legal_basis="because")),
    silent("basis.unknown", "a basis of the policy's", process()),
    silent("basis.unknown", "a basis of the law's", process(legal_basis="consent")),
    silent("basis.unknown", "none stated", process(legal_basis=None)),
    silent("basis.unknown", "a processor", process(legal_basis="because", role="processor")),
    *(
        (silent if purpose in TABLE[basis] else fires)(
            "basis.purpose_mismatch",
            f"{purpose} on {basis}",
            process("store", purpose=purpose, legal_basis=basis),
        )
        for basis, purpose in product(TABLE, PURPOSES)
    ),
    fires("basis.purpose_mismatch", "a transfer", transfer(purpose="marketing")),
    silent("basis.purpose_mismatch", "a processor", process(purpose="marketing", role="processor")),
    silent("basis.purpose_mismatch", "no purpose", process(purpose=None)),
    silent("basis.purpose_mismatch", "an undeclared purpose", process(purpose="resale")),
    silent("basis.purpose_mismatch", "a basis outside the policy", process(legal_basis="consent")),
    fires("basis.no_balancing_test", "before the first test", interest(when=just_before("2024-01-01"))),
    silent("basis.no_balancing_test", "from its first instant", interest(when="2024-01-01")),
    fires("basis.no_balancing_test", "the test has lapsed", interest(when="2026-05-01"), bundle=UNTIL_MAY),
    silent(
        "basis.no_balancing_test",
        "its last instant",
        interest(when=just_before("2026-05-01")),
        bundle=UNTIL_MAY,
    ),
    fires(
        "basis.no_balancing_test",
        "tests of other purposes do not count",
        interest(purpose="security"),
        bundle=UNTIL_MAY,
    ),
    fires(
        "basis.no_balancing_test",
        "a transfer",
        transfer(purpose="marketing", legal_basis="legitimate_interest", when="2023-06-01"),
    ),
    silent("basis.no_balancing_test", "mismatch says it all", interest(purpose="contract")),
    silent("basis.no_balancing_test", "another basis", process(when="2023-06-01")),
    silent("basis.no_balancing_test", "no purpose", interest(purpose=None, when="2023-06-01")),
    silent("basis.no_balancing_test", "a processor", interest(when="2023-06-01", role="processor")),
    fires("basis.no_contract", "nothing known", on_contract()),
    fires("basis.no_contract", "a transfer", transfer(purpose="contract", legal_basis="contract")),
    fires("basis.no_contract", "an erase", on_contract("erase")),
    fires("basis.no_contract", "needs no purpose", on_contract(purpose=None)),
    fires("basis.no_contract", "the only one begins later", on_contract(when="2025-01-10 08:59"), STARTED),
    silent("basis.no_contract", "collecting is a step before", on_contract("collect", source="data_subject")),
    silent("basis.no_contract", "storing is a step before", on_contract("store")),
    silent("basis.no_contract", "active", on_contract(), STARTED),
    silent("basis.no_contract", "ended", on_contract(), STARTED, ENDED),
    silent(
        "basis.no_contract", "ended without started began some time", on_contract(when="2025-01-01"), ENDED
    ),
    silent("basis.no_contract", "another basis", process("use")),
    silent("basis.no_contract", "a processor", on_contract(role="processor")),
    fires("basis.contract_ended", "after the end", on_contract(), STARTED, ENDED),
    fires(
        "basis.contract_ended",
        "the end instant is outside",
        on_contract(when="2025-06-30 17:00"),
        STARTED,
        ENDED,
    ),
    fires("basis.contract_ended", "ended without started", on_contract(), ENDED),
    fires(
        "basis.contract_ended",
        "both of two",
        on_contract(),
        STARTED,
        ENDED,
        contract("started", "2025-02-01", "C2"),
        contract("ended", "2025-08-01", "C2"),
    ),
    fires(
        "basis.contract_ended",
        "a transfer",
        transfer(purpose="contract", legal_basis="contract"),
        STARTED,
        ENDED,
    ),
    fires(
        "basis.contract_ended",
        "a restarted one that ended again",
        on_contract(),
        STARTED,
        ENDED,
        contract("started", "2025-07-01"),
        contract("ended", "2025-08-01"),
    ),
    fires(
        "basis.contract_ended",
        "between end and restart",
        on_contract(when="2025-07-01"),
        STARTED,
        ENDED,
        contract("started", "2025-08-01"),
    ),
    fires("basis.contract_ended", "the end arrived before the start", on_contract(), ENDED, STARTED),
    silent(
        "basis.contract_ended",
        "the last instant inside",
        on_contract(when=just_before("2025-06-30 17:00")),
        STARTED,
        ENDED,
    ),
    silent(
        "basis.contract_ended",
        "one of two runs",
        on_contract(),
        STARTED,
        ENDED,
        contract("started", "2025-02-01", "C2"),
    ),
    silent(
        "basis.contract_ended", "restarted", on_contract(), STARTED, ENDED, contract("started", "2025-07-01")
    ),
    silent(
        "basis.contract_ended",
        "restarted, arriving in the wrong order",
        on_contract(),
        contract("started", "2025-07-01"),
        ENDED,
        STARTED,
    ),
    *(
        silent("basis.contract_ended", operation, on_contract(operation, source=None), STARTED, ENDED)
        for operation in ("collect", "store", "erase")
    ),
    silent("basis.contract_ended", "nothing known", on_contract()),
    silent("basis.contract_ended", "another basis", process("use"), STARTED, ENDED),
    silent("basis.contract_ended", "a processor", on_contract(role="processor"), STARTED, ENDED),
]

LEAP_DAY = changed(
    balancing_tests={"evaluation": (BalancingTest("LIA-E", "evaluation", days("2024-02-01", "2024-02-29")),)}
)
# By the day on which a test of balance or a contract begins and ends, also a leap day.
CASES += [
    *ends("basis.no_balancing_test", "in force", "2024-01-01", lambda when: interest(when=when)),
    *begins(
        "basis.no_balancing_test", "lapsed", "2026-05-01", lambda when: interest(when=when), bundle=UNTIL_MAY
    ),
    *begins(
        "basis.no_balancing_test",
        "lapsed on a leap day",
        "2024-02-29",
        lambda when: interest(when=when),
        bundle=LEAP_DAY,
    ),
    silent("basis.no_contract", "its first instant", on_contract(when="2025-01-10 09:00"), STARTED),
    fires(
        "basis.no_contract", "the instant before", on_contract(when=just_before("2025-01-10 09:00")), STARTED
    ),
    *(
        case
        for day in ("2025-01-10", "2024-02-29")
        for case in ends(
            "basis.no_contract",
            f"begun {day}",
            day,
            lambda when: on_contract(when=when),
            contract("started", day),
        )
    ),
    *(
        case
        for day in ("2025-06-30", "2024-02-29")
        for case in begins(
            "basis.contract_ended",
            f"ended {day}",
            day,
            lambda when: on_contract(when=when),
            contract("ended", day),
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_the_table_of_bases_is_the_policys() -> None:
    assert {b: set(sample_bundle().bases[b].purposes) for b in TABLE} == TABLE


def test_where_the_mismatch_is_switched_off_the_balancing_test_is_asked_for() -> None:
    bundle = changed(severities={"basis.purpose_mismatch": "off"})
    rules = [f.rule for f in judge(interest("store", purpose="contract"), bundle=bundle).findings]
    assert rules == ["basis.no_balancing_test"]
