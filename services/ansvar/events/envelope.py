"""Wire format version 1: the sealed Kafka record, made and opened (docs/wire-format.md, byte by byte).

Invariants: all integers are big-endian but the schema fingerprint, which is copied as it stands; every byte
of a record is covered by the producer's signature or by the content key's seal, and the seal also covers
topic and partition, so a record opens only unchanged, at its own place and in its own session; one number is
bound to one ciphertext per type and partition; content keys live in memory only.

Time and randomness come in as values (HPKE's encapsulation excepted, see `intake`). Not handled here: which
producers and epochs are accepted when, batch numbers seen before, Avro (`codec`), Kafka.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from enum import IntEnum

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from ansvar.events.intake import SEAL_OVERHEAD, IntakePrivateKey, IntakePublicKey
from ansvar.events.personal_data import masked
from ansvar.events.refusal import (
    BadSeal,
    BadSignature,
    NumberReused,
    SessionExpired,
    Undecodable,
    UnknownEpoch,
    UnknownProducer,
    UnsupportedVersion,
    WrongDeployment,
)

VERSION = 1
ID_BYTES = 16
KEY_BYTES = 32
FINGERPRINT_BYTES = 8
TAG_BYTES = 16
MAX_PARTITION = 2**24 - 1
PRODUCER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)

# A worker forgets a session's batch numbers once no record of it can be accepted any more.
SESSION_LIFETIME_MS = 24 * 3_600_000
SESSION_TOLERANCE_MS = 3_600_000

_INFO = b"ansvar/session/v1"
_SEALED_KEY_BYTES = SEAL_OVERHEAD + KEY_BYTES
_SIGNATURE_BYTES = 64
_AFTER_NAME = struct.Struct(">16sQIH")
_RECORD = struct.Struct(">BBQ8s")
_U16 = struct.Struct(">H")


class RecordType(IntEnum):
    """What a record holds. Batches, heartbeats and the close record each count on their own."""

    BATCH = 1
    HEARTBEAT = 2
    CLOSE = 3
    CONTROL = 4
    FORWARDED = 5


class SessionHeader(Struct, frozen=True):
    """Who sealed, for whom, under which keys; `raw` is the header as it was read or written."""

    deployment: bytes  # 16 bytes
    producer: str
    session: bytes  # 16 bytes
    started: int  # ms since the Unix epoch, the producer's clock
    epoch: int
    sealed_key: bytes  # HPKE output: 1,120 bytes encapsulated key, 48 bytes sealed content key
    signature: bytes  # 64 bytes
    raw: bytes

    @property
    def signed(self) -> bytes:
        """The bytes under the signature: all before it."""
        return self.raw[:-_SIGNATURE_BYTES]

    @property
    def info(self) -> bytes:
        """HPKE `info`: a label and all before the HPKE output's length (so it is injective)."""
        return _INFO + self.raw[: -(_SIGNATURE_BYTES + _SEALED_KEY_BYTES + _U16.size)]


class RecordHeader(Struct, frozen=True):
    """What this record is: type, number within session, partition and type, and schema of its body."""

    type: RecordType
    number: int
    fingerprint: bytes  # 8 bytes, CRC-64-AVRO, little-endian as in Avro's single-object encoding

    def encode(self) -> bytes:
        return _RECORD.pack(VERSION, self.type, self.number, self.fingerprint)


class SplitRecord(Struct, frozen=True):
    """A Kafka record's value, taken apart but not yet believed."""

    session: SessionHeader
    record: RecordHeader
    ciphertext: bytes


class Session:
    """A producer's session: seals records under one content key and never two under one number."""

    def __init__(self, header: SessionHeader, content_key: bytes) -> None:
        self.header = header
        self._prefix = _U16.pack(len(header.raw)) + header.raw
        self._cipher = AESGCM(content_key)
        self._last: dict[tuple[RecordType, int], int] = {}

    def seal(
        self, kind: RecordType, number: int, fingerprint: bytes, body: bytes, topic: str, partition: int
    ) -> bytes:
        """The Kafka record value for a body at a place.

        Numbers rise per type and partition, whatever the topic, since the nonce does not name it; a number
        not above the last raises `NumberReused`. To send a record again, send the same bytes again.
        """
        if self._last.get((kind, partition), -1) >= number:
            raise NumberReused(
                f"{kind.name.lower()} {number} of partition {partition} was sealed before; "
                "send its bytes again, or open a new session"
            )
        _require(len(fingerprint) == FINGERPRINT_BYTES, f"a fingerprint is {FINGERPRINT_BYTES} bytes")
        nonce = _nonce(kind, partition, number)
        head = RecordHeader(kind, number, fingerprint).encode()
        associated = _associated(self.header.raw, head, topic, partition)
        self._last[kind, partition] = number
        sealed = self._cipher.encrypt(nonce, body, associated)
        return b"".join((self._prefix, head, sealed))


