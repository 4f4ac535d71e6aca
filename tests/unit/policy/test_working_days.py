"""Working days and deadlines: the library's days off against the act itself, and where a last day moves.

The days off are worked out here from the words of act 1989:253 and from the church's rule for Easter, so a
release of the library that says otherwise fails; no recorded verdict can change unnoticed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.policy.calendar import STOCKHOLM, day_end, deadline, is_working_day, last_day, stockholm_date
from judging import at

DAY = timedelta(days=1)
YEARS = range(2018, 2041)
FRIDAY, SATURDAY, SUNDAY = 4, 5, 6


def easter(year: int) -> date:
    """The Sunday after the first full moon of the church's calendar from 21 March on (Gauss, Meeus)."""
    golden, century, rest = year % 19, year // 100, year % 100
    correction = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * golden + century - century // 4 - correction + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def between(weekday: int, first: date) -> date:
    """The one day of that weekday in the seven days from `first`."""
    return first + DAY * ((weekday - first.weekday()) % 7)


def holidays_by_the_act(year: int) -> dict[date, str]:
    """Act 1989:253 s. 1, without the Sundays that have no name."""
    sunday = easter(year)
    return {
        date(year, 1, 1): "New Year",
        date(year, 1, 6): "Epiphany",
        sunday - 2 * DAY: "Good Friday",
        sunday: "Easter",
        sunday + DAY: "Easter Monday",
        date(year, 5, 1): "the first of May",
        sunday + 39 * DAY: "Ascension: the sixth Thursday after Easter",
        sunday + 49 * DAY: "Pentecost: the seventh Sunday after Easter",
        date(year, 6, 6): "the National Day",
        between(SATURDAY, date(year, 6, 20)): "Midsummer: the Saturday from 20 to 26 June",
        between(SATURDAY, date(year, 10, 31)): "All Saints: the Saturday from 31 October to 6 November",
        date(year, 12, 25): "Christmas",
        date(year, 12, 26): "the day after Christmas",
    }


def eves(year: int) -> set[date]:
    return {between(FRIDAY, date(year, 6, 19)), date(year, 12, 24), date(year, 12, 31)}


@pytest.mark.parametrize("year", YEARS)
def test_days_off_are_those_of_the_act_and_the_three_eves(year: int) -> None:
    off = holidays_by_the_act(year).keys() | eves(year)
    day = date(year, 1, 1)
    while day.year == year:
        assert is_working_day(day) == (day.weekday() not in (SATURDAY, SUNDAY) and day not in off), day
        day += DAY


@pytest.mark.parametrize(
    ("year", "day"),
    [(2018, "04-01"), (2019, "04-21"), (2024, "03-31"), (2025, "04-20"), (2026, "04-05"), (2038, "04-25")],
)
def test_easter_as_published(year: int, day: str) -> None:
    assert easter(year) == date.fromisoformat(f"{year}-{day}")


@pytest.mark.parametrize(
    ("day", "working"),
    [
        ("2026-04-02", True),  # Maundy Thursday: early closing, no day off
        ("2026-04-03", False),  # Good Friday
        ("2026-04-06", False),  # Easter Monday
        ("2026-04-30", True),  # Walpurgis Night
        ("2026-05-15", True),  # the Friday after Ascension
        ("2026-05-25", True),  # Whit Monday is none since 2005
        ("2026-06-18", True),
        ("2026-06-19", False),  # Midsummer Eve
        ("2026-10-30", True),  # the Friday before All Saints
        ("2026-12-24", False),
        ("2026-12-28", True),
        ("2026-12-31", False),
        ("2027-01-05", True),  # the eve of Epiphany
        ("2027-01-06", False),
    ],
)
def test_days_that_one_could_take_for_others(day: str, working: bool) -> None:
    assert is_working_day(date.fromisoformat(day)) is working


@pytest.mark.parametrize(
    ("received", "months", "last"),
    [
        ("2026-03-02", 1, "2026-04-02"),
        ("2026-03-03", 1, "2026-04-07"),  # Good Friday to Easter Monday
        ("2026-01-31", 1, "2026-03-02"),  # 28 February is a Saturday
        ("2025-01-31", 1, "2025-02-28"),
        ("2024-01-31", 1, "2024-02-29"),  # a leap day
        ("2024-01-29", 1, "2024-02-29"),
        ("2024-02-29", 1, "2024-04-02"),  # Good Friday 2024 was 29 March
        ("2025-11-24", 1, "2025-12-29"),  # Christmas Eve, Christmas, the day after, a weekend
        ("2025-11-30", 1, "2025-12-30"),
        ("2025-12-01", 1, "2026-01-02"),  # 1 January
        ("2025-11-28", 1, "2025-12-29"),  # a Sunday
        ("2025-12-31", 1, "2026-02-02"),  # 31 January is a Saturday
        ("2026-05-19", 1, "2026-06-22"),  # Midsummer Eve
        ("2026-05-06", 1, "2026-06-08"),  # the National Day, a Saturday
        ("2023-05-06", 1, "2023-06-07"),  # the National Day, a Tuesday
        ("2025-11-30", 3, "2026-03-02"),  # 28 February, a Saturday
        ("2026-03-02", 3, "2026-06-02"),
    ],
)
def test_last_days(received: str, months: int, last: str) -> None:
    assert last_day(at(received), months) == date.fromisoformat(last)
    assert deadline(at(received + " 23:59:59.999999"), months) == day_end(date.fromisoformat(last))


def test_the_day_of_receipt_is_the_one_in_stockholm() -> None:
    midnight = datetime(2026, 3, 1, 23, tzinfo=UTC)
    assert last_day(midnight, 1) == date(2026, 4, 2)
    assert last_day(midnight - timedelta(microseconds=1), 1) == date(2026, 4, 1)


def test_it_ends_at_midnight_in_stockholm_whatever_the_season() -> None:
    assert deadline(at("2026-03-02"), 1) == datetime(2026, 4, 2, 22, tzinfo=UTC)  # summer time by then
    assert deadline(at("2026-10-01"), 1) == datetime(2026, 11, 2, 23, tzinfo=UTC)


@given(
    st.datetimes(
        datetime(2018, 1, 1),  # noqa: DTZ001 - hypothesis attaches the zone
        datetime(2040, 8, 1),  # noqa: DTZ001
        timezones=st.sampled_from([UTC, STOCKHOLM]),
    ),
    st.sampled_from([1, 3]),
)
def test_a_deadline_ends_a_working_day_and_skips_none(received: datetime, months: int) -> None:
    last = last_day(received, months)
    assert is_working_day(last)
    assert not any(is_working_day(last - DAY * n) for n in range(1, _moved(received, months) + 1))
    assert stockholm_date(deadline(received, months) - timedelta(microseconds=1)) == last


def _moved(received: datetime, months: int) -> int:
    """By how many days the last day was moved: never more than Christmas to the Monday after takes."""
    first = stockholm_date(received)
    month = first.month - 1 + months
    start = date(first.year + month // 12, month % 12 + 1, 1)
    end = (start + 31 * DAY).replace(day=1) - DAY
    moved = (last_day(received, months) - min(start + DAY * (first.day - 1), end)).days
    assert 0 <= moved <= 5
    return moved


def test_absurd_years_are_judged_all_the_same() -> None:
    assert is_working_day(date(1600, 1, 3))
    assert is_working_day(date(2500, 12, 24))  # no table reaches so far; weekends still count
    assert deadline(datetime.max.replace(tzinfo=UTC), 1) == datetime.max.replace(tzinfo=UTC)
    assert last_day(datetime.min.replace(tzinfo=UTC), 1) == date(1, 2, 1)
