"""Our bytes against two independent implementations of Avro: avro-python3 (the reference) and fastavro."""

from __future__ import annotations

import json
from datetime import timedelta
from io import BytesIO
from typing import Any

import avro.schema
import fastavro
import msgspec
import pytest
from avro.io import BinaryDecoder, BinaryEncoder, DatumReader, DatumWriter
from hypothesis import given, settings

from ansvar.events import Event, decode_batch, encode_batch
from ansvar.events.avro_binary import EPOCH
from ansvar.events.model import EVENT_TYPES
from ansvar.events.schemas import current
from strategies import batches, events

BATCH = current("batch")
# avro-python3 knows no logical types and takes the types of unions by the fields a record has.
REFERENCE = avro.schema.parse(json.dumps(BATCH.source))


def as_avro(event: Event) -> dict[str, Any]:
    """The datum that Avro's data model makes of an event: every field, ids as bytes, times as numbers."""
    assert event.event_id is not None
    datum: dict[str, Any] = {
        field: msgspec.to_builtins(getattr(event, field)) for field in event.__struct_fields__
    }
    datum["event_id"] = event.event_id.bytes
    datum["occurred_at"] = (event.occurred_at - EPOCH) // timedelta(microseconds=1)
    datum["data_categories"] = list(event.data_categories)
    datum["aliases"] = [msgspec.to_builtins(alias) for alias in event.aliases]
    return datum


def name(event: Event) -> str:
    return f"ansvar.v1.{event.kind.capitalize()}"


def by_fastavro(batch: list[Event]) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(
        out, BATCH.parsed, {"events": [(name(event), as_avro(event)) for event in batch]}
    )
    return out.getvalue()


def by_reference(batch: list[Event]) -> bytes:
    out = BytesIO()
    DatumWriter(REFERENCE).write({"events": [as_avro(event) for event in batch]}, BinaryEncoder(out))
    return out.getvalue()


@given(batches())
@settings(max_examples=40)
def test_all_three_writers_make_the_same_bytes(batch: list[Event]) -> None:
    ours = encode_batch(batch)
    assert ours == by_fastavro(batch)
    assert ours == by_reference(batch)


@given(batches())
@settings(max_examples=40)
def test_all_three_readers_agree(batch: list[Event]) -> None:
    data = encode_batch(batch)
    expected = [as_avro(event) for event in batch]
    reference = DatumReader(REFERENCE).read(BinaryDecoder(BytesIO(data)))
    assert reference == {"events": expected}
    fast: Any = fastavro.schemaless_reader(BytesIO(data), BATCH.parsed, None, return_record_name=True)
    assert [kind for kind, _ in fast["events"]] == [name(event) for event in batch]
    assert decode_batch(by_fastavro(batch), BATCH.fingerprint) == tuple(batch)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_kind_alone(kind: type[Event]) -> None:
    @given(events(kinds=(kind,)))
    @settings(max_examples=15)
    def check(event: Event) -> None:
        assert encode_batch([event]) == by_reference([event]) == by_fastavro([event])

    check()
