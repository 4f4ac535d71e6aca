"""The data directory: names that others rely on, and nobody else's to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansvar.directory import DataDirectory
from ansvar.keyfiles import KeyFileError


def test_names_are_frozen(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    parts = ("kafka", "clickhouse", "vault", "keys", "logs", "lock", "stack")
    assert {part: getattr(directory, part).relative_to(tmp_path.resolve()).as_posix() for part in parts} == {
        "kafka": "kafka",
        "clickhouse": "clickhouse",
        "vault": "vault.db",
        "keys": "keys",
        "logs": "logs",
        "lock": "stack.lock",
        "stack": "stack.json",
    }


def test_made_for_its_owner_alone(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "new" / "data")
    assert not (tmp_path / "new").exists()
    directory.make()
    directory.make()
    made = [directory.path, *directory.path.iterdir()]
    assert {path.name for path in made[1:]} == {"clickhouse", "keys", "logs"}
    assert {path.stat().st_mode & 0o777 for path in made} == {0o700}


def test_an_open_directory_is_refused(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    directory.make()
    directory.keys.chmod(0o750)
    with pytest.raises(KeyFileError, match=f"chmod 700 {directory.keys}"):
        directory.make()


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.odt").touch()
    with pytest.raises(KeyFileError, match="holds other files"):
        DataDirectory(tmp_path).make()
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.odt"]


def test_what_we_made_may_hold_other_things_too(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    directory.make()
    (directory.path / "notes.txt").touch()
    directory.make()


def test_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyFileError, match="cannot make the directory"):
        DataDirectory(tmp_path / "file" / "data").make()


def test_home_and_links_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert DataDirectory(Path("~/link")).path == (tmp_path / "real").resolve()
    monkeypatch.chdir(tmp_path)
    assert DataDirectory(Path("data")).path == tmp_path.resolve() / "data"
