"""What looks like personal data in a word: a personnummer, an e-mail address or a phone number.

A guard, not a proof: it finds what is written as such a thing is usually written, and of a personnummer also
date and check digit hold. A name, a customer number or an address in a street it cannot know.

Invariants: UUIDs, hexadecimal hashes, ISO 8601 dates and times, organisation numbers (their third digit is at
least 2, which no month begins with) and case numbers such as 2026-1234567 are none of these; what `masked`
returns holds nothing that `looks_personal` finds; the answer depends on the text alone. A national phone
number needs a separator after its area code to count as one, but for the ten digits of a Swedish mobile
number. What is a possible phone number is said by `identifiers`.

Not handled here: which fields of an event are looked at (`minimisation`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec import Struct

from ansvar.events.errors import InvalidEvent
from ansvar.events.identifiers import normalise
from ansvar.events.model import Identifier
from ansvar.events.personnummer import NotANumber, stored_form

PersonalKind = Literal["personnummer", "email", "phone"]

# Signs that stand for an ASCII sign, one for one, so that places stay: full-width forms, dashes, spaces.
_PLAIN: Final = (
    {0xFF01 + offset: 0x21 + offset for offset in range(94)}
    | dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
    | dict.fromkeys(map(ord, "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{FIGURE SPACE}\t"), " ")
    | dict.fromkeys(map(ord, "。｡"), ".")
)
# Nothing shorter or with fewer digits can be one of the three: this alone is asked of nearly every word.
_PERHAPS: Final = re.compile(r"@|[0-9](?:[^0-9]{0,3}[0-9]){6}", re.ASCII)
_UUID: Final = re.compile(
    r"(?<![0-9a-z])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-z])", re.ASCII | re.IGNORECASE
)
# RFC 5322 dot-atom and a domain whose last label has letters only; letters of any script (RFC 6531).
_EMAIL: Final = re.compile(
    r"""[^\s()<>\[\]:;@\\,"]{1,64}@(?:[^\W_](?:[\w-]{0,62})\.)+(?:xn--[\w-]{1,59}|[^\W\d_]{2,63})"""
)
_PERSONNUMMER: Final = re.compile(
    r"""(?<![0-9])(?:18|19|20)?[0-9]{6}[-+\ ][0-9]{4}(?![0-9])
      | (?<![0-9A-Za-z+])(?:18|19|20)?[0-9]{10}(?![0-9A-Za-z])""",
    re.ASCII | re.VERBOSE,
)
_LATER: Final = 2099  # read in this year, a number without century has the date that most years allow
_PHONE: Final = re.compile(
    r"""(?<![0-9])\+[1-9](?:[ ()./-]{0,3}[0-9]){6,17}(?![0-9])
      | (?<![0-9A-Za-z])(?<![0-9][-./:])
        (?: 00[1-9](?:[ ()./-]{0,3}[0-9]){6,17}
          | 0[1-9][0-9]{0,2}[ )/-]{1,3}[0-9](?:[ /-]{0,2}[0-9]){4,9}
          | 07[02369][0-9]{7}
        )(?![0-9A-Za-z])""",
    re.ASCII | re.VERBOSE,
)
_DATE: Final = re.compile(r"[0-9]{2}([-/ ])[0-9]{2}\1(?:[0-9]{2}){1,2}", re.ASCII)  # day, month, year
_SHORTEST_PHONE: Final = 7  # digits; fewer are no number that reaches a person from elsewhere
_LONGEST_PHONE: Final = 40  # characters with separators


class Found(Struct, frozen=True):
    """What one part of a text looks like: `text[start:end]`."""

    kind: PersonalKind
    start: int
    end: int


def looks_personal(text: str) -> tuple[Found, ...]:
    """What in a text looks like personal data, from left to right, without overlaps."""
    if _PERHAPS.search(text) is None and text.isascii():
        return ()
    plain = text.translate(_PLAIN)
    if _PERHAPS.search(plain) is None:
        return ()
    found: list[Found] = []
    while new := _next(plain):
        found += new
        plain = _blanked(plain, ((each.start, each.end) for each in new))
    return tuple(sorted(found, key=lambda each: each.start))


def masked(text: str) -> str:
    """The text with `[personnummer]`, `[email]` or `[phone]` in place of what looks like one."""
    parts, at = [], 0
    for found in looks_personal(text):
        parts += [text[at : found.start], f"[{found.kind}]"]
        at = found.end
    return "".join((*parts, text[at:]))


def _next(text: str) -> list[Found]:
    """All of the first kind that is there at all: what is taken away may uncover its neighbour."""
    if found := list(_emails(text)):  # before UUIDs, since one may be the local part of an address
        return found
    text = _blanked(text, (match.span() for match in _UUID.finditer(text)))
    return list(_personnummer(text)) or list(_phones(text))


def _blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with spans overwritten by a sign that is part of nothing."""
    for start, end in spans:
        text = f"{text[:start]}{']' * (end - start)}{text[end:]}"
    return text


def _emails(text: str) -> Iterator[Found]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield Found("email", *match.span())


def _personnummer(text: str) -> Iterator[Found]:
    for match in _PERSONNUMMER.finditer(text):
        try:
            stored_form(match[0].replace(" ", "-"), year=_LATER)
        except NotANumber:
            continue
        yield Found("personnummer", *match.span())


def _phones(text: str) -> Iterator[Found]:
    at = 0
    while (match := _PHONE.search(text, at)) is not None:
        end = _end_of_phone(match)
        if end is not None:
            yield Found("phone", match.start(), end)
        at = match.start() + 1 if end is None else end


def _end_of_phone(match: re.Match[str]) -> int | None:
    """Where the number ends that a match begins with, if it is a possible one.

    Of all ends those come first after which another number begins, and of each sort the last.
    """
    text = match[0]
    if _DATE.fullmatch(text):
        return None
    ends = [len(text), *(sign.start() for sign in re.finditer(r"(?<=[0-9])[^0-9]", text))]
    after = match.string[match.start() : match.end() + _LONGEST_PHONE]
    ends.sort(key=lambda end: (_PHONE.match(after[end:].lstrip(" /")) is not None, end), reverse=True)
    for end in ends:
        number = text[:end]
        if sum(map(str.isdigit, number)) < _SHORTEST_PHONE:
            continue
        try:
            normalise(Identifier("phone_number", number), year=_LATER)
        except InvalidEvent:
            continue
        return match.start() + end
    return None
