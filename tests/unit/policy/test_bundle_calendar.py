"""Stockholm days and months: midnights, the two odd days of a year, leap days, the ends of the calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.policy.calendar import STOCKHOLM, add_months, day_end, day_start, months_later, stockholm_date

TICK = timedelta(microseconds=1)
DAYS = st.dates(min_value=date(1996, 1, 1), max_value=date(2100, 12, 31))
INSTANTS = st.datetimes(
    min_value=datetime(1996, 1, 2),  # noqa: DTZ001 - hypothesis attaches the zone
    max_value=datetime(2100, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from(
        [UTC, STOCKHOLM, timezone(timedelta(hours=-12)), timezone(timedelta(hours=14))]
    ),
)
MONTHS = st.integers(min_value=-600, max_value=600)


def last_sunday(year: int, month: int) -> datetime:
    """01:00 UTC on the last Sunday of a month of 31 days: when summer time begins and ends (2000/84/EC)."""
    day = date(year, month, 31)
    day -= timedelta(days=(day.weekday() + 1) % 7)
    return datetime(day.year, day.month, day.day, 1, tzinfo=UTC)


@pytest.mark.parametrize("year", range(1996, 2101))
def test_the_zone_database_of_this_machine_follows_the_directive(year: int) -> None:
    begins, ends = last_sunday(year, 3), last_sunday(year, 10)
    expected = ((begins - TICK, 1), (begins, 2), (ends - TICK, 2), (ends, 1))
    for at, hours in expected:
        assert at.astimezone(STOCKHOLM).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("day", "start"),
    [
        (date(2026, 1, 1), datetime(2025, 12, 31, 23, tzinfo=UTC)),
        (date(2026, 7, 1), datetime(2026, 6, 30, 22, tzinfo=UTC)),
        (date(2026, 3, 29), datetime(2026, 3, 28, 23, tzinfo=UTC)),  # summer time begins in this day
        (date(2026, 3, 30), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (date(2026, 10, 25), datetime(2026, 10, 24, 22, tzinfo=UTC)),  # and ends in this one
        (date(2026, 10, 26), datetime(2026, 10, 25, 23, tzinfo=UTC)),
        (date(2028, 2, 29), datetime(2028, 2, 28, 23, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_midnight_in_stockholm(day: date, start: datetime) -> None:
    assert day_start(day) == start
    assert day_start(day).tzinfo is UTC
    assert stockholm_date(start) == day
    assert stockholm_date(start - TICK) == day - timedelta(days=1)
    assert day_end(day - timedelta(days=1)) == start


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 23), 24)]
)
def test_a_day_has_the_hours_that_summer_time_leaves_it(day: date, hours: int) -> None:
    assert day_end(day) - day_start(day) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 29)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
        (date(2026, 1, 15), -1, date(2025, 12, 15)),
        (date(2026, 5, 5), 0, date(2026, 5, 5)),
        (date(2100, 1, 29), 1, date(2100, 2, 28)),  # 2100 is no leap year
    ],
)
def test_months_end_on_the_same_number_or_the_last_day(day: date, months: int, later: date) -> None:
    assert add_months(day, months) == later


def test_the_last_day_of_a_period_belongs_to_it() -> None:
    end = months_later(datetime(2025, 1, 31, 12, tzinfo=UTC), 1)
    assert end == datetime(2025, 2, 28, 23, tzinfo=UTC)  # the start of 1 March in Stockholm


def test_the_ends_of_the_calendar_are_saturated() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    assert stockholm_date(datetime.min.replace(tzinfo=east)) == date.min
    assert stockholm_date(last) == stockholm_date(datetime.max.replace(tzinfo=west)) == date.max
    assert day_start(date.min) == first
    assert day_end(date.max) == last
    assert add_months(date.max, 1) == add_months(date(9999, 6, 1), 1000) == date.max
    assert add_months(date.min, -1) == add_months(date(1, 6, 1), -1000) == date.min
    assert months_later(last, 12) == last


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(TypeError, match="attach its offset"):
        stockholm_date(datetime(2026, 1, 1))  # noqa: DTZ001 - what the test is about


@given(INSTANTS)
def test_an_instant_lies_inside_its_day(at: datetime) -> None:
    day = stockholm_date(at)
    assert day_start(day) <= at < day_end(day)


@given(DAYS)
def test_days_meet_without_gap_or_overlap(day: date) -> None:
    assert stockholm_date(day_start(day)) == day
    assert stockholm_date(day_end(day) - TICK) == day
    assert day_end(day) == day_start(day + timedelta(days=1))


@given(DAYS, MONTHS)
def test_months_move_the_month_and_never_raise_the_day(day: date, months: int) -> None:
    later = add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


@given(DAYS, DAYS, MONTHS)
def test_months_keep_the_order_of_days(one: date, other: date, months: int) -> None:
    assert (add_months(one, months) <= add_months(other, months)) or one > other


@given(INSTANTS, INSTANTS, st.integers(min_value=0, max_value=60))
def test_the_half_open_end_says_the_same_as_dates(start: datetime, at: datetime, months: int) -> None:
    inside = stockholm_date(at) <= add_months(stockholm_date(start), months)
    assert (at < months_later(start, months)) == inside
