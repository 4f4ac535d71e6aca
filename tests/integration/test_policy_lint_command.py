"""`ansvar policy lint` and `ansvar policy schema`: formats, exit codes, what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from ansvar.cli.policy import lint, schema
from ansvar.policy.calendar import stockholm_date
from ansvar.policy.schema import schema_files, schemas
from ansvar.sample import SAMPLE_BUNDLE, sample_bundle

APP = typer.Typer()
APP.callback()(lambda: None)
lint.register(APP)
schema.register(APP)
DAY = "2026-11-23"
COMMAND = [sys.executable, "-c", "from ansvar.cli import main; main()", "policy"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APP, list(arguments))


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)


def printed(*arguments: str) -> dict[str, Any]:
    return json.loads(run("lint", "--as-of", DAY, *arguments).stdout)  # type: ignore[no-any-return] # an object


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE_BUNDLE, tmp_path / "policy"))


def mend(bundle: Path) -> None:
    """A bundle in which nothing is an error any more: no statement, and no bad system or recipient."""
    for name in ("statement.yaml", "law/acts.yaml", "law/rights.yaml", "law/authorities.yaml"):
        (bundle / name).unlink()
    recipients = (bundle / "recipients.yaml").read_text(encoding="utf-8")
    start, end = recipients.index("  - id: analytics-trial"), recipients.index("  - id: membership-partner")
    (bundle / "recipients.yaml").write_text(recipients[:start] + recipients[end:], encoding="utf-8")


def test_the_sample_as_a_table() -> None:
    result = run("lint", "--as-of", DAY)
    assert result.exit_code == 1
    assert "lint.safeguard_invalid" in result.stdout
    assert "statement.yaml:" in result.stdout
    assert result.stderr == f"20 errors, 8 warnings, 0 notes as of {DAY}\n"


def test_the_table_in_swedish() -> None:
    shown = run("lint", "--as-of", DAY, "--lang", "sv").stdout
    assert "anges som skyddsåtgärd" in shown
    assert "varning" in shown


def test_json_has_every_part_of_a_finding() -> None:
    report = printed("--format", "json")
    assert (report["policy"], report["as_of"]) == (sample_bundle().sha256.hex(), DAY)
    assert len(report["findings"]) == 28
    first = report["findings"][0]
    assert first == {
        "check": "lint.safeguard_invalid",
        "severity": "error",
        "clause": "6.3",
        "article": "GDPR Art. 45, 46; C-311/18",
        "message": "privacy_shield is named as a safeguard and has been invalid since 2020-07-16",
        "remedy": first["remedy"],
        "file": "statement.yaml",
        "line": first["line"],
        "field": "safeguards[4].id",
    }
    line = (SAMPLE_BUNDLE / "statement.yaml").read_text(encoding="utf-8").splitlines()[first["line"] - 1]
    assert "privacy_shield" in line


def test_sarif_places_are_seen_from_the_working_directory(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def uri(directory: Path) -> str:
        log = printed(str(directory), "--format", "sarif")
        result = log["runs"][0]["results"][0]
        return str(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])

    monkeypatch.chdir(tmp_path)
    assert uri(Path("policy")) == "policy/statement.yaml"
    assert uri(bundle) == "policy/statement.yaml"
    monkeypatch.chdir(bundle)
    assert uri(Path()) == "statement.yaml"
    other = tmp_path / "å b"
    other.mkdir()
    monkeypatch.chdir(other)
    assert uri(bundle) == f"{bundle.as_uri()}/statement.yaml"
    shutil.copytree(bundle, other / "p q")
    assert uri(Path("p q")) == "p%20q/statement.yaml"


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [("error", 0), ("warning", 1), ("note", 1)],
)
def test_the_exit_code_follows_the_threshold(bundle: Path, fail_on: str, code: int) -> None:
    mend(bundle)
    result = run("lint", str(bundle), "--as-of", DAY, "--fail-on", fail_on)
    assert result.exit_code == code
    assert result.stderr.startswith("0 errors, ")
    assert "lint.statement_missing" in result.stdout


def test_nothing_found_prints_nothing_but_the_count(bundle: Path) -> None:
    mend(bundle)
    text = (bundle / "recipients.yaml").read_text(encoding="utf-8")
    text = text.replace("reference: SCC-2024-02\n", "reference: SCC-2024-02\n        assessment: TIA-2\n")
    start, end = text.index("  - id: google-maps"), text.index("  - {id: police")
    (bundle / "recipients.yaml").write_text(text[:start] + text[end:], encoding="utf-8")
    for name in ("statement.yaml", "law/acts.yaml", "law/rights.yaml", "law/authorities.yaml"):
        shutil.copy(SAMPLE_BUNDLE / name, bundle / name)
    statement = (bundle / "statement.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("version: null", "version: v7"),
        ("day: null", "day: 2026-01-01"),
        ("evaluation]\n\ncat", "evaluation, security]\n\ncat"),
        ("payment_history]", "payment_history, ip_address, purchase_history, age, residence, gender]"),
        ('  - {clause: "6.3", id: privacy_shield}\n', ""),
        ('  - {clause: "6.3", id: systems_inside_eea}\n', ""),
        ('  - {clause: "4.1", id: no_automated_decisions}\n', ""),
        ("claims:                                 # promised without a limit\n", "claims: []\n"),
        ("purposes: [contract, customer_service]", "purposes: [contract, customer_service, recruitment]"),
        ("purposes: [marketing]", "purposes: [marketing, evaluation, security]"),
        ("website: null", "website: {en: a year, sv: ett år}"),
        ("exceptions: []", "exceptions: [1999:1078]"),
        ("id: complaint}\n", 'id: complaint}\n    - {clause: "9.6", id: restriction}\n'),
        ("id: complaint}\n", 'id: complaint}\n    - {clause: "9.7", id: automated_decision}\n'),
        ("id: complaint}\n", 'id: complaint}\n    - {clause: "9.8", id: source}\n'),
        ("Datainspektionen", "Integritetsskyddsmyndigheten"),
        ("2003:389", "2022:482"),
        ("surfing_on", "opt_in"),
    ):
        assert statement.count(old) == 1, old
        statement = statement.replace(old, new)
    (bundle / "statement.yaml").write_text(statement, encoding="utf-8")
    result = run("lint", str(bundle), "--as-of", DAY, "--fail-on", "note")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"0 errors, 0 warnings, 0 notes as of {DAY}\n"
    log = printed(str(bundle), "--format", "sarif")
    assert log["runs"][0]["results"] == []
    assert len(log["runs"][0]["tool"]["driver"]["rules"]) > 20


def test_without_a_date_it_is_today() -> None:
    before = stockholm_date(datetime.now(UTC))
    report = json.loads(run("lint", "--format", "json").stdout)
    assert str(before) <= report["as_of"] <= str(stockholm_date(datetime.now(UTC)))


def test_a_broken_bundle_is_refused_with_every_place(bundle: Path) -> None:
    statement = bundle / "statement.yaml"
    text = statement.read_text(encoding="utf-8").replace("surfing_on", "by surfing")
    statement.write_text(text.replace("number: 2003:389", "number: LEK"), encoding="utf-8")
    result = process("lint", str(bundle))
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        "statement.yaml:75: cookies.consent: 'by surfing' is not one of surfing_on, opt_out" in result.stderr
    )
    assert "statement.yaml:71: acts[0].number: the text is not the number of an act" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_purpose_without_a_basis_is_a_broken_bundle(bundle: Path) -> None:
    bases = bundle / "bases.yaml"
    bases.write_text(bases.read_text(encoding="utf-8").replace(", recruitment", ""), encoding="utf-8")
    result = process("lint", str(bundle))
    assert result.returncode == 2
    assert "no legal basis serves the purpose `recruitment`" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("lint", "nowhere"), "the bundle is not a directory"),
        (("lint", "--as-of", "yesterday"), "--as-of is not a date as YYYY-MM-DD"),
        (("lint", "--format", "xml"), "'xml' is not one of"),
        (("lint", "--fail-on", "never"), "'never' is not one of"),
    ],
)
def test_wrong_use_is_one_clear_line(arguments: tuple[str, ...], says: str) -> None:
    result = process(*arguments)
    assert result.returncode == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_schemas_are_printed_or_written(tmp_path: Path) -> None:
    assert json.loads(run("schema").stdout) == schemas()
    out = tmp_path / "made" / "here"
    assert run("schema", "--out", str(out)).exit_code == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == schema_files()


def test_schemas_cannot_be_written_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    result = run("schema", "--out", str(tmp_path / "taken"))
    assert result.exit_code == 2
    assert "cannot write to" in result.stderr
