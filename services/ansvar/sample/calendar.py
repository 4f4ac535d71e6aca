"""The days of one year in Stockholm, as UTC times.

Invariants: a day is a number from 0 (1 January); `workday` never moves a day before an earlier one, and days
three or more apart stay apart, so that a story told in such steps keeps its order.

Not handled here: Swedish public holidays (somebody is on duty), deadlines of the law (`ansvar.policy`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ansvar.sample.dice import Dice

STOCKHOLM = ZoneInfo("Europe/Stockholm")


class Calendar:
    """Turns day numbers of one year into instants."""

    def __init__(self, year: int) -> None:
        self.year = year
        self._first = date(year, 1, 1)
        self.days = (date(year + 1, 1, 1) - self._first).days

    def date(self, day: int) -> date:
        """The calendar date of a day number; negative numbers lie in the year before."""
        return self._first + timedelta(days=day)

    def day_of(self, at: datetime) -> int:
        """The day number of an instant."""
        return (at.astimezone(STOCKHOLM).date() - self._first).days

    def at(self, day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
        """A wall-clock time in Stockholm, as UTC."""
        local = datetime.combine(self.date(day), time(hour, minute, second), STOCKHOLM)
        return local.astimezone(UTC)

    def workday(self, day: int) -> int:
        """The day itself, or the Monday after a weekend."""
        weekday = self.date(day).weekday()
        return day + (7 - weekday if weekday >= 5 else 0)

    def office(self, day: int, dice: Dice) -> datetime:
        """A time in office hours, on the day or on the Monday after it."""
        return self.at(self.workday(day), dice.between(8, 16), dice.below(60), dice.below(60))

    def any_hour(self, day: int, dice: Dice) -> datetime:
        """A time of that day after three in the morning, so that no clock change falls into it."""
        return self.at(day, dice.between(3, 22), dice.below(60), dice.below(60))
