"""Evidence bundles: what is accepted, and what an attacker who has the file, or the log's key, is told."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace as changed
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.accountability.evidence import building
from ansvar.accountability.evidence.building import Log, Request, build
from ansvar.accountability.evidence.errors import EvidenceError
from ansvar.accountability.evidence.selecting import Selection, choose
from ansvar.ledger.checkpoint import Checkpoint, cosign_ed25519, cosign_mldsa, ed25519_key, mldsa_key
from ansvar.ledger.errors import BadSignature, Fault, LedgerError, Malformed, NoQuorum, Unproved, WrongOrigin
from ansvar.ledger.notes import COSIGNATURE_ED25519, Note, NoteSignature, VerifierKey
from ansvar.ledger.row import Row
from ansvar.ledger.tlog_proof import TlogProof
from ansvar.ledger.trust import NO_WITNESSES, TrustPolicy
from ansvar.store.checkpoints import Checkpoints, Stored
from ansvar.store.client import Store
from ansvar.store.migrate import migrate
from ansvar.store.trees import Trees
from ansvar.vault.logkeys import LogSigner, create
from ansvar.verifier import evidence
from ansvar.verifier.archive import NotEvidence
from ansvar.verifier.evidence import EvidenceReport, verify_archive
from ansvar.verifier.manifest import MAX_MANIFEST, MAX_SELECTION, Manifest, lean
from ansvar.verifier.telling import lines_of, to_json
from ansvar.verifier.trees import NoKey
from evidences import (
    DEPLOYMENT,
    MADE_AT,
    POLICY,
    SIGNED_AT,
    Company,
    canonicals,
    founded,
    packed,
    relisted,
    sealed_log,
    unpacked,
    without_signatures,
)
from rows import company_chain
from stores import engine as engine
from stores import new_database

ALICE = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
BOB = MLDSA44PrivateKey.from_seed_bytes(b"b" * 32)
ALICE_KEY = ed25519_key("witness.example/alice", ALICE.public_key(), COSIGNATURE_ED25519)
BOB_KEY = mldsa_key("witness.example/bob", BOB.public_key())
BOTH = TrustPolicy.parse(
    f"witness alice {ALICE_KEY}\nwitness bob {BOB_KEY}\ngroup both all alice bob\nquorum both\n".encode()
)
SERVICES = Path(__file__).parents[3] / "services"

Verify = Callable[..., EvidenceReport]


def cosign(tree: Checkpoint, at: int) -> Sequence[NoteSignature]:
    """Alice cosigns five seconds later, Bob nine."""
    return (
        cosign_ed25519(tree, ALICE_KEY.name, ALICE, at + 5),
        cosign_mldsa(tree, BOB_KEY.name, BOB, at + 9),
    )


@pytest.fixture(scope="module")
def company(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Two chains of 300 rows each, witnessed."""
    store = Store(engine, database=new_database())
    migrate(store, 0)
    yield Company(store, tmp_path_factory.mktemp("log") / "keys", cosign)
    store.close()


@pytest.fixture(scope="module")
def content(company: Company) -> bytes:
    """A bundle of eight selected rows, some of them neighbours, in three trees of two chains."""
    places = ((0, 5), (0, 6), (0, 7), (0, 120), (0, 299), (2, 7), (2, 8), (2, 260))
    return company.bundle(Selection(places=places), state_rows=False).content


@pytest.fixture
def files(content: bytes) -> dict[str, bytes]:
    """The files of that bundle."""
    return unpacked(content)


@pytest.fixture
def verify(company: Company, tmp_path: Path) -> Verify:
    """Packs files and verifies them, by default with all keys of the log and no witness."""

    def verified(
        files: dict[str, bytes], keys: Sequence[VerifierKey] | None = None, policy: TrustPolicy = NO_WITNESSES
    ) -> EvidenceReport:
        return verify_archive(
            packed(files, tmp_path / "case.zip"), company.keys if keys is None else keys, policy
        )

    return verified


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> LogSigner:
    """Another log key of the same deployment: its logs have the same origins."""
    keys = tmp_path_factory.mktemp("other")
    keys.chmod(0o700)
    create(keys)
    return LogSigner(keys, DEPLOYMENT.bytes)


