"""The deployment record: what every worker must agree on before the first row, and for ever after.

Pure. The record holds public facts only; its bytes (RFC 8785 JSON) are copied into each chain's genesis row,
so workers that race to found a chain write the same row, and a changed record is noticed.
"""

from __future__ import annotations

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from ansvar.events.intake import PUBLIC_BYTES
from ansvar.ledger.position import MAX_PARTITIONS

RECORD_VERSION = 1
CONTROL = "control"
FORWARDER = "forwarder"  # name and kind of the producer by which chains tell each other about persons


class DeploymentError(Exception):
    """The deployment record is missing, damaged, or does not belong to these keys or this topic."""


class _Version(Struct):
    """What a record of whatever version begins to say."""

    version: int


class RegisteredProducer(Struct, frozen=True, forbid_unknown_fields=True):
    """A producer's public key (Ed25519, 32 bytes) and what it may claim; `*` stands for any system or event.

    Control records need the kind `control` by name, forwarded ones `forwarder`.
    """

    name: str
    key: bytes
    systems: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ("*",)


class Deployment(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One founding: identity, topic, number of chains, window, first bundle and engine, first keys."""

    version: int = RECORD_VERSION
    id: bytes  # 16 bytes
    topic: str
    chains: int  # partitions of the topic, fixed for the deployment's life
    recent_events: int  # rows of a chain within which a repeated event id is recognised
    engine: int
    bundle: bytes  # SHA-256 of the first bundle
    operator: bytes  # Ed25519 public key that signs what only an operator may do
    epoch: int
    intake: bytes  # public intake key of the first epoch
    secrets: bytes  # commitment to the secrets that rows depend on, 32 bytes; see `Keyring.commitment`
    producers: tuple[RegisteredProducer, ...]
    founded_at: int  # ms since 1970

    def forwards(self) -> bool:
        """Whether chains can tell each other about persons; not those founded by an early version."""
        return any(p.name == FORWARDER and FORWARDER in p.kinds for p in self.producers)

    def producer_keys(self) -> dict[str, Ed25519PublicKey]:
        """Producer name -> public key."""
        return {p.name: Ed25519PublicKey.from_public_bytes(p.key) for p in self.producers}


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Deployment)
_version = msgspec.json.Decoder(_Version)


def to_record(deployment: Deployment) -> bytes:
    """The record's bytes: RFC 8785 JSON, binary values in base64."""
    return _encoder.encode(deployment)


def from_record(record: bytes) -> Deployment:
    """Read a record. Raises DeploymentError on anything but a whole record of a known version."""
    try:
        version = _version.decode(record).version
        if version != RECORD_VERSION:
            raise DeploymentError(
                f"the deployment record has version {version}, this Ansvar knows {RECORD_VERSION}"
            )
        deployment = _decoder.decode(record)
    except msgspec.MsgspecError as error:
        raise DeploymentError(f"the deployment record cannot be read: {error}") from error
    if not 1 <= deployment.chains <= MAX_PARTITIONS or not _sizes_fit(deployment):
        raise DeploymentError("the deployment record states an impossible number of chains, id, hash or key")
    return deployment


def _sizes_fit(deployment: Deployment) -> bool:
    keys = [deployment.operator, *(producer.key for producer in deployment.producers)]
    return (
        len(deployment.id) == 16
        and len(deployment.bundle) == 32
        and len(deployment.secrets) == 32
        and len(deployment.intake) == PUBLIC_BYTES
        and all(len(key) == 32 for key in keys)
    )
