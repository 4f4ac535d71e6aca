"""Cases on both sides of a day: the day before, the last instant before midnight in Stockholm, midnight, the
day and the day after. Made of `judging.fires` and `judging.silent`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from ansvar.events.model import Event
from judging import RuleCase, fires, just_before, silent

_DAY = timedelta(days=1)


def begins(
    rule: str, title: str, day: str, make: Callable[[str], Event], *history: Event, **more: Any
) -> list[RuleCase]:
    """A rule that fires on an event from a day on; `make` makes the event at a Stockholm time."""
    return _around(silent, fires, rule, title, day, make, *history, **more)


def ends(
    rule: str, title: str, day: str, make: Callable[[str], Event], *history: Event, **more: Any
) -> list[RuleCase]:
    """A rule that fires on an event until a day, which is the first on which it does not."""
    return _around(fires, silent, rule, title, day, make, *history, **more)


def _around(
    earlier: Callable[..., RuleCase],
    later: Callable[..., RuleCase],
    rule: str,
    title: str,
    day: str,
    make: Callable[[str], Event],
    *history: Event,
    **more: Any,
) -> list[RuleCase]:
    that = date.fromisoformat(day)
    moments = [
        (earlier, "the day before", f"{that - _DAY} 12:00"),
        (earlier, "just before midnight", just_before(day)),
        (later, "at midnight", day),
        (later, "on the day", f"{day} 12:00"),
        (later, "the day after", f"{that + _DAY} 12:00"),
    ]
    return [case(rule, f"{title}, {name}", make(when), *history, **more) for case, name, when in moments]