def test_a_bundle_proves_its_rows_in_the_earliest_trees(files: dict[str, bytes], verify: Verify) -> None:
    report = verify(files, policy=BOTH)
    selected = {(row.chain, row.seq): row.size for row in report.rows if row.why == "selected"}
    assert selected == {
        (0, 5): 100,
        (0, 6): 100,
        (0, 7): 100,
        (0, 120): 257,
        (0, 299): 300,
        (2, 7): 100,
        (2, 8): 100,
        (2, 260): 300,
    }
    assert [(row.chain, row.seq) for row in report.rows if row.seq == 0] == [(0, 0), (2, 0)]
    assert [(one.chain, one.checkpoint.size, one.witnessed) for one in report.checkpoints] == [
        (0, 100, (SIGNED_AT + 5, SIGNED_AT + 9)),
        (0, 257, (SIGNED_AT + 65, SIGNED_AT + 69)),
        (0, 300, (SIGNED_AT + 125, SIGNED_AT + 129)),
        (2, 100, (SIGNED_AT + 5, SIGNED_AT + 9)),
        (2, 257, (SIGNED_AT + 65, SIGNED_AT + 69)),  # of the row that put a policy in force
        (2, 300, (SIGNED_AT + 125, SIGNED_AT + 129)),
    ]
    assert all(one.signed_by_log and len(one.signed) == 4 for one in report.checkpoints)
    assert report.policies == {hashlib.sha256(POLICY).digest(): POLICY}
    assert report.chains == (0, 2)
    assert {key.kind for key in report.keys} == {0x01, 0x04, 0x06}


def test_the_same_rows_give_the_same_bytes(company: Company, content: bytes) -> None:
    places = ((2, 260), (0, 299), (0, 5), (0, 6), (0, 7), (0, 120), (2, 7), (2, 8))
    again = unpacked(company.bundle(Selection(places=places), state_rows=False).content)
    first = unpacked(content)
    assert {name for name in first if first[name] != again[name]} == {
        "manifest.json"
    }  # the order of criteria
    places = ((0, 5), (0, 6), (0, 7), (0, 120), (0, 299), (2, 7), (2, 8), (2, 260))
    assert company.bundle(Selection(places=places), state_rows=False).content == content


def test_each_proof_stands_by_itself(company: Company, files: dict[str, bytes]) -> None:
    """Other tools than ours need only the row, its proof and the Ed25519 keys."""
    proofs = [name for name in files if name.endswith(".tlog-proof")]
    policy = TrustPolicy.parse(f"witness alice {ALICE_KEY}\nquorum alice\n".encode())
    for name in proofs:
        row = files[name.replace(".tlog-proof", ".row")]
        keys = [key for key in company.keys if key.kind == 0x01]
        TlogProof.parse(files[name]).verify(hashlib.sha256(b"\0" + row).digest(), keys, policy)
        assert len(files[name]) < 1200
    assert len(proofs) > 8


def test_a_changed_byte_is_found_or_proves_no_more(
    content: bytes, files: dict[str, bytes], verify: Verify
) -> None:
    """Only words that the report calls unproved, and signatures under a name nobody knows, may be changed."""
    dice = random.Random(5)
    whole = verify(files, policy=BOTH)
    accepted = set()
    for name in sorted(files):
        for _ in range(5):
            data = bytearray(files[name])
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            try:
                report = verify(files | {name: bytes(data)}, policy=BOTH)
            except LedgerError:
                continue
            accepted.add(name)
            assert report.rows == whole.rows
            assert report.policies == whole.policies
            for before, after in zip(whole.checkpoints, report.checkpoints, strict=True):
                assert after.checkpoint == before.checkpoint
                assert set(after.signed) <= set(before.signed)
    assert all(name == "manifest.json" or "/checkpoints/" in name for name in accepted)


