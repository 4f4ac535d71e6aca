"""Fictional persons: valid identifiers, each used once."""

from __future__ import annotations

from datetime import date

import phonenumbers
import pytest

from ansvar.events.identifiers import normalise
from ansvar.events.model import Identifier
from ansvar.sample.dice import Dice
from ansvar.sample.people import PERSONNUMMER, PHONES, People, check_digit, personnummer, phone_number


@pytest.mark.parametrize(("nine", "digit"), [("640823323", 4), ("701063239", 1)])
def test_check_digit_of_published_numbers(nine: str, digit: int) -> None:
    assert check_digit(nine) == digit


def test_personnummer_are_distinct_dates_with_a_test_number() -> None:
    numbers = [personnummer(index) for index in range(0, PERSONNUMMER, 97)]
    assert len(set(numbers)) == len(numbers)
    for number in numbers:
        born = date.fromisoformat(f"{number[:4]}-{number[4:6]}-{number[6:8]}")
        assert date(1945, 1, 1) <= born <= date(2006, 12, 31)
        assert number[9:12] in {"238", "239", "980", "981"}
        assert normalise(Identifier("personnummer", number), year=2025).value == number.replace("-", "")


def test_the_whole_series_of_personnummer_is_used_before_any_returns() -> None:
    assert len({personnummer(index) for index in range(PERSONNUMMER)}) == PERSONNUMMER
    assert personnummer(PERSONNUMMER) == personnummer(0)


def test_phone_numbers_are_distinct_valid_and_kept_for_fiction() -> None:
    numbers = [phone_number(index) for index in range(PHONES)]
    assert len(set(numbers)) == PHONES == 495
    fictional = ("+467017406", "+463139006", "+46406280", "+468465004", "+469803192")
    for number in numbers:
        assert number.startswith(fictional)
        assert phonenumbers.is_valid_number(phonenumbers.parse(number))


def test_nobody_is_issued_twice_even_when_the_phone_series_is_used_up() -> None:
    people, dice = People(), Dice(1)
    customers = [people.customer(dice) for _ in range(10_000)]
    assert len(set(customers)) == len(customers)
    kinds = {person.type for person in customers}
    assert kinds == {"customer_number", "personnummer", "email", "phone_number"}
    assert sum(person.type == "phone_number" for person in customers) == PHONES
    assert sum(person.type == "customer_number" for person in customers) > 7_000


def test_email_addresses_lie_under_example_domains() -> None:
    people, dice = People(), Dice(2)
    for _ in range(50):
        address = people.email(dice).value
        assert address.split("@")[1] in {"example.com", "example.org", "example.se"}
        assert address.isascii()


def test_dice_with_other_labels_roll_otherwise() -> None:
    def rolls(*labels: int | str) -> list[int]:
        dice = Dice(*labels)
        return [dice.below(1_000) for _ in range(20)]

    assert rolls(1, "a") == rolls(1, "a")
    assert rolls(1, "a") != rolls(1, "b")
    assert rolls(1, "a") != rolls(2, "a")


def test_dice_cover_their_range_and_no_more() -> None:
    dice = Dice("range")
    assert {dice.between(3, 6) for _ in range(500)} == {3, 4, 5, 6}
    assert not any(dice.chance(0) for _ in range(200))
    assert all(dice.chance(100) for _ in range(200))
