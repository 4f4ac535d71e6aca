"""Bodies of Kafka records: batches of events, heartbeats, closes, and single objects for other topics.

Invariants: a batch holds 1 to 1,000 events of at most 32 KiB each, all with an `event_id`; what is decoded
satisfies everything that the JSON boundary checks, since a producer's code is not ours; nothing may follow
the datum; bad bytes raise an EventError and nothing else. Which schema a body has stands outside it (the
record header's fingerprint); a single object carries it in front (`C3 01`, fingerprint, body).

Not handled here: sealing and headers (`envelope`), identifiers: a decoded event is as the producer
normalised it, or did not (`identifiers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from io import BytesIO
from typing import Any

import msgspec
from fastavro import schemaless_reader, schemaless_writer

from ansvar.events.avro_binary import read_block, read_long, write_long
from ansvar.events.avro_compiler import Read, Write, compile_reader, compile_writer, definitions
from ansvar.events.boundary import validated
from ansvar.events.diagnosis import diagnose
from ansvar.events.errors import InvalidEvent, OverLimit, UndecodableRecord
from ansvar.events.model import EVENT_TYPES, Event, Identifier
from ansvar.events.requirements import MAX_BATCH_EVENTS, MAX_EVENT_BYTES, checked, too_large
from ansvar.events.schemas import FINGERPRINT_BYTES, Schema, current, released

_MARKER = b"\xc3\x01"
_NAMES: Mapping[type[Event], str] = {
    event_type: f"ansvar.v1.{event_type.kind.capitalize()}" for event_type in EVENT_TYPES
}
_CLASSES: Mapping[str, type] = {"ansvar.v1.Identifier": Identifier}


def encode_batch(events: Sequence[Event]) -> bytes:
    """The Avro body of a batch under the current schema.

    The events must have come through `boundary` (or `validated`). Raises OverLimit, and InvalidEvent with
    the event's `index` for one without event_id, too large, or of wrong types.
    """
    _within_a_batch(len(events))
    writers = _writers()
    out = bytearray(write_long(len(events)))
    for index, event in enumerate(events):
        start = len(out)
        try:
            branch, write = writers[type(event)]
            out += branch
            write(out, event)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise _unwritable(event, index) from None
        if len(out) - start > MAX_EVENT_BYTES:
            raise too_large(len(out) - start).placed(index=index)
    out += b"\x00"
    return bytes(out)


def decode_batch(data: bytes, fingerprint: bytes) -> tuple[Event, ...]:
    """The events of a batch written under the schema of `fingerprint`, in order.

    Raises UnknownSchema, UndecodableRecord, OverLimit, or InvalidEvent with the event's `index`.
    """
    readers = _readers(schema_of("batch", fingerprint).fingerprint)
    objects: list[dict[str, Any]] = []
    try:
        count, at = read_block(data, 0)
        while count:
            _within_a_batch(len(objects) + count)
            for _ in range(count):
                start = at
                found, at = readers[data[at]](data, at + 1)
                if at - start > MAX_EVENT_BYTES:
                    raise too_large(at - start).placed(index=len(objects))
                objects.append(found)
            count, at = read_block(data, at)
    except IndexError:
        raise UndecodableRecord(f"the batch ends inside event {len(objects)}, at byte {len(data)}") from None
    except KeyError:
        raise UndecodableRecord(f"a byte that stands for no word in event {len(objects)}") from None
    except UnicodeDecodeError:
        raise UndecodableRecord(f"text that is not UTF-8 in event {len(objects)}") from None
    _nothing_after(data, at)
    _within_a_batch(len(objects))
    return _events(objects)


def encode_heartbeat(next_batch: int) -> bytes:
    """The body of a heartbeat; `next_batch` is the number that the session's next batch will have."""
    return _counter(next_batch)


def decode_heartbeat(data: bytes, fingerprint: bytes) -> int:
    """`next_batch` of a heartbeat's body. Raises UnknownSchema or UndecodableRecord."""
    return _next_batch(data, schema_of("heartbeat", fingerprint))


def encode_close(next_batch: int) -> bytes:
    """The body of a close; `next_batch` is the number of batches that the session sent."""
    return _counter(next_batch)


def decode_close(data: bytes, fingerprint: bytes) -> int:
    """`next_batch` of a close's body. Raises UnknownSchema or UndecodableRecord."""
    return _next_batch(data, schema_of("close", fingerprint))


