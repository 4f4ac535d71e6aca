"""From a bundle's files to a Bundle.

Invariants: loading from canonical bytes is the primitive, loading a directory is that of its canonical form,
so a bundle taken from a store and one read from disk are the same bundle; either a whole Bundle is returned
or BundleError is raised with every problem found. Problems come in two stages: what one file says by itself
(all files), then what the files say of each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from ansvar.policy.bundle import Bundle
from ansvar.policy.canonical import canonical, decode
from ansvar.policy.check import check
from ansvar.policy.compile import compile_bundle
from ansvar.policy.document import Reader, closest
from ansvar.policy.errors import BundleError, Problem
from ansvar.policy.shapes import PATHS, Files


def load_bundle(path: Path) -> Bundle:
    """The bundle in a directory. Raises BundleError."""
    return bundle_from_bytes(canonical(path))


def bundle_from_bytes(content: bytes) -> Bundle:
    """The bundle whose canonical form is `content`; `sha256` is its hash. Raises BundleError."""
    texts = decode(content)
    problems: list[Problem] = []
    files, readers = _read(texts, problems)
    if files is not None:
        check(files, readers)
    if files is None or problems:
        raise BundleError(problems)
    return compile_bundle(files, hashlib.sha256(content).digest())


def _read(texts: Mapping[str, str], problems: list[Problem]) -> tuple[Files | None, dict[str, Reader]]:
    """Every file by itself. Files is None if one of them has a problem."""
    for path in sorted(texts.keys() - PATHS.values()):
        near = (
            closest(path, frozenset(PATHS.values()))
            or "remove it, or move its content to a file that is read"
        )
        problems.append(Problem(path, None, "", "is not a file of a bundle", near))
    shapes = get_type_hints(Files)
    readers = {name: Reader(path, problems) for name, path in PATHS.items()}
    values: dict[str, Any] = {}
    for name, path in PATHS.items():
        if path not in texts:
            problems.append(Problem(path, None, "", "is missing", "add it, as in the sample bundle"))
        else:
            values[name] = readers[name].read(texts[path], shapes[name])
    return (None, readers) if problems else (Files(**values), readers)
