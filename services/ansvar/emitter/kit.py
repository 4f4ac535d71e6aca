"""What a producer needs to emit, in one secret file.

Invariants: a kit that was read or made is complete and consistent in form; `repr` shows no secret. The file
is JSON, mode 0600, binary values in base64.

Not handled here: registering the producer's public key with the deployment, and issuing kits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ansvar.emitter.errors import KitError
from ansvar.events.envelope import KEY_BYTES, MAX_PARTITION, PRODUCER_NAME
from ansvar.events.intake import PUBLIC_BYTES, IntakePublicKey
from ansvar.events.intake_statement import BadStatement, pinned_key
from ansvar.events.partition import PARTITION_KEY_BYTES
from ansvar.keyfiles import KeyFileError, read_secret_file, write_secret_file


class _KitFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The file's layout, version 1. What is absent is not written, so that older programs read it too."""

    version: Literal[1]
    deployment: UUID
    topic: str
    chains: int
    partition_key: bytes
    epoch: int
    intake_key: bytes
    producer: str
    signing_key: bytes
    log_key: str | None = None
    intake_source: str | None = None


class ProducerKit(msgspec.Struct, frozen=True, kw_only=True):
    """One producer's identity and the keys it emits with. `KitError` on a value out of form."""

    deployment: UUID
    topic: str
    chains: int  # partitions of the topic, fixed for the deployment's life
    partition_key: bytes  # 32 bytes, shared by all producers of the deployment
    epoch: int
    intake_key: IntakePublicKey
    producer: str
    signing_key: Ed25519PrivateKey
    log_key: str | None = None  # verifier key of chain 0's log, by which a new intake key is believed
    intake_source: str | None = None  # file or URL of the statement of the current intake key

    def __post_init__(self) -> None:
        _check(
            PRODUCER_NAME.fullmatch(self.producer), "producer is a name [a-z0-9][a-z0-9._-]*, 1 to 64 long"
        )
        _check(
            1 <= self.chains <= MAX_PARTITION + 1, "chains is the number of the topic's partitions, 1 or more"
        )
        _check(0 <= self.epoch < 2**32, "epoch is an unsigned 32-bit number")
        _check(
            len(self.partition_key) == PARTITION_KEY_BYTES, f"partition_key is {PARTITION_KEY_BYTES} bytes"
        )
        _check(self.intake_source is None or self.log_key is not None, "intake_source needs a log_key")
        if self.log_key is not None:
            try:
                pinned_key(self.log_key)
            except BadStatement as error:
                raise KitError(str(error)) from error
        _check(self.topic.isascii() and 0 < len(self.topic) <= 249, "topic is a name of 1 to 249 characters")

    def __repr__(self) -> str:
        return f"ProducerKit(producer={self.producer!r}, deployment={self.deployment}, topic={self.topic!r})"

    @classmethod
    def read(cls, path: Path) -> ProducerKit:
        """Read a kit file; `KitError` says what is wrong with it."""
        try:
            file = msgspec.json.decode(read_secret_file(path), type=_KitFile)
            _check(len(file.intake_key) == PUBLIC_BYTES, f"intake_key is {PUBLIC_BYTES} bytes")
            _check(len(file.signing_key) == KEY_BYTES, f"signing_key is {KEY_BYTES} bytes")
            return cls(
                deployment=file.deployment,
                topic=file.topic,
                chains=file.chains,
                partition_key=file.partition_key,
                epoch=file.epoch,
                intake_key=IntakePublicKey(file.intake_key),
                producer=file.producer,
                signing_key=Ed25519PrivateKey.from_private_bytes(file.signing_key),
                log_key=file.log_key,
                intake_source=file.intake_source,
            )
        except KeyFileError as error:
            raise KitError(str(error)) from error
        except (msgspec.MsgspecError, KitError, ValueError) as error:
            raise KitError(f"{path} is not a producer kit: {error}") from error

    def write(self, path: Path, *, replace: bool = False, keyless: bool = False) -> None:
        """Write the kit file, mode 0600; `KitError` when it cannot be written or there is one already.

        `keyless`: without a signing key, for a producer that puts its own there.
        """
        file = _KitFile(
            version=1,
            deployment=self.deployment,
            topic=self.topic,
            chains=self.chains,
            partition_key=self.partition_key,
            epoch=self.epoch,
            intake_key=self.intake_key.to_bytes(),
            producer=self.producer,
            signing_key=b"" if keyless else self.signing_key.private_bytes_raw(),
            log_key=self.log_key,
            intake_source=self.intake_source,
        )
        content = msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
        try:
            write_secret_file(path, content, replace=replace)
        except KeyFileError as error:
            raise KitError(str(error)) from error


def _check(holds: object, message: str) -> None:
    if not holds:
        raise KitError(message)
