"""Two spellings of one identifier are one identifier; a bad one is refused without being shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.events import Event, Identifier, InvalidEvent, ProcessingEvent, normalise, normalise_event
from ansvar.events.model import IdentifierType
from strategies import events, good_identifiers, personnummer

EVENT = ProcessingEvent(
    occurred_at=datetime(2026, 3, 2, tzinfo=UTC),
    system="crm",
    operation="use",
    subject=Identifier("personnummer", "640823-3234"),
)


def normal(type_: IdentifierType, value: str, year: int = 2026) -> tuple[str, str]:
    found = normalise(Identifier(type_, value), year=year)
    return found.type, found.value


@pytest.mark.parametrize(
    ("type_", "value", "year", "stored"),
    [
        # The two numbers that the tax agency publishes for tests.
        ("personnummer", "640823-3234", 2026, "196408233234"),
        ("personnummer", "6408233234", 2026, "196408233234"),
        ("personnummer", "19640823-3234", 2026, "196408233234"),
        ("personnummer", " 196408233234\n", 2026, "196408233234"),
        ("personnummer", "701063-2391", 2026, "197010632391"),
        ("samordningsnummer", "701063-2391", 2026, "197010632391"),
        ("samordningsnummer", "19701063-2391", 2026, "197010632391"),
        # The century is that of the event: 64 is 1964 until the end of 2063.
        ("personnummer", "640823-3234", 2063, "196408233234"),
        ("personnummer", "640823-3234", 2064, "206408233234"),
        ("personnummer", "640823+3234", 2064, "196408233234"),
        ("personnummer", "640823+3234", 2026, "186408233234"),
        ("personnummer", "640823-3234", 1964, "196408233234"),
        ("personnummer", "640823-3234", 1963, "186408233234"),
        ("personnummer", "19640823+3234", 2064, "196408233234"),
    ],
)
def test_personnummer(type_: IdentifierType, value: str, year: int, stored: str) -> None:
    assert normal(type_, value, year) == ("personnummer", stored)


@pytest.mark.parametrize(
    ("type_", "value", "fault"),
    [
        ("personnummer", "640823-3235", "a wrong check digit"),
        ("personnummer", "640832-3234", "a date that is not in the calendar"),
        ("personnummer", "641323-3234", "a date that is not in the calendar"),
        ("personnummer", "650229-3234", "a date that is not in the calendar"),
        ("personnummer", "640860-3234", "a date that is not in the calendar"),
        ("personnummer", "701092-2391", "a date that is not in the calendar"),
        ("personnummer", "640823 3234", "something not of the form"),
        ("personnummer", "640823-323", "something not of the form"),
        ("personnummer", "640823-32345", "something not of the form"),
        ("personnummer", "64082³-3234", "something not of the form"),
        ("personnummer", "Anna", "something not of the form"),
        ("personnummer", "19640823+3234", "a '+' after the birth date of someone younger than 100"),
        ("samordningsnummer", "640823-3234", "a day of birth that is not day + 60"),
        ("personnummer", "  ", "empty personnummer"),
        ("email", "anna", "no address"),
        ("email", "anna@", "no address"),
        ("email", "anna berg@example.com", "no address"),
        ("email", "Anna <anna@example.com>", "no address"),
        ("email", "anna@localhost", "no address"),
        ("phone_number", "070-123", "a length that its country does not have"),
        ("phone_number", "070174060512345678", "phone_number"),
        ("phone_number", "call me", "other signs than digits and separators"),
        ("phone_number", "0701740605 ext 7", "other signs than digits and separators"),
        ("phone_number", "+999 123 456 789", "cannot be read"),
        ("phone_number", "(-)", "cannot be read"),
        ("phone_number", "000 000 000", "a length that its country does not have"),
        ("customer_number", "\t\n", "an empty customer_number"),
        ("customer_number", "K\x00100", "a control character"),
        ("device_id", "abc\u200bdef", "a control character"),
        ("employee_number", "\u1d15e" + "\U0001d160" * 200, "characters"),
    ],
)
def test_a_bad_identifier_is_refused_and_not_shown(type_: IdentifierType, value: str, fault: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        normalise(Identifier(type_, value), year=2026)
    assert fault in caught.value.found
    assert type_ in caught.value.found
    assert not value.strip() or value.strip() not in str(caught.value)


@pytest.mark.parametrize(
    ("type_", "spellings", "stored"),
    [
        (
            "phone_number",
            ["070-174 06 05", "0701740605", "+46701740605", "+46 (0)70-174 06 05", "0046701740605"],
            "+46701740605",
        ),
        ("phone_number", ["+1 202-555-0143", "0012025550143"], "+12025550143"),
        ("phone_number", ["08-465 004 11", "+46 8 465 004 11"], "+46846500411"),
        ("phone_number", ["+39 06 698 57777"], "+390669857777"),
        ("email", ["Anna.B@Example.COM", "anna.b@example.com", " anna.b@example.com "], "anna.b@example.com"),
        ("email", ["Ån@exempel.se", "a\u030an@exempel.se"], "ån@exempel.se"),
        ("email", ["ci@shop.test"], "ci@shop.test"),
        ("email", ["weiß@example.com"], "weiß@example.com"),
        ("customer_number", ["K-1001", " K-1001 "], "K-1001"),
        ("customer_number", ["k-1001"], "k-1001"),
        ("device_id", ["e\u0301", "é"], "é"),
    ],
)  # fmt: skip
def test_spellings(type_: IdentifierType, spellings: list[str], stored: str) -> None:
    assert {normal(type_, spelling) for spelling in spellings} == {(type_, stored)}


@given(good_identifiers(), st.integers(2000, 2200))
@settings(max_examples=200)
def test_normalising_twice_changes_nothing(identifier: Identifier, year: int) -> None:
    once = normalise(identifier, year=year)
    assert normalise(once, year=year) == once


@given(personnummer(), st.integers(1999, 2098))
def test_every_spelling_of_a_personnummer_is_one(number: str, year: int) -> None:
    sign = "-" if year - int(number[:4]) < 100 else "+"
    short = f"{number[2:8]}{sign}{number[8:]}"
    assert {normal("personnummer", spelling, year) for spelling in (number, short)} == {
        ("personnummer", number)
    }


@given(personnummer(), st.integers(0, 11), st.integers(1, 9))
def test_one_wrong_digit_never_passes_as_the_same(number: str, place: int, shift: int) -> None:
    wrong = number[:place] + str((int(number[place]) + shift) % 10) + number[place + 1 :]
    if place < 2:
        return  # the check digit does not cover the century
    with pytest.raises(InvalidEvent):
        normalise(Identifier("personnummer", wrong), year=2100)


def test_the_century_follows_the_year_in_stockholm() -> None:
    # Half past midnight on 1 January in Stockholm is still the old year in UTC.
    newborn = Identifier("personnummer", "640823-3234")
    late = datetime(2063, 12, 31, 23, 30, tzinfo=UTC)
    for at, born in (
        (late, "2064"),
        (late - timedelta(hours=1), "1964"),
        (late.astimezone(timezone.min), "2064"),
    ):
        subject = normalise_event(replace(EVENT, occurred_at=at, subject=newborn)).subject
        assert subject is not None
        assert subject.value[:4] == born


def test_subject_aliases_and_a_person_as_actor_are_normalised() -> None:
    event = replace(
        EVENT,
        aliases=(
            Identifier("email", "Anna@Example.com"),
            Identifier("personnummer", "196408233234"),
            Identifier("email", "anna@example.com"),
        ),
        actor=Identifier("employee_number", " 17 "),
    )
    assert normalise_event(event) == replace(
        EVENT,
        subject=Identifier("personnummer", "196408233234"),
        aliases=(Identifier("email", "anna@example.com"),),
        actor=Identifier("employee_number", "17"),
    )
    assert normalise_event(replace(EVENT, actor="Robot 17")).actor == "Robot 17"


def test_a_normal_event_is_returned_as_it_is() -> None:
    event = normalise_event(EVENT)
    assert normalise_event(event) is event


@given(events(identifiers=good_identifiers()))
def test_normalising_an_event_twice_changes_nothing(event: Event) -> None:
    once = normalise_event(event)
    assert normalise_event(once) == once
    assert replace(once, subject=event.subject, aliases=event.aliases, actor=event.actor) == event


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"subject": Identifier("email", "x")}, "subject.value"),
        ({"aliases": (Identifier("email", "a@example.com"), Identifier("email", "x"))}, "aliases[1].value"),
        ({"actor": Identifier("email", "x")}, "actor.value"),
    ],
)
def test_a_bad_identifier_in_an_event_is_placed(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        normalise_event(replace(EVENT, **changes))
    assert caught.value.field == field
