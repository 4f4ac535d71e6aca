"""The command's outside: help with an example everywhere, wrong use in one clear line, never a traceback."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansvar.cli.program import app, run
from ansvar.sample import SAMPLE_BUNDLE
from commands import environment
from commands import run as command

COMMANDS = sorted(registered.name for registered in app.registered_commands if registered.name)


def one_line(text: str, *parts: str) -> None:
    """One line for a person, holding these parts."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("ansvar"), text
    for part in parts:
        assert part in lines[0], text


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("ANSVAR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_and_makes_nothing(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run([name, "--help"]) == 0
    shown = capsys.readouterr()
    assert "Example: " in shown.out
    assert f"ansvar {name}" in shown.out.partition("Example: ")[2]
    assert shown.err == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_option_is_wrong_use(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--no-such-option"]) == 2
    one_line(capsys.readouterr().err, "--no-such-option", f"ansvar {name} --help")


def test_the_program_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert run([]) == 2
    assert capsys.readouterr().out == shown


def test_help_loads_nothing_heavy() -> None:
    """What makes it quick, said without a clock."""
    code = (
        "import sys; from ansvar.cli.program import run; run(['up', '--help']); "
        "print(sorted({'aiokafka', 'chdb', 'clickhouse_connect', 'fastapi', 'faust', "
        "'pydantic_settings', 'sqlalchemy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["no-such-command"], ["no-such-command"]),
        (["emit"], ["Missing"]),
        (["emit", "no-such-file"], ["no-such-file", "No such file"]),
        (["emit", "/"], ["/", "directory"]),
        (["up", "--port", "99999"], ["--port", "65535"]),
        (["up", "--port", "eighty"], ["--port", "integer"]),
        (["demo", "--events", "3"], ["--events", "260"]),
        (["verify", "bundle.zip"], ["no key", "--key"]),
        (["verify", "--key", "any"], ["--key", "evidence bundle"]),
        (["verify", "--data-dir", "nowhere"], ["no ledger", "ansvar demo"]),
        (["init", "--data-dir", "/dev/null"], ["/dev/null"]),
        (["init", "--data-dir", "/dev/null/deeper"], ["/dev/null/deeper"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_wrong_use(arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    one_line(capsys.readouterr().err, *parts)
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    ("setting", "value", "parts"),
    [
        ("ANSVAR_CHAINS", "many", ["ANSVAR_CHAINS"]),
        ("ANSVAR_KAFKA", "somewhere", ["somewhere", "host:port"]),
        ("ANSVAR_KAFKA_SASL_PASSWORD", "x", ["ANSVAR_KAFKA_SASL_PASSWORD", "file"]),
        ("ANSVAR_CLICKHOUSE", "http://127.0.0.1:1", ["127.0.0.1:1"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_settings(setting: str, value: str, parts: list[str], tmp_path: Path) -> None:
    more = {"ANSVAR_KAFKA": "127.0.0.1:1"} | {setting: value}
    done = command("init", "--data-dir", tmp_path / "data", **more)
    assert done.returncode == 2
    one_line(done.stderr, *parts)


def test_a_kafka_that_is_not_there(tmp_path: Path) -> None:
    done = command("worker", "--data-dir", tmp_path / "data", ANSVAR_KAFKA="127.0.0.1:1")
    assert done.returncode == 2
    one_line(done.stderr.splitlines()[-1], "127.0.0.1:1", "ANSVAR_KAFKA")


def test_a_data_directory_that_others_can_enter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    assert run(["init", "--data-dir", str(tmp_path / "open")]) == 2
    one_line(capsys.readouterr().err, "chmod 700")


def test_a_broken_bundle_names_file_line_and_field(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(SAMPLE_BUNDLE, bundle)
    file = next(path for path in sorted(bundle.rglob("*.yaml")) if "purposes" in path.name)
    text = file.read_text(encoding="utf-8").replace("may_also_serve", "may_also_sreve", 1)
    assert "may_also_sreve" in text
    file.write_text(text, encoding="utf-8")
    line = text[: text.index("may_also_sreve")].count("\n") + 1
    done = command(
        "up", "--port", "0", "--bundle", bundle, "--data-dir", tmp_path / "data", ANSVAR_KAFKA="127.0.0.1:1"
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"{file.name}:{line}" in done.stderr
    assert "may_also_sreve" in done.stderr
    assert "Running" not in done.stderr


def test_nothing_typed_gives_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Random arguments and random files: an exit code of ours and no traceback."""
    dice = random.Random(7)
    words = ["--data-dir", "--json", "--format", "csv", "x", "", "-", "--port", "-1", "0", "\x00", "é", "--"]
    for _ in range(60):
        name = dice.choice([name for name in COMMANDS if name not in {"demo", "up", "worker", "init"}])
        arguments = [name, *dice.choices(words, k=dice.randrange(4))]
        if {"emit", "ingest"} & {name} and not {"x", ""} & set(arguments):
            continue  # these would found a deployment
        assert run([*arguments, "--data-dir", "nowhere"]) in {0, 1, 2}, arguments
        assert "Traceback" not in capsys.readouterr().err