def single_object_encode(name: str, record: Mapping[str, Any]) -> bytes:
    """A record of the schema `name` with its fingerprint in front (Avro "Single-object encoding").

    Ids are 16 bytes, times aware datetimes or microseconds since 1970; nullable fields may be absent.
    ValueError on a record that does not fit, or has a field that the schema has not: such records are made
    by our own code.
    """
    schema = current(name)
    body = BytesIO()
    try:
        schemaless_writer(body, schema.parsed, dict(record), strict_allow_default=True)
    except (AttributeError, KeyError, OverflowError, TypeError) as error:
        raise ValueError(f"a record that does not fit the schema '{name}'") from error
    return _MARKER + schema.fingerprint + body.getvalue()


def single_object_decode(data: bytes) -> tuple[str, dict[str, Any]]:
    """The schema's name and the record. Raises UnknownSchema or UndecodableRecord."""
    head = len(_MARKER) + FINGERPRINT_BYTES
    if not data.startswith(_MARKER) or len(data) < head:
        raise UndecodableRecord("no single-object encoding: it begins with C3 01 and eight bytes more")
    schema = released(data[len(_MARKER) : head])
    body = BytesIO(data[head:])
    try:
        record: Any = schemaless_reader(body, schema.parsed, None)
    except (EOFError, IndexError, OverflowError, ValueError):
        raise UndecodableRecord(f"no record of the schema '{schema.name}'") from None
    _nothing_after(data, head + body.tell())
    return schema.name, record


@cache
def _writers() -> Mapping[type[Event], tuple[bytes, Write]]:
    """Type of event -> the index of its branch as bytes, and what writes it."""
    batch = current("batch")
    named = definitions(batch.parsed)
    branches = [branch["name"] for branch in _branches(batch)]
    return {
        event_type: (write_long(branches.index(name)), compile_writer(named[name], named, _CLASSES))
        for event_type, name in _NAMES.items()
    }


@cache
def _readers(fingerprint: bytes) -> Mapping[int, Read]:
    """Index of the branch, as its byte -> what reads that event."""
    batch = released(fingerprint)
    named = definitions(batch.parsed)
    kinds = {name: event_type.kind for event_type, name in _NAMES.items()}
    return {
        write_long(index)[0]: compile_reader(branch, named, kinds[branch["name"]])
        for index, branch in enumerate(_branches(batch))
    }


def _branches(batch: Schema) -> list[Any]:
    """The union of events, which is the type of the array that is the only field of Batch."""
    (events,) = batch.parsed["fields"]
    return list(events["type"]["items"])


def schema_of(name: str, fingerprint: bytes) -> Schema:
    """The released schema of a fingerprint, if it is one of `name`; else UnknownSchema, UndecodableRecord."""
    schema = released(fingerprint)
    if schema.name != name:
        raise UndecodableRecord(f"the fingerprint of '{schema.name}' on a record of type '{name}'")
    return schema


def _events(objects: list[dict[str, Any]]) -> tuple[Event, ...]:
    """Typed and checked; the slow way round only to find out which one is wrong."""
    try:
        events = msgspec.convert(objects, tuple[Event, ...])
    except msgspec.ValidationError:
        raise _first_fault(objects) from None
    for index, event in enumerate(events):
        try:
            checked(event)
        except InvalidEvent as fault:
            raise fault.placed(index=index) from None
    return events


def _first_fault(objects: list[dict[str, Any]]) -> InvalidEvent:
    index = 0
    try:
        for found in objects:
            msgspec.convert(found, Event)
            index += 1
    except msgspec.ValidationError:
        pass
    return diagnose(objects[index]).placed(index=index)


def _unwritable(event: Event, index: int) -> InvalidEvent:
    if getattr(event, "event_id", None) is None:
        return InvalidEvent("nothing", "a UUID, given before an event is sent", field="event_id", index=index)
    try:
        validated(event)
    except InvalidEvent as fault:
        return fault.placed(index=index)
    return InvalidEvent("a value of another type than its field's", "validated events", index=index)


def _within_a_batch(count: int) -> None:
    if not 1 <= count <= MAX_BATCH_EVENTS:
        raise OverLimit(f"{count:,} events in a batch; allowed: 1 to {MAX_BATCH_EVENTS:,}")


def _nothing_after(data: bytes, end: int) -> None:
    if end != len(data):
        raise UndecodableRecord(f"{len(data) - end} bytes after the end of the record, at byte {end}")


def _counter(next_batch: int) -> bytes:
    if next_batch < 0:
        raise ValueError(f"batch numbers start at 0, not {next_batch}")
    return write_long(next_batch)


def _next_batch(data: bytes, schema: Schema) -> int:
    try:
        number, end = read_long(data, 0)
    except IndexError:
        raise UndecodableRecord(f"the {schema.name} ends inside its number") from None
    _nothing_after(data, end)
    if number < 0:
        raise UndecodableRecord(f"the {schema.name} states batch number {number}; they start at 0")
    return number
