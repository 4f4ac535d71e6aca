"""Swedish personal identity numbers and coordination numbers, to their stored form `YYYYMMDDNNNC`.

Our own: the rule is ten lines (act 1991:481 section 18; the check digit is Luhn's over the nine digits
without century), and the libraries for it take the century from today's date, where ours must come from the
event's own year so that an old event means the same person whenever it is read.

Invariants: two spellings of one number have one stored form; no error holds a digit of the number.
"""

from __future__ import annotations

import re
from datetime import date

_SPELLING = re.compile(r"(?:([0-9]{2})?([0-9]{2}))([0-9]{2})([0-9]{2})([-+]?)([0-9]{3})([0-9])", re.ASCII)
_COORDINATION = 60  # is added to the day of birth of a samordningsnummer


class NotANumber(ValueError):
    """The fault in words; safe to print."""


def stored_form(text: str, *, year: int, coordination_only: bool = False) -> str:
    """The twelve digits of a number, read as someone in `year` wrote it.

    Ten digits name a person of at most 99 years (counted by calendar years), with `+` one of 100 to 199.
    Twelve digits name their century themselves. `coordination_only` refuses a number whose day is not
    day + 60. Raises NotANumber.
    """
    spelling = _SPELLING.fullmatch(text)
    if spelling is None:
        raise NotANumber("something not of the form YYMMDD-NNNC or YYYYMMDD-NNNC")
    century, short_year, month, day, sign, birth, check = spelling.groups()
    if century is None:
        born = year - (year - int(short_year)) % 100 - (100 if sign == "+" else 0)
    else:
        born = int(century + short_year)
        if sign == "+" and year - born < 100:
            raise NotANumber("a '+' after the birth date of someone younger than 100")
    coordination = int(day) > _COORDINATION
    if coordination_only and not coordination:
        raise NotANumber("a day of birth that is not day + 60")
    try:
        date(born, int(month), int(day) - (_COORDINATION if coordination else 0))
    except ValueError:
        raise NotANumber("a date that is not in the calendar") from None
    if _luhn(short_year + month + day + birth) != int(check):
        raise NotANumber("a wrong check digit")
    return f"{born:04}{month}{day}{birth}{check}"


def _luhn(digits: str) -> int:
    """The check digit: weights 2, 1, 2, ... from the left, digits of the products summed."""
    total = 0
    for place, digit in enumerate(digits):
        product = int(digit) * (2 - place % 2)
        total += product - 9 if product > 9 else product
    return -total % 10
