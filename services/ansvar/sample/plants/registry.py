"""The list of planted breaches: small functions, each of which tells one situation.

Invariants: a plant declares how often each rule must fire in it, which further rules fire where its events
are recorded, and what the clocks must find of it at the year's end; its events carry the same rules one by
one, and a unit test holds the two to each other. A plant uses persons of its own, so no calm story changes.
To plant a new rule, write one function under `@plant(...)`.

Not handled here: how often a plant is played and where its events go (`company`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from ansvar.sample.calendar import Calendar
from ansvar.sample.scene import Scene

Play = Callable[[Scene], None]


@dataclass(frozen=True)
class Plant:
    """One situation: its name, what fires in it how often, and the function that writes its events."""

    name: str
    counts: Mapping[str, int]  # rules that fire wherever the events are judged
    live: Mapping[str, int]  # rules on the recording, which fire only where the events are recorded
    clocks: Mapping[str, int]
    play: Play
    since: date | None  # None: any year; else years that end on that day or later

    def fits(self, calendar: Calendar, live: bool) -> bool:
        """Whether the situation can be told in that year, and shows anything in that world."""
        if self.since is not None and calendar.ends < self.since:
            return False
        return live or bool(self.counts or self.clocks)


REGISTERED: list[Plant] = []


def plant(
    *rules: str, live: tuple[str, ...] = (), clocks: tuple[str, ...] = (), since: date | None = None
) -> Callable[[Play], Play]:
    """Register a situation. A rule that fires on two of its events is named twice; so is a clock."""

    def register(play: Play) -> Play:
        REGISTERED.append(Plant(play.__name__, Counter(rules), Counter(live), Counter(clocks), play, since))
        return play

    return register
