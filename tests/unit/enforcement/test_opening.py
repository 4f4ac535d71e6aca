"""Opening records: every reason for which one is refused, and that no bytes do more than that."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

import judging
from ansvar.deployment import FORWARDER
from ansvar.enforcement import opening
from ansvar.enforcement.opening import Batch, Claim, Close, Opened, Opener, Record, Refusal, Told
from ansvar.events import codec
from ansvar.events.avro_binary import write_long, write_string
from ansvar.events.envelope import OpenSession, RecordType, parse_session_header, unseal_session
from ansvar.events.forwarded import Arrived, Forwarded, ForwardedEvent, Wanted, encode_forwarded
from ansvar.events.intake import IntakePrivateKey
from ansvar.events.model import Event, Identifier, NoticeEvent
from ansvar.events.partition import partition_of
from ansvar.events.schemas import current
from ansvar.policy.state import SubjectState, encode_state
from records import CHAINS, EPOCH, HOUR, NOW, SIGNING, Producer, customer, numbered, opener
from strategies import batches

OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
BATCH = current("batch").fingerprint
FORWARDED = current("forwarded").fingerprint
TOLD = encode_forwarded(Forwarded(1, 7, Wanted(bytes(16), 1, bytes(16))))


def event(number: int = 1, **changes: Any) -> Event:
    return numbered(judging.process(), number, **{"subject": customer(0), **changes})


def open_(value: bytes, *, at: int = NOW, partition: int = 0, by: Opener | None = None) -> Opened:
    return (by or opener()).open(Record(partition, 0, at, value))


@cache
def good() -> bytes:
    return Producer().batch(0, [event()])


def sealed(body: bytes, kind: RecordType = RecordType.BATCH, **options: Any) -> bytes:
    return Producer().sealed(kind, 0, body, **options)


def test_a_batch_opens() -> None:
    producer = Producer()
    opened = open_(producer.batch(0, [event(1), event(2)], number=7))
    assert isinstance(opened, Batch)
    assert (opened.number, opened.events, opened.unfit) == (7, (event(1), event(2)), {})
    assert opened.header == producer.session.header


def test_a_close_opens() -> None:
    producer = Producer()
    claim = Claim("local", EPOCH, SIGNING.public_key().public_bytes_raw(), control=False)
    assert open_(producer.close(0, 12, number=3)) == Close(producer.session.header, 3, 12, claim=claim)


def test_an_event_without_subject_lies_by_its_id() -> None:
    notice = NoticeEvent(occurred_at=judging.at(judging.NOW), system="crm", event_id=UUID(int=5))
    home = partition_of(bytes(range(0x20, 0x40)), notice, CHAINS)
    value = Producer().batch(home, [notice])
    opened = open_(value, partition=home)
    assert isinstance(opened, Batch)
    assert opened.unfit == {}


# Reasons for which nothing of a record is believed


def unheard_of(**changes: Any) -> bytes:
    return Producer(**changes).batch(0, [event()])


def exchanged(at: int, byte: int) -> bytes:
    value = bytearray(good())
    value[at] = byte
    return bytes(value)


def header_end() -> int:
    return 2 + int.from_bytes(good()[:2])


UNOPENED: list[tuple[str, Callable[[], Opened]]] = [
    ("undecodable", lambda: open_(b"")),
    ("undecodable", lambda: open_(b"\0")),
    ("undecodable", lambda: open_(good()[: header_end() + 10])),
    ("undecodable", lambda: open_(good()[:-200])),
    ("undecodable", lambda: open_(exchanged(header_end() + 1, 99))),
    ("unsupported_version", lambda: open_(exchanged(2, 2))),
    ("unsupported_version", lambda: open_(b'{"kind": "processing"}' * 40)),
    ("unsupported_version", lambda: open_(exchanged(header_end(), 2))),
    ("wrong_deployment", lambda: open_(unheard_of(deployment=b"o" * 16))),
    ("unknown_producer", lambda: open_(unheard_of(producer="stranger"))),
    ("bad_signature", lambda: open_(unheard_of(signing_key=OTHER))),
    ("bad_signature", lambda: open_(exchanged(header_end() - 1, good()[header_end() - 1] ^ 1))),
    ("unknown_epoch", lambda: open_(unheard_of(epoch=2))),
    ("bad_seal", lambda: open_(unheard_of(intake_key=IntakePrivateKey(b"i" * 96).public_key()))),
    ("bad_seal", lambda: open_(good() + b"\0")),
    ("bad_seal", lambda: open_(good(), partition=1)),
    ("bad_seal", lambda: open_(sealed(b"", topic="another.topic"))),
    ("session_expired", lambda: open_(good(), at=NOW + 25 * HOUR + 1)),
    ("session_expired", lambda: open_(good(), at=NOW - 24 * HOUR - 1)),
    # of an authenticated record that is no batch nothing uses up a batch number either
    ("malformed", lambda: open_(sealed(b"", RecordType.CLOSE))),
    ("malformed", lambda: open_(sealed(b"\1", RecordType.CLOSE))),
    ("malformed", lambda: open_(sealed(b"\2", RecordType.CLOSE, fingerprint=BATCH))),
    ("unknown_schema", lambda: open_(sealed(b"\2", RecordType.CLOSE, fingerprint=b"fromthef"))),
    ("unsupported_type", lambda: open_(sealed(codec.encode_heartbeat(0), RecordType.HEARTBEAT))),
    ("not_a_forwarder", lambda: open_(sealed(TOLD, RecordType.FORWARDED, fingerprint=FORWARDED))),
]


@pytest.mark.parametrize(("reason", "opened"), UNOPENED)
def test_a_record_that_is_not_believed(reason: str, opened: Callable[[], Opened]) -> None:
    refusal = opened()
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.header, refusal.number) == (reason, None, 0)
    assert refusal.explanation


@pytest.mark.parametrize("at", [NOW + 25 * HOUR, NOW - 24 * HOUR])
def test_a_session_at_its_limits(at: int) -> None:
    assert isinstance(open_(good(), at=at), Batch)


# Batches whose sender is known: their number is used up


def avro_of(*events: Event, count: int | None = None) -> bytes:
    """A batch as a producer with no checks of its own would write it."""
    alone = b"".join(codec.encode_batch([each])[1:-1] for each in events)
    return bytes([2 * (len(events) if count is None else count)]) + alone + b"\0"


def negative_fee() -> bytes:
    """A valid batch with the fee exchanged for one below zero."""
    right = numbered(judging.rights("access", "refused", judging.NOW, fee=63), 1, subject=customer(0))
    body = codec.encode_batch([right])
    assert body.count(b"\x7e") == 1
    return body.replace(b"\x7e", b"\x7d")


def too_long() -> bytes:
    """Texts of allowed lengths that make more than 32 KiB together."""
    fits, more = "y" * 12_000, "y" * 13_000
    body = avro_of(event(details="x" * 20_000, compelling_grounds=fits))
    assert body.count(write_string(fits)) == 1
    return body.replace(write_string(fits), write_string(more))


BODIES = {
    "unknown_schema": [(b"", b"fromthef")],
    "malformed": [
        (b"", BATCH),
        (b"\2", BATCH),
        (avro_of(event())[:-4], BATCH),
        (avro_of(event()) + b"\0", BATCH),
        (avro_of(event(), count=2), BATCH),
        (codec.encode_close(1), current("close").fingerprint),
    ],
    "over_limit": [(b"\0", BATCH), (write_long(1001) + b"\0", BATCH)],
    "invalid_event": [
        (negative_fee(), BATCH),
        (too_long(), BATCH),
    ],
}


@pytest.mark.parametrize(
    ("reason", "body", "fingerprint"),
    [(reason, body, schema) for reason, cases in BODIES.items() for body, schema in cases],
)
def test_a_batch_that_cannot_be_read(reason: str, body: bytes, fingerprint: bytes) -> None:
    producer = Producer()
    refusal = open_(producer.sealed(RecordType.BATCH, 0, body, 5, fingerprint=fingerprint))
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.header, refusal.number) == (reason, producer.session.header, 5)


UNFIT = {
    "invalid_event": event(subject=Identifier("personnummer", "19640823-3235")),
    "not_normalised": event(subject=Identifier("email", "A.Person@Example.com")),
    "wrong_partition": event(subject=customer(1)),
}


@pytest.mark.parametrize("reason", UNFIT)
def test_an_event_that_cannot_be_judged(reason: str) -> None:
    """Only that one: the events beside it are judged."""
    opened = open_(Producer().batch(0, [event(1), UNFIT[reason], event(2)]))
    assert isinstance(opened, Batch)
    assert [(place, refusal.reason) for place, refusal in opened.unfit.items()] == [(1, reason)]
    told = opened.unfit[1].explanation
    secrets = [UNFIT[reason].subject, *UNFIT[reason].aliases]
    assert not any(secret and secret.value in told for secret in secrets)


def test_a_deployment_without_a_forwarder_takes_no_aliases() -> None:
    named = event(aliases=(Identifier("customer_number", "other"),))
    assert open_(Producer().batch(0, [named])).unfit == {}  # type: ignore[union-attr] # it is a batch
    opened = open_(Producer().batch(0, [named]), by=opener(forwarders=frozenset()))
    assert isinstance(opened, Batch)
    assert opened.unfit[0].reason == "unsupported_aliases"


def told(content: Arrived | ForwardedEvent | Wanted, chain: int = 1) -> Opened:
    body = encode_forwarded(Forwarded(chain, 7, content))
    producer = Producer(producer=FORWARDER)
    return open_(producer.sealed(RecordType.FORWARDED, 0, body, 5, fingerprint=FORWARDED))


STATE = encode_state(SubjectState())


@pytest.mark.parametrize(
    "content",
    [
        Wanted(bytes(16), 1, bytes(16)),
        Arrived(bytes(16), STATE, customer(0)),
        ForwardedEvent(event(), bytes(16), NOW, "local"),
    ],
)
def test_what_a_chain_tells_another_opens(content: Arrived | ForwardedEvent | Wanted) -> None:
    """Its session is the pair of chains, whichever worker sealed it."""
    opened = told(content)
    assert isinstance(opened, Told)
    assert (opened.number, opened.forwarded) == (5, Forwarded(1, 7, content))
    assert opened.header.session == told(content).header.session  # type: ignore[union-attr] # it is opened
    assert opened.header.session != told(content, chain=2).header.session  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "chain"),
    [
        (Wanted(bytes(16), 1, bytes(16)), CHAINS),
        (Wanted(customer(1), 1, bytes(16)), 1),
        (Arrived(bytes(16), STATE, customer(1)), 1),
        (Arrived(bytes(16), b"nonsense", customer(0)), 1),
        (ForwardedEvent(event(subject=Identifier("email", "A@B.se")), bytes(16), NOW, "local"), 1),
    ],
)
def test_what_a_chain_may_not_tell_another(content: Arrived | ForwardedEvent | Wanted, chain: int) -> None:
    refusal = told(content, chain)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "malformed"


@given(st.binary(max_size=200))
@example(TOLD[:-1])
@example(TOLD + b"x")
def test_bad_bytes_of_a_forwarded_record_are_refused(body: bytes) -> None:
    producer = Producer(producer=FORWARDER)
    value = producer.sealed(RecordType.FORWARDED, 0, body, 5, fingerprint=FORWARDED)
    assert isinstance(open_(value), (Refusal, Told))


@pytest.mark.parametrize(
    "actor", [Identifier("personnummer", "640823-3234"), Identifier("phone_number", "08-12 34 56")]
)
def test_a_person_as_actor_is_normalised_too(actor: Identifier) -> None:
    opened = open_(Producer().batch(0, [event(actor=actor)]))
    assert isinstance(opened, Batch)
    assert opened.unfit[0].reason == "not_normalised"


# No bytes do harm


@given(st.binary(max_size=3_000))
def test_open_never_raises_for_arbitrary_bytes(value: bytes) -> None:
    assert isinstance(open_(value), Refusal)


@given(st.integers(0, len(good()) - 1), st.integers(1, 255))
@example(0, 128)
def test_no_changed_byte_passes(place: int, change: int) -> None:
    value = exchanged(place, good()[place] ^ change)
    refusal = open_(value, by=_warm())
    assert isinstance(refusal, Refusal)
    assert refusal.header is None


@given(st.integers(0, len(good()) - 1))
def test_no_shortened_record_passes(size: int) -> None:
    assert isinstance(open_(good()[:size], by=_warm()), Refusal)


@cache
def _warm() -> Opener:
    """An opener that knows the good record's session already."""
    by = opener()
    assert isinstance(open_(good(), by=by), Batch)
    return by


