"""Every Avro schema that was ever released, by its fingerprint.

Invariants: the files under `ansvar/schemas` (the repository's `schemas/avro`) are data and never edited once
released. `<name>.avsc` is the version that is written; an earlier version stays beside it as
`<name>.<mark>.avsc` and is only read. A fingerprint is the CRC-64-AVRO of the schema's Parsing Canonical
Form, little-endian (Apache Avro specification, "Schema Fingerprints" and "Single-object encoding"), so it
does not change with documentation or defaults.

Not handled here: encoding by a schema (`avro_binary`, `codec`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from fastavro.schema import fingerprint as hex_fingerprint
from fastavro.schema import parse_schema, to_parsing_canonical_form
from msgspec import Struct

from ansvar.events.errors import UnknownSchema

FINGERPRINT_BYTES = 8


class Schema(Struct, frozen=True, eq=False):
    """One released version of one record's schema.

    `name` is the file's (`batch`, `close`, `heartbeat`, `alert`, `deadletter`, `verdict`), `source` the
    schema as JSON data, `parsed` the same as fastavro wants it.
    """

    name: str
    fingerprint: bytes
    source: dict[str, Any]
    parsed: Any


def fingerprint(schema: str | list[Any] | dict[str, Any]) -> bytes:
    """The 8 bytes that stand for a schema, given as JSON data, on the wire."""
    return bytes.fromhex(hex_fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def current(name: str) -> Schema:
    """The version of a schema that is written; KeyError for a name that is not shipped."""
    return _current()[name]


def released(fingerprint: bytes) -> Schema:
    """The schema of a fingerprint; UnknownSchema if this version does not ship it."""
    try:
        return _released()[fingerprint]
    except KeyError:
        raise UnknownSchema(fingerprint) from None


@cache
def _current() -> Mapping[str, Schema]:
    return MappingProxyType({file: schema for file, schema in _files().items() if file == schema.name})


@cache
def _released() -> Mapping[bytes, Schema]:
    return MappingProxyType({schema.fingerprint: schema for schema in _files().values()})


@cache
def _files() -> Mapping[str, Schema]:
    """File name without `.avsc` -> schema."""
    found = {}
    for file in files("ansvar").joinpath("schemas").iterdir():
        stem, dot, ending = file.name.rpartition(".")
        if dot and ending == "avsc":
            source = json.loads(file.read_text(encoding="utf-8"))
            name = stem.partition(".")[0]
            found[stem] = Schema(name, fingerprint(source), source, parse_schema(source))
    return MappingProxyType(found)
