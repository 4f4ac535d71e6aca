"""A year of personal-data events at a company like Securio Sweden AB, with breaches planted and counted.

Invariants: the same arguments give the same events, byte for byte, on every platform. Exactly `events` events
are made. Events are ordered by their arrival at the log, which is when they happened but for a few reported
late (a broken alarm line; a queue found in January 2025). The truth (`expected`, and `planted`, counted from
it) is written by the stories themselves; no rule is run here.

Not handled here: the policy under which the truth holds (`bundle/`), judging (`ansvar.policy`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import sha256
from math import isqrt
from types import MappingProxyType
from uuid import UUID

import msgspec

from ansvar.events.model import Event
from ansvar.policy.rules import RULES
from ansvar.sample import organisation
from ansvar.sample.calendar import Calendar
from ansvar.sample.customers import customer
from ansvar.sample.dice import Dice
from ansvar.sample.leads import lead
from ansvar.sample.people import People
from ansvar.sample.plants import PLANTS
from ansvar.sample.scene import Draft, Scene

Story = Callable[[Scene], None]

YEARS = range(2025, 2028)  # in which the agreements and guarantees of the sample's recipients hold
# The order in which a small year gets its first stories, then how likely each is (of a hundred).
STORIES: tuple[tuple[Story, int], ...] = (
    (organisation.applicant, 8),
    (lead, 8),
    (customer, 52),
    (organisation.visitor, 22),
    (organisation.employee, 4),
    (organisation.company, 6),
)


class Year(msgspec.Struct, frozen=True):
    """The events of a year, in order of arrival, and what must be found in them.

    `expected`: event id -> the rules that must fire on it, sorted by name; every other event is permitted.
    `planted`: each rule of the judge -> number of events on which it must fire, 0 where none is planted.
    """

    year: int
    seed: int
    events: tuple[Event, ...]
    expected: Mapping[UUID, tuple[str, ...]]
    planted: Mapping[str, int]


def generate(events: int = 20_000, seed: int = 1, *, year: int = 2025) -> Year:
    """Make `events` events of one year. Every breach is planted, more often in a larger year (`_rounds`).

    Raises ValueError when `year` is not one of 2025 to 2027, in which the sample's register of recipients
    holds, or when `events` is too small to plant every breach once (the message says how many it takes).
    """
    if year not in YEARS:
        raise ValueError(f"year must be {YEARS[0]} to {YEARS[-1]}, where the sample bundle holds, not {year}")
    calendar, people = Calendar(year), People()
    drafts = _plants(calendar, people, events, seed)
    _calm(calendar, people, events, seed, drafts)
    order = sorted(range(len(drafts)), key=lambda index: (drafts[index].arrives, index))
    made: list[Event] = []
    expected: dict[UUID, tuple[str, ...]] = {}
    for place, index in enumerate(order):
        draft = drafts[index]
        event_id = _event_id(draft.event, f"{year}/{seed}/{events}/{place}")
        made.append(msgspec.structs.replace(draft.event, event_id=event_id))
        if draft.rules:
            expected[event_id] = tuple(sorted(draft.rules))
    counted = Counter(rule for rules in expected.values() for rule in rules)
    return Year(
        year=year,
        seed=seed,
        events=tuple(made),
        expected=MappingProxyType(expected),
        planted=MappingProxyType({rule.id: counted[rule.id] for rule in RULES}),
    )


def _rounds(events: int) -> int:
    """How often every plant is played: 2 for a small year, 3 for 20,000 events, 12 for a million."""
    return 2 + isqrt(max(events, 0) // 10_000)


def _plants(calendar: Calendar, people: People, events: int, seed: int) -> list[Draft]:
    """Every plant, as often as there is room for (once in the smallest years), at least once."""
    drafts: list[Draft] = []
    for number in range(_rounds(events)):
        turn: list[Draft] = []
        for plant in PLANTS:
            if plant.fits(calendar.year):
                scene = Scene(calendar, people, Dice(seed, calendar.year, plant.name, number))
                plant.play(scene)
                turn += scene.drafts
        if len(drafts) + len(turn) > events:
            if not drafts:
                raise ValueError(
                    f"{events} events cannot hold every planted breach: ask for {len(turn)} or more"
                )
            break
        drafts += turn
    return drafts


def _calm(calendar: Calendar, people: People, events: int, seed: int, drafts: list[Draft]) -> None:
    """Fill up with calm stories; visitors of the website, who leave one event or a few, fit the last gap."""
    dice = Dice(seed, calendar.year, "calm")
    first = iter((organisation.announcements, *(story for story, _ in STORIES)))
    number = 0
    while len(drafts) < events:
        number += 1
        scene = Scene(calendar, people, Dice(seed, calendar.year, "story", number))
        story = next(first, None) or _draw(dice)
        story(scene)
        if len(drafts) + len(scene.drafts) <= events:
            drafts += scene.drafts
            continue
        break
    while len(drafts) < events:
        number += 1
        scene = Scene(calendar, people, Dice(seed, calendar.year, "story", number))
        organisation.visitor(scene, events - len(drafts))
        drafts += scene.drafts


def _draw(dice: Dice) -> Story:
    roll = dice.below(100)
    for story, weight in STORIES:
        roll -= weight
        if roll < 0:
            return story
    raise AssertionError("the weights of STORIES sum to 100")


def _event_id(event: Event, place: str) -> UUID:
    """A UUIDv7 (RFC 9562): milliseconds of `occurred_at`, the rest from a hash instead of chance."""
    milliseconds = int(event.occurred_at.timestamp()) * 1_000 + event.occurred_at.microsecond // 1_000
    tail = int.from_bytes(sha256(place.encode()).digest()[:10], "big")
    number = milliseconds << 80 | tail
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=number)
