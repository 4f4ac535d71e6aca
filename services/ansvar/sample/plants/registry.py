"""The list of planted breaches: small functions, each of which tells one situation.

Invariants: a plant declares how often each rule must fire in it, and its events carry the same rules one by
one; a unit test holds the two to each other. A plant uses persons of its own, so no calm story changes.
To plant a new rule, write one function under `@plant(...)`.

Not handled here: how often a plant is played and where its events go (`company`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ansvar.sample.scene import Scene

Play = Callable[[Scene], None]


@dataclass(frozen=True)
class Plant:
    """One situation: its name, how often each rule fires in it, and the function that writes its events."""

    name: str
    counts: Mapping[str, int]
    play: Play
    years: tuple[int, ...] | None  # None: any year

    def fits(self, year: int) -> bool:
        """Whether the situation can be told in that year."""
        return self.years is None or year in self.years


REGISTERED: list[Plant] = []


def plant(*rules: str, years: tuple[int, ...] | None = None) -> Callable[[Play], Play]:
    """Register a situation. A rule that fires on two of its events is named twice."""

    def register(play: Play) -> Play:
        REGISTERED.append(Plant(play.__name__, Counter(rules), play, years))
        return play

    return register
