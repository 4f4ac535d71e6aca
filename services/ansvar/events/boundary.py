"""The strict JSON boundary: text in, typed event out, and back.

Invariants: an event that leaves here has only known fields of the right types, each given once; keeps the
rules of `requirements`; is at most 32 KiB; and has its time in UTC, to the microsecond (finer fractions are
rounded). `event_id` may be absent here. What is not such an event raises InvalidEvent, and nothing else.

The common case costs one compiled decode and one encode; the second is how a repeated key is found: every
key and every string is two quotation marks, so text without escapes that has as many marks as its event
written out again repeated no key. Only when the marks differ is the text read a second time, slowly.

Not handled here: identifiers, which stay as written (`identifiers.normalise_event`).
"""

from __future__ import annotations

import msgspec

from ansvar.events.diagnosis import diagnose, diagnose_text, repeated_key
from ansvar.events.errors import InvalidEvent
from ansvar.events.model import Event
from ansvar.events.requirements import MAX_EVENT_BYTES, checked, too_large

_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_ENCODER = msgspec.json.Encoder()
_BACKSLASH = ord("\\")
_CANONICAL = msgspec.json.Encoder(order="sorted")


def parse_event(data: bytes | str, *, line: int | None = None) -> Event:
    """Read one event from JSON text; `line` is put into the error."""
    try:
        return _parse(data)
    except InvalidEvent as fault:
        raise fault.placed(line=line) from None


def event_from_object(source: object) -> Event:
    """Read one event from what a JSON parser, or a caller in Python, made: a mapping with `kind`.

    Times may be aware datetimes and `event_id` a UUID; else as in JSON.
    """
    try:
        event = msgspec.convert(source, Event)
    except (msgspec.ValidationError, RecursionError):
        raise diagnose(source) from None
    return validated(event)


def validated(event: Event) -> Event:
    """Check an event that was built in Python, where a struct takes any value it is given."""
    try:
        data = _ENCODER.encode(event)
    except (TypeError, ValueError, RecursionError, OverflowError):
        raise InvalidEvent("a value that JSON cannot hold", "the types of the event's fields") from None
    return parse_event(data)


def to_json(event: Event) -> bytes:
    """The event as JSON, UTF-8; fields that are absent or have their default are left out."""
    return _ENCODER.encode(event)


def normal_form(event: Event) -> bytes:
    """RFC 8785 JSON of a normalised event: the bytes over which the ledger's digest is an HMAC.

    Keys are sorted; absent and default fields are left out; `occurred_at` is in UTC, as
    `YYYY-MM-DDTHH:MM:SSZ`, with six digits of fraction before the `Z` where it is not zero. The form does
    not depend on how the event travelled nor on any schema's version. The event must have come through this
    module or `codec`, and `identifiers.normalise_event`. Sorting by code point is RFC 8785's order here,
    because every key is ASCII; the only number is a small integer.
    """
    return _CANONICAL.encode(event)


def _parse(data: bytes | str) -> Event:
    raw = data if isinstance(data, bytes) else _utf8(data)
    if len(raw) > MAX_EVENT_BYTES:
        raise too_large(len(raw))
    try:
        event = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise diagnose_text(raw) from None
    quotes = raw.count(b'"')
    if (_BACKSLASH in raw or quotes != _ENCODER.encode(event).count(b'"')) and (key := repeated_key(raw)):
        raise InvalidEvent("the field twice", "each field once", field=key)
    return checked(event)


def _utf8(data: str) -> bytes:
    try:
        return data.encode()
    except UnicodeEncodeError:
        raise InvalidEvent("text with half a surrogate pair", "Unicode text") from None
