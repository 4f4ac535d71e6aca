"""The keys of the log: derived for every chain, rotated with overlap, and whole whatever is cut off."""

from __future__ import annotations

import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ansvar.initiation import log_signer
from ansvar.keyfiles import KeyFileError, write_secret_file, write_signing_key
from ansvar.ledger.checkpoint import Checkpoint, open_checkpoint
from ansvar.ledger.notes import Note, VerifierKey
from ansvar.ledger.statements import Succession, Verified, followed, open_statement
from ansvar.settings import Settings
from ansvar.store.checkpoints import Checkpoints, Stored
from ansvar.store.client import Store
from ansvar.vault import logkeys
from ansvar.vault.logkeys import LogSigner
from records import deployment
from stores import engine as engine
from stores import new_store as new_store
from stores import store as store

ID = UUID("0192d3a4-0000-7000-8000-000000000001").bytes
ROOT = bytes(range(32))
DAY = 86_400
NOW = 1_800_000_000


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A directory with the first log key."""
    logkeys.create(tmp_path / "keys")
    return tmp_path / "keys"


def signers(signer: LogSigner, chain: int, at: int, generations: int) -> list[int]:
    """The generations that sign a checkpoint at a time, each with both keys."""
    note = signer.sign(chain, 3, ROOT, at)
    opened = open_checkpoint(note.encode(), signer.public(chain), origin=signer.origin(chain))
    by = {signed.key for signed in opened.signed}
    assert len(opened.signed) == len(note.signatures)
    found = [n for n in range(1, generations + 1) if set(signer.keys(n, chain)) <= by]
    assert len(by) == 2 * len(found)
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_derivation_stays_as_it_is(tmp_path: Path) -> None:
    """From one secret the same keys for ever: computed once with HKDF (RFC 5869) written out by hand."""
    secret = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    write_signing_key(tmp_path / "keys" / "log-key-1.pem", secret)
    signer = LogSigner(tmp_path / "keys", ID)
    assert signer.origin(7) == "ansvar/0192d3a4-0000-7000-8000-000000000001/7"
    ed25519, mldsa = signer.keys(1, 7)
    assert (ed25519.name, ed25519.kind, mldsa.name, mldsa.kind) == (signer.origin(7), 1, signer.origin(7), 6)
    assert ed25519.public.hex() == "5b5377b92a7ebd07fbb4ad435af00c1a0eaaaf2745385b412df1880e0e3920b8"
    assert sha256(mldsa.public).hexdigest() == (
        "264e7f5ed8ef6651e743ee482802ec2594a87f441eaa1e08abc7b7d214df6c50"
    )


def test_every_chain_deployment_and_generation_has_keys_of_its_own(keys: Path) -> None:
    ours, theirs = LogSigner(keys, ID), LogSigner(keys, bytes(16))
    others = [key.public for chain in (0, 1, 10) for key in theirs.keys(1, chain)]
    ours.rotate([0, 1, 10], NOW, DAY)
    found = others + [
        key.public for generation in (1, 2) for chain in (0, 1, 10) for key in ours.keys(generation, chain)
    ]
    assert len(set(found)) == len(found) == 18
    assert len({ours.generations[0].secret.private_bytes_raw(), *(key[:32] for key in found)}) == 19


def test_files_are_private_and_the_first_key_is_kept(keys: Path) -> None:
    before = (keys / "log-key-1.pem").read_bytes()
    logkeys.create(keys)
    assert (keys / "log-key-1.pem").read_bytes() == before
    signer = LogSigner(keys, ID)
    signer.publish(range(3))
    signer.rotate(range(3), NOW, DAY)
    assert len(list(keys.iterdir())) == 3 + 2 * 3
    assert {mode(path) for path in keys.iterdir()} == {0o600}
    assert mode(keys) == 0o700


def test_an_encrypted_key_asks_for_its_passphrase(tmp_path: Path) -> None:
    logkeys.create(tmp_path / "keys", b"correct horse")
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in (tmp_path / "keys" / "log-key-1.pem").read_bytes()
    signer = LogSigner(tmp_path / "keys", ID, b"correct horse")
    public = signer.public(0)
    signer.rotate([0], NOW, DAY)
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in (tmp_path / "keys" / "log-key-2.pem").read_bytes()
    assert LogSigner(tmp_path / "keys", ID, b"correct horse").public(0)[2:] == public
    with pytest.raises(KeyFileError, match=r"log-key-1\.pem is encrypted, and no passphrase was given"):
        LogSigner(tmp_path / "keys", ID)
    with pytest.raises(KeyFileError, match="is the passphrase right") as caught:
        LogSigner(tmp_path / "keys", ID, b"wrong horse")
    assert "horse" not in str(caught.value)


def test_a_key_that_was_not_encrypted_can_be_followed_by_one_that_is(keys: Path) -> None:
    signer = LogSigner(keys, ID, b"correct horse")
    signer.rotate([0], NOW, DAY)
    assert b"BEGIN PRIVATE KEY" in (keys / "log-key-1.pem").read_bytes()
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in (keys / "log-key-2.pem").read_bytes()
    assert signers(LogSigner(keys, ID, b"correct horse"), 0, NOW, 2) == [1, 2]


def test_the_passphrase_comes_from_a_private_file(store: Store, tmp_path: Path) -> None:
    file, founded = tmp_path / "passphrase", deployment()
    settings = Settings(log_key_passphrase_file=file)
    for content in (b"", b" \n", b"x" * 1024):
        write_secret_file(file, content, replace=True)
        with pytest.raises(KeyFileError, match="a passphrase has 1 to 1023"):
            log_signer(tmp_path / "keys", store, settings, founded)
    assert not (tmp_path / "keys").exists()
    write_secret_file(file, b"correct horse\n", replace=True)
    made = log_signer(tmp_path / "keys", store, settings, founded)
    assert LogSigner(tmp_path / "keys", founded.id, b"correct horse").public(0) == made.public(0)
    file.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        log_signer(tmp_path / "keys", store, settings, founded)


def test_a_log_that_signed_gets_no_new_first_key(store: Store, tmp_path: Path) -> None:
    founded, settings = deployment(), Settings()
    made = log_signer(tmp_path / "keys", store, settings, founded)
    assert len(list((tmp_path / "keys").glob("log-*.vkey"))) == 2 * founded.chains
    note = made.sign(0, 1, ROOT, NOW).encode()
    Checkpoints(store).keep([Stored(0, 1, NOW * 1000, True, note)])
    (tmp_path / "keys" / "log-key-1.pem").unlink()
    with pytest.raises(KeyFileError, match=r"no log-key-1\.pem.*from a backup"):
        log_signer(tmp_path / "keys", store, settings, founded)


def test_both_sign_during_the_overlap_and_one_afterwards(keys: Path) -> None:
    worker = LogSigner(keys, ID)
    old = worker.keys(1, 0)
    assert signers(worker, 0, NOW, 1) == [1]
    assert LogSigner(keys, ID).rotate([0, 1], NOW, DAY) == 2
    # The worker's signer is the one that was there before.
    assert signers(worker, 0, NOW, 2) == [1, 2]
    assert signers(worker, 1, NOW + DAY - 1, 2) == [1, 2]
    assert signers(worker, 0, NOW + DAY, 2) == [2]
    assert worker.keys(1, 0) == old
    assert worker.public(0) == (*worker.keys(2, 0), *old)
    assert [each.until for each in worker.generations] == [NOW + DAY, None]
    assert LogSigner(keys, ID).rotate([0, 1], NOW + DAY - 5, DAY) == 3
    assert signers(worker, 0, NOW + DAY - 1, 3) == [1, 2, 3]
    assert signers(worker, 0, NOW + DAY, 3) == [2, 3]
    assert signers(worker, 0, NOW + 3 * DAY, 3) == [3]


def test_a_note_is_one_checkpoint_under_all_its_signatures(keys: Path) -> None:
    signer = LogSigner(keys, ID)
    signer.rotate([5], NOW, DAY)
    note = signer.sign(5, 9, ROOT, NOW)
    assert note.text == Checkpoint(signer.origin(5), 9, ROOT).text()
    assert len(note.signatures) == 4
    for generation in (1, 2):
        opened = open_checkpoint(note.encode(), signer.keys(generation, 5), origin=signer.origin(5))
        assert [signed.time for signed in opened.signed] == [None, NOW]


def test_verifications_are_signed_by_the_newest_key(keys: Path) -> None:
    worker = LogSigner(keys, ID)
    LogSigner(keys, ID).rotate([0], NOW, 0)
    note = worker.sign_verified(0, 4, ROOT, NOW)
    text, key = open_statement(note.encode(), worker.public(0))
    assert Verified.parse(text) == Verified(Checkpoint(worker.origin(0), 4, ROOT), NOW)
    assert key == worker.keys(2, 0)[0]


def test_whoever_has_an_old_vkey_is_led_to_the_new(keys: Path) -> None:
    signer, chains = LogSigner(keys, ID), [0, 1, 10]
    signer.publish(chains)
    old = {chain: VerifierKey.parse((keys / f"log-{chain}.vkey").read_text().strip()) for chain in chains}
    for now in (NOW, NOW + 10, NOW + 20):
        signer.rotate(chains, now, DAY)
    for chain in chains:
        successions = signer.successions(chain)
        assert [Succession.parse(Note.parse(each).text).since for each in successions] == [
            NOW,
            NOW + 10,
            NOW + 20,
        ]
        found = followed([old[chain]], successions)
        assert found == (old[chain], *(key for n in (2, 3, 4) for key in signer.keys(n, chain)))
        later = signer.sign(chain, 1, ROOT, NOW + 9 * DAY)
        assert open_checkpoint(later.encode(), found, origin=signer.origin(chain)).checkpoint.size == 1
    assert followed([old[0]], signer.successions(1)) == (old[0],)
    assert signer.successions(3) == []


def test_verifier_keys_are_written_for_the_newest_generation(keys: Path) -> None:
    signer = LogSigner(keys, ID)
    signer.publish([0])

    def published() -> list[str]:
        return [(keys / f"log-0.{end}").read_text() for end in ("vkey", "mldsa.vkey")]

    assert published() == [f"{key}\n" for key in signer.keys(1, 0)]
    signer.rotate([0], NOW, DAY)
    signer.publish([0])
    assert published() == [f"{key}\n" for key in signer.keys(2, 0)]
    (keys / "log-0.vkey").write_text("garbled")
    signer.publish([0])
    assert published() == [f"{key}\n" for key in signer.keys(2, 0)]


def test_a_rotation_that_was_cut_off_changes_nothing_and_is_finished(keys: Path) -> None:
    worker = LogSigner(keys, ID)
    before = worker.public(0)
    logkeys.create(keys, None, 2)  # as far as it came
    cut_off = (keys / "log-key-2.pem").read_bytes()
    for signer in (worker, LogSigner(keys, ID)):
        assert signer.public(0) == before
        assert signers(signer, 0, NOW, 1) == [1]
        assert signer.successions(0) == []
    assert LogSigner(keys, ID).rotate([0], NOW, DAY) == 2
    assert (keys / "log-key-2.pem").read_bytes() == cut_off
    assert signers(worker, 0, NOW, 2) == [1, 2]


_ROTATE = """
import sys
from hashlib import sha256
from pathlib import Path
from ansvar.keyfiles import KeyFileError
from ansvar.vault.logkeys import LogSigner
signer = LogSigner(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
try:
    print(signer.rotate(range(40), 1_800_000_000, 86_400))
except KeyFileError as error:
    print(error)
"""


def test_rotations_at_the_same_time_leave_a_whole_chain_of_keys(keys: Path) -> None:
    """Each that says so made a generation; the others did nothing. Every old key leads to every newer one."""
    first = LogSigner(keys, ID).keys(1, 39)
    command = [sys.executable, "-c", _ROTATE, str(keys), ID.hex()]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:  # all have read the keys; now all write
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in running]
    made = sorted(int(each) for each in said if each.isdigit())
    assert made == list(range(2, 2 + len(made)))
    assert made
    assert all("another rotation made the log keys" in each for each in said if not each.isdigit())
    signer = LogSigner(keys, ID)
    assert [each.number for each in signer.generations] == [1, *made]
    assert len(followed(first, signer.successions(39))) == 2 * len(signer.generations)


def test_the_slower_of_two_rotations_does_nothing(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have looked when the first one writes."""
    slow, fast = LogSigner(keys, ID), LogSigner(keys, ID)
    created = logkeys.create

    def meanwhile(*given: object) -> None:
        monkeypatch.setattr(logkeys, "create", created)
        assert fast.rotate([0], NOW, DAY) == 2
        created(*given)  # type: ignore[arg-type] # as it was called

    monkeypatch.setattr(logkeys, "create", meanwhile)
    with pytest.raises(KeyFileError, match="another rotation made the log keys of generation 2"):
        slow.rotate([0], NOW + 1, 2 * DAY)
    assert slow.public(0) == fast.public(0)
    assert [each.until for each in slow.generations] == [NOW + DAY, None]


def test_many_chains_fit_in_a_rotation(keys: Path) -> None:
    """Every ingested file has chains of its own, so there can be more than a key file holds."""
    signer = LogSigner(keys, ID)
    signer.rotate(range(600), NOW, DAY)
    assert (keys / "log-succession-2.txt").stat().st_size > 1 << 20
    assert signers(LogSigner(keys, ID), 599, NOW, 2) == [1, 2]
    assert len(followed(signer.keys(1, 599), signer.successions(599))) == 4


def test_no_more_keys_sign_at_once_than_a_note_has_room_for(keys: Path) -> None:
    signer = LogSigner(keys, ID)
    for n in range(7):
        signer.rotate([0], NOW + n, DAY)
    with pytest.raises(KeyFileError, match="8 generations of log keys sign at once"):
        signer.rotate([0], NOW + 8, DAY)
    assert len(signer.sign(0, 1, ROOT, NOW + 9).signatures) == 16
    assert signer.rotate([0], NOW + DAY, DAY) == 9  # the first has stopped


@pytest.mark.parametrize(
    ("lost", "said"),
    [("log-key-1.pem", r"no log-key-1\.pem"), ("log-key-2.pem", r"no log-key-2\.pem")],
)
def test_a_generation_whose_key_is_lost_is_missed(keys: Path, lost: str, said: str) -> None:
    """Else the log would go back to its older key unseen."""
    LogSigner(keys, ID).rotate([0], NOW, DAY)
    (keys / lost).unlink()
    with pytest.raises(KeyFileError, match=said):
        LogSigner(keys, ID)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"cut off", r"log-succession-2\.txt: file of notes, end"),
        (b"text\n\nsignature\n", r"log-succession-2\.txt: signed note, line 3"),
    ],
)
def test_damaged_successions_are_an_error_that_names_the_file(keys: Path, content: bytes, said: str) -> None:
    signer = LogSigner(keys, ID)
    logkeys.create(keys, None, 2)
    write_secret_file(keys / "log-succession-2.txt", content)
    for look in (lambda: LogSigner(keys, ID), lambda: signer.sign(0, 1, ROOT, NOW)):
        with pytest.raises(KeyFileError, match=said):
            look()


def test_no_key_at_all_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"no log-key-1\.pem"):
        LogSigner(tmp_path, ID)


def test_successions_of_another_deployment_or_other_keys_are_refused(keys: Path) -> None:
    signer = LogSigner(keys, ID)
    signer.rotate([0], NOW, DAY)
    with pytest.raises(KeyFileError, match="signed by no key"):
        LogSigner(keys, bytes(16))
    logkeys.create(keys, number=3)
    (keys / "log-key-3.pem").replace(keys / "log-key-2.pem")
    with pytest.raises(KeyFileError, match="names other keys"):
        LogSigner(keys, ID)


def test_an_overlap_that_somebody_else_made_longer_is_refused(keys: Path) -> None:
    LogSigner(keys, ID).rotate([0], NOW, DAY)
    file = keys / "log-succession-2.txt"
    until = f"until {NOW + DAY}".encode()
    content = file.read_bytes()
    assert until in content
    file.write_bytes(content.replace(until, f"until {NOW + 9 * DAY}".encode()))
    with pytest.raises(KeyFileError, match="does not verify"):
        LogSigner(keys, ID)
