"""`keys`, `export-tiles` and `proof` as a person runs them, on an ingested ledger."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import tiled_logs
from ansvar.cli.program import run
from ansvar.ledger import anchor_file
from ansvar.ledger.canonical import leaf
from ansvar.ledger.checkpoint import open_checkpoint
from ansvar.ledger.notes import VerifierKey
from ansvar.ledger.position import MAX_PARTITIONS
from ansvar.ledger.statements import followed, split_notes
from ansvar.ledger.tlog_proof import TlogProof
from ansvar.ledger.trust import NO_WITNESSES

CHAIN = MAX_PARTITIONS  # of the first file, partition 0


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


@contextmanager
def own_logging() -> Iterator[None]:
    """A command sets up the process's logging; leave it as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)


def event(number: int) -> dict[str, Any]:
    return {
        "kind": "processing",
        "event_id": f"01890000-0000-7000-8000-{number:012}",
        "occurred_at": "2026-03-02T14:00:00+01:00",
        "system": "crm",
        "subject": {"type": "customer_number", "value": "K-4711"},
        "operation": "store",
        "purpose": "legal_obligation",
        "legal_basis": "legal_obligation",
        "data_categories": ["name"],
    }


def ingest(data: Path, file: Path, first: int, last: int) -> None:
    file.write_text("".join([json.dumps(event(number)) + "\n" for number in range(first, last)]))
    with own_logging(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANSVAR_CHAINS", "1")
        assert run(["ingest", str(file), "--data-dir", str(data)]) == 0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with 300 events of one ingested file."""
    directory = tmp_path_factory.mktemp("commands")
    ingest(directory / "data", directory / "events.jsonl", 1, 301)
    return directory / "data"


def vkeys(data: Path, chain: int = CHAIN) -> list[VerifierKey]:
    return [
        VerifierKey.parse((data / "keys" / f"log-{chain}.{end}").read_text().strip())
        for end in ("vkey", "mldsa.vkey")
    ]


class Command:
    """The commands in this process, and what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str], data: Path) -> None:
        self._capsys, self._data = capsys, data

    def __call__(self, *words: str | Path, code: int = 0, data: Path | None = None) -> tuple[str, str]:
        """(standard output, standard error) of a command that ends with this code."""
        self._capsys.readouterr()
        found = run([*map(str, words), "--data-dir", str(data or self._data)])
        said = self._capsys.readouterr()
        assert found == code, said.err
        return said.out, said.err

    def refused(self, *words: str | Path, data: Path | None = None) -> str:
        """The one line of a command that did nothing."""
        out, err = self(*words, code=2, data=data)
        lines = [line for line in err.splitlines() if line != "tiles and rows …"]
        assert (out, len(lines)) == ("", 1), err
        return lines[0]

    def listed(self) -> list[dict[str, Any]]:
        """What `keys list` prints of log keys."""
        out, _ = self("keys", "list", "--format", "json")
        return [row for line in out.splitlines() if (row := json.loads(line))["what"] == "log"]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], data: Path) -> Command:
    return Command(capsys, data)


def test_an_export_and_proofs_are_what_the_vkey_file_checks(
    command: Command, data: Path, tmp_path: Path
) -> None:
    said, _ = command("export-tiles", "--chain", str(CHAIN), tmp_path / "out")
    assert said.startswith("301 rows of ansvar/")
    head, entries = tiled_logs.read(lambda where: (tmp_path / "out" / where).read_bytes())
    assert (head.origin, head.size) == (vkeys(data)[0].name, 301)
    note = (tmp_path / "out" / "checkpoint").read_bytes()
    assert len(open_checkpoint(note, vkeys(data), origin=head.origin).signed) == 2
    assert b"K-4711" not in b"".join(entries)
    for seq in (0, 300):
        said, err = command("proof", "--chain", str(CHAIN), "--seq", str(seq))
        assert err == ""
        proof = TlogProof.parse(said.encode())
        proof.verify(leaf(entries[seq]), vkeys(data), NO_WITNESSES, head.origin)
        assert proof.index == seq
    said, _ = command("export-tiles", "--chain", str(CHAIN), tmp_path / "out")
    assert "; 1 files written to" in said
    anchored = anchor_file.read((data / "anchors" / f"log-{CHAIN}.txt").read_bytes())
    assert anchored == [note]


