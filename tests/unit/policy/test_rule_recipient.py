"""Clauses 6.1 and 6.2: registered and vetted recipients, partners of subscribers."""

from __future__ import annotations

import pytest

from boundaries import begins, ends
from judging import (
    NOW,
    RuleCase,
    contract,
    days,
    disclose,
    fires,
    found,
    judge,
    just_before,
    process,
    registering,
    rights,
    silent,
    transfer,
)

ASKED = rights("portability", "received", "2026-02-01", "P-1")
STARTED, ENDED = contract("started", "2025-01-10"), contract("ended", "2025-06-30 17:00")

CASES = [
    fires("recipient.unregistered", "a transfer", transfer("nobody")),
    fires("recipient.unregistered", "a disclosure", disclose("nobody")),
    fires("recipient.unregistered", "via", transfer(via="nobody")),
    fires(
        "recipient.unregistered", "recipient and via, reported once", transfer("nobody", via="nobody-else")
    ),
    fires(
        "recipient.unregistered", "portability that nobody asked for", disclose("new-alarm", reference="P-1")
    ),
    fires(
        "recipient.unregistered",
        "portability asked for later",
        disclose("new-alarm", reference="P-1", when="2026-01-31"),
        ASKED,
    ),
    fires(
        "recipient.unregistered",
        "another request of the subject's",
        disclose("new-alarm", reference="R1"),
        rights("access", "received", "2026-02-01"),
        ASKED,
    ),
    fires(
        "recipient.unregistered",
        "portability withdrawn",
        disclose("new-alarm", reference="P-1"),
        ASKED,
        rights("portability", "withdrawn", "2026-02-10", "P-1"),
    ),
    fires(
        "recipient.unregistered",
        "another subject's portability",
        disclose("new-alarm", reference="P-1"),
        rights(
            "portability",
            "received",
            "2026-02-01",
            "P-1",
            subject={"type": "customer_number", "value": "K-4712"},
        ),
    ),
    fires(
        "recipient.unregistered",
        "the way to the chosen recipient is the company's",
        disclose("new-alarm", reference="P-1", via="nobody"),
        ASKED,
    ),
    silent(
        "recipient.unregistered",
        "the subject's own portability request",
        disclose("new-alarm", reference="P-1"),
        ASKED,
    ),
    silent(
        "recipient.unregistered",
        "asked for at that instant",
        disclose("new-alarm", reference="P-1", when="2026-02-01"),
        ASKED,
    ),
    silent(
        "recipient.unregistered",
        "fulfilled",
        disclose("new-alarm", reference="P-1"),
        ASKED,
        rights("portability", "fulfilled", "2026-02-10", "P-1"),
    ),
    silent(
        "recipient.unregistered",
        "asked for again after a withdrawal",
        disclose("new-alarm", reference="P-1"),
        ASKED,
        rights("portability", "withdrawn", "2026-02-10", "P-1"),
        rights("portability", "received", "2026-02-20", "P-1"),
    ),
    silent("recipient.unregistered", "registered", transfer()),
    silent("recipient.unregistered", "registered via", transfer(via="app-hosting-us")),
    silent("recipient.unregistered", "processing has no recipient", process()),
    fires("recipient.unvetted", "neither agreement nor review", transfer("analytics-trial")),
    fires("recipient.unvetted", "via", transfer(via="analytics-trial")),
    fires("recipient.unvetted", "a disclosure", disclose("analytics-trial")),
    fires("recipient.unvetted", "before the agreement", transfer(when=just_before("2024-01-15"))),
    silent("recipient.unvetted", "from its first instant", transfer(when="2024-01-15")),
    fires("recipient.unvetted", "guarantees have lapsed", transfer("lapsed-printer", "2025-12-31")),
    silent(
        "recipient.unvetted",
        "guarantees to 2025-12-30 include that day",
        transfer("lapsed-printer", just_before("2025-12-31")),
    ),
    fires("recipient.unvetted", "guarantees to 2027-12-31 have lapsed", transfer(when="2028-01-01")),
    silent("recipient.unvetted", "guarantees to 2027-12-31", transfer(when=just_before("2028-01-01"))),
    fires(
        "recipient.unvetted",
        "agreement without review",
        transfer(),
        bundle=registering("mailing-house", guarantees=()),
    ),
    fires(
        "recipient.unvetted",
        "review without agreement",
        transfer(),
        bundle=registering("mailing-house", agreements=()),
    ),
    silent(
        "recipient.unvetted",
        "the second of two agreements",
        transfer(),
        bundle=registering(
            "mailing-house", agreements=(days("2020-01-01", "2021-01-01"), days("2026-01-01"))
        ),
    ),
    silent("recipient.unvetted", "a controller answers for itself", transfer("google-maps")),
    silent("recipient.unvetted", "not in the register is another rule", transfer("nobody")),
    fires("recipient.type_mismatch", "an authority called partner", disclose(recipient_type="partner")),
    fires(
        "recipient.type_mismatch", "a printer called other", disclose("mailing-house", recipient_type="other")
    ),
    silent("recipient.type_mismatch", "the same", disclose(recipient_type="authority")),
    silent("recipient.type_mismatch", "not stated", disclose()),
    silent(
        "recipient.type_mismatch", "nothing to compare with", disclose("nobody", recipient_type="partner")
    ),
    fires("recipient.no_subscription", "no contract known", transfer("membership-partner")),
    fires("recipient.no_subscription", "a disclosure", disclose("installer-partner")),
    fires("recipient.no_subscription", "ended", transfer("membership-partner"), STARTED, ENDED),
    fires(
        "recipient.no_subscription",
        "the end instant is outside",
        transfer("membership-partner", "2025-06-30 17:00"),
        STARTED,
        ENDED,
    ),
    fires(
        "recipient.no_subscription",
        "before the contract",
        transfer("membership-partner", just_before("2025-01-10")),
        STARTED,
    ),
    fires(
        "recipient.no_subscription",
        "stated as a partner, not in the register",
        disclose("nobody", recipient_type="partner"),
    ),
    fires("recipient.no_subscription", "as processor too", transfer("membership-partner", role="processor")),
    silent("recipient.no_subscription", "active", transfer("membership-partner"), STARTED),
    silent(
        "recipient.no_subscription",
        "the last instant",
        transfer("membership-partner", just_before("2025-06-30 17:00")),
        STARTED,
        ENDED,
    ),
    silent("recipient.no_subscription", "no partner", transfer()),
    silent(
        "recipient.no_subscription",
        "the register outranks what is stated",
        disclose(recipient_type="partner"),
    ),
]

