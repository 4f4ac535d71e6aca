"""JSON Schema (2020-12) of each file of a bundle, so that an editor completes and checks while one writes.

Invariants: made from the shapes alone, so that what the schema allows is what the loader's shapes allow; the
same shapes give the same bytes. A value that YAML tools take for a number and the loader for a word (`format:
1`) is allowed as both.

Not handled here: what shapes cannot say (`check`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from ansvar.policy.loader import ALL_PATHS, SHAPES

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """Each file's name without folder and suffix -> its schema."""
    return {name: _schema(path, SHAPES[name]) for name, path in ALL_PATHS.items()}


def schema_files() -> dict[str, bytes]:
    """File name -> the text of the schema, as it is kept in the project."""
    return {f"{name}.schema.json": written(schema) for name, schema in schemas().items()}


def written(value: Mapping[str, Any]) -> bytes:
    """Indented JSON with a line end at the end."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _schema(path: str, shape: Any) -> dict[str, Any]:
    made = _numbers_too(msgspec.json.schema(shape))
    return {"$schema": DIALECT, "title": f"{path} of a policy bundle", **made}


def _numbers_too(node: Any) -> Any:
    """Words of a closed list that are digits are allowed as numbers."""
    if isinstance(node, list | tuple):
        return [_numbers_too(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _numbers_too(value) for key, value in node.items()}
    words = found.get("enum")
    if isinstance(words, list):
        found["enum"] = [*words, *(int(word) for word in words if isinstance(word, str) and word.isdigit())]
    return found
