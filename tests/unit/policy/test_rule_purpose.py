"""Clauses 3.1 and 3.2: a stated, declared and compatible purpose."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ansvar.policy.bundle import Settings
from ansvar.policy.decide import decide
from ansvar.policy.state import Fact, SubjectState, observe
from boundaries import begins, ends
from judging import (
    NOW,
    RuleCase,
    at,
    changed,
    collect,
    disclose,
    fires,
    found,
    interest,
    judge,
    process,
    rights,
    silent,
    transfer,
)

STRICT = changed(settings=Settings(require_collection_record=True))
LEAD = collect("2025-05-01", "marketing", ("phone_number",))


def use(purpose: str, when: str = NOW, **changes: Any) -> Any:
    basis = "contract" if purpose in ("contract", "customer_service") else "legitimate_interest"
    basis = "legal_obligation" if purpose == "legal_obligation" else basis
    return process(
        "use", when, purpose=purpose, legal_basis=basis, data_categories=["phone_number"], **changes
    )


CASES = [
    fires("purpose.missing", "processing", process(purpose=None)),
    fires("purpose.missing", "transfer", transfer(purpose=None)),
    fires("purpose.missing", "disclosure", disclose(purpose=None)),
    fires(
        "purpose.missing",
        "as processor too",
        process(purpose=None, role="processor", controller="Exempel AB"),
    ),
    silent("purpose.missing", "stated", process()),
    silent("purpose.missing", "a rights event needs none", rights("access", "received", NOW)),
    fires("purpose.undeclared", "a word outside the vocabulary", process(purpose="resale")),
    fires("purpose.undeclared", "words are exact", process(purpose="Marketing")),
    silent("purpose.undeclared", "declared", process()),
    silent("purpose.undeclared", "missing is another rule", process(purpose=None)),
    fires("purpose.incompatible", "a lead's number for service", use("customer_service"), LEAD),
    fires("purpose.incompatible", "a lead's number for the contract", use("contract"), LEAD),
    fires(
        "purpose.incompatible",
        "nothing follows from a legal obligation",
        use("contract"),
        collect("2025-05-01", "legal_obligation", ("phone_number",)),
    ),
    fires(
        "purpose.incompatible",
        "recruitment data for marketing",
        use("marketing"),
        collect("2025-05-01", "recruitment", ("phone_number",)),
    ),
    fires(
        "purpose.incompatible",
        "one category of two",
        interest(purpose="evaluation", data_categories=["name", "phone_number"]),
        collect("2025-05-01", "contract", ("name",)),
        LEAD,
    ),
    fires(
        "purpose.incompatible",
        "a transfer",
        transfer(purpose="contract", legal_basis="contract", data_categories=["phone_number"]),
        LEAD,
    ),
    silent("purpose.incompatible", "the same purpose", use("marketing"), LEAD),
    silent("purpose.incompatible", "a compatible purpose", use("legal_obligation"), LEAD),
    silent(
        "purpose.incompatible",
        "contract data for marketing",
        use("marketing"),
        collect("2025-05-01", "contract", ("phone_number",)),
    ),
    silent(
        "purpose.incompatible",
        "collected anew for the contract",
        use("contract"),
        LEAD,
        collect("2025-06-01", "contract", ("phone_number",)),
    ),
    silent(
        "purpose.incompatible",
        "nothing known of the category",
        process("use", purpose="contract", legal_basis="contract", data_categories=["email"]),
        LEAD,
    ),
    silent(
        "purpose.incompatible", "not judged of a collect", collect(NOW, "contract", ("phone_number",)), LEAD
    ),
    silent(
        "purpose.incompatible",
        "not judged of an erase",
        process("erase", purpose="contract", legal_basis="contract", data_categories=["phone_number"]),
        LEAD,
    ),
    silent(
        "purpose.incompatible",
        "not judged of a processor",
        use("contract", role="processor", controller="Exempel AB"),
        LEAD,
    ),
    silent(
        "purpose.incompatible",
        "an undeclared purpose is another rule",
        process("use", purpose="resale", data_categories=["phone_number"]),
        LEAD,
    ),
    silent(
        "purpose.incompatible",
        "a denied collect does not count",
        use("contract"),
        replace(LEAD, legal_basis=None),
    ),
    silent(
        "purpose.incompatible",
        "a collect that was only intended does not count",
        use("contract"),
        replace(LEAD, stage="intent"),
    ),
    fires(
        "purpose.incompatible",
        "a collect that failed open counts",
        use("contract"),
        replace(LEAD, stage="fail_open"),
    ),
    silent(
        "purpose.incompatible",
        "an erasure clears what was collected",
        use("contract"),
        LEAD,
        rights("erasure", "fulfilled", "2025-07-01"),
    ),
    fires(
        "purpose.incompatible",
        "collected again after the erasure",
        use("contract"),
        LEAD,
        rights("erasure", "fulfilled", "2025-07-01"),
        collect("2025-08-01", "marketing", ("phone_number",)),
    ),
    silent("purpose.incompatible", "before the collect", use("contract", "2025-04-30 23:59"), LEAD),
    fires("purpose.incompatible", "at the instant of the collect", use("contract", "2025-05-01"), LEAD),
    fires(
        "purpose.incompatible",
        "before an erasure that arrived first",
        use("contract", "2025-06-01"),
        LEAD,
        rights("erasure", "fulfilled", "2025-07-01"),
    ),
    fires("purpose.no_collection_record", "nothing known", process(), bundle=STRICT),
    fires("purpose.no_collection_record", "needs no purpose", process(purpose=None), bundle=STRICT),
    fires(
        "purpose.no_collection_record",
        "one category of two",
        process(data_categories=["name", "email"]),
        collect("2025-05-01"),
        bundle=STRICT,
    ),
    fires("purpose.no_collection_record", "a transfer", transfer(), bundle=STRICT),
    fires(
        "purpose.no_collection_record",
        "only a later collect is known",
        process(when="2025-04-30"),
        collect("2025-05-01"),
        bundle=STRICT,
    ),
    fires(
        "purpose.no_collection_record",
        "cleared by an erasure",
        process(),
        collect("2025-05-01"),
        rights("erasure", "fulfilled", "2025-06-01"),
        bundle=STRICT,
    ),
    silent("purpose.no_collection_record", "off by default", process()),
    silent("purpose.no_collection_record", "known", process(), collect("2025-05-01"), bundle=STRICT),
    silent("purpose.no_collection_record", "a collect is the record", collect(NOW), bundle=STRICT),
    silent("purpose.no_collection_record", "an erase needs none", process("erase"), bundle=STRICT),
]

# By the day of a collect, also a leap day.
CASES += [
    *begins(
        "purpose.incompatible", "a lead's number", "2025-05-01", lambda when: use("contract", when), LEAD
    ),
    *begins(
        "purpose.incompatible",
        "collected on a leap day",
        "2024-02-29",
        lambda when: use("contract", when),
        collect("2024-02-29", "marketing", ("phone_number",)),
    ),
    *ends(
        "purpose.incompatible",
        "erased on a leap day",
        "2024-02-29",
        lambda when: use("contract", when),
        collect("2024-01-10", "marketing", ("phone_number",)),
        rights("erasure", "fulfilled", "2024-02-29"),
    ),
    *ends(
        "purpose.no_collection_record",
        "collected on a leap day",
        "2024-02-29",
        lambda when: process(when=when),
        collect("2024-02-29"),
        bundle=STRICT,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_the_message_names_category_and_origin() -> None:
    finding = fires("purpose.incompatible", "", use("contract"), LEAD).check()
    assert finding is not None
    assert finding.message == (
        "purpose contract at 2026-03-02 14:00 does not fit that of 'phone_number' (collected for marketing)"
    )


def test_a_word_that_might_be_an_identifier_is_not_repeated() -> None:
    for word in ("anna.svensson@example.com", "19640823-3234", "Anna Svensson", "K" * 65):
        verdict = judge(process(purpose=word, legal_basis=word, data_categories=[word]))
        assert verdict.verdict == "deny"
        assert not any(word in finding.message for finding in verdict.findings)
    assert "'resale'" in judge(process(purpose="resale")).findings[0].message


def test_a_purpose_that_the_bundle_no_longer_declares_is_no_origin() -> None:
    state = SubjectState()
    observe(
        state,
        Fact(
            kind="processing",
            occurred_at=at("2025-05-01"),
            operation="collect",
            purpose="resale",
            data_categories=("phone_number",),
        ),
    )
    verdict = decide(use("customer_service"), state, STRICT, recorded_at=at(NOW))
    assert found("purpose.incompatible", verdict) == []
    assert found("purpose.no_collection_record", verdict) != []
