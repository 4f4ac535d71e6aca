"""Reading zip archives that were made to do harm: each is refused with one clear error."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansvar.ledger.errors import LedgerError, Malformed
from ansvar.verifier import archive as archives
from ansvar.verifier.archive import NotEvidence, opened

END = struct.Struct("<4s4H2LH")


def zipped(*files: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return packed.getvalue()


GOOD = zipped(("a/b.txt", b"text" * 100), ("c", b""))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def written(content: bytes) -> Path:
        path = tmp_path / "case.zip"
        path.write_bytes(content)
        return path

    return written


def with_end(data: bytes, **changes: int) -> bytes:
    """The archive with another record at its end."""
    names = ("mark", "disk", "first_disk", "here", "files", "length", "start", "comment")
    fields = dict(zip(names, END.unpack(data[-END.size :]), strict=True)) | changes
    return data[: -END.size] + END.pack(*fields.values())


def test_files_are_read_by_name(write: Callable[[bytes], Path]) -> None:
    with opened(write(GOOD)) as archive:
        assert archive.names == {"a/b.txt", "c"}
        assert archive.read("a/b.txt", 400) == b"text" * 100
        assert archive.read("c", 0) == b""
        with pytest.raises(Malformed, match=r"a/b\.txt: more than 399 bytes"):
            archive.read("a/b.txt", 399)
        with pytest.raises(Malformed, match="gone: the file is missing"):
            archive.read("gone", 1)


@pytest.mark.parametrize(
    "name",
    [
        *("../a", "a/../b", "/a", "a//b", "a/", "./a", "a/.b", "..", "C:\\a", "a\\b", "a b", "å", "a\nb", ""),
        *("a" * 101, "/".join("a" * 9), "a/./b"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str, write: Callable[[bytes], Path]) -> None:
    with (
        pytest.raises(NotEvidence, match="not a name that a bundle's file can have"),
        opened(write(zipped((name, b"x")))),
    ):
        pass


def test_a_name_that_ends_at_a_nul_is_refused(write: Callable[[bytes], Path]) -> None:
    data = zipped(("abXtail", b"x")).replace(b"abXtail", b"ab\0tail")
    with pytest.raises(NotEvidence, match="not a name"), opened(write(data)):
        pass


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(write: Callable[[bytes], Path]) -> None:
    with pytest.raises(NotEvidence, match="twice"), opened(write(zipped(("a", b"1"), ("a", b"2")))):
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no archive at all, but long enough for one",
        GOOD[:-1],
        GOOD[: len(GOOD) // 2],
        GOOD + b"\0",
        b"before" + GOOD,
        with_end(GOOD, comment=7) + b"comment",
        with_end(GOOD, files=65_535),
        with_end(GOOD, files=65_535, here=65_535, length=0xFFFFFFFF, start=0xFFFFFFFF),
        with_end(GOOD, disk=1),
        with_end(GOOD, length=1 << 30),
        with_end(GOOD, start=0),
        zipped(("a", b"x"), compression=zipfile.ZIP_LZMA),
    ],
    ids=[
        *("empty", "text", "cut at its end", "cut in half", "byte behind", "bytes before", "comment"),
        *("other count", "Zip64", "several parts", "huge list", "list elsewhere", "other method"),
    ],
)
def test_another_form_of_archive_is_refused(data: bytes, write: Callable[[bytes], Path]) -> None:
    with pytest.raises(NotEvidence), opened(write(data)):
        pass


def test_an_encrypted_file_is_refused(write: Callable[[bytes], Path]) -> None:
    data = bytearray(zipped(("a", b"x")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(NotEvidence, match="encrypted"), opened(write(bytes(data))):
        pass


def test_too_many_files_are_refused(write: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 1)
    with pytest.raises(NotEvidence, match="more than 1 files"), opened(write(GOOD)):
        pass


def test_a_directory_that_lists_one_file_without_end_is_refused(write: Callable[[bytes], Path]) -> None:
    data = zipped(("a", b"x"))
    start = data.index(b"PK\x01\x02")
    entry = data[start : -END.size]
    count = 66_000
    listed = data[:start] + entry * count + data[-END.size :]
    with pytest.raises(NotEvidence), opened(write(with_end(listed, length=len(entry) * count))):
        pass


def test_a_bomb_is_counted_as_it_comes_out(write: Callable[[bytes], Path]) -> None:
    path = write(zipped(("bomb", bytes(60 << 20))))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with opened(path) as archive, pytest.raises(Malformed, match="bomb: more than 65535 bytes"):
            archive.read("bomb", 65_535)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_size_that_lies_is_refused(write: Callable[[bytes], Path]) -> None:
    data = bytearray(zipped(("a", b"text" * 100)))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + place
        data[at : at + 4] = struct.pack("<L", 4)
    with opened(write(bytes(data))) as archive, pytest.raises(Malformed, match="cannot be unpacked"):
        archive.read("a", 1000)


def test_all_files_together_are_limited(
    write: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(GOOD)
    monkeypatch.setattr(archives, "MAX_BYTES", 700)
    with opened(path) as archive:
        archive.read("a/b.txt", 500)
        with pytest.raises(Malformed, match="over 700 bytes in all"):
            archive.read("a/b.txt", 500)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotEvidence, match="No such file"), opened(tmp_path / "no.zip"):
        pass


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(NotEvidence, match="not a regular file"), opened(path):
            pass


def entry(**fields: bytes | int) -> bytes:
    """The archive of one file with other fields than its own."""
    info = zipfile.ZipInfo("a")
    for name, value in fields.items():
        setattr(info, name, value)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(info, b"x")
    return packed.getvalue()


@pytest.mark.parametrize("mode", [0, 0o644, 0o100644])
def test_a_plain_file_is_read_whoever_packed_it(mode: int, write: Callable[[bytes], Path]) -> None:
    with opened(write(entry(external_attr=mode << 16 | 0x20))) as archive:
        assert archive.read("a", 1) == b"x"


@pytest.mark.parametrize(
    "data",
    [
        entry(extra=struct.pack("<HHBL", 0x7075, 6, 1, 0) + b"b"),
        entry(comment=b"c"),
        *(entry(external_attr=mode << 16) for mode in (0o120777, 0o040755, 0o020666, 0o010666)),
        *(entry(external_attr=dos) for dos in (0x10, 0x08, 0x400)),
    ],
    ids=["other name", "comment", "symlink", "folder", "device", "pipe", "DOS folder", "volume", "DOS link"],
)
def test_what_other_readers_take_for_something_else_is_refused(
    data: bytes, write: Callable[[bytes], Path]
) -> None:
    with pytest.raises(NotEvidence, match="extra fields, or is another thing"), opened(write(data)):
        pass


ONE = zipped(("a", b"text" * 9))


@pytest.mark.parametrize("bit", [0, 1, 3, 5, 6, 13])
@pytest.mark.parametrize("marks", [(b"PK\x01\x02",), (b"PK\x03\x04",), (b"PK\x01\x02", b"PK\x03\x04")])
def test_flags_are_refused(bit: int, marks: tuple[bytes, ...], write: Callable[[bytes], Path]) -> None:
    data = bytearray(ONE)
    for mark in marks:
        at = data.index(mark) + (8 if mark == b"PK\x01\x02" else 6)
        data[at : at + 2] = struct.pack("<H", 1 << bit)
    with pytest.raises(NotEvidence), opened(write(bytes(data))):
        pass


@pytest.mark.parametrize("at", [*range(4, 10), *range(14, 31)])
def test_a_file_s_own_header_says_what_the_list_says(at: int, write: Callable[[bytes], Path]) -> None:
    data = bytearray(ONE)
    data[at] ^= 1
    with pytest.raises(NotEvidence, match="do not agree"), opened(write(bytes(data))):
        pass


def test_bytes_between_the_files_are_refused(write: Callable[[bytes], Path]) -> None:
    start = ONE.index(b"PK\x01\x02")
    hidden = ONE[:start].replace(b"text", b"lies")
    for between in (b"\0", hidden):
        data = with_end(ONE[:start] + between + ONE[start:], start=start + len(between))
        with pytest.raises(NotEvidence, match="bytes that belong to no file"), opened(write(data)):
            pass


def test_files_that_share_their_bytes_are_refused(write: Callable[[bytes], Path]) -> None:
    data = bytearray(zipped(("a", b"x"), ("b", b"x")))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[second + 42 : second + 46] = bytes(4)
    with pytest.raises(NotEvidence, match="do not agree"), opened(write(bytes(data))):
        pass


def test_content_longer_than_stated_is_not_cut_off_unseen(write: Callable[[bytes], Path]) -> None:
    """Size and checksum are those of the first four bytes, so that a reader that stops there is content."""
    data = bytearray(ONE)
    for mark, place in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        at = data.index(mark) + place
        data[at : at + 4] = struct.pack("<L", zlib.crc32(b"text"))
        data[at + 8 : at + 12] = struct.pack("<L", 4)
    with opened(write(bytes(data))) as archive, pytest.raises(Malformed, match="cannot be unpacked"):
        archive.read("a", 1000)


@given(content=st.binary(max_size=300) | st.integers(0, 300_000).map(lambda size: bytes(size)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_was_packed_comes_out(compression: int, content: bytes, write: Callable[[bytes], Path]) -> None:
    with opened(write(zipped(("a", content), compression=compression))) as archive:
        assert archive.read("a", len(content)) == content
        assert archive.sha256("a", len(content)) == hashlib.sha256(content).digest()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(edits=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_whatever_is_changed_there_is_one_sort_of_error(
    edits: list[tuple[int, int]], write: Callable[[bytes], Path]
) -> None:
    data = bytearray(GOOD)
    for at, value in edits:
        data[at] = value
    try:
        with opened(write(bytes(data))) as archive:
            contents = {name: archive.read(name, 1000) for name in archive.names}
    except LedgerError:
        return
    assert sum(map(len, contents.values())) <= 400
    assert all(len(content) in (0, 400) for content in contents.values())
