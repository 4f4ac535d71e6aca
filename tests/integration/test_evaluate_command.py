"""`ansvar evaluate`: what it prints, what it refuses, and its exit codes; as a process where that matters."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from ansvar.cli.evaluate import register
from ansvar.sample import SAMPLE_BUNDLE, sample_bundle

PROGRAM = """
import typer
from ansvar.cli.evaluate import register
app = typer.Typer()
app.callback()(lambda: None)
register(app)
app()
"""
COMMAND = [sys.executable, "-c", PROGRAM, "evaluate"]


def event(**changes: Any) -> dict[str, Any]:
    source = {
        "kind": "processing",
        "event_id": "01890000-0000-7000-8000-000000000001",
        "occurred_at": "2026-03-02T13:00:00Z",
        "system": "crm",
        "subject": {"type": "customer_number", "value": "K-4711-secret"},
        "operation": "store",
        "purpose": "legal_obligation",
        "legal_basis": "legal_obligation",
        "data_categories": ["name"],
        **changes,
    }
    return {key: value for key, value in source.items() if value is not None}


APP = typer.Typer()
APP.callback()(lambda: None)
register(APP)


def run(*arguments: str, given: str | bytes = "") -> Result:
    return CliRunner().invoke(APP, ["evaluate", *arguments], input=given)


def lines(*values: Any) -> str:
    return "".join((value if isinstance(value, str) else json.dumps(value)) + "\n" for value in values)


def printed(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_file_is_judged_line_by_line_in_order(tmp_path: Path) -> None:
    no = event(kind="rights", right="objection", phase="received", request_id="R1", operation=None)
    offer = event(operation="email", purpose="marketing", legal_basis="legitimate_interest", event_id=None)
    file = tmp_path / "events.jsonl"
    file.write_text(lines(event(), offer, no, "", offer))
    result = run(str(file))
    assert result.exit_code == 0  # a deny is an answer, not a failure
    assert result.stderr == ""
    judged = printed(result)
    assert [line["verdict"] for line in judged] == ["permit", "permit", "permit", "deny"]
    assert [line["event_id"] for line in judged] == [event()["event_id"], None, event()["event_id"], None]
    assert {line["policy"] for line in judged} == {sample_bundle().sha256.hex()}
    assert judged[0] == {**judged[0], "findings": []}
    assert [set(line) for line in judged] == [
        {"line", "event_id", "verdict", "findings", "policy", "engine"}
    ] * 4
    assert [line["line"] for line in judged] == [1, 2, 3, 5]


def test_a_finding_has_rule_clause_severity_and_message() -> None:
    result = run(
        "-", given=lines(event(purpose=None), event(kind="transfer", operation=None, recipient="sms-gateway"))
    )
    first, second = printed(result)
    assert first["verdict"] == "deny"
    assert first["findings"] == [
        {
            "rule": "purpose.missing",
            "clause": "3.1",
            "severity": "deny",
            "message": "store at 2026-03-02 14:00 states no purpose",
        }
    ]
    assert second["verdict"] == "flag"
    assert [finding["rule"] for finding in second["findings"]] == ["transfer.third_country"]
    assert "secret" not in result.stdout


BAD = [
    "not json",
    "[]",
    '"text"',
    "{",
    "\x00",
    json.dumps(event(kind="rumour")),
    json.dumps(event(colour="red")),
    json.dumps(event(operation=None)),
    json.dumps(event(occurred_at="2026-03-02 13:00")),
    json.dumps(event(subject={"type": "personnummer", "value": "640823-3235"})),
    json.dumps(event(details="x" * 40_000)),
    "[" * 100_000,
    "x" * 3_000_000,
]


def test_bad_lines_are_named_and_the_rest_is_judged() -> None:
    result = run("-", given=lines(event(), *BAD, event()))
    first, *rejected, last = printed(result)
    assert result.exit_code == 2
    assert result.stderr == ""
    assert first["verdict"] == last["verdict"] == "permit"
    assert [line["line"] for line in rejected] == [number for number, _ in enumerate(BAD, 2)]
    for line in rejected:
        assert set(line) == {"line", "error"}
        assert 10 < len(line["error"]) < 500
        assert not any(value in line["error"] for value in ("640823", "anna@", "K-4711"))


def test_bytes_that_are_no_text_are_a_bad_line() -> None:
    result = run("-", given=b"\xff\xfe{}\n")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["line"] == 1


def test_nothing_in_is_nothing_out() -> None:
    result = run("-")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_last_line_without_newline_and_windows_line_ends() -> None:
    result = run("-", given=json.dumps(event()) + "\r\n" + json.dumps(event()))
    assert [line["verdict"] for line in printed(result)] == ["permit", "permit"]


def test_another_bundle_and_another_time(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(SAMPLE_BUNDLE, bundle)
    text = (bundle / "bundle.yaml").read_text()
    assert "require_collection_record: false" in text
    (bundle / "bundle.yaml").write_text(
        text.replace("require_collection_record: false", "require_collection_record: true")
    )
    result = run("-", "--bundle", str(bundle), "--as-of", "2026-03-02T13:00:00Z", given=lines(event()))
    [verdict] = printed(result)
    assert [finding["rule"] for finding in verdict["findings"]] == ["purpose.no_collection_record"]
    assert verdict["policy"] != sample_bundle().sha256.hex()


def bad_bundle(directory: Path) -> str:
    shutil.copytree(SAMPLE_BUNDLE, directory / "bundle")
    (directory / "bundle" / "recipients.yaml").write_text("recipients: [\n")
    return str(directory / "bundle")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (lambda _: ["no-such-file.jsonl"], ["no-such-file.jsonl", "No such file"]),
        (lambda folder: [str(folder)], ["Is a directory"]),
        (lambda folder: ["-", "--bundle", str(folder / "none")], ["bundle", "none"]),
        (lambda folder: ["-", "--bundle", bad_bundle(folder)], ["recipients.yaml"]),
        (lambda _: ["-", "--engine", "99"], ["engine 99", "1"]),
        (lambda _: ["-", "--as-of", "tomorrow"], ["--as-of", "RFC 3339"]),
        (lambda _: ["-", "--as-of", "2026-03-02T13:00:00"], ["--as-of", "offset"]),
    ],
    ids=["no file", "a directory", "no bundle", "a bad bundle", "no engine", "no time", "no offset"],
)
def test_wrong_use_is_one_clear_line(arguments: Any, words: list[str], tmp_path: Path) -> None:
    result = run(*arguments(tmp_path))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines(event()) * 20_000)
    with subprocess.Popen([*COMMAND, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_a_person_who_waits_for_a_large_file_sees_progress(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines(event()) * 40_000)
    assert file.stat().st_size > 8 << 20
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        [*COMMAND, str(file)], stdout=subprocess.PIPE, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        assert process.stdout is not None
        count = process.stdout.read().count(b"\n")
        seen = os.read(leader, 10_000)
    os.close(leader)
    assert count == 40_000
    assert b"Judging" in seen
    assert process.returncode == 0


def test_the_command_as_a_process() -> None:
    given = lines(event(), "{").encode()
    result = subprocess.run([*COMMAND, "-"], input=given, capture_output=True, timeout=60)
    assert result.returncode == 2
    assert result.stdout.count(b"\n") == 2
    assert result.stderr == b""


def test_help_has_an_example() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "ansvar evaluate events.jsonl" in result.stdout
