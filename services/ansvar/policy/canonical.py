"""The canonical form of a bundle: one byte string for its files, and so one hash.

Invariants: the form is the RFC 8785 JSON object {path relative to the bundle, with `/`: text of the file} of
its *.yaml files; two bundles have the same form only if they have the same files with the same text, so the
SHA-256 of the form names the bundle; decoding accepts the canonical form alone, never another spelling of it.
Nothing outside the directory is read (no symbolic links), nothing that is not text, nothing huge.

Not handled here: what the files say (`document`, `compile`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ansvar.policy.errors import BundleError, Problem

MAX_FILE_BYTES = 1 << 20
MAX_FILES = 100
# A decoded form has at most MAX_FILES files; JSON escapes lengthen a text, so this is a bound, not a promise.
MAX_CANONICAL_BYTES = 16 << 20

# ASCII paths sort alike by code point and by UTF-16 code unit, which is the order of RFC 8785 section 3.2.3.
_PATH = re.compile(r"(?:[a-z0-9_][a-z0-9_-]*/)*[a-z0-9_][a-z0-9_-]*\.yaml")


def canonical(path: Path) -> bytes:
    """The canonical form of the bundle in a directory. Raises BundleError if it cannot be read safely."""
    return encode(read_directory(path))


def encode(files: Mapping[str, str]) -> bytes:
    """RFC 8785 for an object of strings: sorted members, no spaces, UTF-8, the shortest escapes."""
    return json.dumps(dict(files), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def decode(content: bytes) -> dict[str, str]:
    """The files of a canonical form. Raises BundleError for anything else, however close."""
    if len(content) > MAX_CANONICAL_BYTES:
        raise BundleError(
            [_whole(f"the content has more than {MAX_CANONICAL_BYTES} bytes", "split the bundle")]
        )
    try:
        files = msgspec.json.decode(content, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BundleError(
            [
                _whole(
                    "the content is not a JSON object of file texts",
                    "give the bytes that `canonical` returns",
                )
            ]
        ) from None
    if encode(files) != content:
        raise BundleError(
            [
                _whole(
                    "the content is JSON but not in RFC 8785 form", "give the bytes that `canonical` returns"
                )
            ]
        )
    problems = [problem for name, text in files.items() for problem in _unfit(name, len(text.encode()))]
    if len(files) > MAX_FILES:
        problems.append(_whole(f"{len(files)} files, more than {MAX_FILES}", "split the bundle"))
    if problems:
        raise BundleError(problems)
    return files


def read_directory(path: Path) -> dict[str, str]:
    """The texts of a bundle's *.yaml files by relative path; names that begin with a dot are passed over."""
    if not path.is_dir():
        raise BundleError(
            [_whole("the bundle is not a directory", "give the directory that has bundle.yaml in it")]
        )
    if not (path / "bundle.yaml").exists():
        raise BundleError(
            [
                _whole(
                    "the directory has no bundle.yaml", "give the directory of a bundle, or copy the sample's"
                )
            ]
        )
    problems: list[Problem] = []
    files: dict[str, str] = {}
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(folder)
        for name in (*folders, *sorted(names)):
            if name.startswith("."):
                continue
            relative = (here / name).relative_to(path).as_posix()
            if (here / name).is_symlink():
                problems.append(
                    Problem(relative, None, "", "is a symbolic link", "put the file itself into the bundle")
                )
            elif name.endswith(".yml"):
                problems.append(Problem(relative, None, "", "would not be read", "rename it to .yaml"))
            elif name.endswith(".yaml") and name not in folders:
                _read(here / name, relative, files, problems)
    if len(files) > MAX_FILES:
        problems.append(_whole(f"{len(files)} files, more than {MAX_FILES}", "split the bundle"))
    if problems:
        raise BundleError(problems)
    return files


def _read(path: Path, relative: str, files: dict[str, str], problems: list[Problem]) -> None:
    if not path.is_file():  # opening a named pipe would wait for a writer
        problems.append(Problem(relative, None, "", "is not a plain file", "put a file in its place"))
        return
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        problems.append(
            Problem(relative, None, "", f"cannot be read ({why})", "check the file's permissions")
        )
        return
    unfit = _unfit(relative, len(content))
    problems.extend(unfit)
    if unfit:
        return
    try:
        files[relative] = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(Problem(relative, line, "", "is not UTF-8", "save the file with the encoding UTF-8"))


def _unfit(name: str, size: int) -> list[Problem]:
    """What forbids a file by its name or size."""
    problems = []
    if not _PATH.fullmatch(name):
        problems.append(
            Problem(
                name,
                None,
                "",
                "has a name that a bundle cannot hold",
                "use a-z, 0-9, _ and -, and end in .yaml",
            )
        )
    if size > MAX_FILE_BYTES:
        problems.append(
            Problem(
                name, None, "", f"is larger than {MAX_FILE_BYTES} bytes", "keep a bundle file below that size"
            )
        )
    return problems


def _whole(message: str, remedy: str) -> Problem:
    return Problem("", None, "", message, remedy)
