"""The embedded vault's file: ours alone, nothing in clear, and clear words when it fails."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ansvar.vault import vault as vault_module
from ansvar.vault.errors import VaultError, VaultUnavailable
from ansvar.vault.generator import RandomGenerator, SeededGenerator
from ansvar.vault.keys import SUBJECT_IDENTIFIER, derive, lookup_tag
from ansvar.vault.vault import NONE_YET, Vault, Wanted

PEPPER = bytes(range(32))
SECRET_VALUE = "19640823-3234-hemlig"
IDENTIFIER = f"personnummer\0{SECRET_VALUE}".encode()
PERSON = Wanted(lookup_tag(PEPPER, "personnummer", SECRET_VALUE), 0, IDENTIFIER)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault.db"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    vault = Vault.in_file(path, RandomGenerator())
    yield vault
    vault.close()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_all_its_files_are_ours_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        vault = Vault.in_file(tmp_path / "new" / "vault.db", RandomGenerator())
        vault.resolve([PERSON])
        files = {found.name: mode(found) for found in (tmp_path / "new").iterdir()}
        assert files == dict.fromkeys(("vault.db", "vault.db-wal", "vault.db-shm"), 0o600)
        assert mode(tmp_path / "new") == 0o700
        vault.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize("open_mode", [0o640, 0o604, 0o660, 0o610])
def test_open_to_others_is_refused(path: Path, open_mode: int) -> None:
    Vault.in_file(path, RandomGenerator()).close()
    path.chmod(open_mode)
    with pytest.raises(VaultError, match=f"chmod 600 {path}"):
        Vault.in_file(path, RandomGenerator())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_refused(path: Path) -> None:
    Vault.in_file(path, RandomGenerator()).close()
    os.chown(path, 12345, -1)
    with pytest.raises(VaultError, match="another user"):
        Vault.in_file(path, RandomGenerator())


def test_nothing_is_readable(path: Path, vault: Vault) -> None:
    person = vault.resolve([PERSON])[PERSON.tag]
    stored = b"".join(found.read_bytes() for found in path.parent.iterdir())
    assert person.reference in stored  # so that the search below can find what is there
    for clear in (SECRET_VALUE.encode(), b"personnummer", SECRET_VALUE[:8].encode(), PEPPER):
        assert clear not in stored
    vault.close()
    assert SECRET_VALUE.encode() not in path.read_bytes()


def test_the_identifier_is_kept_under_the_data_key(path: Path, vault: Vault) -> None:
    person = vault.resolve([PERSON])[PERSON.tag]
    vault.close()
    with sqlite3.connect(path) as connection:
        ((tag, generation, sealed),) = connection.execute("SELECT tag, generation, identifier FROM subjects")
    connection.close()
    assert (tag, generation) == (PERSON.tag, 0)
    cipher = AESGCM(derive(person.data_key, SUBJECT_IDENTIFIER))
    assert cipher.decrypt(sealed[:12], sealed[12:], PERSON.tag) == IDENTIFIER


def test_settings_of_the_database(path: Path, vault: Vault) -> None:
    with vault._engine.connect() as connection:  # what was set on the connection shows only there
        asked = ("journal_mode", "synchronous", "secure_delete", "busy_timeout")
        found = [connection.execute(sa.text(f"PRAGMA {pragma}")).scalar() for pragma in asked]
    assert found == ["wal", 2, 1, 10_000]


@pytest.mark.parametrize("name", ["a b.db", "a?mode=ro.db", "a#b.db", "a%20b.db", "å.db"])
def test_awkward_names_are_that_file(tmp_path: Path, name: str) -> None:
    vault = Vault.in_file(tmp_path / name, RandomGenerator())
    vault.resolve([PERSON])
    vault.close()
    assert [found.name for found in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).stat().st_size > 0


def test_many_that_start_at_once(path: Path) -> None:
    barrier = threading.Barrier(6)
    failed: list[BaseException] = []

    def start() -> None:
        barrier.wait()
        try:
            vault = Vault.in_file(path, RandomGenerator())
            vault.resolve([PERSON])
            vault.close()
        except VaultError as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def refused(vault: Vault) -> str:
    """Every call fails, with one text that names nobody."""
    texts = set()
    for call in (lambda: vault.resolve([PERSON]), lambda: vault.advance(0, NONE_YET, 1)):
        with pytest.raises(VaultUnavailable) as caught:
            call()
        assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)
        texts.add(str(caught.value))
    (text,) = texts
    for secret in (SECRET_VALUE, "personnummer", PERSON.tag.hex(), repr(PERSON.tag)):
        assert secret not in text
    return text


def test_gone(path: Path, vault: Vault) -> None:
    """SQLite would go on writing to a file that nobody can open again: references given out and lost."""
    vault.resolve([PERSON])
    for found in path.parent.glob("vault.db*"):
        found.unlink()
    assert "is gone" in refused(vault)


def test_gone_with_its_directory(tmp_path: Path) -> None:
    vault = Vault.in_file(tmp_path / "data" / "vault.db", RandomGenerator())
    shutil.rmtree(tmp_path / "data")
    assert "is gone" in refused(vault)
    vault.close()


def test_replaced(path: Path, vault: Vault, tmp_path: Path) -> None:
    Vault.in_file(tmp_path / "backup.db", RandomGenerator()).close()
    (tmp_path / "backup.db").replace(path)
    assert "was replaced" in refused(vault)


def test_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_module, "_BUSY_MS", 50)
    vault = Vault.in_file(path, RandomGenerator())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert "did not answer (OperationalError)" in refused(vault)
    other.execute("ROLLBACK")
    other.close()
    assert len(vault.resolve([PERSON])) == 1
    vault.close()


def test_damaged(path: Path) -> None:
    path.write_bytes(b"this is no database, whatever it may be" * 100)
    path.chmod(0o600)
    with pytest.raises(VaultUnavailable, match="DatabaseError"):
        Vault.in_file(path, RandomGenerator())


def test_read_only(path: Path, vault: Vault) -> None:
    vault.resolve([PERSON])
    vault.close()
    read_only = Vault(f"sqlite:///file:{path}?mode=ro&uri=true", RandomGenerator())
    assert len(read_only.resolve([PERSON])) == 1  # who is known can still be read
    other = Wanted(bytes(32), 0, IDENTIFIER)
    with pytest.raises(VaultUnavailable, match="writable"):
        read_only.resolve([other])
    read_only.close()


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "directory", tmp_path / "file" / "vault.db", Path("/proc/nothing/vault.db")):
        with pytest.raises(VaultError, match=f"the vault {path} cannot be opened"):
            Vault.in_file(path, RandomGenerator())


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "nosuch://u:geheim@h/x", "postgresql+nosuch://u:geheim@h/x", "sqlite://u:geheim@h/x"],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(VaultError, match="no vault can be opened by the URL given") as caught:
        Vault(url, RandomGenerator())
    assert "geheim" not in str(caught.value)


def test_a_reference_given_twice_is_no_new_person(vault: Vault) -> None:
    """Two persons under one reference would be one person for ever: better to stop."""

    class Stuck(SeededGenerator):
        def reference(self, tag: bytes, generation: int) -> bytes:
            return bytes(16)

    vault._generator = Stuck(b"")
    vault.resolve([PERSON])
    with pytest.raises(VaultUnavailable, match="IntegrityError"):
        vault.resolve([Wanted(bytes(32), 0, b"")])
