"""The schemas that ship: documented throughout, equal to the types, known by the published fingerprint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import avro.schema
import pytest
from avro.schemanormalization import Fingerprint, ToParsingCanonicalForm
from msgspec import inspect

from ansvar.events import EventError, schemas
from ansvar.events.avro_compiler import definitions
from ansvar.events.errors import UnknownSchema
from ansvar.events.model import EVENT_TYPES, Event, Identifier

NAMES = ("alert", "batch", "close", "deadletter", "heartbeat", "verdict")


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every definition and field in a schema."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _parts(branch)
    elif isinstance(schema, dict):
        if "name" in schema:
            yield schema
        for below in (schema.get("fields", []), schema.get("items"), schema.get("type")):
            yield from _parts(below)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        # Apache Avro's own vectors, share/test/data/schema-tests.txt; there as signed numbers.
        ("null", 7195948357588979594),
        ("boolean", -6970731678124411036),
        ("int", 8247732601305521295),
        ("long", -3434872931120570953),
        ("bytes", 5746618253357095269),
        ("string", -8142146995180207161),
    ],
)
def test_the_specification_s_fingerprints(schema: str, expected: int) -> None:
    assert schemas.fingerprint(schema) == expected.to_bytes(8, "little", signed=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_implementation_agrees_on_the_fingerprint(name: str) -> None:
    schema = schemas.current(name)
    form = ToParsingCanonicalForm(avro.schema.parse(json.dumps(schema.source)))
    assert schema.fingerprint == bytes(Fingerprint(form, "CRC-64-AVRO"))
    assert schemas.released(schema.fingerprint) is schema


def test_released_schemas_do_not_change() -> None:
    # A changed fingerprint is a new version: keep the old file under another mark and add a line here.
    assert {name: schemas.current(name).fingerprint.hex() for name in NAMES} == {
        "alert": "fb8e235c8c651e28",
        "batch": "cbc87eb0146eaf60",
        "close": "6d642213e47ee897",
        "deadletter": "c445512fed54cc0d",
        "heartbeat": "2592e46840188bbe",
        "verdict": "ea1929bdb509fd38",
    }


def test_an_unknown_fingerprint_is_refused() -> None:
    with pytest.raises(UnknownSchema, match="0001020304050607") as caught:
        schemas.released(bytes(range(8)))
    assert isinstance(caught.value, EventError)
    assert caught.value.reason == "unknown_schema"
    with pytest.raises(UnknownSchema, match=r"\(empty\)"):
        schemas.released(b"")


@pytest.mark.parametrize("name", NAMES)
def test_every_record_enum_and_field_is_documented_and_versioned(name: str) -> None:
    schema = schemas.current(name)
    assert schema.source["namespace"] == "ansvar.v1"
    for part in _parts(schema.source):
        assert len(part["doc"].split()) >= 2, part["name"]
    for full_name in definitions(schema.parsed):
        assert full_name.startswith("ansvar.v1.")


@pytest.mark.parametrize("type_", [*EVENT_TYPES, Identifier])
def test_the_schema_has_the_fields_and_words_of_the_type(type_: type[Event] | type[Identifier]) -> None:
    named = definitions(schemas.current("batch").parsed)
    record = named[f"ansvar.v1.{type_.__name__.removesuffix('Event')}"]
    info = inspect.type_info(type_)
    assert isinstance(info, inspect.StructType)
    fields = {field["name"]: field for field in record["fields"]}
    assert set(fields) == {field.name for field in info.fields}
    for field in info.fields:
        avro_type = fields[field.name]["type"]
        members = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        nullable = isinstance(avro_type, list)
        # event_id may be absent in JSON; on the wire it is always there.
        assert nullable == (field.default is None and field.name != "event_id")
        if nullable:
            assert fields[field.name]["default"] is None
        for member in members:
            if isinstance(member, inspect.LiteralType):
                name = avro_type[1] if nullable else avro_type
                enum = named[name] if isinstance(name, str) else name
                assert set(enum["symbols"]) == set(member.values)
