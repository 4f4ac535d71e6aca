"""Clause 6.3: transfers outside the EU/EEA, as the law stood when they happened."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from ansvar.events.model import Event
from ansvar.policy.bundle import ScopeEvidence, SubProcessor
from ansvar.sample import sample_bundle
from boundaries import begins, ends
from judging import (
    RuleCase,
    abroad,
    days,
    disclose,
    fires,
    found,
    instrument,
    judge,
    just_before,
    process,
    registering,
    silent,
    transfer,
)

EU_EEA = [
    "AT",
    "BE",
    "BG",
    "HR",
    "CY",
    "CZ",
    "DK",
    "EE",
    "FI",
    "FR",
    "DE",
    "GR",
    "HU",
    "IE",
    "IT",
    "LV",
    "LT",
    "LU",
    "MT",
    "NL",
    "PL",
    "PT",
    "RO",
    "SK",
    "SI",
    "ES",
    "SE",
    "IS",
    "LI",
    "NO",
    "GP",
    "GF",
    "MQ",
    "RE",
    "YT",
    "MF",
    "AX",
]
THIRD = ["US", "IN", "CH", "GB", "CA", "JP", "CN", "RU", "GL", "AW", "CW", "SX", "BQ", "GI", "FO"]


def to_us(**changes: Any) -> Event:
    return transfer("analytics-trial", **changes)


OLD_SET = instrument("scc", set="2010/87", period=days("2019-01-01"))
DPF = ScopeEvidence("US-DPF", days("2024-06-01", "2025-06-01"))

CASES = [
    *(silent("transfer.third_country", country, transfer(country=country)) for country in EU_EEA),
    *(fires("transfer.third_country", country, transfer(country=country)) for country in THIRD),
    silent(
        "transfer.third_country",
        "a member counts as inside before it joined",
        transfer(country="HR", when="2010-01-01"),
    ),
    silent(
        "transfer.third_country",
        "GB through the bridge",
        transfer(country="GB", when=just_before("2021-06-28")),
    ),
    fires("transfer.third_country", "GB from its decision on", transfer(country="GB", when="2021-06-28")),
    fires("transfer.third_country", "the recipient's establishment", transfer("app-hosting-us")),
    fires("transfer.third_country", "a sub-processor", transfer("sms-gateway")),
    fires(
        "transfer.third_country",
        "storage",
        transfer(),
        bundle=registering("mailing-house", storage=("SE", "IN")),
    ),
    fires("transfer.third_country", "via", transfer(via="app-hosting-us")),
    fires("transfer.third_country", "a sub-processor of via", transfer(via="sms-gateway")),
    fires("transfer.third_country", "a disclosure", disclose("app-hosting-us")),
    fires(
        "transfer.third_country", "a stated country of an unknown recipient", transfer("nobody", country="US")
    ),
    fires(
        "transfer.third_country",
        "once, however many",
        transfer("app-hosting-us", country="IN", via="hr-platform-ca"),
    ),
    fires("transfer.third_country", "remote access", transfer("support-desk-in", remote_access=True)),
    silent("transfer.third_country", "nothing abroad", transfer()),
    silent("transfer.third_country", "no destination known", transfer("nobody")),
    silent("transfer.third_country", "processing goes nowhere", process()),
    silent("transfer.third_country", "an unknown code is another rule", transfer(country="XX")),
    silent("transfer.third_country", "a disputed territory is another rule", transfer(country="NC")),
    fires("transfer.no_safeguard", "nothing stated, nothing held", to_us()),
    fires("transfer.no_safeguard", "stated none, nothing held", to_us(safeguard="none")),
    fires(
        "transfer.no_safeguard",
        "none sets the instruments aside",
        transfer("support-desk-in", safeguard="none"),
    ),
    fires("transfer.no_safeguard", "a country without decision", transfer("nobody", country="IN")),
    fires("transfer.no_safeguard", "limited scope not shown", transfer("nobody", country="CA")),
    fires("transfer.no_safeguard", "via brings its own", transfer(via="analytics-trial")),
    fires("transfer.no_safeguard", "a disclosure", disclose("analytics-trial")),
    fires(
        "transfer.no_safeguard",
        "the instrument begins later",
        transfer("support-desk-in", just_before("2024-02-01")),
    ),
    fires(
        "transfer.no_safeguard",
        "the instrument has ended",
        transfer(when="2026-01-01"),
        bundle=abroad("IN", instrument("bcr", period=days("2024-01-01", "2026-01-01"))),
    ),
    fires(
        "transfer.no_safeguard",
        "the clauses' set has ended",
        transfer(when="2022-12-27"),
        bundle=abroad("IN", OLD_SET),
    ),
    fires(
        "transfer.no_safeguard", "one destination of two", transfer("app-hosting-us", via="analytics-trial")
    ),
    fires(
        "transfer.no_safeguard",
        "the frameworks count only under their own words",
        transfer("nobody", country="US", when="2018-01-01"),
    ),
    silent("transfer.no_safeguard", "an instrument in force stands for it", transfer("support-desk-in")),
    silent(
        "transfer.no_safeguard",
        "from the instrument's first instant",
        transfer("support-desk-in", "2024-02-01"),
    ),
    silent("transfer.no_safeguard", "a full decision stands for it", transfer("nobody", country="CH")),
    silent("transfer.no_safeguard", "a decision stands for none", transfer(safeguard="none", country="CH")),
    silent("transfer.no_safeguard", "a shown place in a limited decision", transfer("hr-platform-ca")),
    silent(
        "transfer.no_safeguard", "a shown place, and none stated", transfer("google-maps", safeguard="none")
    ),
    silent(
        "transfer.no_safeguard",
        "the old set's last instant",
        transfer(when=just_before("2022-12-27")),
        bundle=abroad("IN", OLD_SET),
    ),
    silent("transfer.no_safeguard", "stated", to_us(safeguard="scc")),
    silent("transfer.no_safeguard", "nothing abroad", transfer(safeguard="none")),
    fires("transfer.adequacy_not_in_force", "no decision", transfer("support-desk-in", safeguard="adequacy")),
    fires(
        "transfer.adequacy_not_in_force",
        "before the decision",
        transfer(country="BR", safeguard="adequacy", when=just_before("2026-01-26")),
    ),
    silent(
        "transfer.adequacy_not_in_force",
        "from its first instant",
        transfer(country="UY", safeguard="adequacy", when="2012-08-21"),
    ),
    fires(
        "transfer.adequacy_not_in_force",
        "just before it",
        transfer(country="UY", safeguard="adequacy", when=just_before("2012-08-21")),
    ),
    fires(
        "transfer.adequacy_not_in_force",
        "after its last day",
        transfer(country="GB", safeguard="adequacy", when="2031-12-27"),
    ),
    silent(
        "transfer.adequacy_not_in_force",
        "its last instant",
        transfer(country="GB", safeguard="adequacy", when=just_before("2031-12-27")),
    ),
    fires(
        "transfer.adequacy_not_in_force",
        "for the US it means the DPF",
        transfer("google-maps", safeguard="adequacy", when=just_before("2023-07-10")),
    ),
    fires(
        "transfer.adequacy_not_in_force",
        "Privacy Shield is claimed by its own word",
        transfer("google-maps", safeguard="adequacy", when="2018-01-01"),
    ),
    fires(
        "transfer.adequacy_not_in_force",
        "listed later",
        transfer("google-maps", safeguard="adequacy", when=just_before("2023-09-01")),
    ),
    silent(
        "transfer.adequacy_not_in_force",
        "listed",
        transfer("google-maps", safeguard="adequacy", when="2023-09-01"),
    ),
    fires(
        "transfer.adequacy_not_in_force",
        "no longer listed",
        transfer(safeguard="adequacy", when="2025-06-01"),
        bundle=abroad("US", scope=(DPF,)),
    ),
    silent(
        "transfer.adequacy_not_in_force",
        "the last instant on the list",
        transfer(safeguard="adequacy", when=just_before("2025-06-01")),
        bundle=abroad("US", scope=(DPF,)),
    ),
    fires(
        "transfer.adequacy_not_in_force",
        "an instrument does not help a claim of adequacy",
        transfer("support-desk-in", safeguard="adequacy"),
    ),
    silent("transfer.adequacy_not_in_force", "nothing recorded is another rule", to_us(safeguard="adequacy")),
    silent("transfer.adequacy_not_in_force", "not claimed", to_us()),
    silent("transfer.adequacy_not_in_force", "inside", transfer(country="DE", safeguard="adequacy")),
    fires("transfer.scope_unverified", "nothing recorded", to_us(safeguard="adequacy")),
    fires(
        "transfer.scope_unverified",
        "an unknown recipient",
        transfer("nobody", country="JP", safeguard="adequacy"),
    ),
    fires(
        "transfer.scope_unverified",
        "evidence for another decision",
        transfer("hr-platform-ca", country="JP", safeguard="adequacy"),
    ),
    silent("transfer.scope_unverified", "recorded", transfer("hr-platform-ca", safeguard="adequacy")),
    silent(
        "transfer.scope_unverified",
        "recorded, but not for that time",
        transfer("hr-platform-ca", "2024-02-01", safeguard="adequacy"),
    ),
    silent("transfer.scope_unverified", "a full decision", transfer(country="CH", safeguard="adequacy")),
    silent(
        "transfer.scope_unverified",
        "no decision in force",
        transfer("nobody", country="JP", safeguard="adequacy", when="2018-01-01"),
    ),
    silent("transfer.scope_unverified", "not claimed", to_us()),
    *(
        fires("transfer.country_unknown", code, transfer(country=code))
        for code in ("UK", "EL", "XX", "us", "USA", "XK", "EPO")
    ),
    *(
        fires("transfer.country_unknown", code, transfer(country=code), severity="flag")
        for code in ("PM", "BL", "NC", "PF", "WF", "TF", "SJ")
    ),
    fires("transfer.country_unknown", "a disclosure", disclose(country="UK")),
    fires(
        "transfer.country_unknown",
        "a sub-processor in a disputed territory",
        transfer(),
        severity="flag",
        bundle=registering("mailing-house", subprocessors=(SubProcessor("Someone", "NC"),)),
    ),
    silent("transfer.country_unknown", "inside", transfer(country="SE")),
    silent("transfer.country_unknown", "third", transfer(country="US")),
    silent("transfer.country_unknown", "none stated", transfer()),
]

LEAP_DAY = ScopeEvidence("US-DPF", days("2024-02-29", "2025-06-01"))
# By the day, also a leap day.
CASES += [
    *begins("transfer.third_country", "GB", "2021-06-28", lambda when: transfer(when=when, country="GB")),
    *ends("transfer.no_safeguard", "clauses", "2024-02-01", lambda when: transfer("support-desk-in", when)),
    *begins(
        "transfer.no_safeguard",
        "rules that end on a leap day",
        "2024-02-29",
        lambda when: transfer(when=when),
        bundle=abroad("IN", instrument("bcr", period=days("2024-01-01", "2024-02-29"))),
    ),
    *ends(
        "transfer.no_safeguard", "a decision", "2012-08-21", lambda when: transfer(when=when, country="UY")
    ),
    *ends(
        "transfer.adequacy_not_in_force",
        "in force",
        "2012-08-21",
        lambda when: transfer(when=when, country="UY", safeguard="adequacy"),
    ),
    *begins(
        "transfer.adequacy_not_in_force",
        "at its end",
        "2031-12-27",
        lambda when: transfer(when=when, country="GB", safeguard="adequacy"),
    ),
    *ends(
        "transfer.adequacy_not_in_force",
        "on the list",
        "2023-09-01",
        lambda when: transfer("google-maps", when, safeguard="adequacy"),
    ),
    *ends(
        "transfer.adequacy_not_in_force",
        "on the list on a leap day",
        "2024-02-29",
        lambda when: transfer(when=when, safeguard="adequacy"),
        bundle=abroad("US", scope=(LEAP_DAY,)),
    ),
    *begins(
        "transfer.adequacy_not_in_force",
        "off the list",
        "2025-06-01",
        lambda when: transfer(when=when, safeguard="adequacy"),
        bundle=abroad("US", scope=(LEAP_DAY,)),
    ),
    *(
        case
        for country, day in (("BR", "2026-01-26"), ("JP", "2019-01-23"), ("US", "2023-07-10"))
        for case in begins(
            "transfer.scope_unverified",
            f"a limited decision on {country}",
            day,
            partial(transfer, "nobody", country=country, safeguard="adequacy"),
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


@pytest.mark.parametrize(
    ("event", "rules"),
    [
        (transfer("app-hosting-us"), ["transfer.third_country"]),
        (transfer("sms-gateway"), ["transfer.third_country"]),
        (transfer("hr-platform-ca"), ["transfer.third_country"]),
        (transfer("monitoring-group-ch"), ["transfer.third_country"]),
        (transfer("google-maps"), ["transfer.third_country"]),
        (transfer("support-desk-in"), ["transfer.third_country", "transfer.assessment_missing"]),
        (
            transfer("analytics-trial"),
            ["recipient.unvetted", "transfer.third_country", "transfer.no_safeguard"],
        ),
        (transfer(country="UK"), ["transfer.country_unknown"]),
        (transfer(country="NC", safeguard="privacy_shield"), ["transfer.country_unknown"]),
    ],
    ids=str,
)
def test_every_recipient_of_the_sample(event: Event, rules: list[str]) -> None:
    assert [finding.rule for finding in judge(event).findings] == rules


def test_a_rule_fires_once_a_country_and_names_who_brings_it() -> None:
    verdict = judge(transfer("analytics-trial", country="IN", via="analytics-trial"))
    assert [finding.message[:2] for finding in found("transfer.no_safeguard", verdict)] == ["IN", "US"]
    bundle = registering("support-desk-in", established="US", storage=("US",), instruments=())
    verdict = judge(transfer("analytics-trial", via="support-desk-in"), bundle=bundle)
    [finding] = found("transfer.no_safeguard", verdict)
    assert finding.message == (
        "US at 2026-03-02 14:00: no safeguard stated, no instrument in force "
        "and no adequacy decision in force "
        "that covers analytics-trial"
    )
    # The one that has no instrument answers for the country, in whichever place it stands.
    for event in (
        transfer("app-hosting-us", via="analytics-trial"),
        transfer("analytics-trial", via="app-hosting-us"),
    ):
        [finding] = found("transfer.no_safeguard", judge(event))
        assert finding.message.endswith("covers analytics-trial")


def test_the_message_offers_the_right_code() -> None:
    assert [
        judge(transfer(country=code)).findings[0].message.partition("; ")[2]
        for code in ("UK", "EL", "us", "XX")
    ] == ["GB is meant?", "GR is meant?", "US is meant?", ""]


def test_the_bundle_switches_both_sorts_of_unknown_country() -> None:
    for severity in ("flag", "deny"):
        bundle = replace(sample_bundle(), severities={"transfer.country_unknown": severity})
        assert [judge(transfer(country=c), bundle=bundle).verdict for c in ("UK", "NC")] == [severity] * 2
