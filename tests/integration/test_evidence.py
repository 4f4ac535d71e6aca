"""Evidence from a real ledger: the command, what it selects, and verdicts worked out again from a bundle."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from msgspec.structs import replace

from ansvar.accountability.evidence.building import Request, build
from ansvar.accountability.evidence.errors import EvidenceError, NothingSelected, NotYetCovered, TooManyRows
from ansvar.accountability.evidence.selecting import STATE, Selection, choose
from ansvar.accountability.reexecution import Reexecution, reexecute
from ansvar.cli.verify_bundle import verify_bundle
from ansvar.ledger.row import Row, decode
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.remote import RemoteStore
from ansvar.store.remote import answer as carried
from ansvar.vault.logkeys import LogSigner, create
from ansvar.verifier.evidence import verify_archive
from ansvar.verifier.manifest import Listed, Manifest
from ansvar.verifier.telling import keys_of
from commands import environment, run
from evidences import MADE_AT, Company, canonicals, packed, sealed_log, unpacked
from rows import company_chain

EXAMPLE: Final = Path(__file__).parents[2] / "docs" / "examples" / "events.jsonl"
CALL: Final = "019c0000-0000-7000-8000-000000000004"  # a marketing call without a NIX check
PERSON, PHONE = {"type": "customer_number", "value": "C-1001"}, "+46701234567"
MAIL: Final = "019c0000-0000-7000-8000-000000000012"


def more_events() -> list[dict[str, Any]]:
    """Somebody objects by telephone number, is then named by both numbers, and is written to all the same."""
    phone = {"type": "phone_number", "value": PHONE}
    common = {"system": "crm", "subject": PERSON}
    use = {"kind": "processing", "purpose": "marketing", "legal_basis": "legitimate_interest"}
    return [
        common
        | {"kind": "rights", "right": "objection", "phase": "received", "request_id": "R-1", "subject": phone}
        | {"event_id": MAIL[:-1] + "0", "occurred_at": "2026-03-03T09:00:00+01:00"},
        common
        | {"kind": "notice", "topic": "policy_version", "version": "3", "aliases": [phone]}
        | {"event_id": MAIL[:-1] + "1", "occurred_at": "2026-03-03T10:00:00+01:00"},
        common
        | use
        | {"operation": "email", "data_categories": ["name"]}
        | {"event_id": MAIL, "occurred_at": "2026-03-04T09:00:00+01:00"},
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the documentation's events and three more."""
    path = tmp_path_factory.mktemp("evidence")
    events = EXAMPLE.read_text() + "".join(json.dumps(event) + "\n" for event in more_events())
    (path / "events.jsonl").write_text(events)
    done = run("ingest", path / "events.jsonl", "--data-dir", path / "data")
    assert (done.returncode, "0 lines refused" in done.stdout) == (0, True), done.stdout + done.stderr
    return path / "data"


