"""The sample year: exact in number, the same every time, and honest about what it planted."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from hashlib import sha256

import msgspec
import pytest

from ansvar.events.boundary import validated
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import Event
from ansvar.sample.company import Year, generate
from ansvar.sample.plants import PLANTS

# The rules that the year must break, by POLICY's chapters.
PLANTED_RULES = {
    "purpose.missing",
    "purpose.undeclared",
    "purpose.incompatible",
    "category.missing",
    "category.undeclared",
    "category.profiling_only",
    "category.personnummer",
    "basis.missing",
    "basis.not_in_policy",
    "basis.unknown",
    "basis.purpose_mismatch",
    "basis.no_balancing_test",
    "basis.no_contract",
    "basis.contract_ended",
    "marketing.objected",
    "marketing.nix_not_checked",
    "marketing.nix_result_missing",
    "marketing.nix_listed",
    "marketing.nix_exempted",
    "objection.in_force",
    "objection.overridden",
    "transfer.third_country",
    "transfer.no_safeguard",
    "transfer.adequacy_not_in_force",
    "transfer.scope_unverified",
    "transfer.tool_invalid",
    "transfer.safeguard_unregistered",
    "transfer.assessment_missing",
    "transfer.tool_not_in_policy",
    "transfer.country_unknown",
    "recipient.unregistered",
    "recipient.unvetted",
    "recipient.type_mismatch",
    "recipient.no_subscription",
    "disclosure.authority",
    "disclosure.ground_missing",
    "disclosure.reference_missing",
}
GOLDEN = "ac2b29c93a344e0ac683f861b8ce88ab788579a3a4decef6f78e544dea3f4b48"


def encoded(year: Year) -> bytes:
    return msgspec.json.encode(year.events)


def expected_on(year: Year, event: Event) -> tuple[str, ...]:
    assert event.event_id is not None
    return year.expected.get(event.event_id, ())


@pytest.mark.parametrize("events", [500, 501, 502, 503, 750, 1_111, 3_000])
def test_exactly_as_many_events_as_asked_for_each_with_its_own_id(events: int) -> None:
    year = generate(events)
    assert len(year.events) == events
    assert len({event.event_id for event in year.events}) == events


def test_same_arguments_same_bytes_whatever_came_before() -> None:
    first = generate(1_500, 7)
    generate(600, 3)
    again = generate(1_500, 7)
    assert encoded(first) == encoded(again)
    assert first.expected == again.expected


def test_the_bytes_are_those_of_every_platform() -> None:
    # The digest was made once; it differs only if a story changed (then make it anew) or if the
    # generator depends on something that it must not: hashing, locale, time zone, version of Python.
    assert sha256(encoded(generate(500, 1))).hexdigest() == GOLDEN


@pytest.mark.parametrize(("events", "seed", "year"), [(1_501, 7, 2025), (1_500, 8, 2025), (1_500, 7, 2026)])
def test_other_arguments_share_no_event_id(events: int, seed: int, year: int) -> None:
    ours = {event.event_id for event in generate(1_500, 7).events}
    assert ours.isdisjoint(event.event_id for event in generate(events, seed, year=year).events)


def test_event_ids_are_uuid_version_7_of_the_time_the_event_happened() -> None:
    for event in generate(600).events:
        assert event.event_id is not None
        assert event.event_id.version == 7
        assert event.event_id.variant == "specified in RFC 4122"
        assert event.event_id.int >> 80 == round(event.occurred_at.timestamp() * 1_000)


def test_only_reported_late_events_are_out_of_order() -> None:
    year = generate(20_000)
    latest, late = year.events[0].occurred_at, []
    for event in year.events:
        if event.occurred_at < latest:
            late.append(event)
        latest = max(latest, event.occurred_at)
    december_2023 = [event for event in late if event.occurred_at.year == 2023]
    assert {expected_on(year, event) for event in december_2023} == {("basis.no_balancing_test",)}
    assert {event.system for event in late if event.occurred_at.year != 2023} == {"alarm_centre"}
    assert len(late) < len(year.events) / 100


@pytest.mark.parametrize("year", [2025, 2026, 2027])
def test_all_but_the_reported_queue_happens_within_the_year(year: int) -> None:
    made = generate(2_000, year=year)
    in_stockholm = [event.occurred_at + timedelta(hours=1) for event in made.events]
    expected = {year, 2023} if year == 2025 else {year}
    assert {at.year for at in in_stockholm} == expected


@pytest.mark.parametrize("events", [500, 2_000, 20_000])
def test_every_rule_is_planted_at_least_twice_and_counted_by_events(events: int) -> None:
    year = generate(events)
    assert min(year.planted[rule] for rule in PLANTED_RULES) >= 2
    assert {rule for rule, count in year.planted.items() if count} == PLANTED_RULES
    assert Counter(year.planted) == Counter(rule for rules in year.expected.values() for rule in rules)
    ids = {event.event_id for event in year.events}
    assert year.expected.keys() <= ids


def test_plants_grow_mildly_with_the_year_and_most_of_it_is_calm() -> None:
    small, large = generate(500), generate(20_000)
    assert small.planted["purpose.missing"] < large.planted["purpose.missing"] < 20
    assert len(large.expected) < len(large.events) / 10


def test_without_the_reported_queue_no_balancing_test_is_missing() -> None:
    assert generate(500, year=2026).planted["basis.no_balancing_test"] == 0


def test_every_identifier_and_every_event_is_valid() -> None:
    for event in generate(3_000, 2).events:
        assert validated(event) == event
        normalise_event(event)


def test_each_person_of_a_plant_is_their_own() -> None:
    # Whoever meets a breach that needs a person's history appears in no other story.
    year = generate(3_000, 5)
    visited = {event.subject for event in year.events if "purpose.missing" in expected_on(year, event)}
    for person in visited:
        mine = [event for event in year.events if event.subject == person]
        assert len(mine) <= 5


@pytest.mark.parametrize("events", [-1, 0, 1, 100])
def test_a_year_too_small_for_its_breaches_is_refused_with_the_number_it_takes(events: int) -> None:
    least = sum(1 for plant in PLANTS for _ in plant.counts)
    with pytest.raises(ValueError, match=r"ask for [0-9]+ or more") as refusal:
        generate(events)
    assert int(str(refusal.value).split("ask for ")[1].split()[0]) > least


@pytest.mark.parametrize("year", [1999, 2024, 2028])
def test_a_year_outside_the_sample_bundle_is_refused(year: int) -> None:
    with pytest.raises(ValueError, match="2025 to 2027"):
        generate(500, year=year)