def test_a_missing_file_is_named(files: dict[str, bytes], verify: Verify) -> None:
    for name in files:
        left = {other: data for other, data in files.items() if other != name}
        with pytest.raises(Malformed, match="missing") as found:
            verify(left)
        assert found.value.where == name


@pytest.mark.parametrize("name", ["chains/0/rows/9.row", "notes.txt", "chains/1/checkpoints/9", "policy/x"])
def test_a_file_too_many_is_named(name: str, files: dict[str, bytes], verify: Verify) -> None:
    with pytest.raises(Malformed, match="the manifest has no such file"):
        verify(files | {name: b"x"})


def swapped(files: dict[str, bytes], first: str, second: str) -> dict[str, bytes]:
    return files | {first: files[second], second: files[first]}


@pytest.mark.parametrize(
    ("first", "second", "error", "words"),
    [
        ("chains/0/rows/5.row", "chains/0/rows/6.row", Fault, "seq 5: reordered: .* number 6"),
        ("chains/0/rows/7.row", "chains/2/rows/7.row", Fault, "seq 7: wrong-origin: .* chain 2"),
        ("chains/0/rows/5.tlog-proof", "chains/0/rows/6.tlog-proof", Fault, "reordered: .* leaf 6"),
        ("chains/0/rows/7.tlog-proof", "chains/2/rows/7.tlog-proof", Unproved, "none of this chain's"),
        ("chains/0/checkpoints/300", "chains/2/checkpoints/300", WrongOrigin, "chains/0/checkpoints/300"),
        ("chains/0/checkpoints/100", "chains/2/checkpoints/100", WrongOrigin, "chains/0/checkpoints/100"),
        ("chains/0/checkpoints/100", "chains/0/checkpoints/257", Unproved, "a checkpoint of size 100"),
        ("chains/0/checkpoints/100", "chains/0/checkpoints/300", Unproved, "a checkpoint of size 100"),
        ("chains/0/consistency/100", "chains/0/consistency/257", Unproved, "not a proof from size"),
        ("chains/0/consistency/100", "chains/2/consistency/100", Unproved, "not a proof from size"),
        ("README.en.md", "README.sv.md", Malformed, "not the document that the manifest lists"),
        ("rows.jsonl", "schema/row-v1.json", Malformed, "schema"),
    ],
)
def test_files_in_each_others_place_are_found(
    first: str, second: str, error: type[LedgerError], words: str, files: dict[str, bytes], verify: Verify
) -> None:
    with pytest.raises(error, match=words):
        verify(swapped(files, first, second))


def test_a_row_with_another_word_is_not_the_row_that_was_logged(
    files: dict[str, bytes], verify: Verify
) -> None:
    name = "chains/0/rows/5.row"
    for one in ("crm", "fakturering"):
        if one.encode() in files[name]:
            edited = files[name].replace(one.encode(), one[::-1].encode())
    with pytest.raises(Unproved, match=r"5\.tlog-proof: inclusion proof: leaf 5"):
        verify(files | {name: edited})


def test_what_is_shown_for_reading_is_what_the_rows_say(files: dict[str, bytes], verify: Verify) -> None:
    told = [json.loads(line) for line in files["rows.jsonl"].decode().splitlines()]
    assert [(one["chain"], one["seq"]) for one in told][:2] == [(0, 0), (0, 5)]
    with pytest.raises(Malformed, match=r"rows\.jsonl: not what the rows of the bundle say"):
        verify(files | {"rows.jsonl": files["rows.jsonl"].replace(b'"permit"', b'"deny"')})


def test_documents_are_the_makers_words(files: dict[str, bytes], verify: Verify) -> None:
    """A forger can put other words in, which is why the report calls them unproved; not into the rows."""
    forged = relisted(files | {"README.en.md": b"All rows are here."})
    assert verify(forged).rows == verify(files).rows


