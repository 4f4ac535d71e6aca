"""The judge finds what was planted, event by event, and nothing else.

The truth was written by the stories without running a rule, so the two check each other.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec
import pytest

from ansvar.events.model import Event
from ansvar.policy.bundle import Bundle
from ansvar.policy.case import ProducerScope
from ansvar.policy.evaluation import Evaluator
from ansvar.policy.rules import ALL_RULES, ENGINE, ENGINE_CHAPTERS
from ansvar.sample import sample_bundle
from ansvar.sample.company import EARLIEST_END, LATEST_END, RECORDED_WITHIN, Year, generate
from ansvar.sample.plants.systems import NARROW

OF_THE_PRODUCER = {"producer.out_of_scope"}
OF_THE_RECORDING = {*OF_THE_PRODUCER, "event.late", "event.future"}
NEVER = {"purpose.no_collection_record"}  # off in the bundle that ships
TODAY = date(2026, 11, 22)


def rules_of(engine: int) -> set[str]:
    return {rule.id for chapter in ENGINE_CHAPTERS[engine] for rule in chapter.rules}


def differences(
    year: Year, bundle: Bundle, *, engine: int = ENGINE, recorded: datetime | None = None
) -> list[tuple[Event, set[str], set[str]]]:
    """Every event on which the judge and the written truth differ: too much, too little.

    `recorded`: when the whole year was; who sent an event is not known here.
    """
    evaluator = Evaluator(bundle, engine=engine, as_of=recorded)
    known = rules_of(engine) - OF_THE_PRODUCER
    found = []
    for event in year.events:
        assert event.event_id is not None
        got = {finding.rule for finding in evaluator.judge(event).findings}
        want = set(year.expected.get(event.event_id, ())) & known
        if got != want:
            found.append((event, got - want, want - got))
    return found


@pytest.mark.parametrize(
    ("events", "seed", "ends"),
    [
        (260, 1, date(2025, 12, 31)),
        (500, 2, date(2025, 12, 31)),
        (500, 3, date(2026, 12, 31)),
        (1_200, 4, TODAY),
        (2_000, 5, EARLIEST_END),
        (4_000, 6, LATEST_END),
        (4_000, 7, date(2026, 1, 2)),
        (20_000, 1, date(2025, 12, 31)),
    ],
)
def test_the_judge_finds_exactly_what_was_planted(events: int, seed: int, ends: date) -> None:
    assert differences(generate(events, seed, ends=ends), sample_bundle()) == []


@pytest.mark.parametrize("seed", range(1, 4))
def test_the_first_engine_finds_its_part_of_it(seed: int) -> None:
    year = generate(2_000, seed, ends=TODAY, live=True)
    assert differences(year, sample_bundle(), engine=1) == []


@pytest.mark.parametrize("ends", [EARLIEST_END, date(2025, 12, 31), TODAY, LATEST_END])
@pytest.mark.parametrize("later", [timedelta(minutes=1), timedelta(days=RECORDED_WITHIN)])
def test_where_the_year_is_recorded_the_rules_on_the_recording_fire_too(ends: date, later: timedelta) -> None:
    year = generate(3_000, 1, ends=ends, live=True)
    assert differences(year, sample_bundle(), recorded=year.as_of + later) == []


def test_a_day_longer_and_calm_events_would_be_late() -> None:
    year = generate(3_000, 1, ends=TODAY, live=True)
    recorded = year.as_of + timedelta(days=RECORDED_WITHIN + 2)
    assert {
        frozenset(too_much) for _, too_much, _ in differences(year, sample_bundle(), recorded=recorded)
    } == {frozenset({"event.late"})}


def test_the_narrow_producer_is_out_of_scope_exactly_where_planted() -> None:
    scope = ProducerScope(frozenset({NARROW}), frozenset({"processing"}))
    year = generate(3_000, 1, ends=TODAY, live=True)
    assert set(year.producers.values()) == {NARROW}
    sent = [event for event in year.events if event.event_id in year.producers]
    beyond = [e for e in sent if not (scope.covers_system(e.system) and scope.covers_kind(e.kind))]
    planted = [e for e in year.events if "producer.out_of_scope" in year.expected.get(e.event_id, ())]  # type: ignore[arg-type]
    assert beyond == planted
    assert 0 < len(beyond) < len(sent)
    # What nobody else has sent of a person arrives in order, whoever of the producers is slower.
    theirs = {event.subject for event in sent}
    assert all(event.event_id in year.producers for event in year.events if event.subject in theirs)


def test_the_order_of_arrival_is_part_of_no_verdict_but_where_history_came_late() -> None:
    # Late arrivals are judged by when they happened. An objection or restriction read late forbids what was
    # permitted.
    year = generate(4_000, 9)
    by_time = tuple(sorted(year.events, key=lambda event: event.occurred_at))
    assert by_time != year.events
    found = differences(msgspec.structs.replace(year, events=by_time), sample_bundle())
    fired = [rule for _, too_much, _ in found for rule in too_much]
    assert len(fired) == len(found)
    assert not any(too_little for *_, too_little in found)
    assert fired.count("processing.restricted") == year.clocks["history.retroactive"] > 0
    objected = [rule for rule in fired if rule != "processing.restricted"]
    assert set(objected) <= {"marketing.objected", "objection.in_force"}
    assert len(objected) == year.clocks["objection.retroactive"] > 0


def test_with_a_required_collection_record_only_the_planted_persons_stand_out() -> None:
    # The calm year collects everything before it uses it, so it passes the strict switch, too.
    bundle = sample_bundle()
    settings = msgspec.structs.replace(bundle.settings, require_collection_record=True)
    strict = msgspec.structs.replace(bundle, settings=settings)
    year = generate(4_000, 1)
    for event, too_much, too_little in differences(year, strict):
        assert too_much == {"purpose.no_collection_record"}
        assert not too_little
        assert event.event_id in year.expected


def test_every_rule_of_the_judge_but_those_named_is_planted() -> None:
    calm, live = generate(260).planted, generate(260, live=True).planted
    assert calm.keys() == live.keys() == {rule.id for rule in ALL_RULES} == rules_of(ENGINE)
    assert {rule for rule, count in calm.items() if count == 0} == NEVER | OF_THE_RECORDING
    assert {rule for rule, count in live.items() if count == 0} == NEVER


def test_the_two_worlds_differ_in_the_rules_on_the_recording_alone() -> None:
    calm, live = generate(2_000), generate(2_000, live=True)
    assert {rule for rule, count in live.planted.items() if count != calm.planted[rule]} == OF_THE_RECORDING
    assert calm.clocks == live.clocks
