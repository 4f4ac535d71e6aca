"""From a bundle's files to a Bundle.

Invariants: loading from canonical bytes is the primitive, loading a directory is that of its canonical form,
so a bundle taken from a store and one read from disk are the same bundle; either a whole Bundle is returned
or BundleError is raised with every problem found. Problems come in two stages: what one file says by itself
(all files), then what the files say of each other.

A bundle may do without what the published policy says of itself (`statement`), so that one written before
that could be said still loads, and judges as it did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from msgspec import Struct

from ansvar.policy.bundle import Bundle
from ansvar.policy.canonical import canonical, decode
from ansvar.policy.check import check
from ansvar.policy.check_statement import check_statement
from ansvar.policy.compile import compile_bundle
from ansvar.policy.document import Reader, closest
from ansvar.policy.errors import BundleError, Problem
from ansvar.policy.shapes import PATHS, Files
from ansvar.policy.statement import STATEMENT_PATHS, Published

ALL_PATHS: Mapping[str, str] = MappingProxyType({**PATHS, **STATEMENT_PATHS})
SHAPES: Mapping[str, Any] = MappingProxyType({**get_type_hints(Files), **get_type_hints(Published)})


class Source(Struct, frozen=True):
    """A bundle as it is written: its checked files, and readers that know the line of each part."""

    files: Files
    published: Published | None
    readers: Mapping[str, Reader]  # by the file's name in `ALL_PATHS`
    sha256: bytes  # of the canonical form


def load_bundle(path: Path) -> Bundle:
    """The bundle in a directory. Raises BundleError."""
    return bundle_from_bytes(canonical(path))


def bundle_from_bytes(content: bytes) -> Bundle:
    """The bundle whose canonical form is `content`; `sha256` is its hash. Raises BundleError."""
    source = read_source(content)
    return compile_bundle(source.files, source.sha256)


def read_source(content: bytes) -> Source:
    """The checked files whose canonical form is `content`. Raises BundleError."""
    texts = decode(content)
    problems: list[Problem] = []
    readers = {name: Reader(path, problems) for name, path in ALL_PATHS.items()}
    values = _read(texts, readers, problems)
    if problems:
        raise BundleError(problems)
    files = Files(**{name: values[name] for name in PATHS})
    published = None
    check(files, readers)
    if "statement" in values:
        published = Published(**{name: values[name] for name in STATEMENT_PATHS})
        check_statement(published, files, readers)
    if problems:
        raise BundleError(problems)
    return Source(files, published, readers, hashlib.sha256(content).digest())


def _read(texts: Mapping[str, str], readers: Mapping[str, Reader], problems: list[Problem]) -> dict[str, Any]:
    """Every file that is there, by itself."""
    paths = frozenset(ALL_PATHS.values())
    for path in sorted(texts.keys() - paths):
        near = closest(path, paths) or "remove it, or move its content to a file that is read"
        problems.append(Problem(path, None, "", "is not a file of a bundle", near))
    required = PATHS.keys() | (STATEMENT_PATHS.keys() if STATEMENT_PATHS["statement"] in texts else set())
    values: dict[str, Any] = {}
    for name, path in ALL_PATHS.items():
        if path in texts:
            values[name] = readers[name].read(texts[path], SHAPES[name])
        elif name in required:
            problems.append(Problem(path, None, "", "is missing", "add it, as in the sample bundle"))
    return values
