"""`ansvar policy export`: what it prints and writes, what it refuses, and its exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rdflib import Graph, Literal, URIRef
from rdflib.namespace import DCTERMS
from typer import Typer
from typer.testing import CliRunner

from ansvar.cli.evaluate import register as register_evaluate
from ansvar.cli.policy.export import register
from ansvar.policy.linked_data.terms import NAMESPACES
from ansvar.sample import SAMPLE_BUNDLE, sample_bundle

# rdflib's JSON-LD reader uses its own deprecated class.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")

APP = Typer()
APP.callback()(lambda: None)
register(APP)
register_evaluate(APP)
BASE = "https://example.org/policy#"


def run(*arguments: str, given: str = "", command: str = "export") -> Any:
    return CliRunner().invoke(APP, [command, *arguments], input=given)


def event(number: int = 1, **changes: Any) -> str:
    source = {
        "kind": "processing",
        "event_id": f"01890000-0000-7000-8000-{number:012}",
        "occurred_at": "2026-03-02T13:00:00Z",
        "system": "crm",
        "subject": {"type": "customer_number", "value": "K-4711-secret"},
        "operation": "store",
        "purpose": "legal_obligation",
        "legal_basis": "legal_obligation",
        "data_categories": ["name"],
        **changes,
    }
    return json.dumps({key: value for key, value in source.items() if value is not None}) + "\n"


def read(text: str) -> Graph:
    return Graph().parse(data=text, format="json-ld")


def judged(tmp_path: Path, *lines: str) -> tuple[str, str]:
    """A file of events and what `evaluate` prints for it."""
    file = tmp_path / "events.jsonl"
    file.write_text("".join(lines))
    return str(file), run(str(file), command="evaluate").stdout


def test_the_sample_bundle_is_printed() -> None:
    result = run()
    assert (result.exit_code, result.stderr) == (0, "")
    policy = URIRef(f"urn:ansvar:bundle:{sample_bundle().sha256.hex()}#policy")
    assert (policy, DCTERMS.identifier, Literal("securio")) in read(result.stdout)


def test_another_bundle_goes_to_a_file_under_a_base_of_its_own(tmp_path: Path) -> None:
    bundle, out = tmp_path / "bundle", tmp_path / "policy.jsonld"
    shutil.copytree(SAMPLE_BUNDLE, bundle)
    text = (bundle / "bundle.yaml").read_text()
    (bundle / "bundle.yaml").write_text(text.replace("name: securio", "name: other", 1))
    result = run(str(bundle), "--base", BASE, "--out", str(out))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert (URIRef(BASE + "policy"), DCTERMS.identifier, Literal("other")) in read(out.read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "policy.jsonld"]


def test_verdicts_are_records_of_their_events(tmp_path: Path) -> None:
    events, verdicts = judged(tmp_path, event(1), "\n", event(2, purpose=None), event(3, event_id=None))
    result = run("--verdicts", "-", "--events", events, "--base", BASE, given=verdicts)
    assert (result.exit_code, result.stderr) == (0, "")
    records = json.loads(result.stdout)["@graph"]
    assert [record["ansvar:verdict"] for record in records] == ["permit", "deny", "permit"]
    assert [record.get("dct:identifier", "")[-1:] for record in records] == ["1", "2", ""]
    assert "secret" not in result.stdout
    lawful = URIRef(NAMESPACES["dpv"] + "hasLawfulness")
    found = sorted(str(status).rpartition("#")[2] for status in read(result.stdout).objects(None, lawful))
    assert found == ["GDPRCompliant", "GDPRCompliant", "GDPRNonCompliant"]


def test_events_that_share_an_id_stay_apart(tmp_path: Path) -> None:
    events, verdicts = judged(tmp_path, event(1), event(1, purpose=None))
    graph = read(run("--verdicts", "-", "--events", events, given=verdicts).stdout)
    assert len(list(graph.subjects(URIRef(NAMESPACES["dpv"] + "hasLawfulness")))) == 2


def test_lines_that_were_no_events_are_left_out_and_counted(tmp_path: Path) -> None:
    events, verdicts = judged(tmp_path, event(1), "{}\n", "no json\n", event(2))
    result = run("--verdicts", "-", "--events", events, given=verdicts)
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["@graph"]) == 2
    assert result.stderr == "ansvar policy export: 2 lines were no valid events and are left out\n"


def test_no_verdicts_are_an_empty_graph(tmp_path: Path) -> None:
    events, verdicts = judged(tmp_path)
    result = run("--verdicts", "-", "--events", events, given=verdicts)
    assert (result.exit_code, json.loads(result.stdout)["@graph"]) == (0, [])


def first(text: str) -> str:
    return text.splitlines(keepends=True)[0]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda v: first(v), "more events than verdicts"),
        (lambda v: v + first(v).replace('"line":1', '"line":3'), "not about the next event"),
        (lambda v: v.replace('"line":1', '"line":2', 1), "not about the next event"),
        (lambda v: v.replace("000000000001", "000000000009"), "names another event"),
        (lambda v: v.replace(sample_bundle().sha256.hex(), "00" * 32), "name the bundle that was in force"),
        (lambda v: v.replace(sample_bundle().sha256.hex(), "zz"), "is not a line that"),
        (lambda v: "[]\n" + v, "verdict line 1 is not a line that"),
        (lambda v: v.replace('"permit"', '"perhaps"', 1), "is not a line that"),
    ],
)
def test_verdicts_of_other_events_are_refused(spoil: Any, words: str, tmp_path: Path) -> None:
    events, verdicts = judged(tmp_path, event(1), event(2))
    out = tmp_path / "out.jsonld"
    result = run("--verdicts", "-", "--events", events, "--out", str(out), given=spoil(verdicts))
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["events.jsonl"]


def bad_bundle(directory: Path) -> str:
    shutil.copytree(SAMPLE_BUNDLE, directory / "bundle")
    (directory / "bundle" / "recipients.yaml").write_text("recipients: [\n")
    return str(directory / "bundle")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (lambda folder: [str(folder / "none")], ["bundle", "none"]),
        (lambda folder: [bad_bundle(folder)], ["recipients.yaml"]),
        (lambda _: ["--base", "policy"], ["base", "ends in # or /"]),
        (lambda folder: ["--out", str(folder)], ["Is a directory"]),
        (lambda folder: ["--out", str(folder / "no" / "where.jsonld")], ["No such file"]),
        (lambda _: ["--verdicts", "-"], ["go together"]),
        (lambda folder: ["--events", str(folder / "e.jsonl")], ["go together"]),
        (lambda _: ["--verdicts", "-", "--events", "-"], ["not both"]),
    ],
    ids=[
        "no bundle",
        "bad bundle",
        "no iri",
        "directory",
        "no directory",
        "no events",
        "no verdicts",
        "both",
    ],
)
def test_wrong_use_is_one_clear_line(arguments: Any, words: list[str], tmp_path: Path) -> None:
    result = run(*arguments(tmp_path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_a_file_that_was_there_stays_when_the_export_fails(tmp_path: Path) -> None:
    out = tmp_path / "policy.jsonld"
    out.write_text("kept")
    events, verdicts = judged(tmp_path, event(1), event(2))
    result = run("--verdicts", "-", "--events", events, "--out", str(out), given=first(verdicts))
    assert result.exit_code == 2
    assert out.read_text() == "kept"


COMMAND = [sys.executable, "-c", "from ansvar.cli import main; main()", "policy", "export"]


def test_the_command_as_a_process_of_the_program(tmp_path: Path) -> None:
    result = subprocess.run(COMMAND, capture_output=True, timeout=60, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, b"")
    assert len(json.loads(result.stdout)["@graph"]) > 100
    missing = [*COMMAND, "--verdicts", "none.jsonl", "--events", "none.jsonl"]
    result = subprocess.run(missing, capture_output=True, timeout=60, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr.count(b"\n")) == (2, b"", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_help_has_an_example() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "ansvar policy export ./policy" in result.stdout
