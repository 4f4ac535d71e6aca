"""Each plant alone: what it declares is what its events carry, whatever the chance."""

from __future__ import annotations

from collections import Counter

import pytest

from ansvar.sample.calendar import Calendar
from ansvar.sample.dice import Dice
from ansvar.sample.people import People
from ansvar.sample.plants import PLANTS, Plant
from ansvar.sample.scene import Scene


def played(plant: Plant, seed: int, year: int = 2025) -> Scene:
    scene = Scene(Calendar(year), People(), Dice(seed))
    plant.play(scene)
    return scene


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_plant_writes_what_it_declares(plant: Plant) -> None:
    for seed in range(20):
        written = Counter(rule for draft in played(plant, seed).drafts for rule in draft.rules)
        assert written == plant.counts


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_plant_stays_in_its_year_and_in_order(plant: Plant) -> None:
    for seed in range(20):
        drafts = played(plant, seed).drafts
        assert all(draft.arrives.year == 2025 for draft in drafts)
        for person in {draft.event.subject for draft in drafts}:
            mine = [draft.arrives for draft in drafts if draft.event.subject == person]
            if plant.years is None:  # the reported queue comes in at one moment
                assert mine == sorted(mine)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_plant_ends_with_a_breach_and_names_no_rule_twice_on_an_event(plant: Plant) -> None:
    drafts = played(plant, 1).drafts
    assert drafts[-1].rules
    assert all(len(set(draft.rules)) == len(draft.rules) for draft in drafts)


def test_plants_have_names_of_their_own_and_a_story_to_tell() -> None:
    assert len({plant.name for plant in PLANTS}) == len(PLANTS)
    assert all(plant.play.__doc__ for plant in PLANTS)