LEAP_DAY = registering("mailing-house", agreements=(days("2024-02-29"),), guarantees=(days("2024-02-29"),))
# By the day of the agreement, of the review and of the contract, also a leap day.
CASES += [
    *ends("recipient.unvetted", "agreed", "2024-01-15", lambda when: transfer(when=when)),
    *ends(
        "recipient.unvetted",
        "agreed on a leap day",
        "2024-02-29",
        lambda when: transfer(when=when),
        bundle=LEAP_DAY,
    ),
    *begins("recipient.unvetted", "lapsed", "2025-12-31", lambda when: transfer("lapsed-printer", when)),
    *begins("recipient.unvetted", "lapsed", "2028-01-01", lambda when: transfer(when=when)),
    *begins(
        "recipient.unvetted",
        "lapsed on a leap day",
        "2024-02-29",
        lambda when: transfer(when=when),
        bundle=registering(
            "mailing-house", agreements=(days(),), guarantees=(days("2023-01-01", "2024-02-29"),)
        ),
    ),
    *(
        case
        for day in ("2025-01-10", "2024-02-29")
        for case in (
            *ends(
                "recipient.no_subscription",
                f"begun {day}",
                day,
                lambda when: transfer("membership-partner", when),
                contract("started", day),
            ),
            *begins(
                "recipient.no_subscription",
                f"ended {day}",
                day,
                lambda when: transfer("membership-partner", when),
                contract("started", "2023-01-10"),
                contract("ended", day),
            ),
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            fires("recipient.unvetted", "", transfer("analytics-trial")),
            "processor analytics-trial at 2026-03-02 14:00: agreement not on "
            "record, guarantees not on record",
        ),
        (
            fires("recipient.unvetted", "", transfer("lapsed-printer")),
            "processor lapsed-printer at 2026-03-02 14:00: guarantees lapsed, "
            "first day not covered 2025-12-31",
        ),
        (
            fires("recipient.unvetted", "", transfer(when="2024-01-01")),
            "processor mailing-house at 2024-01-01 00:00: "
            "agreement only from 2024-01-15, guarantees only from 2024-01-15",
        ),
        (
            fires("recipient.unregistered", "", transfer("nobody", via="anna@example.com")),
            "not in the register of recipients: recipient 'nobody', via a word that is not repeated here",
        ),
        (
            fires("recipient.no_subscription", "", transfer("membership-partner"), STARTED, ENDED),
            "transfer to a partner at 2026-03-02 14:00 without an active contract, "
            "the last ended 2025-06-30 17:00",
        ),
        (
            fires("recipient.type_mismatch", "", disclose(recipient_type="partner", when=NOW)),
            "recipient police is stated as partner, registered as authority",
        ),
    ],
)
def test_messages_state_the_facts(case: RuleCase, message: str) -> None:
    finding = case.check()
    assert finding is not None
    assert finding.message == message


def test_recipient_and_via_are_vetted_each_by_itself_and_once() -> None:
    both = judge(transfer("analytics-trial", via="lapsed-printer"))
    assert len(found("recipient.unvetted", both)) == 2
    same = judge(transfer("analytics-trial", via="analytics-trial"))
    assert len(found("recipient.unvetted", same)) == 1
