"""The demo, and what looks at its ledger afterwards: verify on a tampered copy, doctor, a second demo."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from ansvar.directory import DataDirectory
from ansvar.embedded.demonstration import Mark, NotThisDemo, NoYear, claim
from ansvar.sample.calendar import STOCKHOLM
from ansvar.sample.company import generate
from commands import kept, kept_events, own_settings, run

EVENTS = 300


class Demo:
    """A finished demo: its directory, settings and output."""

    def __init__(self, kafka: str, path: Path) -> None:
        self.data = path / "data"
        self.settings = own_settings(kafka, chains=4)
        self.done = self.again()

    def again(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same demo once more, or another where arguments say so."""
        given = arguments or ("--events", str(EVENTS))
        return run("demo", *given, "--data-dir", self.data, **self.settings)

    def copy(self, path: Path) -> Path:
        """A copy of the data directory, to be damaged."""
        shutil.copytree(self.data, path, symlinks=True)
        return path


@pytest.fixture(scope="module")
def demo(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return Demo(kafka, tmp_path_factory.mktemp("demo"))


def test_a_demo_finds_what_was_planted(demo: Demo) -> None:
    done = demo.done
    assert done.returncode == 0, done.stderr
    assert f"{EVENTS} events emitted" in done.stdout
    assert "equal, event by event" in done.stdout
    assert "intact" in done.stdout
    assert "Traceback" not in done.stderr
    assert sum(kept_events(demo.data).values()) == EVENTS


def test_a_demo_looks_back(demo: Demo) -> None:
    """The clocks found what was planted (or it would have failed), and a law ended."""
    told = demo.done.stdout
    for part in ("Fell due by the end of the year", "What did Privacy Shield carry", "What rests on"):
        assert part in told
    kinds = [row.kind for row in kept(demo.data)]
    assert kinds.count("policy") == 4
    assert kinds.count("finding") > sum(generate(EVENTS).clocks.values()) / 2


def test_its_year_ended_the_day_before_and_holds_what_only_a_recording_shows(demo: Demo) -> None:
    ends = date.fromisoformat(json.loads((demo.data / "demo.json").read_bytes())["ends"])
    age = datetime.now(STOCKHOLM).date() - ends
    assert timedelta(days=1) <= age <= timedelta(days=2)  # midnight may have passed since
    year = generate(EVENTS, ends=ends, live=True)
    found = {rule: set[str]() for rule in year.planted}
    for row in (row for row in kept(demo.data) if row.kind != "finding"):
        for rule in row.findings:
            found[rule].add(row.event_id)
    for rule in ("event.late", "event.future", "producer.out_of_scope", "transfer.tool_invalid"):
        assert len(found[rule]) == year.planted[rule] > 0
    assert found["producer.out_of_scope"] < {str(event_id) for event_id in year.producers}


def test_a_demo_repeated_on_another_day_keeps_its_year(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    first = claim(directory, EVENTS, 7, date(2026, 11, 23))
    assert first == Mark(EVENTS, 7, date(2026, 11, 22))
    assert claim(directory, EVENTS, 7, date(2027, 3, 1)) == first
    for other in ((EVENTS + 1, 7), (EVENTS, 8)):
        with pytest.raises(NotThisDemo, match="repeat that demo"):
            claim(directory, *other, date(2026, 11, 23))


def test_a_mark_of_an_older_version_is_left_alone(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    claim(directory, EVENTS, 1, date(2026, 11, 23))
    path = directory.path / "demo.json"
    path.write_text('{"events":300,"seed":1,"year":2025}')
    with pytest.raises(NotThisDemo, match="another version"):
        claim(directory, EVENTS, 1, date(2026, 11, 23))
    assert "2025" in path.read_text()


def test_after_the_end_of_the_register_there_is_no_new_demo(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    with pytest.raises(NoYear, match="from 2025-03-01 to 2028-02-04"):
        claim(directory, EVENTS, 1, date(2028, 2, 5))
    assert not directory.path.exists()


def test_the_same_demo_again_adds_duplicates_only(demo: Demo) -> None:
    before = [row for row in kept(demo.data) if row.verdict]
    again = demo.again()
    assert again.returncode == 0, again.stderr
    assert "equal, event by event" in again.stdout
    after = kept(demo.data)
    assert [row for row in after if row.verdict] == before
    assert sum(row.kind == "duplicate" for row in after) == EVENTS


def test_other_events_in_its_ledger_are_not_counted(demo: Demo, tmp_path: Path) -> None:
    data = demo.copy(tmp_path / "copy")
    done = run("ingest", Path(__file__).parents[2] / "docs/examples/events.jsonl", "--data-dir", data)
    assert done.returncode == 0, done.stderr
    again = run("demo", "--events", str(EVENTS), "--data-dir", data, **demo.settings)
    assert again.returncode == 0, again.stderr
    assert "equal, event by event" in again.stdout
    assert "4 other events are in this ledger too" in again.stdout


def test_a_directory_that_holds_something_else_is_left_alone(demo: Demo, tmp_path: Path) -> None:
    other = demo.again("--events", "301")
    assert other.returncode == 2
    assert len(other.stderr.splitlines()) == 1
    assert "--data-dir" in other.stderr
    founded = run("init", "--data-dir", tmp_path / "own", **own_settings(demo.settings["ANSVAR_KAFKA"]))
    assert founded.returncode == 0, founded.stderr
    foreign = run("demo", "--data-dir", tmp_path / "own", **demo.settings)
    assert foreign.returncode == 2
    assert len(foreign.stderr.splitlines()) == 1
    assert not (tmp_path / "own" / "demo.json").exists()


def test_verify_in_every_form(demo: Demo) -> None:
    table = run("verify", "--data-dir", demo.data)
    assert (table.returncode, table.stderr) == (0, "")
    assert table.stdout.count("intact") == 4
    report = json.loads(run("verify", "--json", "--full", "--data-dir", demo.data).stdout)
    assert report["intact"] is True
    assert report["rows"] == len(kept(demo.data))
    rows = run("verify", "--format", "json", "--data-dir", demo.data).stdout.splitlines()
    assert [json.loads(row)["chain"] for row in rows] == [0, 1, 2, 3]
    csv = run("verify", "--format", "csv", "--data-dir", demo.data).stdout.splitlines()
    assert csv[0] == "chain,rows,root,state,checkpoint,uncovered"


TAMPER = """
import sys
from pathlib import Path
from ansvar.store.client import Store, chdb_dsn
store = Store(chdb_dsn(Path(sys.argv[1])))
store.command(sys.argv[2])
store.close()
"""


@pytest.mark.parametrize(
    ("statement", "kind", "seq"),
    [
        # What row 5 holds depends on secrets drawn at `init`: the new value is made from the old, to differ.
        ("UPDATE purpose = concat(purpose, '_x') WHERE chain = 1 AND seq = 5", "edited", 5),
        (
            "UPDATE verdict = if(verdict = 'permit', 'deny', 'permit') WHERE chain = 1 AND seq = 7",
            "edited",
            7,
        ),
        ("DELETE WHERE chain = 1 AND seq = 6", "missing", 6),
        ("DELETE WHERE chain = 1 AND seq >= 9", "truncated", 9),
    ],
)
def test_a_tampered_row_is_named(demo: Demo, tmp_path: Path, statement: str, kind: str, seq: int) -> None:
    data = demo.copy(tmp_path / "copy")
    sql = f"ALTER TABLE {{database}}.ledger {statement} SETTINGS mutations_sync = 1"
    subprocess.run([sys.executable, "-c", TAMPER, data / "clickhouse", sql], check=True)
    done = run("verify", "--json", "--data-dir", data)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith(f"chain 1, seq {seq}: {kind}: ")
    report = json.loads(done.stdout)
    assert report["intact"] is False
    faults = {chain["chain"]: chain["faults"] for chain in report["chains"]}
    assert [bool(faults[chain]) for chain in range(4)] == [False, True, False, False]
    assert (faults[1][0]["kind"], faults[1][0]["seq"]) == (kind, seq)


def test_the_doctor(demo: Demo, tmp_path: Path) -> None:
    well = run("doctor", "--format", "json", "--data-dir", demo.data, **demo.settings)
    assert well.returncode == 0, well.stdout
    assert {json.loads(line)["state"] for line in well.stdout.splitlines()} == {"ok"}

    data = demo.copy(tmp_path / "copy")
    (data / "keys" / "pepper.key").chmod(0o644)
    ill = run("doctor", "--format", "json", "--data-dir", data, **demo.settings)
    assert ill.returncode == 1
    found = {line["check"]: line for line in map(json.loads, ill.stdout.splitlines())}
    assert found["keys"]["state"] == "fault"
    assert "pepper.key" in found["keys"]["detail"]
    assert "fault" in ill.stderr
    assert "Traceback" not in ill.stderr