def test_a_policy_that_is_not_the_rows_is_refused(files: dict[str, bytes], verify: Verify) -> None:
    (name,) = [name for name in files if name.startswith("policy/")]
    with pytest.raises(Malformed, match="SHA-256 of its name"):
        verify(files | {name: POLICY + b" "})
    manifest = Manifest.parse(files["manifest.json"])
    more = hashlib.sha256(b"more").hexdigest()
    policies = tuple(sorted({*manifest.policies, more}))
    told = {"manifest.json": changed(manifest, policies=policies).encode(), f"policy/{more}": b"more"}
    with pytest.raises(Malformed, match="no row of the bundle names this policy"):
        verify(files | told)
    left = {other: data for other, data in files.items() if other != name}
    with pytest.raises(Malformed, match=r"rows/0\.row: row, policy: .* is not in the bundle"):
        verify(left | {"manifest.json": changed(manifest, policies=()).encode()})


def test_no_key_and_the_wrong_key_are_told_apart(
    files: dict[str, bytes], company: Company, signer: LogSigner, verify: Verify
) -> None:
    with pytest.raises(NoKey, match="must not be taken from the bundle"):
        verify(files, [])
    with pytest.raises(NoKey, match=rf"no key was given for the log 'ansvar/{DEPLOYMENT}/2'"):
        verify(files, company.signer.public(0))
    with pytest.raises(BadSignature, match=r"checkpoints/300: .* no key that is trusted for this log"):
        verify(files, [*signer.public(0), *company.signer.public(2)])
    ed25519 = [key for key in company.keys if key.kind == 0x01]
    assert {key.kind for key in verify(files, ed25519).keys} == {0x01}


@pytest.mark.parametrize("witness", [ALICE_KEY.name, BOB_KEY.name])
@pytest.mark.parametrize("size", [100, 300])
def test_a_witness_that_is_asked_for_must_have_signed(
    witness: str, size: int, files: dict[str, bytes], verify: Verify
) -> None:
    name = f"chains/2/checkpoints/{size}"
    stripped = files | {name: without_signatures(files[name], witness)}
    with pytest.raises(LedgerError) as found:
        verify(stripped, policy=BOTH)
    assert isinstance(found.value, NoQuorum)
    assert name in str(found.value)


def test_the_policy_of_the_log_is_in_the_bundle_for_information(
    company: Company, tmp_path: Path, verify: Verify
) -> None:
    log = Log(company.signer.origin, company.signer.successions, BOTH.encode())
    rows = choose(company.store, Selection(places=((0, 5),)), 10, state_rows=False)
    files = unpacked(build(company.store, rows, log, Request(("row 0/5",), MADE_AT, False)).content)
    assert files["witnesses.policy"] == BOTH.encode()
    assert "witnesses.policy" in verify(files, policy=BOTH).manifest.documents
    with pytest.raises(Malformed, match=r"witnesses\.policy: trust policy"):
        verify(relisted(files | {"witnesses.policy": b"words"}))


def test_an_auditor_s_policy_may_name_the_log_too(
    company: Company, files: dict[str, bytes], verify: Verify
) -> None:
    logs = "".join(f"log {key}\n" for key in company.keys if key.kind == 0x01)
    policy = TrustPolicy.parse(f"{logs}witness alice {ALICE_KEY}\nquorum alice\n".encode())
    assert verify(files, [], policy).rows == verify(files).rows


@pytest.mark.parametrize("pinned", [0, 1])
@pytest.mark.parametrize("quorum", ["self", "none"])
def test_a_log_is_no_witness_of_itself(
    pinned: int, quorum: str, company: Company, files: dict[str, bytes], verify: Verify
) -> None:
    """Neither by its cosigner's key, pinned or not, nor by its key under another name."""
    ed25519, mldsa = company.signer.public(0)[:2]
    given = [*company.signer.public(0)[: 1 + pinned], *company.signer.public(2)]
    for witness in (mldsa, VerifierKey("witness.example/own", COSIGNATURE_ED25519, ed25519.public)):
        policy = TrustPolicy.parse(f"witness self {witness}\nquorum {quorum}\n".encode())
        with pytest.raises(NoQuorum, match="a log cannot vouch for itself"):
            verify(files, given, policy)