def test_wrong_use_is_one_line(command: Command, tmp_path: Path) -> None:
    refused, chain = command.refused, str(CHAIN)
    assert "chain 9 has no published checkpoint" in refused("proof", "--chain", "9", "--seq", "0")
    assert "no row 301" in refused("proof", "--chain", chain, "--seq", "301")
    assert "no row" in refused("proof", "--chain", chain, "--seq", str(2**70))
    assert "chain 9 has no published" in refused("export-tiles", "--chain", "9", tmp_path / "out")
    assert "--chain" in refused("export-tiles", "--chain", "-1", tmp_path / "out")
    assert "--chain" in refused("export-tiles", "--chain", str(2**32), tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    assert "holds something else" in refused("export-tiles", "--chain", chain, tmp_path / "mine")
    assert [entry.name for entry in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    said = refused("export-tiles", "--chain", chain, tmp_path / "mine" / "letter.txt")
    assert "cannot be used" in said


@pytest.mark.parametrize(
    "words",
    [
        ("proof", "--chain", "0", "--seq", "0"),
        ("export-tiles", "--chain", "0", "out"),
        ("keys", "list"),
        ("keys", "rotate"),
    ],
)
def test_without_a_ledger(command: Command, tmp_path: Path, words: tuple[str, ...]) -> None:
    named = [str(tmp_path / word) if word == "out" else word for word in words]
    assert "there is no ledger in" in command.refused(*named, data=tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_rotated_keys_are_listed_and_lead_on(command: Command, data: Path, tmp_path: Path) -> None:
    old, before = vkeys(data), command.listed()
    assert [(row["chain"], row["generation"], row["signs until"]) for row in before] == [
        (0, 1, ""),
        (CHAIN, 1, ""),
    ]
    assert before[1]["key"] == str(old[0])
    said, _ = command("keys", "rotate", "--overlap-days", "7")
    assert said.startswith("log keys of generation 2 sign from now on")
    new, after = vkeys(data), command.listed()
    assert new != old
    assert [(row["chain"], row["generation"]) for row in after] == [(0, 1), (0, 2), (CHAIN, 1), (CHAIN, 2)]
    assert after[2]["signs until"].endswith("+00:00")
    assert (after[2]["key"], after[3]["key"]) == (str(old[0]), str(new[0]))
    successions = split_notes((data / "keys" / "log-succession-2.txt").read_bytes())
    assert followed(old, successions) == (*old, *new)
    # The published checkpoint is still one of the old key; that of a new chain is signed by both.
    said, _ = command("proof", "--chain", str(CHAIN), "--seq", "1")
    assert len(open_checkpoint(TlogProof.parse(said.encode()).checkpoint, old).signed) == 2
    ingest(data, tmp_path / "more.jsonl", 400, 402)
    chain = max(row["chain"] for row in command.listed())
    assert chain > CHAIN
    said, _ = command("proof", "--chain", str(chain), "--seq", "1")
    opened = open_checkpoint(TlogProof.parse(said.encode()).checkpoint, vkeys(data, chain))
    assert (len(opened.signed), len(opened.note.signatures)) == (2, 4)


@pytest.mark.parametrize("days", ["-1", "4000", "x"])
def test_an_overlap_that_cannot_be(command: Command, days: str) -> None:
    assert "--overlap-days" in command.refused("keys", "rotate", "--overlap-days", days)


def test_a_lost_key_is_one_line(command: Command, data: Path, tmp_path: Path) -> None:
    key = data / "keys" / "log-key-1.pem"
    kept = key.rename(tmp_path / "kept.pem")
    try:
        assert "no log-key-1.pem" in command.refused("keys", "list")
        assert "no log-key-1.pem" in command.refused("keys", "rotate")
    finally:
        kept.rename(key)
