"""Anchor files: one note an hour a chain and one at the end, whole even on a full disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansvar.enforcement.anchoring import EVERY_MS, Anchors
from ansvar.keyfiles import KeyFileError
from ansvar.ledger import anchor_file
from ansvar.ledger.checkpoint import open_checkpoint
from ansvar.store.checkpoints import Stored
from records import log_signer

AT = 1_800_000_000_000


def stored(size: int, after: int, chain: int = 0) -> Stored:
    at = AT + after
    note = log_signer().sign(chain, size, bytes(32), at // 1000).encode()
    return Stored(chain, size, at, True, note)


def sizes(directory: Path, chain: int = 0) -> list[int]:
    return sizes_of(anchor_file.read((directory / f"log-{chain}.txt").read_bytes()), chain)


def sizes_of(notes: list[bytes], chain: int = 0) -> list[int]:
    signer = log_signer()
    return [
        open_checkpoint(note, signer.public(chain), origin=signer.origin(chain)).checkpoint.size
        for note in notes
    ]


def test_one_an_hour_and_one_at_the_end(tmp_path: Path) -> None:
    directory = tmp_path / "anchors"
    anchors = Anchors(directory)
    anchors.take([])
    anchors.flush()
    assert not directory.exists()
    for size, after in ((1, 0), (2, 10), (3, EVERY_MS - 1), (4, EVERY_MS), (5, EVERY_MS + 1)):
        anchors.take([stored(size, after)])
    assert sizes(directory) == [1, 4]
    for _ in range(2):
        anchors.flush()
        assert sizes(directory) == [1, 4, 5]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_chains_have_files_of_their_own(tmp_path: Path) -> None:
    anchors = Anchors(tmp_path / "anchors")
    anchors.take([stored(1, 0), stored(7, 0, chain=1)])
    anchors.take([stored(2, EVERY_MS), stored(8, 1, chain=1)])
    assert (sizes(tmp_path / "anchors"), sizes(tmp_path / "anchors", 1)) == ([1, 2], [7])
    anchors.flush()
    assert (sizes(tmp_path / "anchors"), sizes(tmp_path / "anchors", 1)) == ([1, 2], [7, 8])


def test_a_new_start_appends(tmp_path: Path) -> None:
    for size in (1, 2, 3):
        Anchors(tmp_path / "anchors").take([stored(size, size)])
    assert sizes(tmp_path / "anchors") == [1, 2, 3]


def test_two_of_one_chain_at_once(tmp_path: Path) -> None:
    anchors = Anchors(tmp_path / "anchors")
    anchors.take([stored(1, 0), stored(2, 0)])
    anchors.flush()
    assert sizes(tmp_path / "anchors") == [1, 2]


@pytest.mark.parametrize("before", [0, 1])
def test_a_disk_that_is_full_leaves_whole_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    directory = tmp_path / "anchors"
    anchors = Anchors(directory)
    for size in range(before):
        anchors.take([stored(size, 0)])
    real = os.fsync

    def full(descriptor: int) -> None:
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - 100)  # part of it is there
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match=r"cannot write .*log-0\.txt: No space left"):
        anchors.take([stored(7, EVERY_MS)])
    assert sizes(directory) == list(range(before))
    monkeypatch.setattr(os, "fsync", real)
    anchors.flush()
    assert sizes(directory) == [*range(before), 7]


def test_a_directory_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "anchors").mkdir()
    (tmp_path / "anchors").chmod(0o755)
    with pytest.raises(KeyFileError, match="chmod 700"):
        Anchors(tmp_path / "anchors").take([stored(1, 0)])
    assert list((tmp_path / "anchors").iterdir()) == []


def test_a_file_in_the_way_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "anchors").mkdir(mode=0o700)
    (tmp_path / "anchors" / "log-0.txt").mkdir()
    with pytest.raises(KeyFileError, match="cannot write"):
        Anchors(tmp_path / "anchors").take([stored(1, 0)])


@pytest.mark.parametrize("left", [1, 40, 200, -1])
def test_what_a_crash_left_of_a_note_is_cut_off(tmp_path: Path, left: int) -> None:
    anchors = Anchors(tmp_path / "anchors")
    anchors.take([stored(1, 0), stored(2, 0)])
    anchors.take([stored(3, EVERY_MS)])
    anchors.take([stored(4, 2 * EVERY_MS)])
    file = tmp_path / "anchors" / "log-0.txt"
    whole = file.read_bytes()
    notes, _ = anchor_file.decode(whole)
    file.write_bytes(whole[: len(whole) - len(anchor_file.encode(notes[-1]))] + notes[-1][:left])
    before = [*sizes_of(notes[:-1])]
    newest = Anchors(tmp_path / "anchors").newest(0)
    assert newest is not None
    assert newest.size == before[-1]
    Anchors(tmp_path / "anchors").take([stored(9, 3 * EVERY_MS)])
    assert sizes(tmp_path / "anchors") == [*before, 9]


def test_there_is_no_newest_without_a_file(tmp_path: Path) -> None:
    assert Anchors(tmp_path / "anchors").newest(0) is None
