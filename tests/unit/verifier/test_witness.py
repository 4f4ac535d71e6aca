"""A witness cosigns one history of a log and nothing else, whoever asks and in whatever order."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansvar.ledger.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint, signatures_of
from ansvar.ledger.notes import Note, NoteSignature
from ansvar.ledger.witness_protocol import (
    MAX_REQUEST,
    AddCheckpoint,
    origin_hash,
    parse_cosignatures,
    parse_size,
)
from ansvar.verifier import witness_store
from ansvar.verifier.witness import Answer, Witness
from ansvar.verifier.witness_store import WitnessError, WitnessStore
from small_logs import ORIGIN, SmallLog, witness_keys

NOW = 1_800_000_000
LOG = SmallLog()
KEYS = witness_keys()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "witness.db"


@pytest.fixture
def store(path: Path) -> Iterator[WitnessStore]:
    opened = WitnessStore(path)
    yield opened
    opened.close()


@pytest.fixture
def witness(store: WitnessStore) -> Witness:
    return Witness(store, KEYS, LOG.keys)


@contextmanager
def fresh_store() -> Iterator[WitnessStore]:
    """A store for one example."""
    with tempfile.TemporaryDirectory() as directory, closing(WitnessStore(Path(directory) / "db")) as store:
        yield store


def cosigned(answer: Answer, checkpoint: Checkpoint, time: int = NOW) -> None:
    """The answer is a cosignature of both keys over the checkpoint."""
    assert answer.status == 200, answer
    note = Note(checkpoint.text(), parse_cosignatures(answer.body))
    signed = signatures_of(note, checkpoint, KEYS.public)
    assert [one.key for one in signed] == list(KEYS.public)
    assert {one.time for one in signed} == {time}


def published(witness: Witness, origin: str = ORIGIN) -> OpenedCheckpoint:
    """What a monitor gets, every signature verified."""
    answer = witness.published(origin_hash(origin))
    assert answer.status == 200
    return open_checkpoint(answer.body, LOG.keys, KEYS.public, origin)


def size_of(witness: Witness) -> int:
    return published(witness).checkpoint.size


def test_a_growing_log_is_cosigned_and_published(witness: Witness) -> None:
    for old, new in pairwise([0, 1, 7, 8, 8, 300]):
        cosigned(witness.add_checkpoint(LOG.request(old, new, mldsa=True), NOW), LOG.checkpoint(new))
        opened = published(witness)
        assert opened.checkpoint == LOG.checkpoint(new)
        assert {one.key for one in opened.signed} == {*LOG.keys, *KEYS.public}


@settings(max_examples=30)  # each has a file of its own
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), max_size=20))
def test_the_size_never_falls_and_old_must_be_the_last_one(pairs: list[tuple[int, int]]) -> None:
    with fresh_store() as store:
        witness, known = Witness(store, KEYS, LOG.keys), 0
        for old, new in pairs:
            proof = LOG.proof(old, new) if old <= new else ()
            answer = witness.add_checkpoint(AddCheckpoint(old, proof, LOG.note(new).encode()).encode(), NOW)
            if old > new:
                assert answer.status == 400
            elif old != known:
                assert (answer.status, parse_size(answer.body)) == (409, known)
            else:
                cosigned(answer, LOG.checkpoint(new))
                known = new


def test_only_the_logs_own_signatures_are_kept(witness: Witness) -> None:
    stranger = NoteSignature("someone.example", b"1234", b"x" * 64)
    twice = LOG.note(3, mldsa=True).with_signatures(stranger, *LOG.note(3, mldsa=True).signatures)
    assert len(twice.signatures) == 4  # ML-DSA signs anew each time
    body = AddCheckpoint(0, (), twice.encode()).encode()
    cosigned(witness.add_checkpoint(body, NOW), LOG.checkpoint(3))
    keys = (*LOG.keys, *KEYS.public)
    assert [(s.name, s.key_id) for s in published(witness).note.signatures] == [
        (key.name, key.key_id) for key in keys
    ]


def test_an_empty_tree_is_cosigned(witness: Witness) -> None:
    cosigned(witness.add_checkpoint(LOG.request(0, 0), NOW), LOG.checkpoint(0))
    cosigned(witness.add_checkpoint(LOG.request(0, 5), NOW), LOG.checkpoint(5))


def test_an_empty_tree_with_another_root_is_422(witness: Witness) -> None:
    wrong = Checkpoint(ORIGIN, 0, b"r" * 32)
    body = AddCheckpoint(0, (), LOG.note(wrong).encode()).encode()
    assert witness.add_checkpoint(body, NOW).status == 422
    assert witness.published(origin_hash(ORIGIN)).status == 404


@pytest.mark.parametrize(("old", "new"), [(4, 9), (0, 9), (6, 9), (0, 4), (3, 4), (0, 5)])
def test_another_old_size_is_409_with_the_known_one(witness: Witness, old: int, new: int) -> None:
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    answer = witness.add_checkpoint(LOG.request(old, new), NOW)
    assert answer == Answer(409, b"5\n", "text/x.tlog.size")
    assert size_of(witness) == 5


def test_an_old_size_above_the_new_one_is_400(witness: Witness) -> None:
    body = AddCheckpoint(6, (), LOG.note(5).encode()).encode()
    assert witness.add_checkpoint(body, NOW).status == 400


def test_a_proof_from_size_0_is_422_and_no_conflict(witness: Witness, store: WitnessStore) -> None:
    body = AddCheckpoint(0, (b"h" * 32,), LOG.note(5).encode()).encode()
    assert witness.add_checkpoint(body, NOW).status == 422
    assert store.conflicts() == ()


def test_an_unknown_origin_is_404(witness: Witness) -> None:
    other = SmallLog(origin="example.com/other")
    assert witness.add_checkpoint(other.request(0, 5), NOW).status == 404
    assert witness.published(origin_hash(other.origin)).status == 404


def test_without_a_trusted_signature_it_is_403(witness: Witness) -> None:
    assert witness.add_checkpoint(SmallLog(secret=b"x" * 32).request(0, 5), NOW).status == 403


@pytest.mark.parametrize("which", [0, 1])
def test_one_bad_signature_of_the_log_is_403_beside_a_good_one(witness: Witness, which: int) -> None:
    signatures = list(LOG.note(5, mldsa=True).signatures)
    signatures[which] = replace(signatures[which], blob=signatures[which].blob[:-1] + b"\0")
    body = AddCheckpoint(0, (), Note(LOG.checkpoint(5).text(), tuple(signatures)).encode()).encode()
    assert witness.add_checkpoint(body, NOW).status == 403


GOOD = LOG.request(2, 5)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"old 0",
        b"old 0\n\n",
        GOOD[:-1],
        GOOD.replace(b"old 2", b"old 02"),
        GOOD.replace(b"old 2", b"old -2"),
        GOOD.replace(b"old 2", b"size 2"),
        GOOD.replace(b"\n5\n", b"\n" + b"9" * 4000 + b"\n"),
        GOOD.replace(b"\n5\n", b"\n5\nextension\n"),
        b"old 2\n" + b"AAAA\n" * 64 + b"\n" + LOG.note(5).encode(),
        b"old 2\n" + b"A" * 43 + b"\n\n" + LOG.note(5).encode(),
        GOOD.replace(b"ansvar", b"\xff\xfe"),
        GOOD + b"x" * MAX_REQUEST,
    ],
)
def test_malformed_bodies_are_400(witness: Witness, body: bytes) -> None:
    answer = witness.add_checkpoint(body, NOW)
    assert answer.status == 400
    assert answer.body.endswith(b"\n")


@pytest.fixture(scope="module")
def at_size_2() -> Iterator[Witness]:
    with fresh_store() as store:
        witness = Witness(store, KEYS, LOG.keys)
        witness.add_checkpoint(LOG.request(0, 2), NOW)
        yield witness


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_is_never_cosigned(at_size_2: Witness, at: int, change: int) -> None:
    changed = GOOD[:at] + bytes([GOOD[at] ^ change]) + GOOD[at + 1 :]
    assert at_size_2.add_checkpoint(changed, NOW).status in (400, 403, 404, 409, 422)
    assert size_of(at_size_2) == 2


@pytest.mark.parametrize("old", [0, 5])
def test_another_root_of_the_same_size_is_kept_as_proof(
    witness: Witness, store: WitnessStore, old: int
) -> None:
    """The status is 422, or 409 where the old size is not the known one; the proof is one either way."""
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    fork = SmallLog("a@3")
    for _ in range(3):
        assert witness.add_checkpoint(fork.request(old, 5), NOW + 1).status == (422 if old else 409)
    [conflict] = store.conflicts()
    assert (conflict.origin, conflict.kind, conflict.time, conflict.times) == (
        ORIGIN,
        "two-roots",
        NOW + 1,
        3,
    )
    assert open_checkpoint(conflict.known, LOG.keys, KEYS.public).checkpoint == LOG.checkpoint(5)
    assert open_checkpoint(conflict.conflicting, LOG.keys).checkpoint == fork.checkpoint(5)
    assert published(witness).checkpoint == LOG.checkpoint(5)


def test_a_larger_tree_that_is_none_of_ours_is_422_and_kept(witness: Witness, store: WitnessStore) -> None:
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    fork = SmallLog("a@3")
    assert witness.add_checkpoint(fork.request(5, 9), NOW).status == 422
    [conflict] = store.conflicts()
    assert (conflict.kind, conflict.times) == ("unproved", 1)
    assert open_checkpoint(conflict.conflicting, LOG.keys).checkpoint == fork.checkpoint(9)
    assert size_of(witness) == 5
    # The true tree of that size makes it a certainty.
    cosigned(witness.add_checkpoint(LOG.request(5, 9), NOW), LOG.checkpoint(9))
    [conflict] = store.conflicts()
    assert conflict.kind == "two-roots"
    assert open_checkpoint(conflict.known, LOG.keys).checkpoint == LOG.checkpoint(9)


def test_a_true_checkpoint_sent_with_a_false_proof_accuses_nobody_for_long(
    witness: Witness, store: WitnessStore
) -> None:
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    false = AddCheckpoint(5, (b"h" * 32,), LOG.note(9).encode()).encode()
    assert witness.add_checkpoint(false, NOW).status == 422
    assert [one.kind for one in store.conflicts()] == ["unproved"]
    cosigned(witness.add_checkpoint(LOG.request(5, 9), NOW), LOG.checkpoint(9))
    assert store.conflicts() == ()


def test_conflicts_do_not_fill_the_disk(
    witness: Witness, store: WitnessStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_store, "MAX_CONFLICTS", 2)
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    for size in (6, 7, 8, 7):
        body = AddCheckpoint(5, (), LOG.note(size).encode()).encode()
        assert witness.add_checkpoint(body, NOW).status == 422
    assert [one.times for one in store.conflicts()] == [1, 2]
    assert witness.add_checkpoint(SmallLog("a@3").request(5, 5), NOW).status == 422
    assert "two-roots" in {one.kind for one in store.conflicts()}  # has a limit of its own


def test_times_never_go_back(witness: Witness) -> None:
    cosigned(witness.add_checkpoint(LOG.request(0, 5), NOW), LOG.checkpoint(5))
    cosigned(witness.add_checkpoint(LOG.request(5, 6), NOW - 100), LOG.checkpoint(6), NOW)
    cosigned(witness.add_checkpoint(LOG.request(6, 7), NOW + 1), LOG.checkpoint(7), NOW + 1)


def test_a_clock_at_its_start_gives_a_time_all_the_same(witness: Witness) -> None:
    cosigned(witness.add_checkpoint(LOG.request(0, 5), 0), LOG.checkpoint(5), 1)


def test_two_logs_do_not_meet(store: WitnessStore) -> None:
    other = SmallLog("b", origin=ORIGIN[:-1] + "1", secret=b"t" * 32)
    witness = Witness(store, KEYS, [*LOG.keys, *other.keys])
    cosigned(witness.add_checkpoint(LOG.request(0, 5), NOW), LOG.checkpoint(5))
    cosigned(witness.add_checkpoint(other.request(0, 3), NOW), other.checkpoint(3))
    assert witness.add_checkpoint(other.request(5, 6), NOW).body == b"3\n"
    assert size_of(witness) == 5


def test_the_memory_survives_and_belongs_to_its_keys(path: Path) -> None:
    first = WitnessStore(path)
    Witness(first, KEYS, LOG.keys).add_checkpoint(LOG.request(0, 5), NOW)
    first.close()
    again = WitnessStore(path)
    try:
        assert set(again.identity()) == set(KEYS.public)
        assert Witness(again, KEYS, LOG.keys).add_checkpoint(LOG.request(0, 4), NOW).body == b"5\n"
        for keys in (witness_keys(b"x" * 32), witness_keys(name="witness.example/w2")):
            with pytest.raises(WitnessError, match="other keys or another name"):
                Witness(again, keys, LOG.keys)
    finally:
        again.close()


def test_it_is_private_and_on_disk_before_the_answer(path: Path, store: WitnessStore) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_file_that_is_no_store_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database, whatever its name says" * 100)
    with pytest.raises(WitnessError, match="cannot be used"):
        WitnessStore(path)
    with pytest.raises(WitnessError, match="cannot be opened"):
        WitnessStore(path / "below")


def test_a_failing_store_means_no_cosignature(path: Path, store: WitnessStore, witness: Witness) -> None:
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    other = sqlite3.connect(path)
    other.execute("CREATE TRIGGER no BEFORE INSERT ON heads BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with pytest.raises(WitnessError, match="disk is full"):
        witness.add_checkpoint(LOG.request(5, 9), NOW)
    assert size_of(witness) == 5
    other.execute("DROP TRIGGER no")
    other.close()
    cosigned(witness.add_checkpoint(LOG.request(5, 9), NOW), LOG.checkpoint(9))
    store.close()
    with pytest.raises(WitnessError):
        witness.add_checkpoint(LOG.request(9, 10), NOW)


def test_racing_requests_never_roll_back(path: Path) -> None:
    """Threads on two stores of one file, as two processes would have: every size that is ever written is
    at least the one before it, and every race is decided.
    """
    stores = [WitnessStore(path), WitnessStore(path)]
    watching = sqlite3.connect(path)
    watching.executescript(
        "CREATE TABLE seen (n INTEGER PRIMARY KEY, size INTEGER);"
        "CREATE TRIGGER see AFTER INSERT ON heads BEGIN INSERT INTO seen (size) VALUES (new.size); END;"
    )
    witnesses = [Witness(store, KEYS, LOG.keys) for store in stores]
    statuses: list[int] = []

    def ask(which: int) -> None:
        dice, old = random.Random(which), 0
        for _ in range(25):
            new = old + dice.randrange(3)
            answer = witnesses[which % 2].add_checkpoint(LOG.request(old, new), NOW)
            statuses.append(answer.status)
            old = new if answer.status == 200 else parse_size(answer.body)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [size for (size,) in watching.execute("SELECT size FROM seen ORDER BY n")]
    watching.close()
    assert seen == sorted(seen)
    assert seen[-1] == size_of(witnesses[0])
    assert statuses.count(200) == len(seen)
    assert set(statuses) == {200, 409}
    assert len(statuses) == 150
    for store in stores:
        store.close()


def test_a_witness_needs_cryptography_alone() -> None:
    code = "import sys, ansvar.verifier.witness_http; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "cryptography" in loaded
    assert not loaded & {"msgspec", "pydantic", "typer", "fastapi", "uvicorn", "httpx", "rich", "aiokafka"}