def test_what_a_report_keeps_is_limited(
    content: bytes, files: dict[str, bytes], company: Company, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = sum(len(data) for name, data in files.items() if name.endswith(".row") or "policy/" in name)
    monkeypatch.setattr(evidence, "MAX_KEPT", kept)
    verify(files)
    monkeypatch.setattr(evidence, "MAX_KEPT", kept - 1)
    with pytest.raises(Malformed, match=f"rows and policies of more than {kept - 1} bytes in all"):
        verify(files)


def test_more_than_a_verifier_takes_is_not_made(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = choose(company.store, Selection(places=((0, 5),)), 10, state_rows=False)
    with pytest.raises(EvidenceError, match="narrow the selection"):
        build(company.store, rows, company.log, Request(("x",) * (MAX_SELECTION + 1), MADE_AT, False))
    monkeypatch.setattr(building, "MAX_KEPT", 100)
    with pytest.raises(EvidenceError, match="of rows and policies; narrow the selection"):
        build(company.store, rows, company.log, Request(("x",), MADE_AT, False))


def test_a_manifest_is_measured_before_it_is_read(files: dict[str, bytes]) -> None:
    manifest = Manifest.parse(files["manifest.json"])
    assert Manifest.parse(changed(manifest, selection=("x",) * MAX_SELECTION).encode())
    with pytest.raises(NotEvidence, match="selection"):
        Manifest.parse(changed(manifest, selection=("x",) * (MAX_SELECTION + 1)).encode())
    with pytest.raises(NotEvidence, match=f"length: more than {MAX_MANIFEST} bytes"):
        Manifest.parse(b"[" * (MAX_MANIFEST + 1))


def test_an_older_tree_needs_no_signature_but_the_newest_one_does(
    company: Company, files: dict[str, bytes], verify: Verify
) -> None:
    """A bundle with the signatures of the log taken off the older trees: their consistency holds them."""
    origin = company.signer.origin(0)
    report = verify(_unsigned(files, 0, 257, origin))
    states = {(one.chain, one.checkpoint.size): one.signed_by_log for one in report.checkpoints}
    assert states[0, 257] is False
    assert sum(states.values()) == len(states) - 1
    with pytest.raises(BadSignature, match="trusted for this log"):
        verify(_unsigned(files, 0, 300, origin))


def _unsigned(files: dict[str, bytes], chain: int, size: int, origin: str) -> dict[str, bytes]:
    """The bundle without the log's signatures on one checkpoint, in the proofs that repeat it too."""
    name = f"chains/{chain}/checkpoints/{size}"
    stripped = without_signatures(files[name], origin)
    before, after = lean(Note.parse(files[name])), lean(Note.parse(stripped))
    return {
        other: stripped if other == name else data.replace(before, after) for other, data in files.items()
    }


def test_a_key_that_was_replaced_leads_to_the_new_one(engine: str, tmp_path: Path, signer: LogSigner) -> None:
    with_store = Store(engine, database=new_database())
    migrate(with_store, 0)
    company = Company(with_store, tmp_path / "keys")
    old = company.signer.public(0)
    company.signer.rotate(company.chains, SIGNED_AT, 0)
    note = company.signer.sign(0, 300, _root(company), SIGNED_AT + 900)
    assert [s.key_id for s in note.signatures] == [key.key_id for key in company.signer.public(0)[:2]]
    with_store.command("DELETE FROM {database}.checkpoints WHERE size = 300")
    Checkpoints(with_store).keep([Stored(0, 300, (SIGNED_AT + 900) * 1000, True, note.encode())])
    files = unpacked(company.bundle(Selection(places=((0, 5), (0, 299))), state_rows=False).content)
    with_store.close()
    path = packed(files, tmp_path / "case.zip")
    by_old = verify_archive(path, old)
    assert all(one.signed_by_log for one in by_old.checkpoints)
    assert to_json(by_old)["verified_by"] == {"0": "successor"}
    assert "verified by a successor of the key that was given" in "\n".join(lines_of(by_old))
    new = verify_archive(path, company.signer.public(0)[:2])
    assert to_json(new)["verified_by"] == {"0": "pinned key"}
    assert "  verified by a key that was given" in lines_of(new)
    assert [(one.checkpoint.size, one.signed_by_log) for one in new.checkpoints] == [
        (100, False),
        (300, True),
    ]
    without = {name: data for name, data in files.items() if "successions" not in name}
    told = without | {
        "manifest.json": files["manifest.json"].replace(b'"successions":true', b'"successions":false')
    }
    with pytest.raises(BadSignature, match="trusted for this log"):
        verify_archive(packed(told, tmp_path / "b.zip"), old)
    name = "chains/0/successions"
    forged = files | {name: files[name].replace(b"until 1", b"until 2")}
    with pytest.raises(BadSignature, match="successions"):
        verify_archive(packed(forged, tmp_path / "c.zip"), old)


def _root(company: Company) -> bytes:
    return Trees(company.store).rebuild(0, 300).root()


def chain_of(*changes: tuple[int, str, object]) -> list[Row]:
    """Six rows, sealed and linked, of which some are not what they should be."""
    rows = founded(company_chain(0, 6))
    for seq, column, value in changes:
        rows[seq] = replace(rows[seq], **{column: value})
    return rows


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (chain_of((3, "chain", 1)), "seq 3: wrong-origin: the row says that it stands in chain 1"),
        (chain_of((3, "seq", 9)), "seq 3: reordered: the row says that it has the number 9"),
        (chain_of((3, "kind", "genesis")), "seq 3: edited: the first row of a chain"),
        (chain_of((0, "kind", "policy")), "seq 0: edited: the first row of a chain"),
        (chain_of((0, "extra", "{}")), "seq 0: wrong-origin: founded in another deployment"),
        (chain_of((0, "extra", '{"id":"AAAA"}')), "seq 0: wrong-origin: founded in another"),
        (chain_of((0, "extra", "[" * 50_000)), "seq 0: wrong-origin: founded in another"),
        (chain_of((0, "policy", bytes(32))), "seq 1: missing: no row before it puts the policy"),
        (chain_of((4, "policy", b"p" * 32)), r"rows/4\.row: row, policy: the policy 70.* is not in"),
    ],
)
def test_a_log_that_sealed_nonsense_is_found_out(
    rows: list[Row], words: str, signer: LogSigner, verify: Verify
) -> None:
    with pytest.raises(LedgerError, match=words):
        verify(sealed_log(canonicals(rows), signer), signer.public(0))


