"""Secret files: whole or absent, ours alone, and refused with advice when they are not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ansvar.events.intake import IntakePrivateKey
from ansvar.keyfiles import (
    KeyFileError,
    KeyFileExists,
    make_private_directory,
    read_intake_key,
    read_secret,
    read_secret_file,
    read_signing_key,
    write_intake_key,
    write_secret,
    write_secret_file,
    write_signing_key,
)

SECRET = bytes(range(32))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_secret(tmp_path / "a", SECRET)
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == 0o600
    assert read_secret(tmp_path / "a") == SECRET
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_missing_directories_are_private(tmp_path: Path) -> None:
    write_secret(tmp_path / "keys" / "a", SECRET)
    assert mode(tmp_path / "keys") == 0o700
    assert mode(make_private_directory(tmp_path / "more")) == 0o700


def test_an_open_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    (tmp_path / "shared").chmod(0o770)
    with pytest.raises(KeyFileError, match="chmod 700"):
        make_private_directory(tmp_path / "shared")
    with pytest.raises(KeyFileError, match="chmod 700"):
        write_secret(tmp_path / "shared" / "a", SECRET)
    assert list((tmp_path / "shared").iterdir()) == []


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    write_secret(tmp_path / "a", SECRET)
    with pytest.raises(KeyFileExists):
        write_secret(tmp_path / "a", bytes(32))
    assert read_secret(tmp_path / "a") == SECRET
    write_secret(tmp_path / "a", bytes(32), replace=True)
    assert read_secret(tmp_path / "a") == bytes(32)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("open_mode", [0o640, 0o604, 0o620, 0o602, 0o610])
def test_an_open_file_is_refused(tmp_path: Path, open_mode: int) -> None:
    path = tmp_path / "a"
    write_secret(path, SECRET)
    path.chmod(open_mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        read_secret(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "a", SECRET)
    os.chown(tmp_path / "a", 12345, -1)
    with pytest.raises(KeyFileError, match="another user"):
        read_secret(tmp_path / "a")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot read"):
        read_secret(tmp_path / "absent")
    with pytest.raises(KeyFileError, match="not a regular file"):
        read_secret_file(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyFileError, match="not a regular file"):
        read_secret_file(tmp_path / "pipe")


@pytest.mark.parametrize("content", [b"", b"AAAA\n", b"not base64!\n", b"\xff" * 44])
def test_what_is_no_secret(tmp_path: Path, content: bytes) -> None:
    write_secret_file(tmp_path / "a", content)
    with pytest.raises(KeyFileError) as caught:
        read_secret(tmp_path / "a")
    assert "AAAA" not in str(caught.value).replace(str(tmp_path), "")


def test_signing_keys(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    write_signing_key(tmp_path / "a.pem", key)
    assert read_signing_key(tmp_path / "a.pem").private_bytes_raw() == key.private_bytes_raw()
    assert read_secret_file(tmp_path / "a.pem").startswith(b"-----BEGIN PRIVATE KEY-----\n")


def test_intake_keys(tmp_path: Path) -> None:
    key = IntakePrivateKey(bytes(range(96)))
    write_intake_key(tmp_path / "1.pem", key)
    assert read_intake_key(tmp_path / "1.pem").to_bytes() == key.to_bytes()


def test_keys_of_another_kind(tmp_path: Path) -> None:
    write_signing_key(tmp_path / "signing.pem", Ed25519PrivateKey.generate())
    write_intake_key(tmp_path / "intake.pem", IntakePrivateKey(bytes(96)))
    write_secret(tmp_path / "secret", SECRET)
    with pytest.raises(KeyFileError, match="ML-KEM-768"):
        read_intake_key(tmp_path / "signing.pem")
    with pytest.raises(KeyFileError, match="ML-KEM-768"):
        read_intake_key(tmp_path / "secret")
    with pytest.raises(KeyFileError, match="Ed25519"):
        read_signing_key(tmp_path / "intake.pem")
    with pytest.raises(KeyFileError, match="PEM"):
        read_signing_key(tmp_path / "secret")