def evidence(data: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, since the embedded store is one a process."""
    return run("evidence", "--data-dir", data, *arguments)


def keys(data: Path) -> list[str]:
    """The files of the log's public keys, which an auditor would have from elsewhere."""
    return [str(path) for path in (data / "keys").glob("log-*.vkey")]


def test_a_case_is_made_verified_and_judged_again(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "case.zip"
    made = evidence(data, "--event", MAIL, "-o", case)
    assert made.returncode == 0, made.stderr
    assert "rows (1 selected) of 1 chains, 1 checkpoints" in made.stdout
    files = unpacked(case.read_bytes())
    for name, content in files.items():
        for word in (PERSON["value"], PHONE, "+4670", "K-2026-17", "R-1"):
            assert word.encode() not in content, (name, word)
    kinds = [json.loads(line)["kind"] for line in files["rows.jsonl"].splitlines()]
    assert {"genesis", "processing", "contract", "rights", "link"} <= set(kinds)
    assert "transfer" not in kinds
    assert verify_bundle(case, keys(data), None, False) == 0
    told = capsys.readouterr()
    assert "verdicts were worked out again and are the same; 0 differ, 0 could not" in told.out
    assert told.err == ""
    assert verify_bundle(case, keys(data), None, True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["holds"]
    assert report["verdicts"]["agreeing"] >= 4


SELECTED: Final = {
    "customer": (["--subject", "customer_number", "C-1001"], 8),  # under every number that is theirs
    "telephone": (["--subject", "phone_number", "070-123 45 67"], 8),
    "verdict": (["--verdict", "deny"], 2),
    "recipient": (["--recipient", "app-hosting-us"], 1),
    "rule": (["--rule", "marketing.nix_not_checked"], 1),
    "events": (["--kind", "contract", "--event", MAIL, "--event", CALL[:-1] + "2"], 1),
    "time": (["--from", "2026-03-03T10:00:00+01:00", "--to", "2026-03-04T09:00:00+01:00"], 2),
}
WRONG: Final = {
    "nothing": ([], "nothing was asked for"),
    "unknown event": (["--event", CALL.replace("4", "f")], "no row of the ledger meets the criteria"),
    "no event": (["--event", "C-1001"], "--event is not an event's id"),
    "no place": (["--row", "1"], "--row is not a row's place"),
    "huge chain": (["--row", "4294967296/1"], "--row is not a row's place"),
    "unknown person": (["--subject", "customer_number", "C-9"], "the vault knows nobody by this identifier"),
    "no type": (["--subject", "name", "x"], "--subject: the type is none of"),
    "no address": (["--subject", "email", "anna.example"], "--subject"),
    "empty": (["--subject", "email", ""], "the value is empty"),
    "kind": (["--kind", "sale"], "--kind is none of genesis"),
    "control character": (["--recipient", "a\nb"], "--recipient is no word"),
    "no time": (["--from", "yesterday"], "--from is not an RFC 3339 time"),
    "limit": (["--kind", "processing", "--limit", "1"], "more than 1 rows meet the criteria"),
    "limit with state": (["--event", MAIL, "--limit", "3"], "the limit is 3"),
    "no ledger": (["--event", MAIL, "--data-dir", "no-such-directory"], "there is no ledger"),
}
# One process for all: what takes time is to start one.
_MANY: Final = """
import contextlib, io, json, sys
from ansvar.cli.program import run
answers = []
for arguments in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = run(["evidence", *arguments])
    answers.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(answers))
"""


class Answer(msgspec.Struct, array_like=True):
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the bundles of `answers` are, each by its name."""
    return tmp_path_factory.mktemp("cases")


@pytest.fixture(scope="module")
def answers(data: Path, cases: Path) -> dict[str, Answer]:
    """What the command says to each selection and each wrong use."""
    asked = {name: arguments for name, (arguments, _) in [*SELECTED.items(), *WRONG.items()]}
    lines = [
        ["--data-dir", str(data), "-o", str(cases / name), *arguments] for name, arguments in asked.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", _MANY],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    return dict(zip(asked, msgspec.json.decode(done.stdout, type=list[Answer]), strict=True))


@pytest.mark.parametrize("name", SELECTED)
def test_rows_are_selected_by_what_is_said_of_them(
    name: str, answers: dict[str, Answer], cases: Path
) -> None:
    assert answers[name].code == 0, answers[name].err
    manifest = Manifest.parse(unpacked((cases / name).read_bytes())["manifest.json"])
    assert sum(row.why == "selected" for row in manifest.rows) == SELECTED[name][1]
    for word in ("1001", "070", "+467"):
        assert word not in " ".join(manifest.selection)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_one_clear_line(name: str, answers: dict[str, Answer], cases: Path) -> None:
    arguments, words = WRONG[name]
    answer = answers[name]
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1), answer.err
    assert words in answer.err
    assert not (cases / name).exists()
    if "--subject" in arguments and len(arguments[-1]) > 1:
        assert arguments[-1] not in answer.err


def test_a_file_is_replaced_only_on_request(data: Path, tmp_path: Path) -> None:
    case = tmp_path / "case.zip"
    case.write_bytes(b"mine")
    refused = evidence(data, "--event", CALL, "-o", case)
    assert (refused.returncode, case.read_bytes()) == (2, b"mine")
    assert "--force" in refused.stderr
    assert evidence(data, "--event", CALL, "-o", case, "--force").returncode == 0
    assert case.read_bytes().startswith(b"PK")
    assert case.stat().st_mode & 0o777 == 0o600
    nowhere = evidence(data, "--event", CALL, "-o", tmp_path / "no" / "case.zip")
    assert (nowhere.returncode, "cannot be written" in nowhere.stderr) == (2, True)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a bundle of every row of the ledger."""
    case = tmp_path_factory.mktemp("whole") / "case.zip"
    done = evidence(data, "--from", "2020-01-01T00:00:00Z", "-o", case)
    assert done.returncode == 0, done.stderr
    return unpacked(case.read_bytes())


def rows_of(files: dict[str, bytes]) -> list[Row]:
    """The rows of a bundle as they were sealed, on chain 0."""
    places = [(row.chain, row.seq) for row in Manifest.parse(files["manifest.json"]).rows]
    assert [seq for _, seq in places] == list(range(len(places)))
    found = [decode(files[f"chains/{chain}/rows/{seq}.row"])[0] for chain, seq in places]
    return [replace(row, chain=0) for row in found]


class Forger:
    """A log that seals what it likes: rows signed with the key of whoever founded that deployment."""

    def __init__(self, files: dict[str, bytes], path: Path) -> None:
        self.rows = rows_of(files)
        deployment = msgspec.json.decode(self.rows[0].extra)["id"]
        (path / "keys").mkdir(mode=0o700)
        create(path / "keys")
        self.signer = LogSigner(path / "keys", msgspec.convert(deployment, bytes))
        self.policies = [content for name, content in files.items() if name.startswith("policy/")]
        self.path = path / "case.zip"

    def bundle(self, rows: list[Row], policies: list[bytes] | None = None) -> Path:
        """A bundle that holds."""
        policies = self.policies if policies is None else policies
        return packed(sealed_log(canonicals(rows), self.signer, 0, policies), self.path)

    def judged(self, rows: list[Row], policies: list[bytes] | None = None) -> Reexecution:
        """What re-execution says of it."""
        return reexecute(verify_archive(self.bundle(rows, policies), self.signer.public(0)))


@pytest.fixture
def forger(whole: dict[str, bytes], tmp_path: Path) -> Forger:
    return Forger(whole, tmp_path)


def place_of(forger: Forger, event: str) -> int:
    (seq,) = [row.seq for row in forger.rows if str(row.event_id) == event and row.verdict]
    return seq


def test_a_verdict_that_does_not_follow_is_found(forger: Forger, capsys: pytest.CaptureFixture[str]) -> None:
    assert forger.judged(forger.rows).differing == ()
    seq = place_of(forger, CALL)
    rows = [replace(row, verdict="permit", findings=()) if row.seq == seq else row for row in forger.rows]
    again = forger.judged(rows)
    (differing,) = again.differing
    assert (differing.seq, differing.recorded, differing.verdict) == (seq, "permit", "deny")
    assert "marketing.nix_not_checked" in differing.findings
    key = [str(key) for key in forger.signer.public(0)]
    assert verify_bundle(forger.path, key, None, False) == 1
    told = capsys.readouterr()
    assert f"chain 0, seq {seq}: the verdict is permit and, worked out again, deny" in told.err
    assert "1 differ" in told.out
    assert verify_bundle(forger.path, key, None, True) == 1
    assert json.loads(capsys.readouterr().out)["holds"] is False


def test_an_objection_that_was_left_out_shows(forger: Forger) -> None:
    """Nothing proves that rows are missing, but what was judged by them is then judged otherwise."""
    objection = place_of(forger, MAIL[:-1] + "0")
    rows = [replace(row, stage="not_run") if row.seq == objection else row for row in forger.rows]
    assert [one.seq for one in forger.judged(rows).differing] == [place_of(forger, MAIL)]


def test_what_cannot_be_worked_out_is_said(forger: Forger) -> None:
    verdicts = sum(bool(row.verdict) for row in forger.rows)
    seq = place_of(forger, CALL)
    newer = [replace(row, engine=999) if row.seq == seq else row for row in forger.rows]
    again = forger.judged(newer)
    assert [(one.seq, "engine 999" in one.reason) for one in again.not_done] == [(seq, True)]
    assert (again.agreeing, again.differing) == (verdicts - 1, ())
    strange = [replace(row, policy=hashlib.sha256(b"?").digest()) for row in forger.rows]
    again = forger.judged(strange, [b"?"])
    assert (again.agreeing, len(again.not_done)) == (0, verdicts)
    assert "a policy that this version can read" in again.not_done[0].reason
    found = [replace(row, kind="finding") if row.seq == seq else row for row in forger.rows]
    assert ["judges no event" in one.reason for one in forger.judged(found).not_done] == [True]
    for extra in ("[", '{"a":' * 5000 + "1" + "}" * 5000):
        broken = [replace(row, extra=extra) if row.seq == seq else row for row in forger.rows]
        again = forger.judged(broken)
        assert again.not_done[0].seq == seq
        assert "cannot be read as an event" in again.not_done[0].reason


@pytest.mark.parametrize(
    "option",
    [["--full"], ["--anchor", "a"], ["--data-dir", "d"], ["--format", "csv"]],
    ids=lambda one: one[0],
)
def test_options_of_a_ledger_do_not_go_with_a_bundle(option: list[str]) -> None:
    refused = run("verify", "case.zip", *option)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1), refused.stderr
    assert "not with an evidence bundle" in refused.stderr


def test_without_state_rows_no_verdict_about_a_person_is_worked_out(data: Path, tmp_path: Path) -> None:
    case = tmp_path / "case.zip"
    assert evidence(data, "--event", MAIL, "--no-state", "-o", case).returncode == 0
    files = unpacked(case.read_bytes())
    manifest = Manifest.parse(files["manifest.json"])
    assert [row.why for row in manifest.rows] == ["policy", "selected"]
    (entry,) = manifest.chains.items()
    again = reexecute(verify_archive(case, keys_of([str(data / "keys" / f"log-{entry[0]}.vkey")])))
    assert (again.agreeing, len(again.not_done)) == (0, 1)
    assert "are not in the bundle" in again.not_done[0].reason


@pytest.fixture
def company(store: Store, tmp_path: Path) -> Company:
    return Company(store, tmp_path / "keys")


def test_state_rows_are_those_of_the_store(company: Company) -> None:
    ledger = LedgerStore(company.store)
    for chain in company.chains:
        theirs = [row.seq for row in ledger.state_rows(chain, 300)]
        assert [row.seq for row in ledger.rows_where(chain, 0, 300, STATE)] == theirs
        for seq in (150, 299):
            (row,) = ledger.rows_where(chain, seq, seq + 1, "1")
            chosen = choose(company.store, Selection(places=((chain, seq),)), 300)
            state = [
                r.seq for r in ledger.state_rows(chain, seq) if r.subject == row.subject and any(r.subject)
            ]
            assert [one.seq for one in chosen if one.why == "state"] == state
    assert theirs


def test_a_running_stack_s_store_gives_the_same_bundle(company: Company) -> None:
    remote = RemoteStore(lambda question: carried(company.store, question))
    subject = next(row.subject for row in company_chain(0, 300) if row.kind == "transfer")
    for selection in (
        Selection(subjects=(subject,), since=MADE_AT.replace(year=2025), until=MADE_AT),
        Selection(recipient="polisen", rule="T.1", verdict="deny", kind="disclosure", chain=2),
    ):
        made = company.bundle(selection)
        rows = choose(remote, selection, 1000)
        again = build(remote, rows, company.log, Request(selection.words(), MADE_AT))
        assert again.content == made.content


def test_rows_that_no_checkpoint_covers_are_named(company: Company) -> None:
    store = company.store
    store.command("DELETE FROM {database}.checkpoints WHERE size = 300")
    with pytest.raises(NotYetCovered, match=r"rows 0/257, 2/299 yet; try again"):
        company.bundle(Selection(places=((0, 3), (0, 257), (2, 299))), state_rows=False)
    store.command("DELETE FROM {database}.checkpoints WHERE chain = 2")
    with pytest.raises(NotYetCovered, match=r"2/0, 2/\d+, .* and \d+ more yet"):
        company.bundle(Selection(chain=2, verdict="flag"))


def test_too_much_and_nothing_are_refused(company: Company) -> None:
    with pytest.raises(TooManyRows):
        company.bundle(Selection(chain=0), limit=299)
    with pytest.raises(NothingSelected):
        company.bundle(Selection(recipient="nobody"))
    assert len(company.bundle(Selection(chain=0), limit=300).manifest.rows) == 300


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "ALTER TABLE {database}.ledger UPDATE purpose = 'x' WHERE seq = 9 SETTINGS mutations_sync = 2",
            "seq 9",
        ),
        ("DELETE FROM {database}.ledger WHERE seq = 8 AND chain = 0", "rows are missing|hashes, not"),
        ("DELETE FROM {database}.tiles WHERE chain = 0", "level 1"),
    ],
)
def test_a_ledger_that_was_changed_gives_no_evidence(company: Company, statement: str, words: str) -> None:
    company.store.command(statement)
    with pytest.raises(Exception, match=words) as found:
        build(
            company.store,
            [Listed(0, 0, "policy"), Listed(0, 9, "selected"), Listed(0, 290, "selected")],
            company.log,
            Request(("x",), MADE_AT, False),
        )
    assert type(found.value).__module__.startswith("ansvar.")
    assert isinstance(found.value, EvidenceError) or "verify" in str(found.value)
