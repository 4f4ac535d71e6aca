"""The sample year: exact in number, the same every time, and honest about what it planted."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from ansvar.events.boundary import validated
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import Event, RightsEvent
from ansvar.policy.rules import ALL_RULES
from ansvar.sample.calendar import STOCKHOLM
from ansvar.sample.company import Year, generate, year_before

# The rules that the year must break where it is only judged: all but one that is off, and those on recording.
PLANTED_RULES = {rule.id for rule in ALL_RULES} - {
    "purpose.no_collection_record",
    "event.late",
    "event.future",
    "producer.out_of_scope",
}
RECORDING = {"event.late", "event.future", "producer.out_of_scope"}
GOLDEN = "bbfbc57f092878917396d68eb5ae4d0b0bdc1b9ec28f2d8bf358c52d213ec99f"


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


@pytest.mark.parametrize(
    "changed", [{"ends": date(2025, 12, 30)}, {"ends": date(2025, 12, 31), "live": True}], ids=str
)
def test_nor_do_years_that_end_on_other_days_or_are_recorded(changed: dict[str, Any]) -> None:
    ours = {event.event_id for event in generate(1_500, 7, year=2025).events}
    assert ours.isdisjoint(event.event_id for event in generate(1_500, 7, **changed).events)


def test_a_year_is_the_365_days_to_its_end() -> None:
    assert encoded(generate(600, 3, year=2026)) == encoded(generate(600, 3, ends=date(2026, 12, 31)))
    assert generate(600, 3, year=2026).as_of == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_only_what_is_reported_late_is_out_of_order() -> None:
    year = generate(20_000)
    latest, late = year.events[0].occurred_at, []
    for event in year.events:
        if event.occurred_at < latest:
            late.append(event)
        latest = max(latest, event.occurred_at)
    december_2023 = [event for event in late if event.occurred_at.year == 2023]
    assert {expected_on(year, event) for event in december_2023} == {("basis.no_balancing_test",)}
    within = [event for event in late if event.occurred_at.year == 2025]
    assert {event.system for event in within} == {"alarm_centre", "support"}
    late_rights = {event.right for event in within if isinstance(event, RightsEvent)}
    assert late_rights == {"objection", "restriction"}
    assert len(late) < len(year.events) / 100


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("ends", [date(2025, 12, 31), *(date(2026, 11, 16 + day) for day in range(7))])
def test_all_but_what_was_reported_late_happens_within_the_year(ends: date, live: bool) -> None:
    made = generate(3_000, ends=ends, live=live)
    outside = set()
    for event in made.events:
        day = event.occurred_at.astimezone(STOCKHOLM).date()
        if not ends - timedelta(days=364) <= day <= ends:
            outside.add((day - ends).days)
            if live:
                assert {"event.late", "event.future"} & set(expected_on(made, event))
    assert all(days < -400 or (live and days > 365) for days in outside)


@pytest.mark.parametrize(("events", "least"), [(210, 1), (500, 1), (1_100, 2), (20_000, 3)])
@pytest.mark.parametrize("live", [False, True])
def test_every_rule_and_clock_is_planted_and_counted_by_events(events: int, least: int, live: bool) -> None:
    year = generate(events, live=live)
    broken = {rule for rule, count in year.planted.items() if count}
    assert broken == (PLANTED_RULES | RECORDING if live else PLANTED_RULES)
    assert min(year.planted[rule] for rule in broken) >= least
    assert min(year.clocks.values()) >= least
    assert Counter(year.planted) == Counter(rule for rules in year.expected.values() for rule in rules)
    ids = {event.event_id for event in year.events}
    assert year.expected.keys() <= ids
    assert year.producers.keys() <= ids


def test_plants_grow_mildly_with_the_year_and_most_of_it_is_calm() -> None:
    small, large = generate(500), generate(20_000)
    assert small.planted["purpose.missing"] < large.planted["purpose.missing"] < 20
    assert len(large.expected) < len(large.events) / 10


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
@pytest.mark.parametrize("live", [False, True])
def test_a_year_too_small_for_its_breaches_is_refused_with_the_number_it_takes(
    events: int, live: bool
) -> None:
    with pytest.raises(ValueError, match=r"ask for [0-9]+ or more") as refusal:
        generate(events, live=live)
    enough = int(str(refusal.value).split("ask for ")[1].split()[0])
    assert len(generate(enough, live=live).events) == enough
    with pytest.raises(ValueError, match=f"ask for {enough} or more"):
        generate(enough - 1, live=live)


@pytest.mark.parametrize("year", [1999, 2024, 2028])
def test_a_year_outside_the_sample_bundle_is_refused(year: int) -> None:
    with pytest.raises(ValueError, match="from 2025-02-28 to 2027-12-31"):
        generate(500, year=year)


@pytest.mark.parametrize(
    ("today", "ends"),
    [
        (date(2025, 3, 1), date(2025, 2, 28)),
        (date(2026, 11, 23), date(2026, 11, 22)),
        (date(2028, 1, 1), date(2027, 12, 31)),
        (date(2028, 2, 4), date(2027, 12, 31)),
    ],
)
def test_the_newest_year_ends_yesterday_or_with_the_register(today: date, ends: date) -> None:
    assert year_before(today) == ends


@pytest.mark.parametrize("today", [date(2025, 2, 28), date(2028, 2, 5), date.max])
def test_where_the_register_allows_no_year_it_is_said_until_when(today: date) -> None:
    with pytest.raises(ValueError, match="from 2025-03-01 to 2028-02-04"):
        year_before(today)
