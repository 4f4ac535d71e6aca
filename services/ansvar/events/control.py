"""Commands that travel in the events topic: activating a policy, findings and answers, producers and keys.

Invariants: a command's effect is a row of the chain that it was sent to, so the ledger grows from Kafka's
records alone; the same command has the same id on every chain; activating a policy also takes the operator's
signature over what is activated, whoever sends it. Bad bytes raise an EventError and nothing else.

Not handled here: who may command (`enforcement.admitting`), what a command does (`enforcement.commanding`),
the signatures of commands about producers and keys (`key_commands`).
"""

from __future__ import annotations

import hashlib
import struct
from io import BytesIO
from typing import Annotated, Any, Final, Literal, get_args
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastavro import schemaless_reader, schemaless_writer
from msgspec import Meta, Struct

from ansvar.events.codec import schema_of
from ansvar.events.errors import UndecodableRecord
from ansvar.events.key_commands import (
    CloseEpoch,
    KeysChanged,
    OpenEpoch,
    RegisterProducer,
    RevokeProducer,
    SignedKeyCommand,
    sign_key_command,
)
from ansvar.events.refusal import BadSignature
from ansvar.events.schemas import current

_LABEL: Final = b"ansvar/activate/v1"
MAX_ANSWER: Final = 4_000  # characters; sealed as JSON they fit a row, however many escapes they take
_ENGINE = struct.Struct(">H")
Answer = Literal["accepted", "remedied", "false_positive"]
Role = Literal["dpo", "legal", "security", "management"]  # who answers, never a person's name


class ActivatePolicy(Struct, frozen=True):
    """Judge by this bundle (canonical form) and engine from here on; `signature` is the operator's."""

    bundle: bytes
    engine: int
    signature: bytes

    @property
    def sha256(self) -> bytes:
        """The hash that names the bundle in rows."""
        return hashlib.sha256(self.bundle).digest()


class RecordFinding(Struct, frozen=True):
    """A finding about an earlier row; `since` in microseconds since 1970, `subject` its reference."""

    chain: int
    seq: int
    rule: Annotated[str, Meta(max_length=100)]
    clause: Annotated[str, Meta(max_length=100)]
    severity: Literal["flag", "deny"]
    message: Annotated[str, Meta(max_length=4_000)]
    subject: bytes
    since: int


class AnswerFinding(Struct, frozen=True):
    """The answer to the findings of a row, with its reason."""

    chain: int
    seq: int
    answer: Answer
    text: Annotated[str, Meta(max_length=MAX_ANSWER)]
    by: Role


KeyCommand = RegisterProducer | RevokeProducer | OpenEpoch | CloseEpoch | KeysChanged
Command = ActivatePolicy | RecordFinding | AnswerFinding | KeyCommand
_COMMANDS: Final[dict[str, type[Command]]] = {
    f"ansvar.v1.{command.__name__}": command for command in get_args(Command)
}


class Control(Struct, frozen=True):
    """One command under its id."""

    id: UUID
    command: Command


def signed_activation(
    operator: Ed25519PrivateKey, deployment: bytes, id_: UUID, bundle: bytes, engine: int
) -> Control:
    """The command that activates a bundle (canonical form), signed by the operator."""
    signature = operator.sign(_activation(deployment, id_, hashlib.sha256(bundle).digest(), engine))
    return Control(id_, ActivatePolicy(bundle, engine, signature))


def signed_key_command(
    operator: Ed25519PrivateKey, deployment: bytes, id_: UUID, command: SignedKeyCommand
) -> Control:
    """A command about producers or epochs, signed by the operator."""
    return Control(id_, sign_key_command(operator, deployment, id_, command))


def check_activation(operator: bytes, deployment: bytes, id_: UUID, command: ActivatePolicy) -> None:
    """Raise BadSignature unless the operator (Ed25519 public key) signed this activation."""
    signed = _activation(deployment, id_, command.sha256, command.engine)
    try:
        Ed25519PublicKey.from_public_bytes(operator).verify(command.signature, signed)
    except InvalidSignature:
        raise BadSignature("the activation is not signed by the deployment's operator") from None


def encode_control(control: Control) -> bytes:
    """The Avro body of a control record under the current schema."""
    name = f"ansvar.v1.{type(control.command).__name__}"
    body = BytesIO()
    command = msgspec.structs.asdict(control.command)
    record = {"id": control.id.bytes, "command": (name, command)}
    schemaless_writer(body, current("control").parsed, record)
    return body.getvalue()


def decode_control(data: bytes, fingerprint: bytes) -> Control:
    """The command of a control record's body. Raises UnknownSchema or UndecodableRecord."""
    schema = schema_of("control", fingerprint)
    body = BytesIO(data)
    try:
        record: Any = schemaless_reader(body, schema.parsed, None, return_record_name=True)
        name, fields = record["command"]
        if "since" in fields:
            fields["since"] = round(fields["since"].timestamp() * 1_000_000)
        command = msgspec.convert(fields, _COMMANDS[name])
    except (EOFError, IndexError, KeyError, OverflowError, TypeError, ValueError, msgspec.ValidationError):
        raise UndecodableRecord("no command of the schema 'control'") from None
    if body.tell() != len(data):
        raise UndecodableRecord(f"{len(data) - body.tell()} bytes after the command, at byte {body.tell()}")
    return Control(UUID(bytes=bytes(record["id"])), command)


def _activation(deployment: bytes, id_: UUID, sha256: bytes, engine: int) -> bytes:
    if not 0 <= engine < 1 << 16:
        raise UndecodableRecord(f"engine {engine} is outside 0 to 65535")
    return _LABEL + deployment + id_.bytes + sha256 + _ENGINE.pack(engine)
