"""`ansvar explain` on a ledger that the documentation's example makes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import msgspec
import pytest

from commands import kept, run

EXAMPLE: Final = Path(__file__).parents[2] / "docs" / "examples" / "events.jsonl"
CALL: Final = "019c0000-0000-7000-8000-000000000004"  # a marketing call without a NIX check


def explain(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, since the embedded store is one a process."""
    return run("explain", *arguments)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explain") / "data"
    done = run("ingest", EXAMPLE, "--data-dir", path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ["judged: deny", "fired (deny): marketing.nix_not_checked", "contracts: active"]),
        ("sv", ["bedömd: nekad", "slog till (nekad): marketing.nix_not_checked", "avtal: löper"]),
    ],
)
def test_a_person_reads_why(lang: str, words: list[str], data: Path) -> None:
    result = explain(CALL, "--data-dir", data, "--lang", lang)
    assert (result.returncode, result.stderr) == (0, "")
    for word in (*words, "GDPR Art. 6(1)", "LIA-A"):
        assert word in result.stdout
    assert "C-1001" not in result.stdout


@pytest.mark.parametrize("by_place", [False, True])
def test_a_program_reads_why(data: Path, by_place: bool) -> None:
    named = CALL
    if by_place:
        (row,) = [row for row in kept(data) if row.event_id == CALL]
        named = f"{row.chain}/{row.seq}"
    result = explain(named, "--data-dir", data, "--format", "json")
    assert (result.returncode, result.stderr) == (0, "")
    told = msgspec.json.decode(result.stdout)
    assert (told["event_id"], told["recorded"], told["agrees"]) == (CALL, "deny", True)
    assert [rule["rule"] for rule in told["rules"] if rule["answer"] == "fired"] == [
        "marketing.nix_not_checked"
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([CALL.replace("4", "f")], "no row of this ledger judges an event"),
        (["C-1001"], "neither an event's id"),
        (["0/999999"], "no row of this ledger judges an event"),
        ([CALL, "--format", "csv"], "choose table or json"),
        ([CALL, "--lang", "fi"], "--lang"),
        ([CALL, "--data-dir", "no-such-directory"], "there is no ledger"),
    ],
    ids=["no such event", "no id", "no such row", "csv", "no such language", "no ledger"],
)
def test_wrong_use_is_one_clear_line(arguments: list[str], words: str, data: Path) -> None:
    result = explain("--data-dir", data, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
