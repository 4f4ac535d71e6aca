"""The JSON Schemas that are kept are those of the shapes, and the sample bundle conforms to them."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansvar.policy.canonical import canonical, decode
from ansvar.policy.loader import ALL_PATHS
from ansvar.policy.schema import DIALECT, schema_files, schemas
from ansvar.sample import SAMPLE_BUNDLE

KEPT = Path(__file__).parents[3] / "schemas" / "bundle"
FILES = decode(canonical(SAMPLE_BUNDLE))
SCHEMAS = schemas()


class _Editor(yaml.SafeLoader):
    """Reads YAML as editors do (YAML 1.2 core schema): numbers, true and false, null; dates are words."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as in PyYAML


_Editor.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?[0-9]+$"), list("-0123456789"))
_Editor.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^-?[0-9]+\.[0-9]+$"), list("-0123456789")
)
_Editor.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Editor.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_ANNOTATIONS = {"title", "description", "default", "$schema", "$defs"}
_KNOWN = {
    "$ref",
    "anyOf",
    "type",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "format",
}
_KNOWN |= {"items", "properties", "required", "additionalProperties", "propertyNames", *_ANNOTATIONS}


def faults(value: Any, node: dict[str, Any], root: dict[str, Any], at: str = "") -> list[str]:
    """What is wrong with a value by the part of JSON Schema that ours use; an unknown keyword fails."""
    assert node.keys() <= _KNOWN, f"teach this test {node.keys() - _KNOWN}"
    if "$ref" in node:
        return faults(value, root["$defs"][node["$ref"].rpartition("/")[2]], root, at)
    if "anyOf" in node:
        each = [faults(value, option, root, at) for option in node["anyOf"]]
        return [] if [] in each else each[0]
    kind = node.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (kind != "boolean" and isinstance(value, bool))):
        return [f"{at}: not {kind}"]
    if "enum" in node and value not in node["enum"]:
        return [f"{at}: not in the list"]
    found = _text(value, node, at) if isinstance(value, str) else []
    if isinstance(value, int) and not node.get("minimum", value) <= value <= node.get("maximum", value):
        found.append(f"{at}: out of range")
    if isinstance(value, list):
        for i, item in enumerate(value):
            found += faults(item, node["items"], root, f"{at}[{i}]")
    if isinstance(value, dict):
        found += [f"{at}.{name}: missing" for name in node.get("required", ()) if name not in value]
        for key, child in value.items():
            rest = node.get("additionalProperties", {})
            part = node.get("properties", {}).get(key, rest)
            names = faults(key, node["propertyNames"], root, f"{at}.{key}") if "propertyNames" in node else []
            found += names + (
                [f"{at}.{key}: unknown"] if part is False else faults(child, part, root, f"{at}.{key}")
            )
    return found


def _text(value: str, node: dict[str, Any], at: str) -> list[str]:
    wrong = "pattern" in node and not re.search(node["pattern"], value)
    wrong |= not node.get("minLength", 0) <= len(value) <= node.get("maxLength", len(value))
    if node.get("format") == "date":
        try:
            date.fromisoformat(value)
        except ValueError:
            wrong = True
    return [f"{at}: wrong text"] if wrong else []


def read(text: str) -> Any:
    return yaml.load(text, Loader=_Editor)  # noqa: S506 - a SafeLoader


def test_the_kept_schemas_are_those_of_the_code() -> None:
    kept = {path.name: path.read_bytes() for path in KEPT.iterdir()}
    assert kept.keys() == schema_files().keys(), "write them anew: ansvar policy schema --out schemas/bundle"
    assert kept == schema_files(), "write them anew: ansvar policy schema --out schemas/bundle"


@pytest.mark.parametrize("name", ALL_PATHS)
def test_the_sample_conforms(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema["$schema"] == DIALECT
    assert ALL_PATHS[name] in schema["title"]
    assert faults(read(FILES[ALL_PATHS[name]]), schema, schema) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        ("recipients", "established: DK", "established: Denmark", ".recipients[2].established: wrong text"),
        ("recipients", "type: invoicing", "type: invoices", ".recipients[1].type: not in the list"),
        ("recipients", "storage: [DK]", "storrage: [DK]", ".recipients[2].storrage: unknown"),
        ("bundle", "format: 1", "format: 2", ".format: not in the list"),
        ("bundle", "nix_days: 60 ", "nix_days: -1 ", ".settings.nix_days: out of range"),
        ("bundle", "switches: {}", "switches: {x: {severity: off, reason: y}}", ".switches.x: wrong text"),
        ("statement", "day: null", "day: 2026-02-30", ".published.day: wrong text"),
        ("statement", "name: Datainspektionen", "nam: Datainspektionen", ".authority.name: missing"),
        ("acts", "years: 7", "years: seven", ".acts[2].duty.years: not integer"),
    ],
)
def test_an_editor_sees_what_is_wrong(name: str, old: str, new: str, fault: str) -> None:
    text = FILES[ALL_PATHS[name]]
    assert text.count(old) == 1
    assert fault in faults(read(text.replace(old, new)), SCHEMAS[name], SCHEMAS[name])


def test_no_field_is_let_through_unknown() -> None:
    for schema in SCHEMAS.values():
        for part in schema["$defs"].values():
            assert part["additionalProperties"] is False
