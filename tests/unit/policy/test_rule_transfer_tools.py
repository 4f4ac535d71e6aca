"""Clause 6.3: which tools protected a transfer, when and with whom."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from ansvar.events.model import Event
from boundaries import begins, ends
from judging import NOW, RuleCase, abroad, days, fires, instrument, just_before, silent, transfer

SHIELD = {"safeguard": "privacy_shield", "country": "US"}
HARBOR = {"safeguard": "safe_harbor", "country": "US"}


def to_us(**changes: Any) -> Event:
    return transfer("analytics-trial", **changes)


OLD_SET = instrument("scc", set="2010/87", period=days("2019-01-01"))
BOTH = abroad("IN", instrument("scc", "A", assessment=None), instrument("bcr", "B"))

CASES = [
    fires(
        "transfer.tool_invalid", "Privacy Shield, before", transfer(when=just_before("2016-07-12"), **SHIELD)
    ),
    silent("transfer.tool_invalid", "Privacy Shield, first instant", transfer(when="2016-07-12", **SHIELD)),
    silent(
        "transfer.tool_invalid",
        "Privacy Shield, last instant",
        transfer(when=just_before("2020-07-16"), **SHIELD),
    ),
    fires("transfer.tool_invalid", "Privacy Shield, annulled", transfer(when="2020-07-16", **SHIELD)),
    fires(
        "transfer.tool_invalid",
        "Privacy Shield, not the US",
        transfer(country="CH", safeguard="privacy_shield", when="2018-01-01"),
    ),
    fires("transfer.tool_invalid", "Safe Harbor, before", transfer(when=just_before("2000-07-26"), **HARBOR)),
    silent("transfer.tool_invalid", "Safe Harbor, first instant", transfer(when="2000-07-26", **HARBOR)),
    silent(
        "transfer.tool_invalid",
        "Safe Harbor, last instant",
        transfer(when=just_before("2015-10-06"), **HARBOR),
    ),
    fires("transfer.tool_invalid", "Safe Harbor, annulled", transfer(when="2015-10-06", **HARBOR)),
    fires(
        "transfer.tool_invalid",
        "Safe Harbor, not the US",
        transfer(country="CA", safeguard="safe_harbor", when="2010-01-01"),
    ),
    fires(
        "transfer.tool_invalid",
        "a repealed set",
        transfer(safeguard="scc", when="2022-12-27"),
        bundle=abroad("IN", OLD_SET),
    ),
    silent(
        "transfer.tool_invalid",
        "a repealed set, old contracts stay valid for a time",
        transfer(safeguard="scc", when=just_before("2022-12-27")),
        bundle=abroad("IN", OLD_SET),
    ),
    fires(
        "transfer.tool_invalid",
        "a contract made on a repealed set",
        transfer(safeguard="scc", when="2022-01-01"),
        bundle=abroad("IN", replace(OLD_SET, period=days("2021-09-27"))),
    ),
    silent(
        "transfer.tool_invalid",
        "the last day on which one could be made",
        transfer(safeguard="scc", when="2022-01-01"),
        bundle=abroad("IN", replace(OLD_SET, period=days("2021-09-26"))),
    ),
    silent(
        "transfer.tool_invalid",
        "another set is in force",
        transfer(safeguard="scc"),
        bundle=abroad("IN", OLD_SET, instrument("scc", "T-2")),
    ),
    fires(
        "transfer.tool_invalid",
        "the reference is that of the repealed one",
        transfer(safeguard="scc", safeguard_reference="T-1"),
        bundle=abroad("IN", OLD_SET, instrument("scc", "T-2")),
    ),
    silent("transfer.tool_invalid", "inside", transfer(safeguard="privacy_shield")),
    silent("transfer.tool_invalid", "not registered is another rule", to_us(safeguard="scc")),
    *(
        fires("transfer.safeguard_unregistered", tool, to_us(safeguard=tool))
        for tool in ("scc", "bcr", "code_of_conduct", "certification")
    ),
    *(
        silent(
            "transfer.safeguard_unregistered",
            tool,
            transfer(safeguard=tool),
            bundle=abroad("IN", instrument(tool)),
        )
        for tool in ("scc", "bcr", "code_of_conduct", "certification")
    ),
    fires(
        "transfer.safeguard_unregistered",
        "another tool is held",
        transfer("support-desk-in", safeguard="bcr"),
    ),
    fires(
        "transfer.safeguard_unregistered",
        "another recipient holds it",
        transfer("analytics-trial", safeguard="scc", safeguard_reference="SCC-2023-04"),
    ),
    fires(
        "transfer.safeguard_unregistered",
        "another reference",
        transfer("app-hosting-us", safeguard="scc", safeguard_reference="SCC-2024-02"),
    ),
    silent(
        "transfer.safeguard_unregistered",
        "its reference",
        transfer("app-hosting-us", safeguard="scc", safeguard_reference="SCC-2023-04"),
    ),
    fires(
        "transfer.safeguard_unregistered",
        "not yet in force",
        transfer("support-desk-in", just_before("2024-02-01"), safeguard="scc"),
    ),
    silent(
        "transfer.safeguard_unregistered",
        "first instant",
        transfer("support-desk-in", "2024-02-01", safeguard="scc"),
    ),
    fires(
        "transfer.safeguard_unregistered",
        "the set could not be used yet",
        transfer(safeguard="scc", when="2021-06-26"),
        bundle=abroad("IN", instrument("scc", period=days("2021-06-01"))),
    ),
    silent(
        "transfer.safeguard_unregistered",
        "the set from its first day",
        transfer(safeguard="scc", when="2021-06-27"),
        bundle=abroad("IN", instrument("scc", period=days("2021-06-01"))),
    ),
    fires(
        "transfer.safeguard_unregistered",
        "a stated country belongs to the recipient, not to via",
        transfer("mailing-house", country="IN", via="support-desk-in", safeguard="scc"),
    ),
    fires(
        "transfer.safeguard_unregistered",
        "nothing stated but a reference to something else",
        transfer("support-desk-in", safeguard_reference="SCC-1999"),
    ),
    silent(
        "transfer.safeguard_unregistered",
        "nothing stated, the reference is not that of the corporate rules, but a decision covers",
        transfer("monitoring-group-ch", safeguard_reference="2000/518/EC"),
    ),
    silent(
        "transfer.safeguard_unregistered",
        "nothing stated, no instrument held, and a decision covers",
        transfer("google-maps", safeguard_reference="anything"),
    ),
    fires("transfer.safeguard_unregistered", "a derogation without reference", to_us(safeguard="derogation")),
    silent(
        "transfer.safeguard_unregistered",
        "a derogation with one",
        to_us(safeguard="derogation", safeguard_reference="49-1-a"),
    ),
    silent(
        "transfer.safeguard_unregistered",
        "a repealed set is another rule",
        transfer(safeguard="scc"),
        bundle=abroad("IN", OLD_SET),
    ),
    silent("transfer.safeguard_unregistered", "nothing stated, nothing held", to_us()),
    silent("transfer.safeguard_unregistered", "inside", transfer(safeguard="scc")),
    fires("transfer.assessment_missing", "clauses", transfer("support-desk-in", safeguard="scc")),
    fires(
        "transfer.assessment_missing",
        "an instrument that stands for nothing stated",
        transfer("support-desk-in"),
    ),
    fires(
        "transfer.assessment_missing",
        "corporate rules",
        transfer(),
        bundle=abroad("IN", instrument("bcr", assessment=None)),
    ),
    *(
        fires(
            "transfer.assessment_missing",
            f"{tool} from the day after Schrems II",
            transfer(safeguard=tool, when="2020-07-17"),
            bundle=abroad("IN", replace(OLD_SET, tool=tool, set=kind, assessment=None)),
        )
        for tool, kind in (("scc", "2010/87"), ("bcr", None))
    ),
    *(
        silent(
            "transfer.assessment_missing",
            f"{tool} to the day of Schrems II",
            transfer(safeguard=tool, when=just_before("2020-07-17")),
            bundle=abroad("IN", replace(OLD_SET, tool=tool, set=kind, assessment=None)),
        )
        for tool, kind in (("scc", "2010/87"), ("bcr", None))
    ),
    silent("transfer.assessment_missing", "recorded", transfer("app-hosting-us")),
    silent("transfer.assessment_missing", "of two the one with it counts", transfer(), bundle=BOTH),
    fires(
        "transfer.assessment_missing", "the stated one of two counts", transfer(safeguard="scc"), bundle=BOTH
    ),
    silent(
        "transfer.assessment_missing",
        "no clauses",
        transfer(),
        bundle=abroad("IN", instrument("code_of_conduct", assessment=None)),
    ),
    silent("transfer.assessment_missing", "not in force", to_us(safeguard="scc")),
    fires(
        "transfer.tool_not_in_policy",
        "certification",
        transfer(safeguard="certification"),
        bundle=abroad("IN", instrument("certification")),
    ),
    fires(
        "transfer.tool_not_in_policy",
        "certification that stands for nothing stated",
        transfer(),
        bundle=abroad("IN", instrument("certification")),
    ),
    fires("transfer.tool_not_in_policy", "certification not on record", to_us(safeguard="certification")),
    fires(
        "transfer.tool_not_in_policy",
        "derogation",
        to_us(safeguard="derogation", safeguard_reference="49-1-a"),
    ),
    silent(
        "transfer.tool_not_in_policy",
        "a better one stands for nothing stated",
        transfer(),
        bundle=abroad("IN", instrument("certification"), instrument("code_of_conduct", "K")),
    ),
    silent("transfer.tool_not_in_policy", "clauses", transfer("app-hosting-us", safeguard="scc")),
    silent("transfer.tool_not_in_policy", "inside", transfer(safeguard="derogation")),
]

BOUND = abroad("IN", instrument("bcr", period=days("2024-02-29", "2026-01-31")))
CERTIFIED = abroad("IN", instrument("certification", period=days("2024-02-29", "2026-01-31")))
# By the day, also a leap day.
CASES += [
    *(
        case
        for stated, day in ((SHIELD, "2016-07-12"), (HARBOR, "2000-07-26"))
        for case in ends(
            "transfer.tool_invalid",
            stated["safeguard"],
            day,
            partial(transfer, "mailing-house", **stated),
        )
    ),
    *(
        case
        for stated, day in ((SHIELD, "2020-07-16"), (HARBOR, "2015-10-06"))
        for case in begins(
            "transfer.tool_invalid",
            f"{stated['safeguard']}, annulled",
            day,
            partial(transfer, "mailing-house", **stated),
        )
    ),
    *begins(
        "transfer.tool_invalid",
        "a repealed set",
        "2022-12-27",
        lambda when: transfer(when=when, safeguard="scc"),
        bundle=abroad("IN", OLD_SET),
    ),
    *ends(
        "transfer.safeguard_unregistered",
        "in force on a leap day",
        "2024-02-29",
        lambda when: transfer(when=when, safeguard="bcr"),
        bundle=BOUND,
    ),
    *begins(
        "transfer.safeguard_unregistered",
        "at its end",
        "2026-01-31",
        lambda when: transfer(when=when, safeguard="bcr"),
        bundle=BOUND,
    ),
    *begins(
        "transfer.assessment_missing",
        "asked for since Schrems II",
        "2020-07-17",
        lambda when: transfer(when=when, safeguard="bcr"),
        bundle=abroad("IN", instrument("bcr", assessment=None, period=days("2019-01-01"))),
    ),
    *begins(
        "transfer.tool_not_in_policy",
        "certified on a leap day",
        "2024-02-29",
        lambda when: transfer(when=when),
        bundle=CERTIFIED,
    ),
    *ends(
        "transfer.tool_not_in_policy",
        "certified no more",
        "2026-01-31",
        lambda when: transfer(when=when),
        bundle=CERTIFIED,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_the_message_names_instrument_and_holder() -> None:
    finding = fires("transfer.assessment_missing", "", transfer("support-desk-in", NOW)).check()
    assert finding is not None
    assert finding.message == (
        "IN at 2026-03-02 14:00: scc SCC-2024-02 with support-desk-in has no impact assessment"
    )
