"""`ansvar ingest` as a person runs it: totals, what is said of bad lines, and exit codes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from ansvar.cli import ingest as command
from ansvar.cli.lines import numbered_lines
from ansvar.cli.lines import opened as command_opened
from ansvar.cli.program import run
from ansvar.directory import DataDirectory
from ansvar.embedded.filelock import FileLock
from ansvar.enforcement.wiring import open_store
from ansvar.settings import settings
from ansvar.store.verify import verify_store
from records import roots

GOOD = {
    "kind": "processing",
    "occurred_at": "2026-03-02T14:00:00+01:00",
    "system": "crm",
    "subject": {"type": "customer_number", "value": "K-4711"},
    "operation": "store",
    "purpose": "legal_obligation",
    "legal_basis": "legal_obligation",
    "data_categories": ["name"],
}


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """The command sets up the process's logging; leave it as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def written(path: Path, *lines: dict[str, Any] | str) -> Path:
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines) + "\n")
    return path


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {**GOOD, "event_id": f"01890000-0000-7000-8000-{number:012}", **changes}


def ingest(file: Path | str, data: Path) -> int:
    return run(["ingest", str(file), "--data-dir", str(data)])


def stored(data: Path) -> dict[int, tuple[int, bytes]]:
    store = open_store(DataDirectory(data), settings())
    try:
        assert [report.faults for report in verify_store(store, {})] == [()] * len(roots(store))
        return roots(store)
    finally:
        store.close()


def test_a_file_and_the_same_again(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path / "events.jsonl", event(1), "", event(2))
    assert ingest(file, data) == 0
    assert capsys.readouterr().out == "ingested 2 rows; 0 lines refused; 0 lines were known\n"
    before = stored(data)
    assert sum(count for count, _ in before.values()) == 3
    assert ingest(file, data) == 0
    assert capsys.readouterr().out == "ingested 0 rows; 0 lines refused; 2 lines were known\n"
    assert stored(data) == before


def test_bad_lines_are_named_and_the_rest_is_kept(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(
        tmp_path / "events.jsonl", event(1), "{", event(2, operation="SECRET 1"), event(1, system="x")
    )
    assert ingest(file, data) == 2
    said = capsys.readouterr()
    assert said.out == "ingested 4 rows; 3 lines refused; 0 lines were known\n"
    first, second, third = said.err.splitlines()
    assert first.startswith("line 2: found no JSON")
    assert second.startswith("line 3, field 'operation'")
    assert third.startswith("line 4: another event with the same event_id")
    assert "SECRET" not in said.err + (data / "logs" / "ansvar.log").read_text()


WRONG: list[tuple[Callable[[Path], str], str]] = [
    (lambda path: str(path / "missing.jsonl"), "cannot read"),
    (lambda path: str(path), "cannot read"),
    (lambda _: "-", "reads its lines several times"),
]


@pytest.mark.parametrize(("file", "said"), WRONG)
def test_wrong_use(
    tmp_path: Path,
    data: Path,
    file: Callable[[Path], str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    monkeypatch.setattr(command, "opened", _from(Pipe(b"{}"), command_opened))
    assert ingest(file(tmp_path), data) == 2
    assert said in capsys.readouterr().err


def _from(pipe: io.BytesIO, real: Callable[[str], Any]) -> Callable[[str], Any]:
    """Standard input is this pipe; files are as they are."""
    return lambda file: nullcontext(pipe) if file == "-" else real(file)


def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "events.jsonl", event(1))

    def growing(*given: Any) -> Iterator[tuple[int, bytes]]:
        with file.open("a") as more:
            more.write(json.dumps(event(2)) + "\n")
        return numbered_lines(*given)

    monkeypatch.setattr(command, "numbered_lines", growing)
    assert ingest(file, data) == 2
    assert "changed while it was read" in capsys.readouterr().err


def test_a_directory_in_use(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = DataDirectory(data)
    directory.make()
    lock = FileLock(directory.lock)
    assert lock.try_acquire()
    try:
        assert ingest(written(tmp_path / "events.jsonl", event(1)), data) == 2
    finally:
        lock.release()
    assert "is in use by process" in capsys.readouterr().err
