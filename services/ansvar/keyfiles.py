"""Secrets in files: written so that they are whole or absent, read only while nobody else can.

Invariants: a secret file is mode 0600 from its first byte, belongs to the user who runs Ansvar, and appears
under its name only when it is complete and on disk; an existing file is replaced only on request. Reading
checks mode and owner on the opened file, so nothing can be swapped in between. Messages name paths, never
contents.

Not handled here: which keys exist and where (the rooms that own them), encryption of the files themselves.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ansvar.events.intake import IntakePrivateKey

SECRET_BYTES = 32
_FILE_MODE, _DIRECTORY_MODE = 0o600, 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MAX_BYTES = 1 << 20
_PEM_END = b"-----END PRIVATE KEY-----"


class KeyFileError(Exception):
    """A secret file cannot be read or written as it should be; the message says what to do."""


class KeyFileExists(KeyFileError):
    """A secret was about to replace another one."""


def make_private_directory(path: Path) -> Path:
    """Make a directory that only its owner can enter (0700); `KeyFileError` if an existing one is open."""
    if path.exists() and not path.is_dir():
        raise KeyFileError(f"{path} is a file, not a directory; choose another place")
    try:
        path.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise KeyFileError(f"cannot make the directory {path}: {error.strerror}") from error
    if found.st_uid != os.geteuid():
        raise KeyFileError(f"{path} belongs to another user; choose a directory of your own for keys")
    if found.st_mode & _OTHERS:
        raise KeyFileError(f"{path} is open to other users; run: chmod 700 {path}")
    return path


def write_secret_file(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file of mode 0600, whole or not at all, and have it on disk before returning.

    A missing directory is made with mode 0700. `KeyFileExists` when there is a file and `replace` is not set;
    `KeyFileError` when it cannot be written or others may write to the directory.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _check_directory(path.parent)
        with contextlib.ExitStack() as undo:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
            undo.callback(temporary.unlink, missing_ok=True)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, _FILE_MODE)  # a umask may have taken the owner's own rights
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            if replace:
                temporary.replace(path)
            else:
                path.hardlink_to(temporary)  # fails on an existing name, where a rename would replace it
        _sync_directory(path.parent)
    except FileExistsError as error:
        raise KeyFileExists(f"{path} exists already and is left as it is") from error
    except OSError as error:
        raise KeyFileError(f"cannot write {path}: {error.strerror}") from error


def read_secret_file(path: Path, limit: int = _MAX_BYTES) -> bytes:
    """The content of a file that is ours alone; `KeyFileError` says what to do if it is not."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hang us
        try:
            _check_ours_alone(path, os.fstat(descriptor))
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(limit + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > limit:
        raise KeyFileError(f"{path} is larger than {limit} bytes and so no key file")
    return content


def remove_secret_file(path: Path) -> None:
    """Unlink a file, the directory on disk before returning; one that is gone already is no error."""
    try:
        path.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except OSError as error:
        raise KeyFileError(f"cannot remove {path}: {error.strerror}") from error


def write_secret(path: Path, secret: bytes, *, replace: bool = False) -> None:
    """Write 32 bytes as one line of base64."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a secret is {SECRET_BYTES} bytes, not {len(secret)}")
    write_secret_file(path, base64.b64encode(secret) + b"\n", replace=replace)


def read_secret(path: Path) -> bytes:
    """Read what `write_secret` wrote."""
    try:
        secret = base64.b64decode(read_secret_file(path).strip(), validate=True)
    except binascii.Error as error:
        raise KeyFileError(f"{path} is not one line of base64") from error
    if len(secret) != SECRET_BYTES:
        raise KeyFileError(f"{path} holds {len(secret)} bytes, not the {SECRET_BYTES} of a secret")
    return secret


def write_signing_key(
    path: Path, key: Ed25519PrivateKey, *, replace: bool = False, passphrase: bytes | None = None
) -> None:
    """Write an Ed25519 private key as PEM, PKCS #8 (RFC 8410), encrypted where a passphrase is given."""
    write_secret_file(path, _pem(key, passphrase), replace=replace)


def read_signing_key(path: Path, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """Read an Ed25519 private key (PEM, PKCS #8); the passphrase is for one that is encrypted."""
    key = _load_pem(path, read_secret_file(path), passphrase)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path} holds another kind of key than Ed25519")
    return key


def write_intake_key(path: Path, key: IntakePrivateKey, *, replace: bool = False) -> None:
    """Write an intake key as two PEM blocks: ML-KEM-768 (RFC 9935), then X25519 (RFC 8410).

    The hybrid has no PKCS #8 form of its own in the cryptography library; its halves have.
    """
    mlkem, x25519 = key.parts
    write_secret_file(path, _pem(mlkem) + _pem(x25519), replace=replace)


def read_intake_key(path: Path) -> IntakePrivateKey:
    """Read what `write_intake_key` wrote."""
    content = read_secret_file(path)
    blocks = [block + _PEM_END for block in content.split(_PEM_END)[:-1]]
    keys = [_load_pem(path, block) for block in blocks]
    if (
        len(keys) != 2
        or not isinstance(keys[0], MLKEM768PrivateKey)
        or not isinstance(keys[1], X25519PrivateKey)
    ):
        raise KeyFileError(f"{path} does not hold an ML-KEM-768 key and then an X25519 key")
    return IntakePrivateKey(keys[0].private_bytes_raw() + keys[1].private_bytes_raw())


def _check_ours_alone(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise KeyFileError(f"{path} is not a regular file")
    if found.st_uid != os.geteuid():
        raise KeyFileError(
            f"{path} belongs to another user; run Ansvar as its owner, "
            f"or make the file yours (chown) and run: chmod 600 {path}"
        )
    if found.st_mode & _OTHERS:
        raise KeyFileError(f"{path} can be read by other users; run: chmod 600 {path}")


def _check_directory(directory: Path) -> None:
    directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    mode = directory.stat().st_mode
    if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
        raise KeyFileError(f"other users may write to {directory}; run: chmod 700 {directory}")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pem(
    key: Ed25519PrivateKey | MLKEM768PrivateKey | X25519PrivateKey, passphrase: bytes | None = None
) -> bytes:
    encryption = (
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(passphrase)
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _load_pem(path: Path, content: bytes, passphrase: bytes | None = None) -> object:
    encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in content
    if encrypted and passphrase is None:
        raise KeyFileError(f"{path} is encrypted, and no passphrase was given for it")
    try:
        return serialization.load_pem_private_key(content, passphrase if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        problem = "cannot be decrypted: is the passphrase right?" if encrypted else "is no private key in PEM"
        raise KeyFileError(f"{path} {problem}") from error
