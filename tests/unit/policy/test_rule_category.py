"""Clauses 2.4 and 4.1: named and declared categories, and those that serve profiling only."""

from __future__ import annotations

import pytest

from judging import NOW, RuleCase, collect, contract, disclose, fires, interest, process, silent, transfer

CASES = [
    fires("category.missing", "processing", process(data_categories=None)),
    fires("category.missing", "transfer", transfer(data_categories=None)),
    fires("category.missing", "disclosure", disclose(data_categories=None)),
    silent("category.missing", "named", process()),
    silent("category.missing", "a contract event needs none", contract("started", NOW)),
    fires("category.undeclared", "outside the vocabulary", process(data_categories=["shoe_size"])),
    fires("category.undeclared", "one of several", process(data_categories=["name", "health"])),
    fires("category.undeclared", "as processor too", process(data_categories=["health"], role="processor")),
    fires("category.undeclared", "in a transfer", transfer(data_categories=["health"])),
    *(
        silent("category.undeclared", word, process(data_categories=[word]))
        for word in (
            "name",
            "address",
            "email",
            "phone_number",
            "personnummer",
            "customer_number",
            "bank_account",
            "payment_history",
            "ip_address",
            "purchase_history",
            "age",
            "residence",
            "gender",
        )
    ),
    *(
        fires(
            "category.profiling_only",
            f"{word} for another operation",
            interest("use", purpose="marketing", data_categories=[word]),
        )
        for word in ("purchase_history", "age", "residence", "gender")
    ),
    *(
        fires(
            "category.profiling_only",
            f"operation {operation}",
            interest(operation, purpose="marketing", data_categories=["age"]),
        )
        for operation in ("call", "sms", "email", "letter", "decide", "set_cookie")
    ),
    *(
        silent(
            "category.profiling_only",
            f"operation {operation}",
            interest(operation, purpose="marketing", data_categories=["age"]),
        )
        for operation in (
            "collect",
            "store",
            "organise",
            "profile",
            "analyse",
            "erase",
            "rectify",
            "restrict",
        )
    ),
    fires("category.profiling_only", "another purpose", interest("profile", data_categories=["age"])),
    fires(
        "category.profiling_only",
        "operation alone, without a purpose",
        process("call", purpose=None, data_categories=["age"]),
    ),
    fires(
        "category.profiling_only",
        "a transfer",
        transfer(purpose="marketing", legal_basis="legitimate_interest", data_categories=["age"]),
    ),
    fires("category.profiling_only", "a disclosure", disclose(data_categories=["name", "age"])),
    fires(
        "category.profiling_only",
        "as processor too",
        process("call", purpose="marketing", data_categories=["age"], role="processor"),
    ),
    *(
        silent(
            "category.profiling_only",
            f"{operation} serves the subject for any purpose",
            process(operation, data_categories=["age"]),
        )
        for operation in ("erase", "rectify", "restrict")
    ),
    silent(
        "category.profiling_only",
        "no purpose, but an operation of profiling",
        process("store", purpose=None, data_categories=["age"]),
    ),
    silent(
        "category.profiling_only",
        "an undeclared purpose is another rule",
        process("store", purpose="resale", data_categories=["age"]),
    ),
    silent("category.profiling_only", "other data", process("call", data_categories=["phone_number"])),
    fires(
        "category.personnummer", "marketing", interest(purpose="marketing", data_categories=["personnummer"])
    ),
    fires("category.personnummer", "evaluation", interest(data_categories=["name", "personnummer"])),
    fires(
        "category.personnummer",
        "a transfer",
        transfer(purpose="evaluation", legal_basis="legitimate_interest", data_categories=["personnummer"]),
    ),
    silent("category.personnummer", "the contract", collect(NOW, "contract", ("personnummer",))),
    silent("category.personnummer", "other data", interest(purpose="marketing")),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_the_message_names_what_is_undeclared() -> None:
    finding = fires(
        "category.undeclared", "", process(data_categories=["name", "health", "dna", "dna"])
    ).check()
    assert finding is not None
    assert finding.message == "data category not declared in the policy: 'health', 'dna'"
