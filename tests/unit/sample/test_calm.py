"""What the calm stories keep to, whatever day the year ends on.

Each test is a property of the stories, written without the judge; together they cover the rules on sources,
profiling, decisions, systems, company customers, retention, restriction, erasure, requests and cookies, and
the clocks of the sweep.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest

from ansvar.events.model import (
    ContractEvent,
    DisclosureEvent,
    Event,
    Identifier,
    ProcessingEvent,
    RightsEvent,
    TransferEvent,
)
from ansvar.sample import sample_bundle
from ansvar.sample.calendar import Calendar
from ansvar.sample.company import STORIES
from ansvar.sample.dice import Dice
from ansvar.sample.people import People
from ansvar.sample.scene import ABROAD, AUTHORITY, Scene

CONTACT = {"name", "address", "email", "phone_number", "customer_number"}
SECURE = sample_bundle().secure_methods
MONTH = timedelta(days=28)


# The last days of a year of the calendar and of one that ends on a Sunday.
@pytest.fixture(scope="module", params=[date(2025, 12, 31), date(2026, 11, 22)], ids=str)
def calendar(request: pytest.FixtureRequest) -> Calendar:
    return Calendar(request.param)


@pytest.fixture(scope="module")
def events(calendar: Calendar) -> tuple[Event, ...]:
    people, drafts = People(), []
    for number in range(250):
        for story, percent in STORIES:
            for turn in range(1 + percent // 20):
                scene = Scene(calendar, people, Dice(11, story.__name__, number, turn))
                story(scene)
                assert not scene.clocks
                drafts += scene.drafts
    assert {rule for draft in drafts for rule in draft.rules} == {*ABROAD, *AUTHORITY}
    assert not any(draft.live or draft.producer for draft in drafts)
    return tuple(draft.event for draft in drafts)


@pytest.fixture(scope="module")
def lives(events: tuple[Event, ...]) -> dict[Identifier, list[Event]]:
    """Everybody's events in the order in which they happened."""
    found: dict[Identifier, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.occurred_at):
        if event.subject is not None:
            found[event.subject].append(event)
    return found


def requests(lives: dict[Identifier, list[Event]]) -> Iterator[list[RightsEvent]]:
    for life in lives.values():
        steps: dict[str, list[RightsEvent]] = defaultdict(list)
        for event in life:
            if isinstance(event, RightsEvent):
                steps[event.request_id].append(event)
        yield from steps.values()


def uses(life: list[Event]) -> Iterator[ProcessingEvent | TransferEvent | DisclosureEvent]:
    for event in life:
        if isinstance(event, ProcessingEvent | TransferEvent | DisclosureEvent):
            yield event


def at_phase(life: list[Event], right: str, phase: str) -> datetime | None:
    for event in life:
        if isinstance(event, RightsEvent) and event.right == right and event.phase == phase:
            return event.occurred_at
    return None


def test_whoever_is_collected_from_was_told(events: tuple[Event, ...]) -> None:
    collects = [e for e in events if isinstance(e, ProcessingEvent) and e.operation == "collect"]
    assert {event.source for event in collects} == {"data_subject", "partner", "public_register", "activity"}
    assert all(event.subject_informed for event in collects)


def test_individuals_are_not_analysed_and_machines_decide_nothing(events: tuple[Event, ...]) -> None:
    for event in events:
        if not isinstance(event, ProcessingEvent):
            continue
        assert not event.automated_decision
        if event.operation == "profile":
            assert event.purpose == "marketing"
        if event.operation == "analyse" and event.purpose == "marketing":
            assert event.aggregated
            assert event.deidentified


def test_systems_and_cookies_are_registered(events: tuple[Event, ...]) -> None:
    bundle = sample_bundle()
    for event in events:
        (system,) = bundle.systems[event.system]
        assert system.country == "SE"
        assert not system.automated
        if isinstance(event, ProcessingEvent) and event.operation == "set_cookie":
            assert event.cookie in bundle.cookies


def test_company_customers_are_controllers_of_their_own(
    events: tuple[Event, ...], lives: dict[Identifier, list[Event]]
) -> None:
    processed = [event for event in events if event.role == "processor"]
    assert processed
    for event in processed:
        assert event.controller is not None
        assert event.purpose in {"contract", "customer_service", "security"}
    contacts = 0
    for life in lives.values():
        if any(isinstance(event, ContractEvent) and event.customer_type == "company" for event in life):
            contacts += 1
            for use in uses(life):
                assert use.purpose in {"contract", "customer_service", "legal_obligation"}
                assert set(use.data_categories) <= {
                    "name",
                    "address",
                    "email",
                    "phone_number",
                    "customer_number",
                }
    assert contacts


