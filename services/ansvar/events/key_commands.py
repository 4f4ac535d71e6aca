"""Commands about producers and intake epochs, each signed by the operator, and the signature's bytes.

Invariants: what is signed is a label of the command's own, deployment, command id and every field with its
length before it, so no signature holds for another command, another deployment or other fields. A command
holds public keys only.

Not handled here: their encoding and who may send them (`control`, `enforcement.admitting`), what they do to a
chain (`enforcement.registering`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Annotated, Final, Literal
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta, Struct
from msgspec.structs import replace

from ansvar.events.intake import PUBLIC_BYTES
from ansvar.events.refusal import BadSignature

# Bounded so that the longest registration still fits a row of the ledger.
_WORD: Final = r"^[^\x00-\x1f\x7f\"\\]+\Z"
_Word = Annotated[str, Meta(min_length=1, max_length=100, pattern=_WORD)]
_Words = Annotated[tuple[_Word, ...], Meta(max_length=100)]
_Kind = Annotated[str, Meta(min_length=1, max_length=32, pattern=_WORD)]
_Kinds = Annotated[tuple[_Kind, ...], Meta(max_length=32)]
_Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]
_Epoch = Annotated[int, Meta(ge=0, lt=1 << 32)]
_Time = Annotated[int, Meta(ge=0, lt=1 << 53)]  # ms since 1970
_Signature = Annotated[bytes, Meta(max_length=64)]

_LENGTH: Final = struct.Struct(">I")
_EPOCH: Final = struct.Struct(">I")
_TIME: Final = struct.Struct(">Q")


class RegisterProducer(Struct, frozen=True):
    """From here on a producer's records are taken under this key; its earlier registration is replaced."""

    name: _Name
    key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    systems: _Words
    kinds: _Kinds
    signature: _Signature = b""


class RevokeProducer(Struct, frozen=True):
    """From here on no record of this producer is taken."""

    name: _Name
    signature: _Signature = b""


class OpenEpoch(Struct, frozen=True):
    """From here on sessions may be sealed to this public intake key."""

    epoch: _Epoch
    key: Annotated[bytes, Meta(min_length=PUBLIC_BYTES, max_length=PUBLIC_BYTES)]
    signature: _Signature = b""


class CloseEpoch(Struct, frozen=True):
    """The epoch ends here; its private key is to be destroyed at `destroy_at` (ms since 1970)."""

    epoch: _Epoch
    destroy_at: _Time
    signature: _Signature = b""


class KeysChanged(Struct, frozen=True):
    """Something was done to keys that decide about no record: told, not signed."""

    what: Literal["log", "intake", "vault"]
    change: Literal["rotated", "destroyed"]
    generation: Annotated[int, Meta(ge=0, lt=1 << 32)]


SignedKeyCommand = RegisterProducer | RevokeProducer | OpenEpoch | CloseEpoch


def sign_key_command(
    operator: Ed25519PrivateKey, deployment: bytes, id_: UUID, command: SignedKeyCommand
) -> SignedKeyCommand:
    """The command with the operator's signature."""
    return replace(command, signature=operator.sign(signed_bytes(deployment, id_, command)))


def check_key_command(operator: bytes, deployment: bytes, id_: UUID, command: SignedKeyCommand) -> None:
    """Raise BadSignature unless the operator (Ed25519 public key) signed this command."""
    try:
        Ed25519PublicKey.from_public_bytes(operator).verify(
            command.signature, signed_bytes(deployment, id_, command)
        )
    except InvalidSignature:
        raise BadSignature("the command about keys is not signed by the deployment's operator") from None


def signed_bytes(deployment: bytes, id_: UUID, command: SignedKeyCommand) -> bytes:
    """What the operator signs: label, deployment (16), command id (16), then each field after its length.

    Lengths are u32, big-endian; a list is a field that holds its items, each after its length. An epoch is
    u32, a time u64.
    """
    fields: tuple[bytes, ...]
    match command:
        case RegisterProducer():
            systems, kinds = _listed(command.systems), _listed(command.kinds)
            label, fields = "register-producer", (command.name.encode(), command.key, systems, kinds)
        case RevokeProducer():
            label, fields = "revoke-producer", (command.name.encode(),)
        case OpenEpoch():
            label, fields = "open-epoch", (_EPOCH.pack(command.epoch), command.key)
        case CloseEpoch():
            label, fields = "close-epoch", (_EPOCH.pack(command.epoch), _TIME.pack(command.destroy_at))
    return f"ansvar/{label}/v1".encode() + deployment + id_.bytes + _prefixed(fields)


def _listed(words: Iterable[str]) -> bytes:
    return _prefixed(word.encode() for word in words)


def _prefixed(fields: Iterable[bytes]) -> bytes:
    return b"".join(_LENGTH.pack(len(field)) + field for field in fields)
