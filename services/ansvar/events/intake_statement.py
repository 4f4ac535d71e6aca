"""What a deployment says of its current intake key, signed by its log, and checking it by a pinned key.

Pure. The signature is Ed25519 over a label, a zero byte and fields of fixed length (docs/wire-format.md), so
it is no signed note and no signed note is one. There is one signature for each generation of log keys:
whoever pinned an older one can still check it.

Not handled here: where it is published and fetched from, and when a producer changes over.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterable
from typing import Annotated, Final
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct

from ansvar.events.intake import PUBLIC_BYTES, IntakePublicKey
from ansvar.events.refusal import EnvelopeError

_LABEL: Final = b"ansvar/intake-key/v1\0"
_NUMBERS: Final = struct.Struct(">IQ")
_ED25519: Final = 0x01  # the signature type of C2SP signed-note
MAX_STATEMENT: Final = 64 * 1024


class BadStatement(EnvelopeError):
    """What claims to be the current intake key is none that we may believe."""


class StatementSignature(Struct, frozen=True):
    """`key` is the signer's note verifier key (`name+id+base64`)."""

    key: str
    signature: bytes


class IntakeStatement(Struct, frozen=True, forbid_unknown_fields=True):
    """The current intake key: sessions are to be sealed to it from `valid_from` (ms since 1970) on."""

    deployment: UUID
    epoch: Annotated[int, Meta(ge=0, lt=1 << 32)]
    intake_key: Annotated[bytes, Meta(min_length=PUBLIC_BYTES, max_length=PUBLIC_BYTES)]
    valid_from: Annotated[int, Meta(ge=0, lt=1 << 53)]
    signatures: tuple[StatementSignature, ...] = ()

    @property
    def signed(self) -> bytes:
        """The bytes under the signatures."""
        return _LABEL + self.deployment.bytes + _NUMBERS.pack(self.epoch, self.valid_from) + self.intake_key

    @property
    def public_key(self) -> IntakePublicKey:
        """The key to seal to; ValueError where the bytes are none."""
        return IntakePublicKey(self.intake_key)

    def encode(self) -> bytes:
        """As JSON, with a newline."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=2) + b"\n"


def signed_statement(statement: IntakeStatement, signatures: Iterable[tuple[str, bytes]]) -> IntakeStatement:
    """The statement with (verifier key, signature) of each signer."""
    made = tuple(StatementSignature(key, signature) for key, signature in signatures)
    return msgspec.structs.replace(statement, signatures=made)


def read_statement(content: bytes) -> IntakeStatement:
    """The statement of a file or an answer, unchecked. Raises BadStatement."""
    if len(content) > MAX_STATEMENT:
        raise BadStatement(f"more than {MAX_STATEMENT} bytes are no statement of an intake key")
    try:
        return msgspec.json.decode(content, type=IntakeStatement)
    except msgspec.MsgspecError as error:
        raise BadStatement(f"no statement of an intake key: {error}") from error


def checked_statement(content: bytes, pinned: str, deployment: UUID) -> IntakeStatement:
    """The statement, signed by a pinned log key (a verifier key) for this deployment. Raises BadStatement."""
    statement = read_statement(content)
    if statement.deployment != deployment:
        raise BadStatement("the intake key is another deployment's")
    key = pinned_key(pinned)
    for signature in statement.signatures:
        if signature.key == pinned:
            try:
                key.verify(signature.signature, statement.signed)
            except InvalidSignature:
                raise BadStatement("the signature on the intake key does not verify") from None
            return statement
    raise BadStatement("the intake key is not signed by the log key that is pinned")


def pinned_key(pinned: str) -> Ed25519PublicKey:
    """The Ed25519 key of a note verifier key (C2SP signed-note). Raises BadStatement."""
    name, _, rest = pinned.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        material = base64.b64decode(encoded, validate=True)
    except ValueError:
        material = b""
    stated = hashlib.sha256(name.encode() + b"\n" + material).hexdigest()[:8]
    canonical = base64.b64encode(material).decode() == encoded
    if not canonical or len(material) != 33 or material[0] != _ED25519 or stated != key_id:
        raise BadStatement("the pinned log key is no Ed25519 verifier key, as keys/log-0.vkey holds one")
    return Ed25519PublicKey.from_public_bytes(material[1:])
