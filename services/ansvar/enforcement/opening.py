"""From a Kafka record to what it holds: opened, authenticated and decoded, or refused with a reason.

Invariants: nothing of a record is believed before its session's signature and its seal held; a refusal names
producer and session only then. Opening a record needs no state of a chain, so it can be repeated anywhere: a
producer's key is any that the deployment or the operator ever signed for, and the `claim` says which held.

Not handled here: whether producer and epoch are good at the record's place (`admitting`); batch numbers and
repeated events (`judging`): these depend on the rows before.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import DecodeError, Struct
from msgspec.structs import replace

from ansvar.events import codec
from ansvar.events.control import ActivatePolicy, Control, check_activation, decode_control
from ansvar.events.envelope import (
    ID_BYTES,
    OpenSession,
    RecordType,
    SessionHeader,
    SplitRecord,
    check_deployment,
    signer,
    split,
    unseal_session,
)
from ansvar.events.errors import EventError, InvalidEvent, UndecodableRecord
from ansvar.events.forwarded import Arrived, Forwarded, ForwardedEvent, Wanted, Who, decode_forwarded
from ansvar.events.identifiers import normalise_event
from ansvar.events.intake import IntakePrivateKey
from ansvar.events.key_commands import (
    CloseEpoch,
    OpenEpoch,
    RegisterProducer,
    RevokeProducer,
    check_key_command,
)
from ansvar.events.model import Event, Identifier
from ansvar.events.partition import home_of, partition_of
from ansvar.events.personal_data import masked
from ansvar.events.refusal import BadSignature, BrokenBundle, NotAForwarder, UnknownEpoch, UnknownProducer
from ansvar.policy.errors import BundleError
from ansvar.policy.loader import bundle_from_bytes
from ansvar.policy.state import decode_state

_PAIR: Final = b"ansvar/forwarded/v1"
_SESSIONS_CACHED: Final = 10_000
# Reasons that another look may not give, once more keys are known.
LACKED_A_KEY: Final = frozenset((UnknownProducer.reason, BadSignature.reason, UnknownEpoch.reason))


class Record(Struct, frozen=True):
    """One Kafka record: `timestamp` is the broker's (LogAppendTime), in ms since 1970.

    `beside` is what stands beside its value for all to read: its key, its headers. Ours have neither.
    """

    partition: int
    offset: int
    timestamp: int
    value: bytes
    beside: tuple[bytes, ...] = ()

    @property
    def sha256(self) -> bytes:
        """The hash by which refused rows and dead letters name the record."""
        return hashlib.sha256(self.value).digest()


class Claim(Struct, frozen=True):
    """Who a record says it is from: name, epoch, the known key under which its signature held (32 bytes).

    `control`: it is a command, whoever may give those.
    """

    producer: str
    epoch: int
    key: bytes | None
    control: bool


class _Claimed(Struct, frozen=True, kw_only=True):
    claim: Claim | None = None


class IntakeKeys(Protocol):
    """Where private intake keys are found by their epoch; None for one that is not held."""

    def get(self, epoch: int, /) -> IntakePrivateKey | None: ...


class Refusal(_Claimed, frozen=True):
    """Why a record or an event of it does not become rows.

    `header` and `number` are given only for an authenticated batch or command, whose number is then used up.
    """

    reason: str
    explanation: str
    header: SessionHeader | None = None
    number: int = 0


class Batch(_Claimed, frozen=True):
    """An authenticated batch: events in order, under a number of their session.

    `unfit` says, by place in the batch, which events cannot be judged and why; all others are normalised and
    belong to this partition.
    """

    header: SessionHeader
    number: int
    events: tuple[Event, ...]
    unfit: Mapping[int, Refusal]


class Close(_Claimed, frozen=True):
    """An authenticated end of a session: the number that the next batch would have had."""

    header: SessionHeader
    number: int
    next_batch: int


class Command(_Claimed, frozen=True):
    """An authenticated command under a number of its session.

    `body` is its Avro body, by which a repetition is told from another command under the same id.
    """

    header: SessionHeader
    number: int
    control: Control
    body: bytes

    @property
    def bundles(self) -> tuple[bytes, ...]:
        """The canonical forms that must be in the store before a row names them."""
        command = self.control.command
        return (command.bundle,) if isinstance(command, ActivatePolicy) else ()


class Told(_Claimed, frozen=True):
    """What another chain tells this one about a person, authenticated.

    `header` names as its session the pair of chains, in which `number` counts, whichever worker sealed it.
    """

    header: SessionHeader
    number: int
    forwarded: Forwarded


Opened = Batch | Close | Command | Told | Refusal


class Opener:
    """Opens the records of one topic; keeps the sessions that it has checked.

    It learns producers' keys: those that it is told (`learn`), and those of registrations that it opens, as
    the operator signed them.
    """

    def __init__(
        self,
        *,
        deployment: bytes,
        topic: str,
        producer_keys: Mapping[str, Ed25519PublicKey],
        epoch_keys: IntakeKeys,
        partition_key: bytes,
        chains: int,
        forwarders: frozenset[str] = frozenset(),
        operator: bytes = b"",
    ) -> None:
        self._deployment = deployment
        self._topic = topic
        self._producer_keys: dict[str, dict[bytes, Ed25519PublicKey]] = {}
        self.learn((name, key.public_bytes_raw()) for name, key in producer_keys.items())
        self._epoch_keys = epoch_keys
        self._partition_key = partition_key
        self._chains = chains
        self._forwarders = forwarders
        self._operator = operator
        self._sessions: OrderedDict[bytes, tuple[bytes, OpenSession]] = (
            OrderedDict()
        )  # with the key that held

    def learn(self, producers: Iterable[tuple[str, bytes]]) -> None:
        """Take in (name, Ed25519 public key) of producers; those that are known change nothing."""
        for name, key in producers:
            keys = self._producer_keys.setdefault(name, {})
            if key not in keys:
                keys[key] = Ed25519PublicKey.from_public_bytes(key)

    def open(self, record: Record) -> Opened:
        """What the record holds. Never raises for anything that the record's bytes say."""
        claim = None
        try:
            parts = split(record.value)
            check_deployment(parts.session, self._deployment)
            claim = self._claim(parts)
            session = self._session(parts.session, claim)
            body = session.open(parts, self._topic, record.partition, at=record.timestamp)
        except EventError as error:
            return Refusal(error.reason, str(error), claim=claim)
        header, number = session.header, parts.record.number
        try:
            return replace(self._decoded(parts, body, record.partition), claim=claim)
        except EventError as error:
            if parts.record.type not in (RecordType.BATCH, RecordType.CONTROL):
                return Refusal(error.reason, str(error), claim=claim)
            return Refusal(error.reason, str(error), header, number, claim=claim)

    def home(self, identifier: Identifier) -> int:
        """The partition, and so the home chain, of a person first named under this identifier."""
        return home_of(self._partition_key, identifier, self._chains)

    def _claim(self, parts: SplitRecord) -> Claim:
        header = parts.session
        seen = self._sessions.get(hashlib.sha256(header.raw).digest())
        if seen is None:
            # a copy: another thread may learn meanwhile
            held = signer(header, tuple(self._producer_keys.get(header.producer, {}).values()))
            key = None if held is None else held.public_bytes_raw()
        else:
            key = seen[0]
        return Claim(header.producer, header.epoch, key, parts.record.type is RecordType.CONTROL)

    def _session(self, header: SessionHeader, claim: Claim) -> OpenSession:
        name = hashlib.sha256(header.raw).digest()
        found = self._sessions.get(name)
        if found is not None:
            return found[1]
        if header.producer not in self._producer_keys:
            stated = masked(header.producer)  # anyone may have written it
            raise UnknownProducer(f"no key is registered for producer {stated!r}; add the producer first")
        if claim.key is None:
            raise BadSignature(f"the session header is not signed by producer {header.producer!r}")
        session = unseal_session(header, self._epoch_keys.get(header.epoch))
        self._sessions[name] = claim.key, session
        if len(self._sessions) > _SESSIONS_CACHED:
            self._sessions.popitem(last=False)
        return session

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
            case RecordType.CONTROL:
                return Command(header, number, self._commanded(body, fingerprint), body)
            case RecordType.FORWARDED:
                return self._told(header, number, decode_forwarded(body, fingerprint), partition)
            case other:
                return Refusal(
                    "unsupported_type",
                    f"{other.name.lower()} records are not handled by this version; upgrade the worker",
                )

    def _told(self, header: SessionHeader, number: int, forwarded: Forwarded, partition: int) -> Told:
        if header.producer not in self._forwarders:
            raise NotAForwarder(f"producer {header.producer!r} is not registered for forwarded records")
        named: Who = b""
        match forwarded.content:
            case Arrived(state=state, kept=named):
                try:
                    decode_state(state)
                except DecodeError as error:
                    raise UndecodableRecord("a forwarded state cannot be read") from error
            case Wanted(who=named):
                pass
            case ForwardedEvent(event=event) if normalise_event(event) != event:
                raise UndecodableRecord("a forwarded event has an identifier not in its normal form")
        if isinstance(named, Identifier) and self.home(named) != partition:
            raise UndecodableRecord("a forwarded record names a person of another partition")
        if not 0 <= forwarded.chain < self._chains:
            raise UndecodableRecord(f"a forwarded record comes from chain {forwarded.chain}, which is none")
        pair = hashlib.sha256(_PAIR + forwarded.chain.to_bytes(4, "big")).digest()[:ID_BYTES]
        return Told(replace(header, session=pair), number, forwarded)

    def _commanded(self, body: bytes, fingerprint: bytes) -> Control:
        control = decode_control(body, fingerprint)
        if isinstance(control.command, (RegisterProducer, RevokeProducer, OpenEpoch, CloseEpoch)):
            check_key_command(self._operator, self._deployment, control.id, control.command)
        if isinstance(control.command, RegisterProducer):
            self.learn([(control.command.name, control.command.key)])
        if isinstance(control.command, ActivatePolicy):
            check_activation(self._operator, self._deployment, control.id, control.command)
            try:
                bundle_from_bytes(control.command.bundle)
            except BundleError as error:
                raise BrokenBundle(f"the bundle to be activated is broken: {error.problems[0]}") from error
        return control

    def _unfit(self, event: Event, partition: int) -> Refusal | None:
        """Why an authenticated event cannot be judged: a fault of its producer, which the SDK prevents."""
        if event.aliases and not self._forwarders:
            return Refusal(
                "unsupported_aliases",
                "this deployment was founded by a version without aliases; send one identifier",
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
