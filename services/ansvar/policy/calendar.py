"""Stockholm calendar days, months and working days, the only calendar that the policy knows.

Invariants: every datetime in and out is aware, and every one out is in UTC; a day is the half-open stretch
`day_start(d) <= t < day_start(d + 1 day)`, 23, 24 or 25 hours long; a period of months ends on the same day
number, else on the month's last day (Regulation 1182/71 Art. 3(2)(c)). Only a `deadline` moves, from a day
off to the next working day (Art. 3(4)). Arithmetic saturates at the ends of the calendar (years 1 and 9999),
so an event with an absurd date is judged and never raises.

Determinism: Swedish summer time has followed one rule since 1996 (Directive 2000/84/EC and those before it:
last Sunday of March to last Sunday of October, at 01:00 UTC), so every release of the time zone database
gives the same answers from then on; a unit test holds this machine's database to the rule. Public holidays
come from a library, which can change no verdict either: for 2018 (when the GDPR began) to 2040 a unit test
holds it to the days that act 1989:253 and clause 9 name, worked out from the act alone, so a release that
answers otherwise does not pass. If the law on summer time or holidays changes, the calendar does, and that
is a new version of the engine.

Not handled here: which clock runs for how long (`rules/`).
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

STOCKHOLM = ZoneInfo("Europe/Stockholm")

_DAY = timedelta(days=1)
_SATURDAY = 5  # of `date.weekday`
_LAST_MONTH = 9999 * 12 + 11


def stockholm_date(at: datetime) -> date:
    """The Stockholm calendar day in which an instant lies. `at` must be aware.

    No cache: zoneinfo's conversion (about 0.5 us) costs no more than hashing a datetime to look it up.
    """
    if at.tzinfo is None:
        raise TypeError("stockholm_date needs an aware datetime, got a naive one: attach its offset")
    try:
        return at.astimezone(STOCKHOLM).date()
    except OverflowError:
        return date.max if at.year > 1 else date.min


def day_start(day: date) -> datetime:
    """The first instant of a Stockholm calendar day, in UTC (22:00 or 23:00 the day before)."""
    try:
        return datetime(day.year, day.month, day.day, tzinfo=STOCKHOLM).astimezone(UTC)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def day_end(day: date) -> datetime:
    """The first instant after a Stockholm calendar day: 24:00, the end of a deadline on that day."""
    return day_start(day + _DAY) if day < date.max else datetime.max.replace(tzinfo=UTC)


def add_months(day: date, months: int) -> date:
    """The day `months` later (or earlier): the same day number, else that month's last day.

    31 January plus one month is 28 or 29 February; 29 February plus twelve months is 28 February.
    """
    month = day.year * 12 + day.month - 1 + months
    if month > _LAST_MONTH:
        return date.max
    if month < 12:
        return date.min
    year, zero_based = divmod(month, 12)
    return date(year, zero_based + 1, min(day.day, monthrange(year, zero_based + 1)[1]))


def months_later(at: datetime, months: int) -> datetime:
    """The first instant after a period of months that began on the day of `at` (half-open end, UTC).

    `t < months_later(at, n)` says the same as `stockholm_date(t) <= add_months(stockholm_date(at), n)`:
    the whole last day belongs to the period (Regulation 1182/71 Art. 3(2)(c): it ends with the last hour).
    """
    return day_end(add_months(stockholm_date(at), months))


def is_working_day(day: date) -> bool:
    """Whether a day is none of Saturday, Sunday, Swedish public holiday and the three eves.

    Public holidays are those of act 1989:253; the eves of Midsummer, Christmas and New Year count with them.
    """
    return day.weekday() < _SATURDAY and day not in _days_off(day.year)


def last_day(at: datetime, months: int) -> date:
    """The last day of a deadline of months that began to run on the day of `at`.

    One that is no working day moves to the next one (Regulation 1182/71 Art. 3(4)).
    """
    last = add_months(stockholm_date(at), months)
    while last < date.max and not is_working_day(last):
        last += _DAY
    return last


def deadline(at: datetime, months: int) -> datetime:
    """The first instant after a deadline of months that began to run on the day of `at` (half-open end, UTC).

    It ends at 24:00 of its `last_day` in Stockholm (Regulation 1182/71 Art. 3(2)(c)).
    """
    return day_end(last_day(at, months))


@lru_cache(maxsize=256)
def _days_off(year: int) -> frozenset[date]:
    """Public holidays and the three eves of a year; none before 1953 and after 2100: the library's ends."""
    # Imported by the first deadline: it takes a third of a second that nothing else should wait for.
    from holidays import country_holidays

    # `de_facto` holds the three eves; Sundays are left out, since every Sunday is a day off by its weekday.
    return frozenset(
        country_holidays("SE", years=year, categories=("public", "de_facto"), include_sundays=False)
    )
