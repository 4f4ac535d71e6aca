"""Clause 6.3 and the US since 2000: three frameworks, two of them annulled, each as it stood at the event.

Privacy Shield was annulled by C-311/18 on 16 July 2020, Safe Harbor by C-362/14 on 6 October 2015. Validity
is half-open, so the day of the judgment is the first day that is not covered.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from ansvar.events.model import DisclosureEvent, Event, TransferEvent
from ansvar.policy.bundle import Bundle, ScopeEvidence
from ansvar.policy.calendar import stockholm_date
from ansvar.policy.clocks import ClockFinding, annulled
from ansvar.sample import sample_bundle
from judging import abroad, at, collect, contract, days, disclose, judge, just_before, registering, transfer

ENGINE = 2
MAPS = "google-maps"  # a controller in the US: it answers for itself, so no agreement of the time is missing
THIRD = "transfer.third_country"
INVALID = "transfer.tool_invalid"
NOT_IN_FORCE = "transfer.adequacy_not_in_force"

# A customer from before the judgment, whose data were collected for the contract.
CUSTOMER = (
    collect("2019-03-01", "contract", ("name", "ip_address")),
    contract("started", "2019-03-01 10:00", customer_type="consumer"),
)


def to_us(when: str, safeguard: str | None, recipient: str = MAPS) -> Event:
    return transfer(
        recipient,
        when,
        purpose="contract",
        legal_basis="contract",
        data_categories=["ip_address"],
        safeguard=safeguard,
    )


def verdict(event: Event, bundle: Bundle | None = None) -> tuple[str, list[str]]:
    judged = judge(event, *CUSTOMER, bundle=bundle, engine=ENGINE)
    return judged.verdict, [finding.rule for finding in judged.findings]


ALLOWED, DENIED = ("flag", [THIRD]), ("deny", [THIRD, INVALID])


@pytest.mark.parametrize(
    "when", ["2020-06-01", "2020-06-15 12:00", "2020-06-30 23:59:59.999999", "2020-07-15", "2020-07-15 23:59"]
)
def test_a_transfer_under_privacy_shield_before_the_judgment_is_allowed_and_seen(when: str) -> None:
    assert verdict(to_us(when, "privacy_shield")) == ALLOWED


@pytest.mark.parametrize("when", ["2020-07-17 00:00", "2020-07-17 12:00", "2020-08-01", "2026-03-02"])
def test_the_same_transfer_after_the_judgment_is_denied(when: str) -> None:
    assert verdict(to_us(when, "privacy_shield")) == DENIED
    judged = judge(to_us(when, "privacy_shield"), *CUSTOMER, engine=ENGINE)
    day = at(when).astimezone(UTC)
    assert judged.findings[1].severity == "deny"
    assert judged.findings[1].clause == "6.3"
    assert stockholm_date(day).isoformat() in judged.findings[1].message
    assert "Privacy Shield is not in force" in judged.findings[1].message


def test_midnight_is_stockholms() -> None:
    # 22:00 UTC on 15 July is midnight in Stockholm, and the day of the judgment has begun.
    event = to_us("2020-07-15", "privacy_shield")
    first = datetime(2020, 7, 15, 22, tzinfo=UTC)
    last = first - timedelta(microseconds=1)
    assert verdict(replace(event, occurred_at=last)) == ALLOWED
    assert verdict(replace(event, occurred_at=first)) == DENIED
    assert at("2020-07-17 00:00") == datetime(2020, 7, 16, 22, tzinfo=UTC)


# The first day of each framework, and the first day after it: the instant before, the day, the day after.
FRAMEWORKS = [
    ("safe_harbor", "2000-07-26", "2015-10-06"),
    ("privacy_shield", "2016-07-12", "2020-07-16"),
]


@pytest.mark.parametrize(("word", "first", "end"), FRAMEWORKS, ids=[word for word, *_ in FRAMEWORKS])
def test_a_framework_holds_from_its_first_day_to_the_day_before_the_judgment(
    word: str, first: str, end: str
) -> None:
    def fired(when: str) -> bool:
        rules = verdict(to_us(when, word))[1]
        assert set(rules) - {INVALID} <= {THIRD, "basis.no_contract"}  # some of it is before the contract
        return INVALID in rules

    assert [fired(when) for when in (just_before(first), first, f"{first} 23:59")] == [True, False, False]
    assert [fired(when) for when in (just_before(end), end, f"{end} 23:59")] == [False, True, True]


@pytest.mark.parametrize("when", ["2015-10-06", "2016-02-29", just_before("2016-07-12")])
@pytest.mark.parametrize("word", ["safe_harbor", "privacy_shield"])
def test_between_the_two_frameworks_there_was_none(word: str, when: str) -> None:
    assert INVALID in verdict(to_us(when, word))[1]


@pytest.mark.parametrize("when", ["2018-06-01", "2020-06-15", "2020-07-17", just_before("2023-07-10")])
def test_adequacy_for_the_us_never_means_the_annulled_frameworks(when: str) -> None:
    assert NOT_IN_FORCE in verdict(to_us(when, "adequacy"))[1]


# The Data Privacy Framework, in force from 10 July 2023, for those on its list.
LISTED_FROM_THE_START = abroad("US", scope=(ScopeEvidence("US-DPF", days("2023-01-01")),))


def test_the_data_privacy_framework_counts_under_adequacy_from_its_date() -> None:
    def rules(when: str) -> list[str]:
        event = transfer(when=when, safeguard="adequacy")
        judged = judge(event, bundle=LISTED_FROM_THE_START, engine=ENGINE).findings
        return [finding.rule for finding in judged if finding.rule.startswith("transfer.")]

    assert rules("2023-07-09 23:59") == rules(just_before("2023-07-10")) == [THIRD, NOT_IN_FORCE]
    assert rules("2023-07-10") == rules("2023-07-11") == rules("2026-03-02") == [THIRD]


@pytest.mark.parametrize("recipient", [MAPS, "app-hosting-us"])
def test_whoever_is_on_the_list_is_covered_from_the_day_of_the_listing(recipient: str) -> None:
    assert verdict(to_us(just_before("2023-09-01"), "adequacy", recipient))[0] == "deny"
    assert NOT_IN_FORCE in verdict(to_us("2023-08-31", "adequacy", recipient))[1]
    for when in ("2023-09-01", "2023-09-02", "2026-03-02"):
        assert NOT_IN_FORCE not in verdict(to_us(when, "adequacy", recipient))[1]
    assert verdict(to_us("2026-03-02", "adequacy", recipient)) == ALLOWED


def test_privacy_shield_is_no_name_for_its_successor() -> None:
    assert verdict(to_us("2026-03-02", "adequacy")) == ALLOWED
    assert verdict(to_us("2026-03-02", "privacy_shield")) == DENIED


# What a new bundle that ends the framework means for what was transferred under it.
END = "2026-09-01"
ROW = (0, 7)


def without_dpf() -> Bundle:
    """The sample bundle as it would be after a judgment that annuls the framework on a day."""
    bundle = sample_bundle()
    ended = tuple(
        replace(decision, period=replace(decision.period, end=at(END)))
        if decision.id == "US-DPF"
        else decision
        for decision in bundle.decisions["US"]
    )
    return replace(bundle, decisions={**bundle.decisions, "US": ended})


def listed(event: Event, now: str = "2026-10-01") -> list[ClockFinding]:
    assert isinstance(event, TransferEvent | DisclosureEvent)
    return annulled(event, ROW, sample_bundle(), without_dpf(), at(now))


def test_every_transfer_that_rests_on_the_framework_is_listed_with_what_could_replace_it() -> None:
    (hosting,) = listed(to_us("2026-03-02", "adequacy", "app-hosting-us"))
    (maps,) = listed(to_us("2026-03-02", "adequacy"))
    (unstated,) = listed(to_us("2026-03-02", None))
    (disclosed,) = listed(disclose(MAPS, "2026-03-02"))
    assert hosting.message.endswith("could rest on scc 'SCC-2023-04'")
    for found in (maps, unstated, disclosed):
        assert found.message.endswith("no instrument could replace it")
    for found in (hosting, maps, unstated, disclosed):
        assert (found.rule, found.severity, found.since) == ("adequacy.annulled", "flag", at(END))
        assert "(EU) 2023/1795" in found.message


def test_what_rests_on_something_else_is_not_listed() -> None:
    assert listed(to_us("2026-03-02", None, "app-hosting-us")) == []  # its clauses count as stated
    assert listed(to_us("2026-03-02", "scc", "app-hosting-us")) == []
    assert listed(to_us("2020-06-15", "privacy_shield")) == []
    assert listed(to_us("2026-03-02", None, "monitoring-group-ch")) == []


@pytest.mark.parametrize(
    ("when", "severity"), [(just_before(END), "flag"), (END, "deny"), ("2026-09-02", "deny")]
)
def test_a_transfer_since_the_end_is_denied_afterwards(when: str, severity: str) -> None:
    (found,) = listed(to_us(when, "adequacy"))
    assert found.severity == severity
    assert found.about.row == ROW


def test_the_new_bundle_judges_by_the_event_and_not_by_the_day_of_asking() -> None:
    new = without_dpf()
    assert verdict(to_us(just_before(END), "adequacy"), new) == ALLOWED
    assert verdict(to_us(END, "adequacy"), new) == ("deny", [THIRD, NOT_IN_FORCE])
    assert verdict(to_us(END, None, "app-hosting-us"), new) == ALLOWED  # its clauses hold
    bare = registering("app-hosting-us", instruments=())
    assert verdict(to_us(END, None, "app-hosting-us"), replace(bare, decisions=new.decisions)) == (
        "deny",
        [THIRD, "transfer.no_safeguard"],
    )
