"""A year of personal-data events at a company like Securio Sweden AB, with breaches planted and counted.

Invariants: the same arguments give the same events, byte for byte, on every platform. Exactly `events` events
are made. Events are ordered by their arrival at the log, which is when they happened but for a few reported
late (a broken alarm line, an archive read in) and, where they are recorded, a few from a wrong clock. The
truth (`expected`, `planted`, counted from it, and `clocks`) is written by the stories themselves; no rule and
no clock is run here.

Two worlds: without `live` the year is judged as each event happens (`ansvar evaluate` without --as-of), with
`live` it is recorded, within `RECORDED_WITHIN` days of its end and by the producers that `Year.producers`
names. Only there rules on the recording can fire (`event.late`, `event.future`, `producer.out_of_scope`).

Not handled here: the policy under which the truth holds (`bundle/`), judging (`ansvar.policy`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from hashlib import sha256
from math import isqrt
from types import MappingProxyType
from uuid import UUID

import msgspec

from ansvar.events.model import Event
from ansvar.policy.clocks import CLOCKS
from ansvar.policy.rules import ALL_RULES
from ansvar.sample import organisation
from ansvar.sample.calendar import Calendar, wall_clock
from ansvar.sample.customers import customer
from ansvar.sample.dice import Dice
from ansvar.sample.leads import lead
from ansvar.sample.people import People
from ansvar.sample.plants import PLANTS, Plant
from ansvar.sample.scene import Draft, Scene

Story = Callable[[Scene], None]

# A year of the sample must lie where the agreements and guarantees of its recipients hold: the last of them
# begins on 2024-03-01, all but the printer's are reviewed to 2027-12-31. No leap day lies between.
EARLIEST_END, LATEST_END = date(2025, 2, 28), date(2027, 12, 31)
RECORDED_WITHIN = (
    35  # days after its end: no calm event is then more than 400 days old, the limit of event.late
)
# The order in which a small year gets its first stories, then how likely each is (of a hundred).
STORIES: tuple[tuple[Story, int], ...] = (
    (organisation.applicant, 8),
    (lead, 8),
    (customer, 52),
    (organisation.visitor, 22),
    (organisation.employee, 4),
    (organisation.company, 6),
)


# Clocks that look at the register or at a new policy; the others look at persons and breaches.
_OF_THE_REGISTER = frozenset({"guarantees.expiring", "transfer.no_fallback", "adequacy.annulled"})


class Year(msgspec.Struct, frozen=True):
    """The events of a year, in order of arrival, and what must be found in them.

    `expected`: event id -> the rules that must fire on it, sorted by name; every other event is permitted.
    `planted`: each rule of any engine -> number of events on which it must fire, 0 where none is planted.
    `clocks`: each clock about persons and breaches -> number of findings that it must give at `as_of`.
    `producers`: event id -> the producer that sends it; every other event is sent by one that may send all.
    """

    ends: date
    seed: int
    live: bool
    events: tuple[Event, ...]
    expected: Mapping[UUID, tuple[str, ...]]
    planted: Mapping[str, int]
    clocks: Mapping[str, int]
    producers: Mapping[UUID, str]

    @property
    def as_of(self) -> datetime:
        """The end of the year's last day in Stockholm."""
        return wall_clock(self.ends + timedelta(days=1), 0)


def year_before(today: date) -> date:
    """The last day of the newest year that can be recorded live on a day: yesterday, at most LATEST_END.

    Raises ValueError where the register of the sample's recipients allows none.
    """
    ends = min(today - timedelta(days=1), LATEST_END)
    last = LATEST_END + timedelta(days=RECORDED_WITHIN)
    if ends < EARLIEST_END or today > last:
        raise ValueError(
            f"the sample company's register of recipients holds from 2024-03-01 to {LATEST_END}, so a year "
            f"of it can be recorded from {EARLIEST_END + timedelta(days=1)} to {last}, not on {today}; "
            "set this machine's clock right, or install a newer Ansvar"
        )
    return ends


