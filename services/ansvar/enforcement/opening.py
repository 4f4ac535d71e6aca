"""From a Kafka record to what it holds: opened, authenticated and decoded, or refused with a reason.

Invariants: nothing of a record is believed before its session's signature and its seal held; a refusal names
producer and session only then. Opening a record needs no state of a chain, so it can be repeated anywhere.

Not handled here: batch numbers and repeated events (`judging`): these depend on the rows before.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from ansvar.events import codec
from ansvar.events.envelope import OpenSession, RecordType, SessionHeader, SplitRecord, open_session, split
from ansvar.events.errors import EventError, InvalidEvent
from ansvar.events.identifiers import normalise_event
from ansvar.events.intake import IntakePrivateKey
from ansvar.events.model import Event, Identifier
from ansvar.events.partition import home_of, partition_of

_SESSIONS_CACHED: Final = 10_000


class Record(Struct, frozen=True):
    """One Kafka record: `timestamp` is the broker's (LogAppendTime), in ms since 1970."""

    partition: int
    offset: int
    timestamp: int
    value: bytes

    @property
    def sha256(self) -> bytes:
        """The hash by which refused rows and dead letters name the record."""
        return hashlib.sha256(self.value).digest()


class Refusal(Struct, frozen=True):
    """Why a record or an event of it does not become rows.

    `header` and `number` are given only for an authenticated batch, whose number is then used up.
    """

    reason: str
    explanation: str
    header: SessionHeader | None = None
    number: int = 0


class Batch(Struct, frozen=True):
    """An authenticated batch: events in order, under a number of their session.

    `unfit` says, by place in the batch, which events cannot be judged and why; all others are normalised and
    belong to this partition.
    """

    header: SessionHeader
    number: int
    events: tuple[Event, ...]
    unfit: Mapping[int, Refusal]


class Close(Struct, frozen=True):
    """An authenticated end of a session: the number that the next batch would have had."""

    header: SessionHeader
    number: int
    next_batch: int


Opened = Batch | Close | Refusal


class Opener:
    """Opens the records of one topic; keeps the sessions that it has checked."""

    def __init__(
        self,
        *,
        deployment: bytes,
        topic: str,
        producer_keys: Mapping[str, Ed25519PublicKey],
        epoch_keys: Mapping[int, IntakePrivateKey],
        partition_key: bytes,
        chains: int,
    ) -> None:
        self._deployment = deployment
        self._topic = topic
        self._producer_keys = producer_keys
        self._epoch_keys = epoch_keys
        self._partition_key = partition_key
        self._chains = chains
        self._sessions: OrderedDict[bytes, OpenSession] = OrderedDict()

    def open(self, record: Record) -> Opened:
        """What the record holds. Never raises for anything that the record's bytes say."""
        try:
            parts = split(record.value)
            session = self._session(parts.session)
            body = session.open(parts, self._topic, record.partition, at=record.timestamp)
        except EventError as error:
            return Refusal(error.reason, str(error))
        header, number = session.header, parts.record.number
        try:
            return self._decoded(parts, body, record.partition)
        except EventError as error:
            if parts.record.type is not RecordType.BATCH:
                return Refusal(error.reason, str(error))
            return Refusal(error.reason, str(error), header, number)

    def home(self, identifier: Identifier) -> int:
        """The partition, and so the home chain, of a person first named under this identifier."""
        return home_of(self._partition_key, identifier, self._chains)

    def _session(self, header: SessionHeader) -> OpenSession:
        key = hashlib.sha256(header.raw).digest()
        found = self._sessions.get(key)
        if found is None:
            found = open_session(header, self._deployment, self._producer_keys, self._epoch_keys)
            self._sessions[key] = found
            if len(self._sessions) > _SESSIONS_CACHED:
                self._sessions.popitem(last=False)
        return found

    def _decoded(self, parts: SplitRecord, body: bytes, partition: int) -> Opened:
        header, number, fingerprint = parts.session, parts.record.number, parts.record.fingerprint
        match parts.record.type:
            case RecordType.BATCH:
                events = codec.decode_batch(body, fingerprint)
                unfit = {
                    place: refusal
                    for place, event in enumerate(events)
                    if (refusal := self._unfit(event, partition)) is not None
                }
                return Batch(header, number, events, unfit)
            case RecordType.CLOSE:
                return Close(header, number, codec.decode_close(body, fingerprint))
            case other:
                return Refusal(
                    "unsupported_type",
                    f"{other.name.lower()} records are not handled by this version; upgrade the worker",
                )

    def _unfit(self, event: Event, partition: int) -> Refusal | None:
        """Why an authenticated event cannot be judged: a fault of its producer, which the SDK prevents."""
        if event.aliases:
            return Refusal(
                "unsupported_aliases", "aliases are not handled by this version; send one identifier"
            )
        try:
            normal = normalise_event(event)
        except InvalidEvent as error:
            return Refusal(error.reason, str(error))
        if normal != event:
            return Refusal(
                "not_normalised", "an identifier is not in its normal form; normalise before sending"
            )
        if partition_of(self._partition_key, event, self._chains) != partition:
            return Refusal("wrong_partition", "the subject belongs to another partition of the topic")
        return None
