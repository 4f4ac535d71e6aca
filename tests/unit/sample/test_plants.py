"""Each plant alone: what it declares is what its events carry, whatever the chance and the last day."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from ansvar.policy.clocks import CLOCK
from ansvar.policy.rules import ALL_RULES
from ansvar.sample.calendar import STOCKHOLM, Calendar
from ansvar.sample.company import EARLIEST_END, LATEST_END
from ansvar.sample.dice import Dice
from ansvar.sample.people import People
from ansvar.sample.plants import PLANTS, Plant
from ansvar.sample.scene import Scene

# A year of the calendar, every weekday as the last day, and both ends of what is possible.
ENDS = (
    date(2025, 12, 31),
    *(date(2026, 11, 16) + timedelta(days=weekday) for weekday in range(7)),
    EARLIEST_END,
    LATEST_END,
)


def played(plant: Plant, seed: int, ends: date = ENDS[0]) -> Scene:
    scene = Scene(Calendar(ends), People(), Dice(seed))
    plant.play(scene)
    return scene


def each(plant: Plant) -> list[Scene]:
    """The plant in every year of ENDS that it fits, and with some chances."""
    years = [ends for ends in ENDS if plant.fits(Calendar(ends), live=True)]
    return [played(plant, seed, ends) for ends in years for seed in range(5)]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_plant_writes_what_it_declares(plant: Plant) -> None:
    for scene in each(plant):
        assert Counter(rule for draft in scene.drafts for rule in draft.rules) == plant.counts
        assert Counter(rule for draft in scene.drafts for rule in draft.live) == plant.live
        assert scene.clocks == plant.clocks


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_plant_stays_in_its_year_and_in_order(plant: Plant) -> None:
    for scene in each(plant):
        last = scene.calendar.days - 1
        assert all(0 <= scene.calendar.day_of(draft.arrives) <= last for draft in scene.drafts)
        for person in {draft.event.subject for draft in scene.drafts} - {None}:
            mine = [draft.arrives for draft in scene.drafts if draft.event.subject == person]
            assert mine == sorted(mine)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_plant_shows_something_that_exists_and_names_no_rule_twice_on_an_event(plant: Plant) -> None:
    assert plant.counts or plant.live or plant.clocks
    assert {*plant.counts, *plant.live} <= {rule.id for rule in ALL_RULES}
    assert plant.clocks.keys() <= CLOCK.keys()
    for draft in played(plant, 1).drafts:
        rules = (*draft.rules, *draft.live)
        assert len(set(rules)) == len(rules)


def test_plants_have_names_of_their_own_and_a_story_to_tell() -> None:
    assert len({plant.name for plant in PLANTS}) == len(PLANTS)
    assert all(plant.play.__doc__ for plant in PLANTS)


def test_what_shows_only_where_it_is_recorded_is_told_only_there() -> None:
    told = {plant.name for plant in PLANTS if not plant.fits(Calendar(ENDS[0]), live=False)}
    assert told == {"a_clock_two_years_ahead", "a_binder_in_the_cellar", "the_website_speaks_for_others"}


def test_the_printer_lapses_only_where_the_year_reaches_so_far() -> None:
    (printer,) = (plant for plant in PLANTS if plant.name == "guarantees_lapsed")
    assert not printer.fits(Calendar(date(2025, 12, 30)), live=True)
    for ends, calm in ((date(2025, 12, 31), 1), (date(2026, 11, 22), 1), (date(2026, 12, 31), 0)):
        scene = played(printer, 3, ends)
        sent = [draft for draft in scene.drafts if draft.event.kind == "transfer"]
        assert [bool(draft.rules) for draft in sent] == [False] * calm + [True]
        eve = [draft.event.occurred_at.astimezone(STOCKHOLM).date() for draft in sent[:-1]]
        assert eve == [date(2025, 12, 30)] * calm


def test_the_schrems_case_turns_on_the_day_after_the_judgement() -> None:
    (schrems,) = (plant for plant in PLANTS if plant.name == "before_and_after_schrems")
    _, _, before, after = played(schrems, 1).drafts
    assert (before.event.occurred_at.year, before.event.occurred_at.month) == (2020, 6)
    assert after.event.occurred_at.astimezone(STOCKHOLM).date() == date(2020, 7, 17)
    assert set(after.rules) - set(before.rules) == {"transfer.tool_invalid"}