def test_after_the_contract_only_marketing_care_and_duty(lives: dict[Identifier, list[Event]]) -> None:
    left = 0
    for life in lives.values():
        ends = [
            event.occurred_at for event in life if isinstance(event, ContractEvent) and event.phase == "ended"
        ]
        if not ends:
            continue
        left += 1
        objected = at_phase(life, "objection", "received")
        for use in uses(life):
            if use.occurred_at < ends[-1] or use.purpose == "legal_obligation":
                continue
            assert use.purpose in {"marketing", "customer_service"}
            assert use.occurred_at < ends[-1] + timedelta(days=365)
            assert objected is None
    assert left > 10


def test_restricted_data_rests(lives: dict[Identifier, list[Event]]) -> None:
    restricted = 0
    for life in lives.values():
        start, end = at_phase(life, "restriction", "fulfilled"), at_phase(life, "restriction", "withdrawn")
        if start is None or end is None:
            continue
        restricted += 1
        for use in uses(life):
            if start <= use.occurred_at < end and use.purpose != "legal_obligation":
                assert isinstance(use, ProcessingEvent)
                assert use.operation == "store"
    assert restricted


def test_nothing_follows_an_erasure_and_no_contract_stands_in_its_way(
    lives: dict[Identifier, list[Event]],
) -> None:
    erased = 0
    for life in lives.values():
        done = at_phase(life, "erasure", "fulfilled")
        if done is not None:
            erased += 1
            assert life[-1].occurred_at == done
            contracts = [event.phase for event in life if isinstance(event, ContractEvent)]
            assert contracts[-1] == "ended"
    assert erased


def test_requests_are_received_identified_and_answered_in_time(lives: dict[Identifier, list[Event]]) -> None:
    rights = set()
    for steps in requests(lives):
        first, right = steps[0], steps[0].right
        rights.add(right)
        phases = [step.phase for step in steps]
        assert phases[0] == "received"
        assert {"fulfilled", "refused"} & set(phases)
        assert all(step.fee is None for step in steps)
        extended = "extended" in phases
        for step in steps:
            passed = step.occurred_at - first.occurred_at
            if step.phase == "extended":
                assert passed < MONTH
                assert step.reason
            if step.phase in {"fulfilled", "refused"} and right != "complaint":
                assert passed < (3 * MONTH if extended else MONTH)
            if step.phase == "refused":
                assert step.reason
            if step.phase == "identified":
                assert step.method in SECURE
        if right in {"access", "portability"} and "fulfilled" in phases:
            assert phases.index("identified") < phases.index("fulfilled")
        if right == "objection":
            assert first.scope in {None, "direct_marketing", "marketing", "evaluation", "security"}
    assert rights == {
        "access",
        "rectification",
        "restriction",
        "erasure",
        "portability",
        "objection",
        "complaint",
    }


def test_who_takes_their_data_along_was_a_customer(lives: dict[Identifier, list[Event]]) -> None:
    for life in lives.values():
        asked = at_phase(life, "portability", "received")
        if asked is not None:
            assert any(isinstance(event, ContractEvent) and event.occurred_at < asked for event in life)


def test_everything_happens_within_the_year(events: tuple[Event, ...], calendar: Calendar) -> None:
    days = [calendar.day_of(event.occurred_at) for event in events]
    assert 0 <= min(days) < 10
    assert calendar.days - 10 < max(days) < calendar.days


def test_whoever_got_data_is_told_of_their_correction_rest_or_end(
    lives: dict[Identifier, list[Event]],
) -> None:
    told_of: set[str] = set()
    for life in lives.values():
        for done in life:
            if not isinstance(done, RightsEvent) or done.phase != "fulfilled":
                continue
            if done.right not in {"rectification", "restriction", "erasure"}:
                continue
            got = {
                event.recipient
                for event in life
                if isinstance(event, TransferEvent | DisclosureEvent)
                and event.occurred_at <= done.occurred_at
            }
            told = {
                event.recipient
                for event in life
                if isinstance(event, RightsEvent)
                and (event.request_id, event.phase) == (done.request_id, "recipients_notified")
                and event.occurred_at < done.occurred_at + timedelta(days=30)
            }
            assert told == got
            if got:
                told_of.add(done.right)
    assert told_of == {"rectification", "restriction", "erasure"}


def test_who_objected_and_left_is_erased_within_days(lives: dict[Identifier, list[Event]]) -> None:
    seen = 0
    for life in lives.values():
        ends = [e.occurred_at for e in life if isinstance(e, ContractEvent) and e.phase == "ended"]
        objected = at_phase(life, "objection", "received")
        if ends and objected is not None and objected < ends[-1]:
            seen += 1
            erased = [
                e.occurred_at for e in life if isinstance(e, ProcessingEvent) and e.operation == "erase"
            ]
            assert ends[-1] < erased[-1] < ends[-1] + timedelta(days=10)
    assert seen
