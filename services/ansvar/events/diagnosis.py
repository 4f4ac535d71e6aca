"""Works out what exactly is wrong with something that did not become an event.

Runs only after the compiled decoder has said no, so it may be slow. Invariants: it always ends in an
InvalidEvent; it prints a word of the input only where a closed word or a field name was expected and the
word could be one (letters, at most three digits); never an identifier's value, never free text.

Not handled here: deciding whether an event is valid (`boundary`, `codec`).
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec
from msgspec import inspect

from ansvar.events.errors import InvalidEvent
from ansvar.events.model import EVENT_TYPES
from ansvar.events.personal_data import looks_personal

_TIME = "an RFC 3339 time with an offset, such as 2026-03-02T14:00:00+01:00"
_WORD = re.compile(r"[A-Za-z_-]{1,40}[0-9]{0,3}")
# A field's name is shown when it could hardly be a value: no address, no sentence, no run of many digits.
_FIELD = re.compile(r" ?(?=.{1,40}\Z)(?!.*\d{5})[$\w][$\w.-]* ?")


class _Fault(NamedTuple):
    """A path below the value that was looked at, what was found there and what is allowed."""

    path: str
    found: str
    allowed: str


def diagnose_text(data: bytes) -> InvalidEvent:
    """What is wrong with JSON text that did not decode to an event."""
    try:
        source = msgspec.json.decode(data)
    except UnicodeDecodeError:
        return InvalidEvent("bytes that are not UTF-8", "one JSON object in UTF-8")
    except RecursionError:
        return InvalidEvent("JSON nested too deeply", "one flat JSON object")
    except msgspec.DecodeError as error:
        # msgspec names the kind of fault and the byte, never the text around it.
        return InvalidEvent(f"no JSON ({error})", "one JSON object")
    return diagnose(source)


def diagnose(source: object) -> InvalidEvent:
    """What is wrong with an object that did not convert to an event."""
    if not isinstance(source, Mapping):
        return InvalidEvent(_kind_of(source), "a JSON object")
    kinds = _kinds()
    kind = source.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        found = "nothing" if "kind" not in source else _closed_word(kind)
        return InvalidEvent(found, ", ".join(kinds), field="kind")
    known = {"kind": None, **kinds[kind]}
    fault = _unknown_field(source, known, f"{kind} events") or _wrong_field(source, kinds[kind])
    if fault is None:
        return InvalidEvent("a value that the format does not allow", "see the event schema")
    return InvalidEvent(fault.found, fault.allowed, field=fault.path)


def repeated_key(data: bytes) -> str | None:
    """The first key that JSON text (already known to decode) gives twice in one object, if any."""
    repeated: list[str] = []

    def see(pairs: list[tuple[str, object]]) -> dict[str, object]:
        seen = dict(pairs)
        if len(seen) < len(pairs):
            names = [name for name, _ in pairs]
            repeated.extend(name for name in seen if names.count(name) > 1)
        return seen

    json.loads(data, object_pairs_hook=see, parse_int=str, parse_float=str)
    return repeated[0] if repeated else None


@cache
def _kinds() -> dict[str, dict[str, inspect.Field]]:
    """Kind -> name -> field, from the types themselves."""
    kinds: dict[str, dict[str, inspect.Field]] = {}
    for event_type in EVENT_TYPES:
        info = inspect.type_info(event_type)
        assert isinstance(info, inspect.StructType)  # noqa: S101 - what every member of EVENT_TYPES is
        kinds[event_type.kind] = {field.encode_name: field for field in info.fields}
    return kinds


def _unknown_field(source: Mapping[object, object], known: Mapping[str, object], owner: str) -> _Fault | None:
    for name in source:
        if name in known:
            continue
        if not isinstance(name, str) or not _FIELD.fullmatch(name) or looks_personal(name):
            return _Fault("?", "a field whose name is not shown", ", ".join(known))
        close = difflib.get_close_matches(name.strip(), known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else ", ".join(known)
        return _Fault(name, f"a field that {owner} do not have", hint)
    return None


def _wrong_field(source: Mapping[object, object], fields: Mapping[str, inspect.Field]) -> _Fault | None:
    for name, field in fields.items():
        if name not in source:
            if field.required:
                return _Fault(name, "nothing", _allowed(field.type))
        elif fault := _wrong_value(source[name], field.type):
            return fault._replace(path=name + fault.path)
    return None


def _wrong_value(value: object, type_: inspect.Type) -> _Fault | None:
    """The fault of a value of a field, its path relative to the field."""
    match type_:
        case inspect.UnionType(types=types):
            return _wrong_in_union(value, types)
        case inspect.StructType(fields=fields) if isinstance(value, Mapping):
            known = {field.encode_name: field for field in fields}
            fault = _unknown_field(value, known, "identifiers") or _wrong_field(value, known)
            return fault and fault._replace(path=f".{fault.path}")
        case inspect.VarTupleType(item_type=item) if isinstance(value, list | tuple):
            for index, member in enumerate(value):
                if fault := _wrong_value(member, item):
                    return fault._replace(path=f"[{index}]{fault.path}")
            return None
        case inspect.LiteralType(values=words):
            return None if value in words else _Fault("", _closed_word(value), _allowed(type_))
        case inspect.StrType(max_length=longest) if isinstance(value, str):
            fits = 1 <= len(value) <= (longest or len(value))
            return None if fits else _Fault("", _kind_of(value), _allowed(type_))
        case inspect.DateTimeType():
            return None if _converts(value, _Aware) else _Fault("", _time(value), _TIME)
        case inspect.UUIDType():
            return None if _converts(value, UUID) else _Fault("", _not_a(value, "UUID"), _allowed(type_))
        case inspect.IntType(ge=least, le=most) if isinstance(value, int) and not isinstance(value, bool):
            fits = (least or 0) <= value <= (most or value)
            return None if fits else _Fault("", "a number out of range", _allowed(type_))
        case inspect.BoolType() if isinstance(value, bool):
            return None
    return _Fault("", _kind_of(value), _allowed(type_))


def _wrong_in_union(value: object, types: Iterable[inspect.Type]) -> _Fault | None:
    """A union is null or one type, or for `actor` a word or an identifier."""
    faults = []
    for member in types:
        if isinstance(member, inspect.NoneType):
            if value is None:
                return None
            continue
        fault = _wrong_value(value, member)
        if fault is None:
            return None
        faults.append(fault)
    # A fault inside an object says more than "not a string".
    inside = next((fault for fault in faults if fault.path), None)
    return inside or _Fault("", faults[0].found, " or ".join(fault.allowed for fault in faults))


def _allowed(type_: inspect.Type) -> str:
    match type_:
        case inspect.LiteralType(values=words):
            return ", ".join(str(word) for word in words)
        case inspect.StrType(max_length=longest):
            return f"a string of 1 to {longest} characters"
        case inspect.DateTimeType():
            return _TIME
        case inspect.UUIDType():
            return "a UUID"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType(ge=least, le=most):
            return f"a whole number from {least} to {most}"
        case inspect.VarTupleType(item_type=item):
            return f"an array, each member {_allowed(item)}"
    return "an object with 'type' and 'value'"


def _closed_word(value: object) -> str:
    if isinstance(value, str) and _WORD.fullmatch(value):
        return f"'{value}'"
    return _kind_of(value)


def _kind_of(value: object) -> str:
    """What sort of JSON value it is; for a string its length, never its text."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case "":
            return "an empty string"
        case str():
            return f"a string of {len(value)} characters"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "an array"
    return f"a value of type {type(value).__name__}"


def _time(value: object) -> str:
    naive = _converts(value, _Naive)
    return "a time without an offset" if naive else _not_a(value, "RFC 3339 time")


def _not_a(value: object, what: str) -> str:
    return f"a string that is no {what}" if isinstance(value, str) and value else _kind_of(value)


_Aware = Annotated[datetime, msgspec.Meta(tz=True)]
_Naive = Annotated[datetime, msgspec.Meta(tz=False)]


def _converts(value: object, type_: object) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True