def test_a_log_whose_rows_are_not_linked_is_found_out(signer: LogSigner, verify: Verify) -> None:
    whole = canonicals(chain_of())
    assert len(verify(sealed_log(whole, signer), signer.public(0)).rows) == 6
    for seq, words in ((3, "seq 3: forked"), (0, "seq 0: edited: the first row of a chain follows no other")):
        broken = [*whole[:seq], whole[seq][:-32] + b"x" * 32, *whole[seq + 1 :]]
        with pytest.raises(Fault, match=words):
            verify(sealed_log(broken, signer), signer.public(0))


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x07" * 100, b"\x01" * 70_000, b"\x01" + b"\xff" * 400])
def test_a_leaf_that_is_no_row_is_found_out(data: bytes, signer: LogSigner, verify: Verify) -> None:
    whole = canonicals(chain_of())
    for broken in ([*whole[:5], data], [*whole[:5], whole[5] + data]):
        if broken != whole:
            with pytest.raises(Malformed, match=r"rows/5\.row"):
                verify(sealed_log(broken, signer), signer.public(0))


def test_files_cut_anywhere_are_refused(content: bytes, company: Company, tmp_path: Path) -> None:
    path = tmp_path / "case.zip"
    for end in range(0, len(content), len(content) // 50):
        path.write_bytes(content[:end])
        with pytest.raises(NotEvidence):
            verify_archive(path, company.keys)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
def test_a_manifest_is_read_or_refused(data: st.DataObject, content: bytes) -> None:
    found = json.loads(unpacked(content)["manifest.json"])
    place = found
    field = data.draw(st.sampled_from(sorted(found)))
    while isinstance(place[field], dict | list) and place[field] and data.draw(st.booleans()):
        place = place[field]
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        field = data.draw(st.sampled_from(keys))
    place[field] = data.draw(_JSON)
    text = json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        encoded = text.encode()
        manifest = Manifest.parse(encoded)
    except (LedgerError, UnicodeEncodeError):
        return
    assert manifest.encode() == encoded


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000, b'{"format":"other/1"}'),
        '{"format":"ansvar-evidence/1"}'.encode("utf-16"),
    ],
)
def test_another_manifest_is_no_evidence(data: bytes, files: dict[str, bytes], verify: Verify) -> None:
    with pytest.raises(NotEvidence, match="evidence manifest"):
        verify(files | {"manifest.json": data})


