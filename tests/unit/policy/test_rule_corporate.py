"""Clause 11.1: customers that are companies, and this company as their processor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.events.model import Event
from boundaries import begins, ends
from judging import (
    NOW,
    RuleCase,
    contract,
    disclose,
    fires,
    interest,
    judge,
    just_before,
    process,
    rights,
    silent,
    transfer,
)

START, END = "2025-03-01", "2026-01-15 12:00"
COMPANY = contract("started", START, customer_type="company")
CONSUMER = contract("started", START, "C2", customer_type="consumer")
CONTACT = ["name", "address", "email", "phone_number", "customer_number"]
ROLE: dict[str, Any] = {"role": "processor", "controller": "Alfa AB"}


def use(purpose: str | None = "contract", when: str = NOW, **changes: Any) -> Event:
    """A use of data that does not administer a customer, unless the test says so."""
    return process("use", when, purpose=purpose, **{"data_categories": ["bank_account"], **changes})


CASES = [
    # Who the customer is
    fires("corporate.not_controller", "a company's contact", use(), COMPANY),
    silent("corporate.not_controller", "nobody's customer", use()),
    silent("corporate.not_controller", "a consumer", use(), CONSUMER),
    silent("corporate.not_controller", "both", use(), COMPANY, CONSUMER),
    silent("corporate.not_controller", "no kind of customer stated", use(), contract("started", START)),
    fires(
        "corporate.not_controller",
        "and a contract of no kind",
        use(),
        COMPANY,
        contract("started", START, "C2"),
    ),
    silent("corporate.not_controller", "before the contract", use(when=just_before(START)), COMPANY),
    fires("corporate.not_controller", "from its first moment", use(when=START), COMPANY),
    fires(
        "corporate.not_controller",
        "until its last moment",
        use(when=just_before(END)),
        COMPANY,
        contract("ended", END, customer_type="company"),
    ),
    silent("corporate.not_controller", "ended", use(when=END), COMPANY, contract("ended", END)),
    fires(
        "corporate.not_controller",
        "started at an unknown time",
        use(when=just_before(END)),
        contract("ended", END, customer_type="company"),
    ),
    silent(
        "corporate.not_controller",
        "the consumer's contract still runs",
        use(when=just_before(END)),
        COMPANY,
        CONSUMER,
        contract("ended", END, "C2"),
    ),
    fires(
        "corporate.not_controller",
        "the consumer's contract has ended",
        use(when=END),
        COMPANY,
        CONSUMER,
        contract("ended", END, "C2"),
    ),
    # What the company is controller of
    *(
        silent(
            "corporate.not_controller",
            f"administering, {purpose}",
            process("use", purpose=purpose, data_categories=CONTACT),
            COMPANY,
        )
        for purpose in ("contract", "customer_service", "legal_obligation")
    ),
    *(
        fires(
            "corporate.not_controller",
            f"not to administer, {purpose}",
            process("use", purpose=purpose, data_categories=["name"]),
            COMPANY,
        )
        for purpose in ("marketing", "evaluation", "security", "recruitment", "resale", None)
    ),
    *(
        fires(
            "corporate.not_controller",
            f"more than contacts, {category}",
            process("use", purpose="contract", data_categories=["name", category]),
            COMPANY,
        )
        for category in ("personnummer", "bank_account", "payment_history", "ip_address", "age", "shoe_size")
    ),
    silent("corporate.not_controller", "no category", process("use", data_categories=None), COMPANY),
    fires("corporate.not_controller", "a transfer", transfer(data_categories=["bank_account"]), COMPANY),
    fires("corporate.not_controller", "a disclosure", disclose(data_categories=["bank_account"]), COMPANY),
    silent("corporate.not_controller", "as processor", use(**ROLE), COMPANY),
    *(
        silent(
            "corporate.not_controller",
            operation,
            process(operation, data_categories=["bank_account"]),
            COMPANY,
        )
        for operation in ("erase", "rectify", "restrict")
    ),
    silent(
        "corporate.not_controller",
        "a request",
        rights("access", "received", NOW, data_categories=["bank_account"]),
        COMPANY,
    ),
    # A processor's own purposes
    *(
        fires("corporate.own_purpose", purpose, interest(purpose=purpose, **ROLE))
        for purpose in ("marketing", "evaluation", "recruitment")
    ),
    *(
        fires("corporate.own_purpose", f"{make.__name__} for marketing", make(purpose="marketing", **ROLE))
        for make in (transfer, disclose)
    ),
    fires("corporate.own_purpose", "erasing for it", interest("erase", purpose="marketing", **ROLE)),
    *(
        silent("corporate.own_purpose", str(purpose), process(purpose=purpose, **ROLE))
        for purpose in ("contract", "customer_service", "legal_obligation", "security", "resale", None)
    ),
    silent("corporate.own_purpose", "a controller's", interest(purpose="marketing")),
    silent("corporate.own_purpose", "a contract", contract("started", NOW, purpose="marketing", **ROLE)),
    # For whom
    *(
        fires("corporate.no_controller", make.__name__, make(role="processor"))
        for make in (process, transfer, disclose)
    ),
    *(
        silent("corporate.no_controller", make.__name__, make(**ROLE))
        for make in (process, transfer, disclose)
    ),
    silent("corporate.no_controller", "a controller", process()),
    silent("corporate.no_controller", "a contract", contract("started", NOW, role="processor")),
]

# By the day of the company's contract, also a leap day.
CASES += [
    case
    for day in ("2025-03-01", "2024-02-29")
    for case in (
        *begins(
            "corporate.not_controller",
            f"started {day}",
            day,
            lambda when: use(when=when),
            contract("started", day, customer_type="company"),
        ),
        *ends(
            "corporate.not_controller",
            f"ended {day}",
            day,
            lambda when: use(when=when),
            contract("started", "2024-01-10", customer_type="company"),
            contract("ended", day),
        ),
    )
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_messages_state_the_facts() -> None:
    found = fires("corporate.not_controller", "", use("marketing"), COMPANY).check()
    assert found is not None
    assert found.message == (
        f"use as controller at {NOW} for marketing of 'bank_account', "
        "the subject's only active contracts are of a company"
    )
    found = fires("corporate.not_controller", "", use(None, data_categories=None), COMPANY).check()
    assert found is not None
    assert " for no purpose of the policy of no category, " in found.message
    found = fires("corporate.own_purpose", "", interest(purpose="evaluation", role="processor")).check()
    assert found is not None
    assert found.message == f"use as processor at {NOW} for evaluation"


@given(
    st.lists(
        st.builds(
            contract,
            st.sampled_from(["started", "ended"]),
            st.sampled_from(["2025-01-01", "2025-06-01", "2025-12-01"]),
            st.sampled_from(["C1", "C2"]),
            customer_type=st.sampled_from([None, "consumer", "company"]),
        ),
        max_size=6,
    )
)
def test_a_consumers_contract_never_makes_it_worse(history: list[Event]) -> None:
    def fired(*more: Event) -> bool:
        findings = judge(use(), *history, *more, engine=2).findings
        return any(finding.rule == "corporate.not_controller" for finding in findings)

    assert not fired(contract("started", "2026-01-01", "C9", customer_type="consumer"))
    if fired():
        assert fired(contract("started", "2026-01-01", "C9", customer_type="company"))
