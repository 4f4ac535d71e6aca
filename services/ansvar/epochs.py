"""Intake epochs on this machine: their key files, the signed statement of the current one, and local kits.

Invariants: a private key is on disk before anyone hears of its public key; the statement names an epoch only
after every chain was told to open it; a destroyed key's file is gone and nothing here makes it anew.

Not handled here: what the chains say of epochs (`enforcement.registering`), sending commands (`cli`), when a
key is due (`enforcement.key_keeping`).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from ansvar.deployment import Deployment
from ansvar.emitter.kit import ProducerKit
from ansvar.events.errors import EventError
from ansvar.events.intake import PRIVATE_BYTES, IntakePrivateKey, IntakePublicKey
from ansvar.events.intake_statement import IntakeStatement, read_statement, signed_statement
from ansvar.keyfiles import (
    KeyFileError,
    KeyFileExists,
    read_intake_key,
    remove_secret_file,
    write_intake_key,
    write_secret_file,
)
from ansvar.vault import keyring
from ansvar.vault.logkeys import LogSigner

_CHAIN: Final = 0  # whose log key signs


def statement_path(keys: Path) -> Path:
    """Where the statement of the current intake key lies. It is public."""
    return keys / "intake.json"


def current(keys: Path) -> IntakeStatement | None:
    """What the statement says, None where there is none yet. Raises KeyFileError."""
    path = statement_path(keys)
    try:
        return read_statement(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, EventError) as error:
        raise KeyFileError(f"{path}: {error}. Remove it, and it is made anew") from error


def stated(keys: Path) -> bytes:
    """The statement as it is published. Raises KeyFileError."""
    statement = current(keys)
    if statement is None:
        raise KeyFileError("nothing was founded here yet, so there is no intake key")
    return statement.encode()


def publish(keys: Path, signer: LogSigner, statement: IntakeStatement) -> None:
    """Write the statement, signed by every generation of log keys, unless it stands there. KeyFileError."""
    signed = signed_statement(
        statement, ((str(key), blob) for key, blob in signer.sign_bytes(_CHAIN, statement.signed))
    )
    path = statement_path(keys)
    if not path.exists() or path.read_bytes() != signed.encode():
        write_secret_file(path, signed.encode(), replace=True)


def publish_current(keys: Path, signer: LogSigner, deployment: Deployment) -> None:
    """Publish what is current: that of the founding, until another took its place. Raises KeyFileError."""
    founding = IntakeStatement(
        UUID(bytes=deployment.id), deployment.epoch, deployment.intake, deployment.founded_at
    )
    publish(keys, signer, current(keys) or founding)


def make(keys: Path, epoch: int) -> IntakePublicKey:
    """The public key of a new epoch; its private key is made unless a cut-off rotation left it."""
    path = keyring.intake_path(keys, epoch)
    with contextlib.suppress(KeyFileExists):
        write_intake_key(path, IntakePrivateKey(os.urandom(PRIVATE_BYTES)))
    return read_intake_key(path).public_key()


def destroy(keys: Path, epoch: int) -> bool:
    """Remove the private key of an epoch; returns whether there was one. Raises KeyFileError."""
    path = keyring.intake_path(keys, epoch)
    was_here = path.exists()
    remove_secret_file(path)
    return was_here


def renew_kits(keys: Path, statement: IntakeStatement) -> None:
    """Give the kits of producers on this machine the current intake key. Raises KitError."""
    for path in sorted((keys / "producers").glob("*.json")):
        kit = ProducerKit.read(path)
        if kit.epoch < statement.epoch:
            replace(kit, epoch=statement.epoch, intake_key=statement.public_key).write(path, replace=True)