class OpenSession:
    """A session whose signature and key the worker has checked; to be cached by SHA-256 of `header.raw`."""

    def __init__(self, header: SessionHeader, content_key: bytes) -> None:
        self.header = header
        self._cipher = AESGCM(content_key)

    def open(self, record: SplitRecord, topic: str, partition: int, *, at: int) -> bytes:
        """The body of a record found at a place, `at` broker time in ms since the Unix epoch.

        Raises `SessionExpired` or `BadSeal`.
        """
        check_age(self.header, at)
        if record.session.raw != self.header.raw:
            raise BadSeal("the record belongs to another session than the one it was opened with")
        head = record.record
        try:
            return self._cipher.decrypt(
                _nonce(head.type, partition, head.number),
                record.ciphertext,
                _associated(self.header.raw, head.encode(), topic, partition),
            )
        except InvalidTag as error:
            raise BadSeal("the record's seal does not open at this topic and partition") from error


def new_session(
    *,
    deployment: bytes,
    producer: str,
    session: bytes,
    started: int,
    epoch: int,
    intake_key: IntakePublicKey,
    signing_key: Ed25519PrivateKey,
    content_key: bytes,
) -> Session:
    """Open a session: seal the content key to the intake and sign the header.

    `session` (16 bytes) and `content_key` (32 bytes) must be fresh and random. `ValueError` on a value that
    the layout cannot hold.
    """
    _require(len(deployment) == ID_BYTES, f"a deployment id is {ID_BYTES} bytes")
    _require(len(session) == ID_BYTES, f"a session id is {ID_BYTES} bytes")
    _require(len(content_key) == KEY_BYTES, f"a content key is {KEY_BYTES} bytes")
    _require(0 <= started < 2**64, "a session's start is an unsigned 64-bit number of milliseconds")
    _require(0 <= epoch < 2**32, "a key epoch is an unsigned 32-bit number")
    _require(
        PRODUCER_NAME.fullmatch(producer) is not None, "a producer's name is [a-z0-9][a-z0-9._-]*, 1 to 64"
    )
    name = producer.encode("ascii")
    before = b"".join(
        (
            bytes((VERSION,)),
            deployment,
            bytes((len(name),)),
            name,
            session,
            struct.pack(">QI", started, epoch),
        )
    )
    sealed_key = intake_key.seal(content_key, _INFO + before)
    signed = before + _U16.pack(len(sealed_key)) + sealed_key
    signature = signing_key.sign(signed)
    header = SessionHeader(
        deployment, producer, session, started, epoch, sealed_key, signature, signed + signature
    )
    return Session(header, content_key)


def split(value: bytes) -> SplitRecord:
    """Take a Kafka record's value apart. Raises `Undecodable` or `UnsupportedVersion`; believes nothing."""
    if len(value) < _U16.size:
        raise Undecodable(f"a record of {len(value)} bytes has no session header")
    end = _U16.size + _U16.unpack_from(value)[0]
    session = parse_session_header(value[_U16.size : end])
    if len(value) < end + _RECORD.size + TAG_BYTES:
        raise Undecodable(f"a record of {len(value)} bytes ends inside its record header or seal")
    version, type_, number, fingerprint = _RECORD.unpack_from(value, end)
    if version != VERSION:
        raise UnsupportedVersion(f"record header version {version}; this worker reads version {VERSION}")
    try:
        record = RecordHeader(RecordType(type_), number, fingerprint)
    except ValueError as error:
        raise Undecodable(f"record type {type_} does not exist in version {VERSION}") from error
    return SplitRecord(session, record, value[end + _RECORD.size :])