ALONE = f"""
import sys
sys.path[:] = [{str(SERVICES)!r}, *[path for path in sys.path if "site-packages" not in path], "PACKAGES"]
class Refused:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in ("ansvar", "cryptography", "_cffi_backend"):
            return None
        raise ModuleNotFoundError("not allowed: " + name, name=name)
sys.meta_path.insert(0, Refused())
import runpy
runpy.run_module("ansvar.verifier", run_name="__main__", alter_sys=True)
"""


def alone(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The verifier in a process that can import nothing but the standard library, cryptography and ours."""
    program = ALONE.replace("PACKAGES", sysconfig.get_paths()["platlib"])
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_verifier_needs_cryptography_alone(
    company: Company, content: bytes, files: dict[str, bytes], tmp_path: Path
) -> None:
    case, keys, policy = tmp_path / "case.zip", tmp_path / "keys", tmp_path / "witnesses.policy"
    case.write_bytes(content)
    keys.write_text("".join(f"{key}\n" for key in company.keys))
    policy.write_bytes(BOTH.encode())
    good = alone(case, "--key", keys, "--policy", policy)
    assert (good.returncode, good.stderr) == (0, "")
    for words in ("signed by the log; witnessed by 2026-", "The verdicts were not worked out again"):
        assert words in good.stdout
    told = alone(case, *(word for key in company.keys for word in ("--key", str(key))), "--json")
    report = json.loads(told.stdout)
    assert (told.returncode, report["holds"], report["verdicts"]) == (0, True, None)
    assert report["unproved"]["complete"] is None
    os.mkfifo(tmp_path / "pipe")
    forged = packed(swapped(files, "chains/0/rows/5.row", "chains/0/rows/6.row"), tmp_path / "forged.zip")
    cases = [
        ((forged, "--key", keys), 1, "reordered"),
        ((case,), 2, "no key of a log was given"),
        ((case, "--key", "ansvar/x+00000000+AAAA"), 2, "--key: verifier key"),
        ((case, "--key", tmp_path / "no-file"), 2, "neither a verifier key nor a file"),
        ((case, "--key", case), 2, "--key"),
        ((case, "--key", keys, "--policy", keys), 2, "--policy: trust policy, line 1"),
        ((keys, "--key", keys), 2, "evidence bundle, archive"),
        ((tmp_path / "none.zip", "--key", keys), 2, "No such file"),
        ((case, "--key", "a+b+" + "c" * 5000), 2, "--key: verifier key"),
        ((tmp_path / "pipe", "--key", keys), 2, "not a regular file"),
        ((case, "--key", tmp_path / "pipe"), 2, "not a regular file"),
    ]
    for arguments, code, words in cases:
        done = alone(*arguments)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def test_the_archive_lists_its_files_in_order_and_without_times(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
