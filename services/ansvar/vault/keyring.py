"""The secret files of a deployment, one directory, owner only.

`partition.key`, `pepper.key` and `deployment.key` are independent 32-byte secrets; `intake-<epoch>.pem` opens
what producers sealed in that epoch; `operator.pem` signs what only an operator may do;
`producers/<name>.json` are producer kits. A file that is there is never replaced.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from ansvar.events.intake import PRIVATE_BYTES, IntakePrivateKey
from ansvar.keyfiles import (
    SECRET_BYTES,
    KeyFileExists,
    make_private_directory,
    read_intake_key,
    read_secret,
    read_signing_key,
    write_intake_key,
    write_secret,
    write_signing_key,
)

FIRST_EPOCH: Final = 1
_COMMITMENT: Final = b"ansvar/deployment/secrets/v1"
_SECRETS: Final = ("partition.key", "pepper.key", "deployment.key")


class IntakeKeys:
    """The private intake keys of a directory, by epoch, as it is now: some may come and go meanwhile.

    `get` raises KeyFileError where a key's file cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: dict[int, IntakePrivateKey] = {}

    def get(self, epoch: int) -> IntakePrivateKey | None:
        """The key of an epoch, None where there is none or it was destroyed."""
        path = intake_path(self._directory, epoch)
        if not path.exists():
            self._read.pop(epoch, None)
            return None
        found = self._read.get(epoch)
        if found is None:
            found = self._read[epoch] = read_intake_key(path)
        return found


class Keyring(Struct, frozen=True):
    """What a worker needs of the secrets."""

    partition_key: bytes
    pepper: bytes
    deployment_secret: bytes
    intake: dict[int, IntakePrivateKey]  # by epoch
    operator: Ed25519PublicKey

    @property
    def commitment(self) -> bytes:
        """What the deployment record says of the three secrets, 32 bytes that tell nothing about them.

        A worker with another partition key, pepper or deployment secret would give the same people new
        references and the same events new digests, and nobody would notice.
        """
        return hmac.digest(self.deployment_secret, _COMMITMENT + self.partition_key + self.pepper, "sha256")

    def __repr__(self) -> str:
        return f"Keyring(epochs={sorted(self.intake)})"


def create(directory: Path) -> None:
    """Make every secret that is not there yet. Two that race end with the same files: the first one wins."""
    make_private_directory(directory)
    for name in _SECRETS:
        _first(lambda path: write_secret(path, os.urandom(SECRET_BYTES)), directory / name)
    _first(
        lambda path: write_intake_key(path, IntakePrivateKey(os.urandom(PRIVATE_BYTES))),
        intake_path(directory, FIRST_EPOCH),
    )
    _first(lambda path: write_signing_key(path, Ed25519PrivateKey.generate()), directory / "operator.pem")


def read(directory: Path) -> Keyring:
    """Read the secrets. Raises KeyFileError naming the file that is missing, open to others or damaged."""
    return Keyring(
        read_secret(directory / "partition.key"),
        read_secret(directory / "pepper.key"),
        read_secret(directory / "deployment.key"),
        {epoch: read_intake_key(intake_path(directory, epoch)) for epoch in epochs(directory)},
        read_signing_key(directory / "operator.pem").public_key(),
    )


def epochs(directory: Path) -> list[int]:
    """The epochs whose private intake key is here, in order."""
    found = (_EPOCH.fullmatch(path.name) for path in directory.glob("intake-*.pem"))
    return sorted(int(name[1]) for name in found if name is not None)


def intake_path(directory: Path, epoch: int) -> Path:
    """Where the private intake key of an epoch lies."""
    return directory / f"intake-{epoch:04}.pem"


def operator_key(directory: Path) -> Ed25519PrivateKey:
    """The key with which the operator signs; no worker needs it. Raises KeyFileError."""
    return read_signing_key(directory / "operator.pem")


def kit_path(directory: Path, producer: str) -> Path:
    """Where a producer's kit lies."""
    return directory / "producers" / f"{producer}.json"


def new_deployment_id() -> UUID:
    """A random deployment id."""
    return UUID(bytes=os.urandom(16), version=4)


_EPOCH = re.compile(r"intake-(\d{4,})\.pem")


def _first(write: Callable[[Path], None], path: Path) -> None:
    try:
        write(path)
    except KeyFileExists:
        return