def parse_session_header(raw: bytes) -> SessionHeader:
    """Read a session header. Raises `Undecodable` or `UnsupportedVersion`; the signature is not checked."""
    if not raw:
        raise Undecodable("the session header is empty")
    if raw[0] != VERSION:
        raise UnsupportedVersion(f"session header version {raw[0]}; this worker reads version {VERSION}")
    name_at = 1 + ID_BYTES + 1
    name_end = name_at + (raw[name_at - 1] if len(raw) >= name_at else 0)
    sealed_at = name_end + _AFTER_NAME.size
    if len(raw) != sealed_at + _SEALED_KEY_BYTES + _SIGNATURE_BYTES:
        raise Undecodable(
            f"a session header of {len(raw)} bytes does not have the layout of version {VERSION}"
        )
    producer = raw[name_at:name_end].decode("ascii", "replace")
    if not PRODUCER_NAME.fullmatch(producer):
        raise Undecodable("the producer's name in the session header is not [a-z0-9][a-z0-9._-]*, 1 to 64")
    session, started, epoch, sealed_length = _AFTER_NAME.unpack_from(raw, name_end)
    if sealed_length != _SEALED_KEY_BYTES:
        raise Undecodable(f"the HPKE output is stated as {sealed_length} bytes, not {_SEALED_KEY_BYTES}")
    signature_at = sealed_at + _SEALED_KEY_BYTES
    return SessionHeader(
        raw[1 : 1 + ID_BYTES],
        producer,
        session,
        started,
        epoch,
        raw[sealed_at:signature_at],
        raw[signature_at:],
        raw,
    )


def open_session(
    header: SessionHeader,
    deployment: bytes,
    producer_keys: Mapping[str, Ed25519PublicKey],
    epoch_keys: Mapping[int, IntakePrivateKey],
) -> OpenSession:
    """Check a session header and recover its content key: deployment, producer, signature, then the key.

    The signature comes before any use of a private key, so that only registered producers reach the intake
    key. Raises `WrongDeployment`, `UnknownProducer`, `BadSignature`, `UnknownEpoch` or `BadSeal`. Age is
    checked by `OpenSession.open`, for each record: it depends on when the broker took that record.
    """
    check_deployment(header, deployment)
    public = producer_keys.get(header.producer)
    if public is None:
        name = masked(header.producer)  # anyone may have written it
        raise UnknownProducer(f"no key is registered for producer {name!r}; add the producer first")
    if signer(header, (public,)) is None:
        raise BadSignature(f"the session header is not signed by producer {header.producer!r}")
    return unseal_session(header, epoch_keys.get(header.epoch))


def check_deployment(header: SessionHeader, deployment: bytes) -> None:
    """Raise `WrongDeployment` unless the header names this deployment."""
    if header.deployment != deployment:
        raise WrongDeployment("the record was sealed for another deployment")


def signer(header: SessionHeader, keys: Iterable[Ed25519PublicKey]) -> Ed25519PublicKey | None:
    """The first of these keys under which the header's signature holds, if there is one."""
    for key in keys:
        try:
            key.verify(header.signature, header.signed)
        except InvalidSignature:
            continue
        return key
    return None


def unseal_session(header: SessionHeader, private: IntakePrivateKey | None) -> OpenSession:
    """Recover the content key of a header whose signature held. Raises `UnknownEpoch` or `BadSeal`."""
    if private is None:
        raise UnknownEpoch(f"no intake key is held for epoch {header.epoch}")
    try:
        content_key = private.open(header.sealed_key, header.info)
    except ValueError as error:
        raise BadSeal(f"the content key is not sealed to the intake key of epoch {header.epoch}") from error
    return OpenSession(header, content_key)


def check_age(header: SessionHeader, at: int) -> None:
    """Raise `SessionExpired` unless the session may be used at broker time `at` (ms since the Unix epoch).

    Not older than 24 h and one hour's tolerance, and not begun more than 24 h in the future: so what a worker
    remembers about a session can be forgotten, without a record of the session ever coming back to life.
    """
    age = at - header.started
    if age > SESSION_LIFETIME_MS + SESSION_TOLERANCE_MS:
        raise SessionExpired(
            f"the session began {age / 3_600_000:.1f} h before the broker took the record; "
            f"a session lasts {SESSION_LIFETIME_MS // 3_600_000} h"
        )
    if age < -SESSION_LIFETIME_MS:
        raise SessionExpired(
            f"the session claims to begin {-age / 3_600_000:.1f} h after the broker took the record; "
            "set the producer's clock"
        )


def _nonce(type_: RecordType, partition: int, number: int) -> bytes:
    _require(0 <= partition <= MAX_PARTITION, f"a partition is a number from 0 to {MAX_PARTITION}")
    _require(0 <= number < 2**64, "a record's number is an unsigned 64-bit number")
    return struct.pack(">IQ", type_ << 24 | partition, number)


def _associated(session_header: bytes, record_header: bytes, topic: str, partition: int) -> bytes:
    name = topic.encode("ascii")
    _require(0 < len(name) <= 249, "a topic's name is 1 to 249 characters")  # Kafka's own limit
    return b"".join((session_header, record_header, bytes((len(name),)), name, struct.pack(">I", partition)))


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
