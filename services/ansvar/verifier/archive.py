"""Reading a zip archive that a stranger made, without believing what it says of itself.

Invariants: nothing is ever written to disk; bytes are counted as they come out, whatever the headers promise;
names are plain relative paths, each there once. The form is narrower than zip, so that two readers see the
same files: one disk, no comments, no encryption, no Zip64, no extra fields, plain files only, stored or
deflated; each header stands twice and says the same; and from the first byte to the last there is nothing
but the files one after the other, their list and its end (APPNOTE 4.3).

Not handled here: which files have to be there (`manifest`), what is in them (`evidence`).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from errno import EINVAL
from pathlib import Path
from typing import IO, Final

from ansvar.ledger.errors import Malformed

MAX_BYTES: Final = 1 << 30  # of the archive, and of all its files together
MAX_FILES: Final = 65_535  # as many as a zip without Zip64 can have
_MAX_DIRECTORY: Final = 8 << 20  # bytes of the list of files; the longest names of a bundle have 71
_WHAT: Final = "evidence bundle"
_END: Final = struct.Struct("<4s4H2LH")  # end of central directory, APPNOTE 4.3.16
_LOCAL: Final = struct.Struct("<4s2B4H3L2H")  # header before a file, APPNOTE 4.3.7
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_LOCATOR_SIZE: Final = 20
_NAME: Final = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,100}(?:/(?!\.)[A-Za-z0-9_.-]{1,100}){0,7}")
_UTF8_NAME: Final = 0x800  # the only flag that may be set
_DOS_PLAIN: Final = 0x21  # attributes of a plain file: read-only, to be archived
_PIECE: Final = 1 << 16
# What the standard library raises for archives that are damaged, or made to be.
_DAMAGE: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError),
    *(NotImplementedError, RuntimeError, ValueError),
)


class NotEvidence(Malformed):
    """The file is no evidence bundle that this version reads: another thing than one that does not hold."""


class Archive:
    """The files of an archive by name."""

    def __init__(self, file: IO[bytes], listed: zipfile.ZipFile) -> None:
        self._file = file
        self._left = MAX_BYTES
        self._files: dict[str, zipfile.ZipInfo] = {}
        for info in listed.infolist():
            self._files[_checked(info, self._files)] = info
        _check_places(file, list(self._files.values()), listed.start_dir)

    @property
    def names(self) -> frozenset[str]:
        """Every file there is."""
        return frozenset(self._files)

    def read(self, name: str, limit: int) -> bytes:
        """One file of at most `limit` bytes. Raises Malformed, naming it."""
        return b"".join(self._pieces(name, limit))

    def sha256(self, name: str, limit: int) -> bytes:
        """The hash of a file of at most `limit` bytes, which is never held whole. Raises Malformed."""
        hashed = hashlib.sha256()
        for piece in self._pieces(name, limit):
            hashed.update(piece)
        return hashed.digest()

    def _pieces(self, name: str, limit: int) -> Iterator[bytes]:
        info = self._files.get(name)
        if info is None:
            raise Malformed(_WHAT, name, "the file is missing")
        if info.file_size > limit:
            raise Malformed(_WHAT, name, f"more than {limit} bytes")
        if info.file_size > self._left:
            raise Malformed(_WHAT, name, f"over {MAX_BYTES} bytes in all")
        self._left -= info.file_size
        try:
            yield from _content(self._file, info)
        except (zlib.error, EOFError, OSError) as error:
            raise Malformed(_WHAT, name, f"cannot be unpacked ({_cause(error)})") from error


def regular(path: Path) -> IO[bytes]:
    """Open a regular file for reading. Raises OSError, also for a pipe or a device, and waits for none."""
    file = open(path, "rb", opener=_not_waiting)  # noqa: SIM115 - the caller's; Path has no opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(EINVAL, "not a regular file")
    return file


def _not_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has neither the flag nor the pipes


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """The archive in a file. Raises NotEvidence where the file is none, or one of another form."""
    with ExitStack() as closing:
        try:
            file = closing.enter_context(regular(path))
            count = _check_end(file)
            listed = closing.enter_context(zipfile.ZipFile(file))
            archive = Archive(file, listed)
        except _DAMAGE as error:
            raise NotEvidence(
                _WHAT, path.name, f"cannot be read as a zip archive ({_cause(error)})"
            ) from error
        if len(archive.names) != count:
            raise NotEvidence(_WHAT, "archive", f"lists {len(archive.names)} files and counts {count}")
        yield archive


def _check_end(file: IO[bytes]) -> int:
    """How many files there are, by the record at the very end of the file."""
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
    return int(files)


def _checked(info: zipfile.ZipInfo, before: dict[str, zipfile.ZipInfo]) -> str:
    """The name of a file that may be read."""
    name = info.orig_filename
    if not _NAME.fullmatch(name) or name != info.filename:
        raise NotEvidence(_WHAT, repr(name[:80]), "not a name that a bundle's file can have")
    if name in before:
        raise NotEvidence(_WHAT, name, "the name is there twice")
    if len(before) >= MAX_FILES:
        raise NotEvidence(_WHAT, "archive", f"more than {MAX_FILES} files")
    if info.flag_bits & ~_UTF8_NAME or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotEvidence(_WHAT, name, "is encrypted, or packed by another method than deflate")
    sort, dos = stat.S_IFMT(info.external_attr >> 16), info.external_attr & 0xFFFF
    if info.extra or info.comment or info.volume or sort not in (0, stat.S_IFREG) or dos & ~_DOS_PLAIN:
        raise NotEvidence(_WHAT, name, "has extra fields, or is another thing than a plain file")
    return name


def _check_places(file: IO[bytes], infos: list[zipfile.ZipInfo], end: int) -> None:
    """The files stand one after the other up to their list, each behind the header that the list repeats."""
    at = 0
    for info in sorted(infos, key=lambda one: one.header_offset):
        name = info.filename.encode()
        file.seek(at)
        header = file.read(_LOCAL.size + len(name))
        if info.header_offset != at or header != _local(info, header, name):
            raise NotEvidence(_WHAT, info.filename, "the archive and its list of files do not agree on it")
        at += len(header) + info.compress_size
    if at != end:
        raise NotEvidence(_WHAT, "archive", "has bytes that belong to no file")


def _local(info: zipfile.ZipInfo, header: bytes, name: bytes) -> bytes:
    """The header that a file must have, but for its time, which no reader needs."""
    return (
        _LOCAL.pack(
            b"PK\x03\x04",
            info.extract_version,
            info.reserved,
            info.flag_bits,
            info.compress_type,
            *struct.unpack_from("<2H", header.ljust(_LOCAL.size), 10),
            info.CRC,
            info.compress_size,
            info.file_size,
            len(name),
            0,
        )
        + name
    )


def _content(file: IO[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
    """A file in pieces. Raises zlib.error unless it ends where, and is what, its header says.

    `ZipFile.open` would cut longer content off unseen, where another reader takes all of it.
    """
    size = crc = 0
    for piece in _unpacked(file, info):
        size += len(piece)
        if size > info.file_size:
            break
        crc = zlib.crc32(piece, crc)
        yield piece
    if size != info.file_size or crc != info.CRC:
        raise zlib.error("not of the size and checksum that are stated")


def _unpacked(file: IO[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
    file.seek(info.header_offset + _LOCAL.size + len(info.filename))
    left = info.compress_size
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    while left:
        packed = file.read(min(left, _PIECE))
        left -= len(packed)
        if not packed:
            raise EOFError
        if info.compress_type == zipfile.ZIP_STORED:
            yield packed
            continue
        while packed:
            yield unpacker.decompress(packed, _PIECE)
            packed = unpacker.unconsumed_tail
            if unpacker.unused_data:
                raise zlib.error("bytes after the end")
    if info.compress_type == zipfile.ZIP_DEFLATED:
        yield unpacker.flush()
        if not unpacker.eof:
            raise zlib.error("cut off")


def _cause(error: BaseException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
