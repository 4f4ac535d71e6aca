"""Persons who do not exist, each with one identifier that nobody else in the sample has.

Invariants: identifiers are valid and fictional. Personnummer have a real date and a right check digit, and
birth numbers as in published test numbers (238, 239, 980, 981), which few living people bear. Phone numbers
lie in the five series that PTS keeps for films and books. E-mail addresses lie under example domains. A
person keeps one identifier, in one spelling.

Not handled here: what happens to them (`customers`, `organisation`, `plants`).
"""

from __future__ import annotations

from datetime import date, timedelta

from ansvar.events.model import Identifier, IdentifierType
from ansvar.sample.dice import Dice

GIVEN = (
    "Anna",
    "Erik",
    "Maria",
    "Lars",
    "Karin",
    "Anders",
    "Sara",
    "Johan",
    "Lena",
    "Per",
    "Emma",
    "Nils",
    "Eva",
    "Karl",
    "Ingrid",
    "Jan",
    "Kerstin",
    "Olof",
    "Sofia",
    "Mats",
    "Elsa",
    "Hugo",
    "Maja",
    "Oskar",
    "Amina",
    "Yusuf",
    "Leila",
    "Petra",
    "Goran",
    "Tuva",
)
FAMILY = (
    "Andersson",
    "Johansson",
    "Karlsson",
    "Nilsson",
    "Eriksson",
    "Larsson",
    "Olsson",
    "Persson",
    "Svensson",
    "Gustafsson",
    "Lindberg",
    "Lindqvist",
    "Bergman",
    "Holm",
    "Sandberg",
    "Forsberg",
    "Hassan",
    "Ali",
    "Niemi",
    "Kovac",
    "Wallin",
    "Engman",
    "Nyberg",
    "Ek",
)
EMAIL_DOMAINS = ("example.com", "example.org", "example.se")

# First and last number of each series that PTS keeps for fiction, in E.164.
PHONE_SERIES = (
    (46701740605, 46701740699),
    (46313900600, 46313900699),
    (46406280400, 46406280499),
    (46846500400, 46846500499),
    (46980319200, 46980319299),
)
PHONES = sum(last - first + 1 for first, last in PHONE_SERIES)

FIRST_BIRTHDAY = date(1945, 1, 1)
BIRTHDAYS = (date(2006, 12, 31) - FIRST_BIRTHDAY).days + 1
BIRTH_NUMBERS = (238, 239, 980, 981)
PERSONNUMMER = BIRTHDAYS * len(BIRTH_NUMBERS)
# A prime that divides neither count walks through the whole series without repeats, out of order.
STEP = 48_271


def check_digit(nine: str) -> int:
    """The check digit of a personnummer: Luhn over the nine digits `YYMMDDNNN`, weights 2,1,2,..."""
    total = 0
    for index, digit in enumerate(nine):
        product = int(digit) * (2 if index % 2 == 0 else 1)
        total += product - 9 if product > 9 else product
    return -total % 10


def personnummer(index: int) -> str:
    """The `index`-th personnummer of the sample, as `YYYYMMDD-NNNC`; all differ below PERSONNUMMER."""
    place = index * STEP % PERSONNUMMER
    born = (FIRST_BIRTHDAY + timedelta(days=place // len(BIRTH_NUMBERS))).isoformat().replace("-", "")
    number = BIRTH_NUMBERS[place % len(BIRTH_NUMBERS)]
    return f"{born}-{number}{check_digit(f'{born[2:]}{number}')}"


def phone_number(index: int) -> str:
    """The `index`-th phone number of the sample, in E.164; all differ below PHONES."""
    place = index * STEP % PHONES
    for first, last in PHONE_SERIES:
        if place <= last - first:
            return f"+{first + place}"
        place -= last - first + 1
    raise AssertionError(index)


class People:
    """Hands out identifiers, each once."""

    def __init__(self) -> None:
        self._issued: dict[IdentifierType, int] = {}

    def _next(self, kind: IdentifierType) -> int:
        number = self._issued.get(kind, 0)
        self._issued[kind] = number + 1
        return number

    def customer(self, dice: Dice) -> Identifier:
        """A private person: a customer number in four cases of five, else as some service knows them."""
        roll = dice.below(100)
        if roll < 8 and self._issued.get("personnummer", 0) < PERSONNUMMER:
            return Identifier("personnummer", personnummer(self._next("personnummer")))
        if roll < 14:
            return self.email(dice)
        if roll < 20 and self._issued.get("phone_number", 0) < PHONES:
            return Identifier("phone_number", phone_number(self._next("phone_number")))
        return self.numbered()

    def numbered(self) -> Identifier:
        """Somebody known by a customer number."""
        return Identifier("customer_number", f"K{100_000 + self._next('customer_number')}")

    def email(self, dice: Dice) -> Identifier:
        """Somebody known by an e-mail address; the number in it keeps it apart from every other."""
        name = f"{dice.pick(GIVEN)}.{dice.pick(FAMILY)}".lower()
        return Identifier("email", f"{name}{self._next('email') + 1}@{dice.pick(EMAIL_DOMAINS)}")

    def employee(self) -> Identifier:
        """Somebody on the company's own staff."""
        return Identifier("employee_number", f"E{1_000 + self._next('employee_number')}")

    def colleague(self, dice: Dice) -> Identifier:
        """One of the dozen who answer customers and applicants, as the actor of an event."""
        return Identifier("employee_number", f"E{900 + dice.below(12)}")

    def applicant(self) -> Identifier:
        """Somebody who has applied for work."""
        return Identifier("applicant_number", f"S{20_000 + self._next('applicant_number')}")

    def device(self) -> Identifier:
        """A browser on the website, known by the token in its cookie."""
        return Identifier("device_id", f"web-{self._next('device_id') * STEP % 2**31:08x}")
