"""Reading a zip archive that a stranger made, without believing what it says of itself.

Invariants: nothing is ever written to disk; bytes are counted as they come out, whatever the headers promise;
names are plain relative paths, each there once. The form is narrower than zip: one disk, no comments, no
encryption, no Zip64, stored or deflated, and no byte outside the archive, so two readers see the same files.

Not handled here: which files have to be there (`manifest`), what is in them (`evidence`).
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

from ansvar.ledger.errors import Malformed

MAX_BYTES: Final = 1 << 30  # of the archive, and of all its files together
MAX_FILES: Final = 65_535  # as many as a zip without Zip64 can have
_MAX_DIRECTORY: Final = 16 << 20  # bytes of the list of files
_WHAT: Final = "evidence bundle"
_END: Final = struct.Struct("<4s4H2LH")  # end of central directory, APPNOTE 4.3.16
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_LOCATOR_SIZE: Final = 20
_NAME: Final = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,100}(?:/(?!\.)[A-Za-z0-9_.-]{1,100}){0,7}")
_ENCRYPTED: Final = 0x1
# What the standard library raises for archives that are damaged, or made to be.
_DAMAGE: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError),
    *(NotImplementedError, RuntimeError, ValueError),
)


class NotEvidence(Malformed):
    """The file is no evidence bundle that this version reads: another thing than one that does not hold."""


class Archive:
    """The files of an archive by name."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._opened = opened
        self._left = MAX_BYTES
        self._files: dict[str, zipfile.ZipInfo] = {}
        for info in opened.infolist():
            self._files[_checked(info, self._files)] = info

    @property
    def names(self) -> frozenset[str]:
        """Every file there is."""
        return frozenset(self._files)

    def read(self, name: str, limit: int) -> bytes:
        """One file of at most `limit` bytes. Raises Malformed, naming it."""
        info = self._files.get(name)
        if info is None:
            raise Malformed(_WHAT, name, "the file is missing")
        allowed = min(limit, self._left)
        try:
            with self._opened.open(info) as stream:
                data = stream.read(allowed + 1)
                if len(data) <= allowed and stream.read(1):  # also has the checksum compared
                    data += b"\0" * (allowed + 1)
        except _DAMAGE as error:
            raise Malformed(_WHAT, name, f"cannot be unpacked ({_cause(error)})") from error
        if len(data) > allowed:
            problem = f"more than {limit} bytes" if allowed == limit else f"over {MAX_BYTES} bytes in all"
            raise Malformed(_WHAT, name, problem)
        self._left -= len(data)
        return data


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """The archive in a file. Raises NotEvidence where the file is none, or one of another form."""
    with ExitStack() as closing:
        try:
            file = closing.enter_context(path.open("rb"))
            _check_end(file)
            archive = Archive(closing.enter_context(zipfile.ZipFile(file)))
        except _DAMAGE as error:
            raise NotEvidence(
                _WHAT, path.name, f"cannot be read as a zip archive ({_cause(error)})"
            ) from error
        yield archive


def _check_end(file: IO[bytes]) -> None:
    """The record at the very end of the file, which says how much there is to be listed."""
    size = file.seek(0, 2)
    if size > MAX_BYTES:
        raise NotEvidence(_WHAT, "archive", f"more than {MAX_BYTES} bytes")
    if size < _END.size:
        raise NotEvidence(_WHAT, "archive", "too short for a zip archive; was it cut off?")
    file.seek(max(0, size - _END.size - _LOCATOR_SIZE))
    tail = file.read()
    mark, disk, first_disk, here, files, length, start, comment = _END.unpack(tail[-_END.size :])
    if mark != b"PK\x05\x06" or comment:
        raise NotEvidence(
            _WHAT, "archive", "does not end like a zip archive without comment; was it cut off?"
        )
    if tail.startswith(_ZIP64_LOCATOR) or disk or first_disk or here != files:
        raise NotEvidence(_WHAT, "archive", "is in Zip64 form or in several parts")
    if length > _MAX_DIRECTORY or start + length + _END.size != size:
        raise NotEvidence(_WHAT, "archive", "its list of files is too long, or not where it should be")
    file.seek(0)


def _checked(info: zipfile.ZipInfo, before: dict[str, zipfile.ZipInfo]) -> str:
    """The name of a file that may be read."""
    name = info.orig_filename
    if not _NAME.fullmatch(name) or name != info.filename:
        raise NotEvidence(_WHAT, repr(name[:80]), "not a name that a bundle's file can have")
    if name in before:
        raise NotEvidence(_WHAT, name, "the name is there twice")
    if len(before) >= MAX_FILES:
        raise NotEvidence(_WHAT, "archive", f"more than {MAX_FILES} files")
    if info.flag_bits & _ENCRYPTED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotEvidence(_WHAT, name, "is encrypted, or packed by another method than deflate")
    return name


def _cause(error: BaseException) -> str:
    return type(error).__name__
