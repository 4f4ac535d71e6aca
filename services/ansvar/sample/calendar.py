"""The days of one year in Stockholm, as UTC times. The year may end on any day.

Invariants: a day is a number from 0 (the year's first day) to `days` - 1 (its last); `workday` never moves a
day before an earlier one, and days three or more apart stay apart, so that a story told in such steps keeps
its order.

Not handled here: Swedish public holidays (somebody is on duty), deadlines of the law (`ansvar.policy`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ansvar.sample.dice import Dice

STOCKHOLM = ZoneInfo("Europe/Stockholm")
DAYS = 365  # no year of the sample holds a leap day: see `company.EARLIEST_END` and `company.LATEST_END`


class Calendar:
    """Turns day numbers of one year into instants. `ends` is the year's last day."""

    def __init__(self, ends: date) -> None:
        self.ends = ends
        self.year = ends.year
        self.days = DAYS
        self._first = ends - timedelta(days=DAYS - 1)

    def date_of(self, day: int) -> date:
        """The calendar date of a day number; negative numbers lie before the year."""
        return self._first + timedelta(days=day)

    def number(self, day: date) -> int:
        """The day number of a calendar date."""
        return (day - self._first).days

    def day_of(self, at: datetime) -> int:
        """The day number of an instant."""
        return self.number(at.astimezone(STOCKHOLM).date())

    def at(self, day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
        """A wall-clock time in Stockholm, as UTC."""
        return wall_clock(self.date_of(day), hour, minute, second)

    def workday(self, day: int) -> int:
        """The day itself, or the Monday after a weekend."""
        weekday = self.date_of(day).weekday()
        return day + (7 - weekday if weekday >= 5 else 0)

    def office(self, day: int, dice: Dice) -> datetime:
        """A time in office hours, on the day or on the Monday after it."""
        return self.at(self.workday(day), dice.between(8, 16), dice.below(60), dice.below(60))

    def any_hour(self, day: int, dice: Dice) -> datetime:
        """A time of that day after three in the morning, so that no clock change falls into it."""
        return self.at(day, dice.between(3, 22), dice.below(60), dice.below(60))


def wall_clock(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """A wall-clock time in Stockholm on any calendar date, as UTC."""
    return datetime.combine(day, time(hour, minute, second), STOCKHOLM).astimezone(UTC)
