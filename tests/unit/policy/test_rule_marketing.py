"""Clause 4.2: objections to marketing, and the NIX register."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from ansvar.events.model import Event
from ansvar.policy.bundle import Settings
from boundaries import begins, ends
from judging import (
    NOW,
    RuleCase,
    changed,
    contract,
    disclose,
    fires,
    interest,
    judge,
    just_before,
    objection,
    process,
    rights,
    silent,
    transfer,
)

SAID_NO = "2026-01-05 10:00"


def offer(operation: str = "email", when: str = NOW, **changes: Any) -> Event:
    return interest(operation, when, **{"purpose": "marketing", **changes})


def call(when: str = NOW, **changes: Any) -> Event:
    return offer("call", when, **{"nix_checked_at": "2026-02-20", "nix_listed": False, **changes})


def listed(exemption: str | None, when: str = NOW, **changes: Any) -> Event:
    checked = when[:10]
    return call(when, nix_checked_at=checked, nix_listed=True, nix_exemption=exemption, **changes)


def customer(ended: str | None, started: str = "2019-01-10") -> tuple[Event, ...]:
    return (contract("started", started), *([] if ended is None else [contract("ended", ended)]))


CASES = [
    fires("marketing.objected", "to direct marketing", offer(), objection(SAID_NO, "direct_marketing")),
    fires("marketing.objected", "to the purpose", offer(), objection(SAID_NO, "marketing")),
    fires("marketing.objected", "without scope", offer(), objection(SAID_NO)),
    fires("marketing.objected", "with a scope that means nothing here", offer(), objection(SAID_NO, "spam")),
    fires("marketing.objected", "from its own instant", offer(when=SAID_NO), objection(SAID_NO)),
    fires(
        "marketing.objected",
        "compelling grounds do not help",
        offer(compelling_grounds="G1"),
        objection(SAID_NO),
    ),
    fires(
        "marketing.objected",
        "refusing does not end it",
        offer(),
        objection(SAID_NO),
        objection("2026-01-10", phase="refused"),
    ),
    fires(
        "marketing.objected",
        "fulfilling does not end it",
        offer(),
        objection(SAID_NO),
        objection("2026-01-10", phase="fulfilled"),
    ),
    fires(
        "marketing.objected",
        "before the withdrawal",
        offer(when=just_before("2026-02-01")),
        objection(SAID_NO),
        objection("2026-02-01", phase="withdrawn"),
    ),
    fires(
        "marketing.objected",
        "withdrawn, and objected again",
        offer(),
        objection(SAID_NO),
        objection("2026-02-01", phase="withdrawn"),
        objection("2026-02-10"),
    ),
    fires(
        "marketing.objected",
        "another request was withdrawn",
        offer(),
        objection(SAID_NO),
        objection("2026-01-06", request="R2"),
        objection("2026-02-01", phase="withdrawn", request="R2"),
    ),
    fires(
        "marketing.objected",
        "the withdrawal of an access request of that id is another request",
        offer(),
        objection(SAID_NO),
        rights("access", "withdrawn", "2026-02-01"),
    ),
    fires(
        "marketing.objected",
        "arrived late",
        offer(),
        objection("2026-02-01", phase="fulfilled"),
        objection(SAID_NO),
    ),
    fires("marketing.objected", "as processor too", offer(role="processor"), objection(SAID_NO)),
    fires(
        "marketing.objected",
        "a transfer",
        transfer(purpose="marketing", legal_basis="legitimate_interest"),
        objection(SAID_NO),
    ),
    fires("marketing.objected", "a disclosure", disclose(purpose="marketing"), objection(SAID_NO)),
    fires(
        "marketing.objected", "whatever the basis", process("email", purpose="marketing"), objection(SAID_NO)
    ),
    silent("marketing.objected", "no objection", offer()),
    silent("marketing.objected", "before it", offer(when=just_before(SAID_NO)), objection(SAID_NO)),
    silent("marketing.objected", "to another purpose", offer(), objection(SAID_NO, "evaluation")),
    silent(
        "marketing.objected",
        "withdrawn",
        offer(when="2026-02-01"),
        objection(SAID_NO),
        objection("2026-02-01", phase="withdrawn"),
    ),
    silent(
        "marketing.objected",
        "withdrawn, arriving in the wrong order",
        offer(),
        objection("2026-02-01", phase="withdrawn"),
        objection(SAID_NO),
    ),
    silent("marketing.objected", "another purpose", interest(), objection(SAID_NO)),
    silent("marketing.objected", "another right", offer(), rights("access", "received", SAID_NO)),
    silent("marketing.objected", "it was never received", offer(), objection(SAID_NO, phase="fulfilled")),
    *(
        silent("marketing.objected", operation, offer(operation), objection(SAID_NO))
        for operation in ("erase", "rectify", "restrict")
    ),
    fires("marketing.nix_not_checked", "nothing stated", call(nix_checked_at=None)),
    fires("marketing.nix_not_checked", "neither time nor date", call(nix_checked_at="yesterday")),
    fires("marketing.nix_not_checked", "no such date", call(nix_checked_at="2026-02-30")),
    fires("marketing.nix_not_checked", "a time without offset", call(nix_checked_at="2026-03-01T12:00:00")),
    fires("marketing.nix_not_checked", "another notation of ISO 8601", call(nix_checked_at="2026-W09-1")),
    fires("marketing.nix_not_checked", "61 days", call(nix_checked_at="2025-12-31")),
    silent("marketing.nix_not_checked", "60 days", call(nix_checked_at="2026-01-01")),
    silent(
        "marketing.nix_not_checked",
        "60 Stockholm days, the first minute of the first to the last of the last",
        call("2026-03-02 23:59", nix_checked_at="2025-12-31T23:00:00Z"),
    ),
    fires(
        "marketing.nix_not_checked",
        "61 Stockholm days, less than 60 times 24 hours and a minute",
        call("2026-03-02 00:00", nix_checked_at="2025-12-31T22:59:00Z"),
    ),
    silent(
        "marketing.nix_not_checked", "an offset is read", call(nix_checked_at="2026-01-01T00:00:00+01:00")
    ),
    fires("marketing.nix_not_checked", "after the call", call(nix_checked_at="2026-03-02T13:00:01Z")),
    silent(
        "marketing.nix_not_checked", "at the instant of the call", call(nix_checked_at="2026-03-02T13:00:00Z")
    ),
    fires("marketing.nix_not_checked", "on the day after", call(nix_checked_at="2026-03-03")),
    silent("marketing.nix_not_checked", "on the day of the call", call(nix_checked_at="2026-03-02")),
    fires(
        "marketing.nix_not_checked",
        "an exemption does not replace it",
        call(nix_checked_at=None, nix_exemption="consent"),
    ),
    fires("marketing.nix_not_checked", "as processor too", call(nix_checked_at=None, role="processor")),
    silent("marketing.nix_not_checked", "a call for another purpose", interest("call", nix_checked_at=None)),
    silent("marketing.nix_not_checked", "not a call", offer("sms")),
    fires("marketing.nix_result_missing", "checked, no result", call(nix_listed=None)),
    silent("marketing.nix_result_missing", "not listed", call()),
    silent("marketing.nix_result_missing", "listed", listed(None)),
    silent("marketing.nix_result_missing", "not checked at all", call(nix_checked_at=None, nix_listed=None)),
    silent("marketing.nix_result_missing", "not a call", offer("sms", nix_checked_at="2026-02-20")),
    fires("marketing.nix_listed", "no exemption", listed(None)),
    fires("marketing.nix_listed", "without a recent check too", call(nix_checked_at=None, nix_listed=True)),
    fires("marketing.nix_listed", "claimed to be a customer", listed("existing_customer")),
    fires(
        "marketing.nix_listed",
        "a customer only later",
        listed("existing_customer"),
        *customer(None, "2026-03-02 14:01"),
    ),
    fires(
        "marketing.nix_listed",
        "twelve months and a day",
        listed("existing_customer", "2026-03-03 00:00"),
        *customer("2025-03-02 23:59"),
    ),
    silent(
        "marketing.nix_listed",
        "twelve months",
        listed("existing_customer", "2026-03-02 23:59"),
        *customer("2025-03-02 00:00"),
    ),
    fires(
        "marketing.nix_listed",
        "after 31 January and twelve months",
        listed("existing_customer", "2027-02-01"),
        *customer("2026-01-31"),
    ),
    silent(
        "marketing.nix_listed",
        "31 January and twelve months",
        listed("existing_customer", "2027-01-31 23:59"),
        *customer("2026-01-31"),
    ),
    fires(
        "marketing.nix_listed",
        "a leap day's year ends on 28 February",
        listed("existing_customer", "2025-03-01"),
        *customer("2024-02-29"),
    ),
    silent(
        "marketing.nix_listed",
        "28 February after a leap day",
        listed("existing_customer", "2025-02-28 23:59"),
        *customer("2024-02-29"),
    ),
    *(
        silent("marketing.nix_listed", exemption, listed(exemption))
        for exemption in ("consent", "own_disclosure", "survey")
    ),
    silent("marketing.nix_listed", "not listed", call()),
    silent("marketing.nix_listed", "no result", call(nix_listed=None)),
    silent("marketing.nix_listed", "not a call", offer("sms", nix_listed=True)),
    silent("marketing.nix_listed", "another purpose", interest("call", nix_listed=True)),
    *(
        fires("marketing.nix_exempted", exemption, listed(exemption))
        for exemption in ("consent", "own_disclosure", "survey")
    ),
    fires("marketing.nix_exempted", "a customer", listed("existing_customer"), *customer(None)),
    fires(
        "marketing.nix_exempted", "a former customer", listed("existing_customer"), *customer("2025-06-01")
    ),
    fires(
        "marketing.nix_exempted",
        "the latest of two contracts counts",
        listed("existing_customer"),
        *customer("2024-06-01"),
        contract("ended", "2025-06-01", "C2"),
        contract("ended", "2025-01-01", "C3"),
    ),
    silent("marketing.nix_exempted", "no customer", listed("existing_customer")),
    silent("marketing.nix_exempted", "not listed", call(nix_exemption="consent")),
    silent("marketing.nix_exempted", "no exemption", listed(None)),
    silent("marketing.nix_exempted", "not a call", offer("sms", nix_listed=True, nix_exemption="consent")),
]

MONTH = changed(settings=Settings(existing_customer_months=1))


def former(when: str) -> Event:
    return listed("existing_customer", when)


# By days and months, also over a leap day and from the last of January.
CASES += [
    *(
        case
        for day in ("2026-01-05", "2024-02-29")
        for case in (
            *begins("marketing.objected", f"on {day}", day, lambda when: offer(when=when), objection(day)),
            *ends(
                "marketing.objected",
                f"withdrawn {day}",
                day,
                lambda when: offer(when=when),
                objection("2024-01-10"),
                objection(day, phase="withdrawn"),
            ),
        )
    ),
    *(
        case
        for checked, day in (("2026-01-01", "2026-03-03"), ("2024-01-01", "2024-03-02"))
        for case in begins(
            "marketing.nix_not_checked",
            f"checked {checked}",
            day,
            partial(call, nix_checked_at=checked),
        )
    ),
    *(
        case
        for ended, day, bundle in (
            ("2025-03-02", "2026-03-03", None),
            ("2024-02-29", "2025-03-01", None),
            ("2026-01-31", "2026-03-01", MONTH),
            ("2024-01-31", "2024-03-01", MONTH),
            ("2026-02-28", "2026-03-29", MONTH),
        )
        for case in (
            *begins("marketing.nix_listed", f"ended {ended}", day, former, *customer(ended), bundle=bundle),
            *ends("marketing.nix_exempted", f"ended {ended}", day, former, *customer(ended), bundle=bundle),
        )
    ),
    *ends(
        "marketing.nix_listed",
        "a customer from that day",
        "2026-02-01",
        former,
        *customer(None, "2026-02-01"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


@pytest.mark.parametrize(
    ("event", "history", "message"),
    [
        (
            call(nix_checked_at="2025-12-01"),
            (),
            "call at 2026-03-02 14:00, NIX last checked 2025-12-01, limit 60 days",
        ),
        (
            call(nix_checked_at="2026-03-03"),
            (),
            "call at 2026-03-02 14:00, NIX checked afterwards, on 2026-03-03",
        ),
        (call(nix_checked_at=None), (), "call at 2026-03-02 14:00, NIX not checked"),
        (
            listed("existing_customer"),
            customer("2025-01-31"),
            "call at 2026-03-02 14:00 to a number that NIX lists, the last "
            "contract ended 2025-01-31, limit 12 months",
        ),
        (
            listed("existing_customer"),
            customer(None),
            "call at 2026-03-02 14:00 to a number that NIX lists, exemption "
            "existing_customer, a contract is active",
        ),
        (
            offer(),
            (objection(SAID_NO), objection("2026-01-07", "marketing", request="R2")),
            "email for marketing at 2026-03-02 14:00, objected to since 2026-01-05 10:00",
        ),
    ],
)
def test_messages_state_the_facts(event: Event, history: tuple[Event, ...], message: str) -> None:
    findings = [f for f in judge(event, *history).findings if f.rule.startswith("marketing.")]
    assert [finding.message for finding in findings] == [message]