@cache
def _body() -> bytes:
    return codec.encode_batch([event(1), numbered(judging.rights("access", "received", judging.NOW), 2)])


@given(st.integers(0, len(_body()) - 1), st.integers(0, 255))
def test_a_registered_producer_can_send_no_body_that_raises(place: int, byte: int) -> None:
    body = bytearray(_body())
    body[place] = byte
    assert isinstance(open_(sealed(bytes(body))), Batch | Refusal)


@given(st.binary(max_size=200))
def test_a_registered_producer_can_send_any_body(body: bytes) -> None:
    for kind in RecordType:
        assert isinstance(open_(sealed(body, kind)), Opened)


@given(batches())
def test_a_registered_producer_can_send_any_events(events: list[Event]) -> None:
    """Most of them with identifiers that nobody can read."""
    opened = open_(Producer().batch(0, events))
    assert isinstance(opened, Batch)
    assert opened.events == tuple(events)
    assert set(opened.unfit) <= set(range(len(events)))


@pytest.mark.parametrize("share", [bytes(32), b"\1" + bytes(31), b"\xff" * 32])
def test_a_registered_producer_can_send_any_key_share(share: bytes) -> None:
    """X25519 refuses shares of small order in its own way (RFC 7748, 6.1)."""
    header = Producer().session.header
    raw = bytearray(header.signed)
    raw[-(48 + 32) : -48] = share
    raw += SIGNING.sign(bytes(raw))
    value = len(raw).to_bytes(2) + bytes(raw) + good()[header_end() :]
    assert parse_session_header(bytes(raw)).sealed_key != header.sealed_key
    refusal = open_(value)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "bad_seal"


# The sessions that are kept


def test_a_session_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []

    def counting(*given: Any) -> OpenSession:
        checked.append(given)
        return unseal_session(*given)

    monkeypatch.setattr(opening, "unseal_session", counting)
    by, producer = opener(), Producer()
    for number in range(3):
        assert isinstance(open_(producer.batch(0, [event()], number), by=by), Batch)
    strange = unheard_of(session=b"x" * 16, intake_key=IntakePrivateKey(b"i" * 96).public_key())
    assert isinstance(open_(strange, by=by), Refusal)
    assert isinstance(open_(strange, by=by), Refusal)
    assert len(checked) == 3  # what was refused is not kept


def test_the_oldest_session_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_SESSIONS_CACHED", 2)
    by = opener()
    values = [Producer(str(n)).batch(0, [event()]) for n in range(3)]
    for value in (*values, *values):
        assert isinstance(open_(value, by=by), Batch)
    assert len(by._sessions) == 2


def test_a_record_names_itself_by_its_hash() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Record(0, 0, 0, b"").sha256.hex() == empty
    assert Record(1, 2, 3, b"x").sha256 == Record(4, 5, 6, b"x").sha256
