"""The embedded vault's file: ours alone, nothing in clear, and clear words when it fails."""

from __future__ import annotations

import hmac
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ansvar.keyfiles import read_secret
from ansvar.vault import database
from ansvar.vault.database import Database
from ansvar.vault.errors import VaultError, VaultUnavailable
from ansvar.vault.generator import RandomGenerator
from ansvar.vault.keys import SUBJECT_IDENTIFIER, derive, lookup_tag
from ansvar.vault.vault import NONE_YET, End, Held, Vault, Wanted
from ansvar.vault.wrapping import FileKeys

PEPPER = bytes(range(32))
SECRET_VALUE = "19640823-3234-hemlig"
IDENTIFIER = f"personnummer\0{SECRET_VALUE}".encode()
PERSON = Wanted(lookup_tag(PEPPER, "personnummer", SECRET_VALUE), 0, IDENTIFIER)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault.db"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    vault = opened(path)
    yield vault
    vault.close()


def opened(path: Path) -> Vault:
    """The vault in a file; its keys lie beside the directory, so that tests can list that."""
    return Vault.in_file(path, RandomGenerator(), FileKeys(path.parent.parent / f"{path.parent.name}-keys"))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_all_its_files_are_ours_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        vault = opened(tmp_path / "new" / "vault.db")
        vault.resolve([PERSON])
        files = {found.name: mode(found) for found in (tmp_path / "new").iterdir()}
        assert files == dict.fromkeys(("vault.db", "vault.db-wal", "vault.db-shm"), 0o600)
        assert mode(tmp_path / "new") == 0o700
        vault.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize("open_mode", [0o640, 0o604, 0o660, 0o610])
def test_open_to_others_is_refused(path: Path, open_mode: int) -> None:
    opened(path).close()
    path.chmod(open_mode)
    with pytest.raises(VaultError, match=f"chmod 600 {path}"):
        opened(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_refused(path: Path) -> None:
    opened(path).close()
    os.chown(path, 12345, -1)
    with pytest.raises(VaultError, match="another user"):
        opened(path)


def test_nothing_is_readable(path: Path, vault: Vault) -> None:
    (person,) = vault.resolve([PERSON])[PERSON.tag].persons
    stored = b"".join(found.read_bytes() for found in path.parent.iterdir())
    assert PERSON.tag in stored  # so that the search below can find what is there
    clear_texts = (SECRET_VALUE.encode(), b"personnummer", SECRET_VALUE[:8].encode(), PEPPER)
    for clear in (*clear_texts, person.reference, person.data_key):
        assert clear not in stored
    vault.close()
    assert SECRET_VALUE.encode() not in path.read_bytes()


def test_a_row_opens_under_the_keys_as_documented(path: Path, vault: Vault) -> None:
    (person,) = vault.resolve([PERSON])[PERSON.tag].persons
    vault.advance(0, NONE_YET, 3, [End(person.reference, 3, 5, b"")])
    vault.close()
    with sqlite3.connect(path) as connection:
        names = "tag, generation, kek, sealed, reference_index, identifier"
        ((tag, generation, kek, sealed, index, identifier),) = connection.execute(
            f"SELECT {names} FROM subjects"
        )
        ((suppression,),) = connection.execute("SELECT suppression FROM tombstones")
    connection.close()
    assert (tag, generation, kek) == (PERSON.tag, 0, 1)
    cipher = AESGCM(derive(person.data_key, SUBJECT_IDENTIFIER))
    assert cipher.decrypt(identifier[:12], identifier[12:], tag) == IDENTIFIER
    keys = path.parent.parent / f"{path.parent.name}-keys"
    secret = read_secret(keys / "kek-1.key")
    cipher = AESGCM(derive(secret, b"ansvar/vault/kek/wrap/v1"))
    bound = tag + (0).to_bytes(4, "big") + (1).to_bytes(4, "big")
    assert cipher.decrypt(sealed[:12], sealed[12:], bound) == person.reference + person.data_key
    under = derive(secret, b"ansvar/vault/kek/reference-index/v1")
    assert index == hmac.digest(under, person.reference, "sha256")
    assert suppression == hmac.digest(read_secret(keys / "suppression.key"), IDENTIFIER, "sha256")


def test_nothing_secret_is_printed(vault: Vault, path: Path) -> None:
    person = vault.resolve([PERSON])[PERSON.tag].persons[0]
    keys = FileKeys(path.parent.parent / f"{path.parent.name}-keys")
    keys.check(1)
    printed = repr((PERSON, person, Held((person,), None), keys._keys))
    for secret in (IDENTIFIER, person.reference, person.data_key, keys._keys[1].index):
        assert repr(secret)[2:-1] not in printed


def test_settings_of_the_database(path: Path, vault: Vault) -> None:
    with vault._database._engine.connect() as connection:  # what was set on the connection shows only there
        asked = ("journal_mode", "synchronous", "secure_delete", "busy_timeout")
        found = [connection.execute(sa.text(f"PRAGMA {pragma}")).scalar() for pragma in asked]
    assert found == ["wal", 2, 1, 10_000]


@pytest.mark.parametrize("name", ["a b.db", "a?mode=ro.db", "a#b.db", "a%20b.db", "å.db"])
def test_awkward_names_are_that_file(tmp_path: Path, name: str) -> None:
    vault = opened(tmp_path / name)
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
            vault = opened(path)
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
    vault = opened(tmp_path / "data" / "vault.db")
    shutil.rmtree(tmp_path / "data")
    assert "is gone" in refused(vault)
    vault.close()


def test_replaced(path: Path, vault: Vault, tmp_path: Path) -> None:
    opened(tmp_path / "backup.db").close()
    (tmp_path / "backup.db").replace(path)
    assert "was replaced" in refused(vault)


def test_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_MS", 50)
    vault = opened(path)
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
        opened(path)


def test_read_only(path: Path, vault: Vault) -> None:
    vault.resolve([PERSON])
    vault.close()
    keys = FileKeys(path.parent.parent / f"{path.parent.name}-keys")
    read_only = Vault(Database(f"sqlite:///file:{path}?mode=ro&uri=true"), RandomGenerator(), keys)
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
            opened(path)


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "nosuch://u:geheim@h/x", "postgresql+nosuch://u:geheim@h/x", "sqlite://u:geheim@h/x"],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(VaultError, match="no vault can be opened by the URL given") as caught:
        Database(url)
    assert "geheim" not in str(caught.value)
