"""Batches and single objects survive the wire; anything else on the wire is refused with an EventError."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.events import (
    Event,
    EventError,
    Identifier,
    InvalidEvent,
    NoticeEvent,
    ProcessingEvent,
    RightsEvent,
    UndecodableRecord,
    decode_batch,
    encode_batch,
    normal_form,
    normalise_event,
)
from ansvar.events.avro_binary import read_long, read_string, write_long, write_micros, write_string
from ansvar.events.codec import (
    decode_close,
    decode_heartbeat,
    encode_close,
    encode_heartbeat,
    single_object_decode,
    single_object_encode,
)
from ansvar.events.errors import OverLimit, UnknownSchema
from ansvar.events.schemas import current
from strategies import batches, events, good_identifiers

BATCH = current("batch").fingerprint
AT = datetime(2026, 3, 2, 13, tzinfo=UTC)
EVENT_ID = UUID("0192a1b2-c3d4-7e5f-8a6b-7c8d9eafb0c1")
NOTICE = NoticeEvent(occurred_at=AT, system="crm", event_id=EVENT_ID)
CALL = ProcessingEvent(
    occurred_at=AT,
    system="dialler",
    operation="call",
    subject=Identifier("customer_number", "K-1"),
    event_id=EVENT_ID,
    data_categories=("name", "phone_number"),
)


@given(batches())
@settings(max_examples=80)
def test_round_trip(batch: list[Event]) -> None:
    again = decode_batch(encode_batch(batch), BATCH)
    assert again == tuple(batch)
    assert [type(event) for event in again] == [type(event) for event in batch]
    assert all(event.occurred_at.tzinfo is UTC for event in again)


@given(events(identifiers=good_identifiers()))
def test_the_normal_form_does_not_depend_on_the_journey(event: Event) -> None:
    sent = normalise_event(event)
    (received,) = decode_batch(encode_batch([sent]), BATCH)
    assert normal_form(received) == normal_form(sent)


@given(batches(2), st.data())
@settings(max_examples=60)
def test_a_batch_cut_short_anywhere_is_refused(batch: list[Event], data: st.DataObject) -> None:
    encoded = encode_batch(batch)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises((UndecodableRecord, OverLimit)):
        decode_batch(encoded[:cut], BATCH)


@given(batches(2), st.binary(min_size=1, max_size=5))
def test_nothing_may_follow(batch: list[Event], more: bytes) -> None:
    encoded = encode_batch(batch)
    with pytest.raises(UndecodableRecord, match=f"{len(more)} bytes after the end of the record"):
        decode_batch(encoded + more, BATCH)


def outcome(read: Callable[[], object]) -> str:
    """The text of the EventError that reading raises, empty if it raises none; nothing else may be raised."""
    try:
        read()
    except EventError as error:
        return str(error)
    return ""


@given(st.binary(max_size=200))
@example(b"\x02\x02")
def test_any_bytes_give_events_or_an_event_error(data: bytes) -> None:
    assert "\n" not in outcome(lambda: decode_batch(data, BATCH))


@given(batches(1), st.data())
@settings(max_examples=100)
def test_a_byte_changed_gives_events_or_an_event_error(batch: list[Event], data: st.DataObject) -> None:
    encoded = bytearray(encode_batch(batch))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        again = decode_batch(bytes(encoded), BATCH)
    except EventError:
        return
    assert decode_batch(encode_batch(again), BATCH) == again


def body(event: Event = NOTICE) -> bytes:
    """The bytes of one event alone, without the array around it."""
    return encode_batch([event])[1:-1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends inside event 0, at byte 0"),
        (b"\x02\x0c", "a byte that stands for no word in event 0"),
        (b"\x02\x01" + body()[1:] + b"\x00", "a byte that stands for no word in event 0"),
        (b"\x80" * 11, "a number of more than 64 bits at byte 0"),
        (b"\xff" * 9 + b"\x7f", "a number of more than 64 bits at byte 0"),
        (b"\x02" + body().replace(b"\x06crm", b"\x06\xff\xff\xff") + b"\x00", "not UTF-8 in event 0"),
        (b"\x02" + body().replace(b"\x06crm", b"\x06c\xed\xa0") + b"\x00", "not UTF-8 in event 0"),
        (b"\x02" + body().replace(b"\x06crm", b"\x05crm") + b"\x00", "a string of negative length at byte"),
        (
            b"\x02" + body().replace(b"\x06crm\x00\x00", b"\x06crm\x00\x06") + b"\x00",
            "no branch of its union",
        ),
        (b"\x02" + body().replace(b"\x06crm\x00\x00\x00", b"\x06crm\x00\x00\x04") + b"\x00", "no branch"),
        (
            b"\x02" + body().replace(write_micros(AT), write_long(2**63 - 1)) + b"\x00",
            "a time outside the calendar at byte",
        ),
        (b"\x02" + body()[:20], "ends inside event 0, at byte 21"),
    ],
)
def test_malformed_bytes_are_refused_with_their_place(data: bytes, message: str) -> None:
    with pytest.raises(UndecodableRecord, match=message) as caught:
        decode_batch(data, BATCH)
    assert caught.value.reason == "malformed"


def test_blocks_may_be_split_and_state_their_size() -> None:
    one, two = body(), body(CALL)
    sized = b"\x01" + write_long(len(one)) + one + b"\x02" + two + b"\x00"
    assert decode_batch(sized, BATCH) == (NOTICE, CALL)


@pytest.mark.parametrize(
    ("old", "new", "field", "found"),
    [
        (b"\x0edialler", b"\x00", "system", "an empty string"),
        (b"\x0edialler", write_string("x" * 201), "system", "a string of 201 characters"),
        (b"\x06K-1", write_string("x" * 321), "subject.value", "a string of 321 characters"),
        (write_micros(AT), write_long(-3_000_000_000_000_000), "occurred_at", "a time outside"),
        (b"\x08name", b"\x00", "data_categories[0]", "an empty string"),
    ],
)
def test_a_decoded_event_keeps_the_rules_of_the_boundary(
    old: bytes, new: bytes, field: str, found: str
) -> None:
    assert old in body(CALL)
    data = b"\x04" + body() + body(CALL).replace(old, new) + b"\x00"
    with pytest.raises(InvalidEvent) as caught:
        decode_batch(data, BATCH)
    assert (caught.value.index, caught.value.field) == (1, field)
    assert caught.value.found.startswith(found)
    assert str(caught.value).startswith(f"event 1 of the batch, field '{field}': found")


def test_a_rule_beyond_types_holds_on_the_wire_too() -> None:
    told = RightsEvent(
        occurred_at=AT,
        system="support",
        subject=Identifier("customer_number", "K-1"),
        request_id="R-1",
        right="erasure",
        phase="recipients_notified",
        event_id=EVENT_ID,
    )
    with pytest.raises(InvalidEvent, match="event 0 of the batch, field 'recipient': found nothing"):
        decode_batch(encode_batch([told]), BATCH)


def test_a_batch_has_1_to_1000_events() -> None:
    assert len(decode_batch(encode_batch([NOTICE] * 1_000), BATCH)) == 1_000
    for count in (0, 1_001):
        with pytest.raises(OverLimit, match="events in a batch; allowed: 1 to 1,000") as caught:
            encode_batch([NOTICE] * count)
        assert caught.value.reason == "over_limit"
    for data in (b"\x00", write_long(1_001) + body() * 1_001 + b"\x00", write_long(-(2**63)) + b"\x00"):
        with pytest.raises(OverLimit):
            decode_batch(data, BATCH)
    halves = (write_long(600) + body() * 600) * 2 + b"\x00"
    with pytest.raises(OverLimit, match="1,200 events"):
        decode_batch(halves, BATCH)


def test_an_event_has_at_most_32_kib() -> None:
    # Two bytes a sign, so that 15,000 signs of details and as many of grounds are within their own limits.
    fits = replace(NOTICE, details="å" * 15_000)
    assert decode_batch(encode_batch([fits] * 3), BATCH) == (fits,) * 3
    large = replace(fits, compelling_grounds="å" * 15_000)
    with pytest.raises(
        InvalidEvent, match=r"event 1 of the batch: found 60,0.. bytes; allowed: at most 32,768"
    ):
        encode_batch([NOTICE, large])
    parts = body(fits).split(b"\x00\x02" + write_string(fits.details or ""))
    data = b"\x04" + body() + (write_string("å" * 15_000).join((parts[0] + b"\x02", b"")))
    data += b"\x02" + write_string("å" * 15_000) + parts[1] + b"\x00"
    with pytest.raises(InvalidEvent, match=r"event 1 of the batch: found 60,0.. bytes"):
        decode_batch(data, BATCH)


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        (replace(NOTICE, event_id=None), "field 'event_id': found nothing"),
        (replace(NOTICE, event_id="018f"), "field 'event_id': found a string that is no UUID"),
        (replace(NOTICE, system=None), "field 'system': found null"),
        (replace(NOTICE, system="\ud800"), "found a value that JSON cannot hold"),
        (replace(NOTICE, stage="later"), "field 'stage': found 'later'"),
        (replace(NOTICE, occurred_at=AT.replace(tzinfo=None)), "found a time without an offset"),
        (replace(NOTICE, actor=7), "field 'actor': found a number"),
        (replace(NOTICE, event_id="0192a1b2-c3d4-7e5f-8a6b-7c8d9eafb0c1"), "of another type than its field"),
        ("an event", "event 1 of the batch, field 'event_id': found nothing"),
    ],
)
def test_what_cannot_be_written_is_placed(event: Any, fault: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        encode_batch([NOTICE, event])
    assert caught.value.index == 1
    assert fault in str(caught.value)


@pytest.mark.parametrize("fingerprint", [b"", b"12345678"])
def test_a_batch_of_an_unknown_schema_is_refused(fingerprint: bytes) -> None:
    with pytest.raises(UnknownSchema):
        decode_batch(encode_batch([NOTICE]), fingerprint)


def test_the_schema_of_another_record_is_refused() -> None:
    with pytest.raises(UndecodableRecord, match="the fingerprint of 'close' on a record of type 'batch'"):
        decode_batch(encode_batch([NOTICE]), current("close").fingerprint)
    with pytest.raises(UndecodableRecord, match="'heartbeat' on a record of type 'close'"):
        decode_close(b"\x00", current("heartbeat").fingerprint)


@pytest.mark.parametrize(
    ("name", "encode", "decode"),
    [("close", encode_close, decode_close), ("heartbeat", encode_heartbeat, decode_heartbeat)],
)
def test_close_and_heartbeat(
    name: str, encode: Callable[[int], bytes], decode: Callable[[bytes, bytes], int]
) -> None:
    fingerprint = current(name).fingerprint
    for number in (0, 1, 63, 64, 2**40, 2**63 - 1):
        assert decode(encode(number), fingerprint) == number
    for wrong in (-1, 2**63):
        with pytest.raises(ValueError, match=r"batch numbers start at 0|64 bits"):
            encode(wrong)
    for data, message in ((b"", "ends inside"), (b"\x80", "ends inside"), (b"\x00\x00", "1 bytes after")):
        with pytest.raises(UndecodableRecord, match=message):
            decode(data, fingerprint)
    with pytest.raises(UndecodableRecord, match="states batch number -1"):
        decode(b"\x01", fingerprint)


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers(number: int) -> None:
    assert read_long(write_long(number), 0) == (number, len(write_long(number)))


@given(st.text(st.characters(codec="utf-8")))
def test_strings(text: str) -> None:
    assert read_string(write_string(text), 0) == (text, len(write_string(text)))


REPLY: dict[str, Any] = {
    "event_id": EVENT_ID.bytes,
    "verdict": "deny",
    "findings": [{"rule": "marketing.objected", "clause": "4.2", "severity": "deny", "message": "objected"}],
    "chain": 3,
    "seq": 17,
    "policy": "ab" * 32,
}
ALERT: dict[str, Any] = {
    "alert_id": EVENT_ID.bytes,
    "chain": 3,
    "seq": 17,
    "rule": "marketing.objected",
    "clause": "4.2",
    "severity": "deny",
    "message": "objected",
    "verdict": "deny",
    "kind": "processing",
    "event_id": EVENT_ID.bytes,
    "occurred_at": AT,
    "recorded_at": AT,
    "subject": bytes(16),
    "system": "dialler",
    "purpose": "marketing",
    "recipient": None,
    "country": None,
    "policy": "ab" * 32,
    "producer": "crm",
}
LETTER: dict[str, Any] = {
    "reason": "malformed",
    "explanation": "the batch ends inside event 0, at byte 0",
    "topic": "ansvar.events",
    "partition": 3,
    "offset": 99,
    "broker_time": AT,
    "sha256": bytes(32),
    "producer": None,
    "record": b"\x00\xff",
}
SINGLE = [("verdict", REPLY), ("alert", ALERT), ("deadletter", LETTER)]


@pytest.mark.parametrize(("name", "record"), SINGLE)
def test_single_objects_carry_their_schema(name: str, record: dict[str, Any]) -> None:
    data = single_object_encode(name, record)
    assert data[:2] == b"\xc3\x01"
    assert data[2:10] == current(name).fingerprint
    assert single_object_decode(data) == (name, record)
    sparse = {key: value for key, value in record.items() if value is not None}
    assert single_object_encode(name, sparse) == data


@pytest.mark.parametrize(("name", "record"), SINGLE)
def test_a_single_object_that_is_cut_or_goes_on_is_refused(name: str, record: dict[str, Any]) -> None:
    data = single_object_encode(name, record)
    for cut in range(len(data)):
        with pytest.raises(UndecodableRecord):
            single_object_decode(data[:cut])
    with pytest.raises(UndecodableRecord, match=f"1 bytes after the end of the record, at byte {len(data)}"):
        single_object_decode(data + b"\x00")


@given(st.sampled_from(SINGLE), st.data())
@settings(max_examples=80)
def test_a_changed_single_object_is_read_or_refused(
    single: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    encoded = bytearray(single_object_encode(*single))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    assert "\n" not in outcome(lambda: single_object_decode(bytes(encoded)))


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "perhaps"},
        {"event_id": b"short"},
        {"event_id": EVENT_ID},
        {"chain": None},
        {"chain": 2**80},
        {"surplus": 1},
        {"findings": [{"rule": "x"}]},
        {"policy": 5},
    ],
)
def test_a_single_object_that_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        single_object_encode("verdict", {**REPLY, **changes})


def test_what_lacks_the_marker_is_no_single_object() -> None:
    for data in (b"", b"\xc3", b"\xc3\x01", b"\xc3\x02" + bytes(20)):
        with pytest.raises(UndecodableRecord, match="begins with C3 01"):
            single_object_decode(data)
    with pytest.raises(UnknownSchema):
        single_object_decode(b"\xc3\x01" + bytes(20))
