"""What one chain tells another about one person: the bodies of `forwarded` records.

Invariants: a body says which row of which chain it comes from; bad bytes raise an EventError and nothing
else. A person is named by a reference that the reader knows, or by an identifier that is the reader's own.

Not handled here: who may forward (`enforcement.opening`), what it does to a chain (`enforcement.linking`).
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final, get_args

from fastavro import schemaless_reader, schemaless_writer
from msgspec import Struct

from ansvar.events import codec
from ansvar.events.codec import schema_of
from ansvar.events.errors import UndecodableRecord
from ansvar.events.model import Event, Identifier, IdentifierType
from ansvar.events.schemas import current

Who = bytes | Identifier  # a reference of 16 bytes, or an identifier in normal form


class ForwardedEvent(Struct, frozen=True):
    """An event about a person whose history the reader has; `recorded_at` in ms is its own record's."""

    event: Event
    subject: bytes  # the reference of the event's subject
    recorded_at: int
    producer: str


class Arrived(Struct, frozen=True):
    """A person who is the reader's from now on, with (a part of) what is known of them, to be joined."""

    joined: bytes
    state: bytes
    kept: Who


class Wanted(Struct, frozen=True):
    """A person who is to be `home`'s, joined there to `kept`."""

    who: Who
    home: int
    kept: bytes


Content = ForwardedEvent | Arrived | Wanted


class Forwarded(Struct, frozen=True):
    """What a row of a chain tells another chain."""

    chain: int
    seq: int
    content: Content


_TYPES: Final = frozenset(get_args(IdentifierType))


def encode_forwarded(forwarded: Forwarded) -> bytes:
    """The Avro body under the current schema."""
    body = BytesIO()
    record = {"chain": forwarded.chain, "seq": forwarded.seq, "content": _written(forwarded.content)}
    schemaless_writer(body, current("forwarded").parsed, record)
    return body.getvalue()


def decode_forwarded(data: bytes, fingerprint: bytes) -> Forwarded:
    """What a body says. Raises UnknownSchema, UndecodableRecord, or InvalidEvent for a wrong event."""
    schema = schema_of("forwarded", fingerprint)
    body = BytesIO(data)
    try:
        record: Any = schemaless_reader(body, schema.parsed, None, return_record_name=True)
        chain, seq = record["chain"], record["seq"]
        name, fields = record["content"]
    except (EOFError, IndexError, KeyError, OverflowError, TypeError, ValueError):
        raise UndecodableRecord("nothing of the schema 'forwarded'") from None
    if body.tell() != len(data):
        raise UndecodableRecord(f"{len(data) - body.tell()} bytes after the end, at byte {body.tell()}")
    if chain < 0 or seq < 0:
        raise UndecodableRecord("a negative chain or row")
    return Forwarded(chain, seq, _read(name, fields))


def _written(content: Content) -> tuple[str, dict[str, Any]]:
    match content:
        case ForwardedEvent():
            return "ansvar.v1.ForwardedEvent", {
                "batch": codec.encode_batch([content.event]),
                "schema": current("batch").fingerprint,
                "subject": content.subject,
                "recorded_at": content.recorded_at,
                "producer": content.producer,
            }
        case Arrived():
            return "ansvar.v1.Arrived", {
                "joined": content.joined,
                "state": content.state,
                "kept": _named(content.kept),
            }
        case Wanted():
            return "ansvar.v1.Wanted", {
                "who": _named(content.who),
                "home": content.home,
                "kept": content.kept,
            }


def _read(name: str, fields: dict[str, Any]) -> Content:
    match name.rpartition(".")[2]:
        case "ForwardedEvent":
            events = codec.decode_batch(fields["batch"], fields["schema"])
            if len(events) != 1 or events[0].subject is None:
                raise UndecodableRecord("a forwarded event is one event with a subject")
            return ForwardedEvent(events[0], fields["subject"], fields["recorded_at"], fields["producer"])
        case "Arrived":
            return Arrived(fields["joined"], fields["state"], _who(fields["kept"]))
        case _:
            return Wanted(_who(fields["who"]), fields["home"], fields["kept"])


def _named(who: Who) -> bytes | tuple[str, dict[str, str]]:
    return who if isinstance(who, bytes) else ("ansvar.v1.Named", {"type": who.type, "value": who.value})


def _who(read: Any) -> Who:
    _, fields = read  # the branch's name comes with it
    if isinstance(fields, bytes):
        return fields
    if fields["type"] not in _TYPES:
        raise UndecodableRecord("a name of a type that is none of identifiers")
    return Identifier(fields["type"], fields["value"])
