"""The clocks of the register and of breaches."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ansvar.policy.bundle import Bundle, Instrument, Period
from ansvar.policy.clocks import AboutDecision, Breach, ClockFinding, due_of_breaches, due_of_bundle
from ansvar.policy.clocks.register import BREACH_NOTIFY_AUTHORITY, GUARANTEES_EXPIRING, NO_FALLBACK
from ansvar.sample import sample_bundle
from judging import at, changed, days, instrument, just_before, registering

EXPIRING, FALLBACK = GUARANTEES_EXPIRING.id, NO_FALLBACK.id


def found(rule: str, when: str, recipient: str, bundle: Bundle | None = None) -> list[ClockFinding]:
    every = due_of_bundle(bundle or sample_bundle(), at(when))
    return [finding for finding in every if finding.rule == rule and finding.about.recipient == recipient]


def reviewed(*guarantees: Period) -> Bundle:
    return registering("mailing-house", guarantees=guarantees)


# Reviewed to 2027-12-31 (included); ninety days before is 2027-10-02.
@pytest.mark.parametrize(
    ("guarantees", "since"),
    [
        ((days("2024-01-15", "2028-01-01"),), "2027-10-02"),
        ((days(None, "2028-01-01"),), "2027-10-02"),
        ((days("2024-01-15", "2026-01-01"), days("2026-01-01", "2028-01-01")), "2027-10-02"),
        ((days("2026-01-01", "2028-01-01"), days("2024-01-15", "2026-01-01")), "2027-10-02"),
        ((days("2024-01-15", "2028-01-01"), days("2028-01-01", "2029-01-01")), "2028-10-02"),
        ((days("2024-01-15", "2028-05-31"),), "2028-03-01"),  # over a leap day
    ],
)
def test_guarantees_are_brought_up_ninety_days_before(guarantees: tuple[Period, ...], since: str) -> None:
    bundle = reviewed(*guarantees)
    assert found(EXPIRING, just_before(since), "mailing-house", bundle) == []
    (first,) = found(EXPIRING, since, "mailing-house", bundle)
    assert (first.severity, first.since) == ("flag", at(since))
    assert found(EXPIRING, "2031-01-01", "mailing-house", bundle) == [first]  # until someone reviews them


def test_a_review_recorded_to_follow_at_once_counts_beforehand() -> None:
    first, when = days("2024-01-15", "2028-01-01"), "2027-12-01"
    assert found(EXPIRING, when, "mailing-house", reviewed(first, days("2028-01-01", None))) == []
    assert found(EXPIRING, when, "mailing-house", reviewed(first, days("2028-01-02", None))) != []


def test_a_review_that_begins_after_a_gap_helps_from_its_day() -> None:
    bundle = reviewed(days("2024-01-15", "2026-01-01"), days("2026-02-01", None))
    assert found(EXPIRING, just_before("2026-02-01"), "mailing-house", bundle) != []
    assert found(EXPIRING, "2026-02-01", "mailing-house", bundle) == []


@pytest.mark.parametrize("guarantees", [(), (days("2024-01-15", None),), (days("2029-01-01", "2030-01-01"),)])
def test_without_an_end_nothing_expires(guarantees: tuple[Period, ...]) -> None:
    assert found(EXPIRING, "2028-12-01", "mailing-house", reviewed(*guarantees)) == []


def test_the_sample_register() -> None:
    when = at("2026-03-02 14:00")
    found_ = {(finding.rule, finding.about.recipient) for finding in due_of_bundle(sample_bundle(), when)}
    assert found_ == {(EXPIRING, "lapsed-printer"), (FALLBACK, "google-maps")}


def test_a_processor_no_longer_used_needs_no_review() -> None:
    bundle = registering("lapsed-printer", agreements=(days("2022-01-01", "2026-01-01"),))
    assert found(EXPIRING, just_before("2026-01-01"), "lapsed-printer", bundle) != []
    assert found(EXPIRING, "2026-01-01", "lapsed-printer", bundle) == []


def test_a_decision_under_appeal_stands_alone() -> None:
    assert found(FALLBACK, just_before("2023-09-01"), "google-maps") == []  # not listed yet
    (first,) = found(FALLBACK, "2023-09-01", "google-maps")
    assert (first.severity, first.since) == ("flag", at("2023-09-01"))
    assert "C-703/25 P" in first.message
    assert found(FALLBACK, "2026-03-02", "google-maps") == [first]
    assert found(FALLBACK, "2026-03-02", "app-hosting-us") == []  # it has clauses too


@pytest.mark.parametrize("tool", ["scc", "bcr", "code_of_conduct", "certification"])
def test_any_instrument_in_force_is_a_fallback(tool: str) -> None:
    held = instrument(tool, period=days("2024-01-01", "2026-01-01"))
    bundle = registering("google-maps", instruments=(held,))
    assert found(FALLBACK, just_before("2024-01-01"), "google-maps", bundle) != []
    assert found(FALLBACK, "2024-01-01", "google-maps", bundle) == []
    assert found(FALLBACK, just_before("2026-01-01"), "google-maps", bundle) == []
    (lapsed,) = found(FALLBACK, "2026-01-01", "google-maps", bundle)
    assert lapsed.since == at("2026-01-01")


def test_what_lapses_again_is_found_again() -> None:
    first, second = (
        instrument("scc", f"S-{year}", period=days(f"{year}-01-01", f"{year}-07-01")) for year in (2025, 2027)
    )

    def alone(when: str, *held: Instrument) -> ClockFinding:
        (finding,) = found(FALLBACK, when, "google-maps", registering("google-maps", instruments=held))
        return finding

    before, between, after = (
        alone(when, first, second) for when in ("2024-12-31", "2026-12-31", "2028-01-01")
    )
    assert [f.since for f in (before, between, after)] == [
        at("2023-09-01"),
        at("2025-07-01"),
        at("2027-07-01"),
    ]
    assert len({f.key for f in (before, between, after)}) == 3
    assert alone("2025-07-01", first, second) == between  # whenever it is asked
    assert alone("2026-12-31", first) == between  # and whatever is to come
    assert alone("2024-12-31") == before


def test_the_end_of_what_never_protected_begins_nothing() -> None:
    sets = sample_bundle().scc_sets
    old = next(known for known in sets.values() if known.repealed is not None)
    void = instrument("scc", set=old.id, period=days("2024-01-01", "2025-01-01"))
    bundle = registering("google-maps", instruments=(void,))
    assert found(FALLBACK, "2026-03-02", "google-maps", bundle) == found(
        FALLBACK, "2026-03-02", "google-maps"
    )


def test_clauses_end_with_the_set_they_rest_on() -> None:
    sets = sample_bundle().scc_sets
    old = next(known for known in sets.values() if known.repealed is not None)
    made = instrument("scc", set=old.id, period=days("2021-01-01", "2030-01-01"))
    lasting = {**sets, old.id: replace(old, period=days("2010-05-15", "2025-01-01"))}
    bundle = replace(registering("google-maps", instruments=(made,)), scc_sets=lasting)
    assert found(FALLBACK, just_before("2025-01-01"), "google-maps", bundle) == []
    (finding,) = found(FALLBACK, "2026-03-02", "google-maps", bundle)
    assert finding.since == at("2025-01-01")


@pytest.mark.parametrize(
    ("listings", "since"),
    [
        ((("2023-09-01", "2024-09-01"), ("2024-09-01", None)), "2023-09-01"),
        ((("2024-06-01", None), ("2023-09-01", "2024-09-01")), "2023-09-01"),
        ((("2023-09-01", "2024-09-01"), ("2024-09-02", None)), "2024-09-02"),
        (((None, "2024-09-01"), ("2024-09-01", "2030-01-01")), "2023-07-10"),  # the decision's own beginning
    ],
)
def test_a_listing_renewed_without_a_gap_is_one(
    listings: tuple[tuple[str | None, str | None], ...], since: str
) -> None:
    (known,) = sample_bundle().recipients["google-maps"].scope
    scope = tuple(replace(known, period=days(*listing)) for listing in listings)
    bundle = registering("google-maps", scope=scope)
    (finding,) = found(FALLBACK, "2026-03-02", "google-maps", bundle)
    assert finding.since == at(since)


def test_the_finding_says_which_decision_where() -> None:
    (finding,) = found(FALLBACK, "2026-03-02", "google-maps")
    assert finding.about == AboutDecision(recipient="google-maps", country="US", decision="US-DPF")


def test_clauses_made_on_a_repealed_set_are_no_fallback() -> None:
    sets = sample_bundle().scc_sets
    old = next(known for known in sets.values() if known.repealed is not None)
    lasting = {**sets, old.id: replace(old, period=days("2010-05-15"))}

    def alone(made: str) -> bool:
        clauses = instrument("scc", set=old.id, period=days(made))
        bundle = replace(registering("google-maps", instruments=(clauses,)), scc_sets=lasting)
        return bool(found(FALLBACK, "2026-03-02", "google-maps", bundle))

    assert not alone("2021-09-26")
    assert alone("2021-09-27")  # repealed from this day on


def test_a_country_with_a_decision_that_nobody_challenges_needs_no_fallback() -> None:
    assert found(FALLBACK, "2026-03-02", "hr-platform-ca") == []
    swiss = registering("google-maps", established="CH", storage=("CH",), subprocessors=())
    assert found(FALLBACK, "2026-03-02", "google-maps", swiss) == []


@pytest.mark.parametrize("rule", [EXPIRING, FALLBACK])
def test_the_bundle_switches_the_clocks_of_the_register(rule: str) -> None:
    def severities(switch: str) -> set[str]:
        bundle = changed(severities={rule: switch})
        return {f.severity for f in due_of_bundle(bundle, at("2026-03-02")) if f.rule == rule}

    assert severities("off") == set()
    assert severities("deny") == {"deny"}


KNOWN = "2026-03-28 12:00"  # the night after has 23 hours
LIMIT = "2026-03-31 13:00"


@pytest.mark.parametrize(
    ("told", "fires"),
    [(None, True), (KNOWN, False), (LIMIT, False), ("2026-03-31 13:00:00.000001", True)],
)
def test_the_authority_hears_of_a_breach_within_72_hours(told: str | None, fires: bool) -> None:
    breach = Breach("B-secret", at(KNOWN), None if told is None else at(told))
    bundle = sample_bundle()
    assert due_of_breaches([breach], bundle, at(just_before(LIMIT))) == []
    first = due_of_breaches([breach], bundle, at(LIMIT))
    assert bool(first) is fires
    assert due_of_breaches([breach], bundle, at("2027-01-01")) == first
    for finding in first:
        assert (finding.since, finding.severity) == (at(LIMIT), "deny")
        assert "secret" not in finding.message + finding.key
    off = changed(severities={BREACH_NOTIFY_AUTHORITY.id: "off"})
    assert due_of_breaches([breach], off, at("2027-01-01")) == []