def generate(
    events: int = 20_000, seed: int = 1, *, year: int = 2025, ends: date | None = None, live: bool = False
) -> Year:
    """Make `events` events of the 365 days that end on `ends`, or else with `year`.

    Every breach is planted, more often in a larger year (`_rounds`). `live`: see above.

    Raises ValueError when the year does not end between EARLIEST_END and LATEST_END, or when `events` is too
    small to plant every breach once (the message says how many it takes).
    """
    if ends is None:
        ends = date(year, 12, 31)
    if not EARLIEST_END <= ends <= LATEST_END:
        raise ValueError(
            f"a year must end from {EARLIEST_END} to {LATEST_END}, where the register of the sample's "
            f"recipients holds, not on {ends}"
        )
    calendar, people = Calendar(ends), People()
    drafts, clocks = _plants(calendar, people, events, seed, live)
    _calm(calendar, people, events, seed, drafts)
    order = sorted(range(len(drafts)), key=lambda index: (drafts[index].arrives, index))
    made: list[Event] = []
    expected: dict[UUID, tuple[str, ...]] = {}
    producers: dict[UUID, str] = {}
    name = f"{ends}/{seed}/{events}/{live}"
    for place, index in enumerate(order):
        draft = drafts[index]
        event_id = _event_id(draft.event, f"{name}/{place}")
        made.append(msgspec.structs.replace(draft.event, event_id=event_id))
        rules = (*draft.rules, *draft.live) if live else draft.rules
        if rules:
            expected[event_id] = tuple(sorted(rules))
        if draft.producer is not None:
            producers[event_id] = draft.producer
    counted = Counter(rule for rules in expected.values() for rule in rules)
    return Year(
        ends=ends,
        seed=seed,
        live=live,
        events=tuple(made),
        expected=MappingProxyType(expected),
        planted=MappingProxyType({rule.id: counted[rule.id] for rule in ALL_RULES}),
        clocks=MappingProxyType({c.id: clocks[c.id] for c in CLOCKS if c.id not in _OF_THE_REGISTER}),
        producers=MappingProxyType(producers),
    )


def _rounds(events: int) -> int:
    """How often every plant is played: 2 for a small year, 3 for 20,000 events, 12 for a million."""
    return 2 + isqrt(max(events, 0) // 10_000)


def _plants(
    calendar: Calendar, people: People, events: int, seed: int, live: bool
) -> tuple[list[Draft], Counter[str]]:
    """Every plant, as often as there is room for, and what the clocks must find of them.

    A year too small for all of them gets a selection that shows every rule and every clock.
    """
    drafts: list[Draft] = []
    clocks: Counter[str] = Counter()
    for number in range(_rounds(events)):
        turn: list[tuple[Plant, Scene]] = []
        for plant in PLANTS:
            if plant.fits(calendar, live):
                scene = Scene(calendar, people, Dice(seed, str(calendar.ends), plant.name, number))
                plant.play(scene)
                turn.append((plant, scene))
        if number == 0 and _size(turn) > events:
            turn = _selected(turn, live, events * 3 // 4)
            if _size(turn) > events:
                raise ValueError(
                    f"{events} events cannot hold every planted breach: ask for {_size(turn)} or more"
                )
        if len(drafts) + _size(turn) > events:
            break
        for _, scene in turn:
            drafts += scene.drafts
            clocks += scene.clocks
    return drafts, clocks


def _size(turn: list[tuple[Plant, Scene]]) -> int:
    return sum(len(scene.drafts) for _, scene in turn)


def _selected(turn: list[tuple[Plant, Scene]], live: bool, most: int) -> list[tuple[Plant, Scene]]:
    """Plants that together show all that the turn shows, and others up to `most` events, so far as they fit.

    Chosen one after the other: the one that shows most new things an event, the first of equals.
    """

    def shows(plant: Plant) -> set[str]:
        return {*plant.counts, *plant.clocks, *(plant.live if live else ())}

    missing = set().union(*(shows(plant) for plant, _ in turn))
    left, chosen = list(turn), []
    while missing:
        best = max(left, key=lambda one: len(shows(one[0]) & missing) / len(one[1].drafts))
        left.remove(best)
        chosen.append(best)
        missing -= shows(best[0])
    for one in left:
        if _size([*chosen, one]) <= most:
            chosen.append(one)
    return [one for one in turn if one in chosen]


def _calm(calendar: Calendar, people: People, events: int, seed: int, drafts: list[Draft]) -> None:
    """Fill up with calm stories; visitors of the website, who leave one event or a few, fit the last gap."""
    dice = Dice(seed, str(calendar.ends), "calm")
    first = iter((organisation.announcements, *(story for story, _ in STORIES)))
    number = 0
    while len(drafts) < events:
        number += 1
        scene = Scene(calendar, people, Dice(seed, str(calendar.ends), "story", number))
        story = next(first, None) or _draw(dice)
        story(scene)
        if len(drafts) + len(scene.drafts) <= events:
            drafts += scene.drafts
            continue
        break
    while len(drafts) < events:
        number += 1
        scene = Scene(calendar, people, Dice(seed, str(calendar.ends), "story", number))
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
