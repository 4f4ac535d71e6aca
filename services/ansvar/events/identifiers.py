"""Identifiers in their normal form, so that one person under one identifier is one subject.

| type | normal form |
|---|---|
| personnummer, samordningsnummer | type `personnummer`, value `YYYYMMDDNNNC` (`personnummer`) |
| phone_number | E.164; without country code it is Swedish |
| email | as email-validator writes it, in lower case |
| all others | trimmed, NFC; case and inner spaces are the register's own and kept |

Invariants: normalising twice changes nothing; the result depends on the identifier and the event's year
alone; what cannot be read raises InvalidEvent, which names the type and the fault, never the value.

A phone number needs a possible length for its country, not an allotted range: ranges change with every
release of the numbering data, and the same event must stay valid in every version. E-mail is lowered, not
case-folded in Unicode's full sense, which would make one mailbox of two that differ in ß and ss.

Results are remembered, because reading a phone number or an address takes ten times as long as reading the
event around it; the memory is bounded and lives in the process only.

Not handled here: who the person is (the vault).
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from msgspec.structs import replace

from ansvar.events.errors import InvalidEvent
from ansvar.events.model import Identifier
from ansvar.events.personnummer import NotANumber, stored_form

if TYPE_CHECKING:
    from ansvar.events.model import Event, IdentifierType

_REMEMBERED = 65_536
_LONGEST = 320  # characters, as in `model.Identifier`
_IN_SWEDEN = timedelta(hours=1)
_NUMBERS = frozenset({"personnummer", "samordningsnummer"})
_PHONE = re.compile(r"\+?[0-9 ()./\-]+", re.ASCII)
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # Unicode categories without a glyph


def normalise(identifier: Identifier, *, year: int) -> Identifier:
    """The identifier in normal form; `year` (Stockholm's, of the event) gives a ten-digit number its century.

    Raises InvalidEvent.
    """
    return _normal(identifier.type, identifier.value, year if identifier.type in _NUMBERS else 0)


def normalise_event(event: Event) -> Event:
    """The event with subject, aliases and a person as actor in normal form; raises InvalidEvent.

    An alias that is the subject itself, or another alias, in a second spelling is left out.
    """
    subject = event.subject
    normal = None if subject is None else _named("subject", subject, event)
    changes: dict[str, object] = {}
    if normal != subject:
        changes["subject"] = normal
    if event.aliases:
        aliases = [_named(f"aliases[{i}]", alias, event) for i, alias in enumerate(event.aliases)]
        distinct = tuple(alias for alias in dict.fromkeys(aliases) if alias != normal)
        if distinct != event.aliases:
            changes["aliases"] = distinct
    if type(event.actor) is Identifier:
        actor = _named("actor", event.actor, event)
        if actor != event.actor:
            changes["actor"] = actor
    return replace(event, **changes) if changes else event


def _named(field: str, identifier: Identifier, event: Event) -> Identifier:
    type_ = identifier.type
    try:
        return _normal(type_, identifier.value, _year(event) if type_ in _NUMBERS else 0)
    except InvalidEvent as fault:
        raise fault.placed(field=f"{field}.value") from None


def _year(event: Event) -> int:
    """The calendar year in Stockholm, which at the turn of the year is an hour ahead of UTC."""
    at = event.occurred_at if event.occurred_at.tzinfo is UTC else event.occurred_at.astimezone(UTC)
    return (at + _IN_SWEDEN).year


@lru_cache(maxsize=_REMEMBERED)
def _normal(type_: IdentifierType, value: str, year: int) -> Identifier:
    text = value.strip()
    if not text:
        raise InvalidEvent(f"an empty {type_}", "a value")
    if type_ in _NUMBERS:
        return Identifier("personnummer", _personnummer(type_, text, year))
    if type_ == "phone_number":
        return Identifier(type_, _phone(text))
    return Identifier(type_, _email(text) if type_ == "email" else _plain(type_, text))


def _personnummer(type_: str, text: str, year: int) -> str:
    try:
        return stored_form(text, year=year, coordination_only=type_ == "samordningsnummer")
    except NotANumber as fault:
        raise InvalidEvent(
            f"a {type_} with {fault}", "YYMMDD-NNNC or YYYYMMDD-NNNC with a date and check digit that hold"
        ) from None


def _phone(text: str) -> str:
    allowed = "a number in E.164 (+46...) or in the Swedish form (08-...), without an extension"
    if not _PHONE.fullmatch(text):
        raise InvalidEvent("a phone_number with other signs than digits and separators", allowed)
    try:
        number = phonenumbers.parse(text, "SE")
    except phonenumbers.NumberParseException:
        raise InvalidEvent("a phone_number that cannot be read", allowed) from None
    if not _possible(number):
        raise InvalidEvent("a phone_number of a length that its country does not have", allowed)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _possible(number: phonenumbers.PhoneNumber) -> bool:
    """Of a possible full length; one that keeps a leading zero, as Italy's do, must lie in an allotted range.

    Elsewhere the zero stays only on a number too short to lose it.
    """
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason != phonenumbers.ValidationResult.IS_POSSIBLE:
        return False
    return not number.italian_leading_zero or phonenumbers.is_valid_number(number)


def _email(text: str) -> str:
    try:
        # .test is reserved for tests (RFC 6761), and this is what a company's tests run through.
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        # The library's message quotes the address.
        raise InvalidEvent("an email that is no address", "local@domain, RFC 5321") from None
    return _fitting("email", unicodedata.normalize("NFC", found.normalized.lower()))


def _plain(type_: str, text: str) -> str:
    normal = unicodedata.normalize("NFC", text)
    if any(unicodedata.category(sign) in _UNSEEN for sign in normal):
        raise InvalidEvent(f"a {type_} with a control character", "visible characters")
    return _fitting(type_, normal)


def _fitting(type_: str, normal: str) -> str:
    if len(normal) > _LONGEST:
        raise InvalidEvent(f"a {type_} of {len(normal)} characters", f"at most {_LONGEST} in normal form")
    return normal
