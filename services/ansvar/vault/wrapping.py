"""The vault's own keys: key-encryption keys by number, and the suppression key.

Invariants: references and data keys are sealed under a key-encryption key (KEK, 1 and up), a tombstone is
found under the suppression key (number 0); every use of a KEK has a key of its own, derived by a frozen
label. A key is never replaced, and destroyed only if it is the one that was meant. A key management service
may stand behind the port: then `FileKeys` is not used and no key lies on this machine.

Not handled here: which key is in use and since when (`rotation`).
"""

from __future__ import annotations

import hmac
import os
import re
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from ansvar.keyfiles import (
    SECRET_BYTES,
    KeyFileError,
    KeyFileExists,
    read_secret,
    remove_secret_file,
    write_secret,
)
from ansvar.vault.errors import VaultError
from ansvar.vault.keys import derive

SUPPRESSION: Final = 0  # the number of the suppression key; KEKs count from 1
_WRAP: Final = b"ansvar/vault/kek/wrap/v1"
_INDEX: Final = b"ansvar/vault/kek/reference-index/v1"
_CHECK: Final = b"ansvar/vault/key/check/v1"
_NONCE_BYTES: Final = 12
_NAME: Final = re.compile(r"kek-([1-9][0-9]{0,8})\.key")


class KeyEncryption(Protocol):
    """What holds the keys. Every call raises VaultError where the key is missing or damaged."""

    def newest(self) -> int:
        """The highest KEK number that is there, 0 for none."""
        ...

    def make(self, number: int) -> None:
        """Make a key; one that is there stays as it is."""
        ...

    def destroy(self, number: int, check: bytes) -> None:
        """Destroy a KEK if it is there and has this check value."""
        ...

    def check(self, number: int) -> bytes:
        """32 bytes that tell this key from any other and say nothing about it."""
        ...

    def wrap(self, number: int, plain: bytes, associated: bytes) -> bytes:
        """Seal under a KEK."""
        ...

    def unwrap(self, number: int, sealed: bytes, associated: bytes) -> bytes:
        """The inverse of `wrap`. Raises VaultError when key, bytes or associated data do not fit."""
        ...

    def index(self, number: int, value: bytes) -> bytes:
        """A keyed index: HMAC-SHA256, 32 bytes."""
        ...


class _Key(Struct, frozen=True):
    """One key, ready for its uses."""

    cipher: AESGCM
    index: bytes
    check: bytes

    def __repr__(self) -> str:
        return "_Key()"


class FileKeys:
    """Keys in files of their owner: `kek-<n>.key` and `suppression.key`. Each is read on first use."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._keys: dict[int, _Key] = {}

    def newest(self) -> int:
        """The highest number of a KEK file, 0 for none."""
        names = (_NAME.fullmatch(path.name) for path in self._directory.glob("kek-*.key"))
        return max((int(name[1]) for name in names if name), default=0)

    def make(self, number: int) -> None:
        """Write 32 random bytes, mode 0600; a file that is there stays."""
        try:
            write_secret(self._path(number), os.urandom(SECRET_BYTES))
        except KeyFileExists:
            return
        except KeyFileError as error:
            raise VaultError(f"no key for the vault can be made: {error}") from error

    def destroy(self, number: int, check: bytes) -> None:
        """Remove a KEK's file, on disk before this returns.

        It is unlinked, not overwritten: file systems that copy on write and flash memory keep old blocks, and
        only full-disk encryption or a key management service helps against who reads those.
        """
        path = self._path(number)
        if not path.exists():
            self._keys.pop(number, None)
            return
        if not hmac.compare_digest(self.check(number), check):
            raise VaultError(f"{path} is not the key that is to be destroyed, so it is left. Move it away.")
        self._keys.pop(number, None)
        try:
            remove_secret_file(path)
        except KeyFileError as error:
            raise VaultError(f"a key that must be destroyed is still there: {error}") from error

    def check(self, number: int) -> bytes:
        """HMAC-SHA256(key, label)."""
        return self._key(number).check

    def wrap(self, number: int, plain: bytes, associated: bytes) -> bytes:
        """AES-256-GCM: nonce (12 random bytes), ciphertext, tag (16)."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._key(number).cipher.encrypt(nonce, plain, associated)

    def unwrap(self, number: int, sealed: bytes, associated: bytes) -> bytes:
        """What was sealed."""
        try:
            return self._key(number).cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
        except (InvalidTag, ValueError) as error:
            raise VaultError(
                f"a row of the vault does not open under {self._path(number)}: it was altered. "
                "Bring the vault back from a backup."
            ) from error

    def index(self, number: int, value: bytes) -> bytes:
        """HMAC-SHA256 under a key derived from the KEK, or under the suppression key itself."""
        return hmac.digest(self._key(number).index, value, "sha256")

    def _path(self, number: int) -> Path:
        return self._directory / ("suppression.key" if number == SUPPRESSION else f"kek-{number}.key")

    def _key(self, number: int) -> _Key:
        key = self._keys.get(number)
        if key is None:
            try:
                secret = read_secret(self._path(number))
            except KeyFileError as error:
                raise VaultError(
                    f"{error}. The vault needs this key, and a new one would not open it: bring it back from "
                    "a backup of the keys. Nothing was changed."
                ) from error
            index = secret if number == SUPPRESSION else derive(secret, _INDEX)
            key = _Key(AESGCM(derive(secret, _WRAP)), index, derive(secret, _CHECK))
            self._keys[number] = key
        return key
