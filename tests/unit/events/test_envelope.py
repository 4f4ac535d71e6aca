"""The sealed record: the published vector byte by byte, and that nothing but the record itself opens."""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.events.envelope import (
    OpenSession,
    RecordType,
    Session,
    check_age,
    new_session,
    open_session,
    parse_session_header,
    split,
)
from ansvar.events.intake import IntakePrivateKey, IntakePublicKey
from ansvar.events.refusal import (
    BadSeal,
    BadSignature,
    NumberReused,
    RecordRefused,
    SessionExpired,
    Undecodable,
    UnknownEpoch,
    UnknownProducer,
    UnsupportedVersion,
    WrongDeployment,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "wire-format.md"
INTAKE = IntakePrivateKey(bytes(range(96)))
SIGNING = Ed25519PrivateKey.from_private_bytes(bytes(range(0x60, 0x80)))
CONTENT_KEY = bytes(range(0x80, 0xA0))
DEPLOYMENT = bytes(range(0xA0, 0xB0))
STARTED = 1_700_000_000_000
TOPIC = "ansvar.events"
HOUR = 3_600_000


def session(
    session_id: bytes = bytes(range(0xB0, 0xC0)), content_key: bytes = CONTENT_KEY, **changes: object
) -> Session:
    values: dict[str, object] = {
        "deployment": DEPLOYMENT,
        "producer": "crm-1",
        "session": session_id,
        "started": STARTED,
        "epoch": 3,
        "intake_key": INTAKE.public_key(),
        "signing_key": SIGNING,
        "content_key": content_key,
    }
    return new_session(**(values | changes))  # type: ignore[arg-type] # a table of the defaults above


def opened(value: bytes) -> OpenSession:
    return open_session(split(value).session, DEPLOYMENT, {"crm-1": SIGNING.public_key()}, {3: INTAKE})


def open_value(value: bytes, topic: str = TOPIC, partition: int = 2, at: int = STARTED) -> bytes:
    return opened(value).open(split(value), topic, partition, at=at)


@cache
def vector() -> bytes:
    block = re.search(r"```hex\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return bytes.fromhex(block[1])


@cache
def sample() -> bytes:
    return session().seal(RecordType.BATCH, 5, bytes(range(1, 9)), b"example body", TOPIC, 2)


# The published vector


def test_vector_opens() -> None:
    assert open_value(vector()) == b"example body"


def test_vector_by_hand() -> None:
    """Every byte of the vector but HPKE's own, put together here without the module under test."""
    header = (
        bytes.fromhex("01" + "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf" + "05" + "63726d2d31")
        + bytes.fromhex("b0b1b2b3b4b5b6b7b8b9babbbcbdbebf" + "0000018bcfe56800" + "00000003")
        + bytes.fromhex("0490")
        + vector()[2 + 53 : 2 + 53 + 1168]
    )
    header += SIGNING.sign(header)
    record = bytes.fromhex("01" + "01" + "0000000000000005" + "0102030405060708")
    nonce = bytes.fromhex("01" + "000002" + "0000000000000005")
    associated = header + record + b"\x0d" + b"ansvar.events" + bytes.fromhex("00000002")
    sealed = AESGCM(CONTENT_KEY).encrypt(nonce, b"example body", associated)
    assert len(header) == 1280 + 5
    assert vector() == b"\x05\x05" + header + record + sealed


def test_vector_hpke_is_x_wing_by_rfc_9180() -> None:
    """X-Wing's combiner and RFC 9180's key schedule, written out: another language finds the same key."""
    header = vector()[2 : 2 + 1285]
    info = b"ansvar/session/v1" + header[:51]
    output = header[53 : 53 + 1168]
    mlkem, x25519 = INTAKE.parts
    share = output[1088:1120]
    combined = hashlib.sha3_256(
        mlkem.decapsulate(output[:1088])
        + x25519.exchange(X25519PublicKey.from_public_bytes(share))
        + share
        + x25519.public_key().public_bytes_raw()
        + rb"\.//^"
        + b"\\"
    ).digest()
    suite = b"HPKE" + struct.pack(">HHH", 0x647A, 1, 2)

    def extract(salt: bytes, label: bytes, secret: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")

    def expand(secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
        labelled = struct.pack(">H", length) + b"HPKE-v1" + suite + label + context
        return hmac.digest(secret, labelled + b"\x01", "sha256")[:length]

    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(combined, b"secret", b"")
    aead = AESGCM(expand(secret, b"key", context, 32))
    assert aead.decrypt(expand(secret, b"base_nonce", context, 12), output[1120:], b"") == CONTENT_KEY


def test_our_encoding_differs_from_the_vector_in_hpke_and_signature_only() -> None:
    ours = sample()
    assert len(ours) == len(vector())
    assert ours[: 2 + 53] == vector()[: 2 + 53]
    assert ours[2 + 1285 : 2 + 1285 + 18] == vector()[2 + 1285 : 2 + 1285 + 18]


# Round trip


@given(
    kind=st.sampled_from(RecordType),
    number=st.integers(0, 2**64 - 1),
    fingerprint=st.binary(min_size=8, max_size=8),
    body=st.binary(max_size=300),
    topic=st.text("abcdefghijklmnopqrstuvwxyz.-_0123456789", min_size=1, max_size=249),
    partition=st.integers(0, 2**24 - 1),
)
def test_what_was_sealed_opens(
    kind: RecordType, number: int, fingerprint: bytes, body: bytes, topic: str, partition: int
) -> None:
    value = session().seal(kind, number, fingerprint, body, topic, partition)
    record = split(value)
    assert (record.record.type, record.record.number, record.record.fingerprint) == (
        kind,
        number,
        fingerprint,
    )
    assert opened(value).open(record, topic, partition, at=STARTED) == body


@given(
    deployment=st.binary(min_size=16, max_size=16),
    producer=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True),
    session_id=st.binary(min_size=16, max_size=16),
    started=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**32 - 1),
)
def test_session_header_is_read_as_written(
    deployment: bytes, producer: str, session_id: bytes, started: int, epoch: int
) -> None:
    made = session(session_id, deployment=deployment, producer=producer, started=started, epoch=epoch).header
    assert parse_session_header(made.raw) == made
    assert (made.deployment, made.producer, made.session) == (deployment, producer, session_id)
    assert (made.started, made.epoch) == (started, epoch)
    open_session(made, deployment, {producer: SIGNING.public_key()}, {epoch: INTAKE})


# Nothing else opens


def test_any_changed_byte_is_refused() -> None:
    """Each byte in turn, all 1,331 of them; no error but ours."""
    value = sample()
    for place in range(len(value)):
        changed = bytearray(value)
        changed[place] ^= 1 + place % 255
        with pytest.raises(RecordRefused):
            open_value(bytes(changed))


def test_any_truncation_is_refused() -> None:
    value = sample()
    for length in range(len(value)):
        with pytest.raises(RecordRefused):
            open_value(value[:length])


@given(st.binary(max_size=2000))
def test_other_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(RecordRefused):
        split(value)


@settings(max_examples=200)
@given(data=st.data())
def test_bytes_behind_a_good_header_are_refused(data: st.DataObject) -> None:
    head = sample()[: 2 + 1285]
    with pytest.raises(RecordRefused):
        open_value(head + data.draw(st.binary(max_size=100)))


@pytest.mark.parametrize(("topic", "partition"), [("ansvar.event", 2), ("ansvar.eventss", 2), (TOPIC, 3)])
def test_another_place_is_refused(topic: str, partition: int) -> None:
    with pytest.raises(BadSeal):
        open_value(sample(), topic, partition)


def test_records_do_not_swap_headers() -> None:
    first = session()
    a = first.seal(RecordType.BATCH, 0, bytes(8), b"a", TOPIC, 2)
    b = first.seal(RecordType.BATCH, 1, bytes(8), b"b", TOPIC, 2)
    end = 2 + 1285 + 18
    with pytest.raises(BadSeal):
        open_value(a[:end] + b[end:])
    # Another session under the very same content key: its header is part of what is sealed.
    other = session(bytes(16)).seal(RecordType.BATCH, 0, bytes(8), b"a", TOPIC, 2)
    with pytest.raises(BadSeal):
        open_value(other[: 2 + 1285] + a[2 + 1285 :])


def test_a_record_is_opened_in_its_own_session_only() -> None:
    with pytest.raises(BadSeal):
        opened(sample()).open(split(vector()), TOPIC, 2, at=STARTED)


def test_reasons() -> None:
    header = split(sample()).session
    keys, epochs = {"crm-1": SIGNING.public_key()}, {3: INTAKE}
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    other_intake = IntakePrivateKey(bytes(96))
    with pytest.raises(WrongDeployment):
        open_session(header, bytes(16), keys, epochs)
    with pytest.raises(UnknownProducer):
        open_session(header, DEPLOYMENT, {"crm-2": SIGNING.public_key()}, epochs)
    with pytest.raises(UnknownProducer, match=r"producer 'crm-\[personnummer\]'; add"):
        open_session(replace(header, producer="crm-640823-3234"), DEPLOYMENT, keys, epochs)
    with pytest.raises(BadSignature):
        open_session(header, DEPLOYMENT, {"crm-1": other.public_key()}, {})  # before any look at epochs
    with pytest.raises(UnknownEpoch):
        open_session(header, DEPLOYMENT, keys, {4: INTAKE})
    with pytest.raises(BadSeal):
        open_session(header, DEPLOYMENT, keys, {3: other_intake})


def test_a_signed_header_does_not_move_to_another_field() -> None:
    """HPKE output of one session under the signed fields of another: `info` binds them."""
    stolen = session(producer="crm-2").header
    raw = session().header.raw
    forged = raw[:53] + stolen.sealed_key
    forged += SIGNING.sign(forged)
    with pytest.raises(BadSeal):
        open_session(parse_session_header(forged), DEPLOYMENT, {"crm-1": SIGNING.public_key()}, {3: INTAKE})


def test_codes_are_the_documented_ones() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)` \| ", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    assert {refusal.reason for refusal in RecordRefused.__subclasses__()} == documented


@pytest.mark.parametrize(("place", "error"), [(2, UnsupportedVersion), (2 + 1285, UnsupportedVersion)])
def test_another_version(place: int, error: type[RecordRefused]) -> None:
    changed = bytearray(sample())
    changed[place] = 2
    with pytest.raises(error):
        split(bytes(changed))


@pytest.mark.parametrize("kind", [0, 6, 255])
def test_an_unknown_type(kind: int) -> None:
    changed = bytearray(sample())
    changed[2 + 1285 + 1] = kind
    with pytest.raises(Undecodable, match="type"):
        split(bytes(changed))


# Age


@pytest.mark.parametrize("age", [-24 * HOUR, 0, 25 * HOUR])
def test_an_age_that_is_accepted(age: int) -> None:
    assert open_value(sample(), at=STARTED + age) == b"example body"


@pytest.mark.parametrize("age", [-24 * HOUR - 1, 25 * HOUR + 1])
def test_an_age_that_is_refused(age: int) -> None:
    with pytest.raises(SessionExpired):
        check_age(split(sample()).session, STARTED + age)
    with pytest.raises(SessionExpired):
        open_value(sample(), at=STARTED + age)


# The producer's side


def test_a_number_seals_once() -> None:
    mine = session()
    mine.seal(RecordType.BATCH, 0, bytes(8), b"a", TOPIC, 2)
    mine.seal(RecordType.BATCH, 0, bytes(8), b"a", TOPIC, 3)
    mine.seal(RecordType.CLOSE, 0, bytes(8), b"a", TOPIC, 2)
    mine.seal(RecordType.BATCH, 4, bytes(8), b"a", TOPIC, 2)
    for topic in (TOPIC, "another"):  # the nonce does not name the topic
        for number in (0, 3, 4):
            with pytest.raises(NumberReused):
                mine.seal(RecordType.BATCH, number, bytes(8), b"b", topic, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"deployment": bytes(15)},
        {"session_id": bytes(17)},
        {"content_key": bytes(16)},
        {"started": -1},
        {"epoch": 2**32},
        {"producer": ""},
        {"producer": "a" * 65},
        {"producer": "Crm"},
        {"producer": "crm\n"},
        {"producer": "-crm"},
    ],
)
def test_values_that_the_layout_cannot_hold(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="is"):
        session(**changes)  # type: ignore[arg-type] # wrong on purpose


@pytest.mark.parametrize(
    ("number", "topic", "partition"),
    [
        (2**64, TOPIC, 0),
        (0, TOPIC, 2**24),
        (0, TOPIC, -1),
        (0, "", 0),
        (0, "a" * 250, 0),
        (0, "händelser", 0),
    ],
)
def test_places_that_the_layout_cannot_hold(number: int, topic: str, partition: int) -> None:
    with pytest.raises(ValueError, match=r"is|can't"):
        session().seal(RecordType.BATCH, number, bytes(8), b"", topic, partition)


def test_a_fingerprint_of_another_length() -> None:
    with pytest.raises(ValueError, match="8 bytes"):
        session().seal(RecordType.BATCH, 0, bytes(7), b"", TOPIC, 0)


# Intake keys


@given(st.binary(min_size=96, max_size=96))
@settings(max_examples=20)
def test_intake_keys_keep_their_bytes(secret: bytes) -> None:
    private = IntakePrivateKey(secret)
    public = private.public_key()
    assert private.to_bytes() == secret
    assert IntakePublicKey(public.to_bytes()) == public
    assert private.open(public.seal(b"key", b"info"), b"info") == b"key"
    with pytest.raises(ValueError, match="not sealed"):
        private.open(public.seal(b"key", b"info"), b"other")


def test_intake_keys_of_another_length() -> None:
    with pytest.raises(ValueError, match="96 bytes"):
        IntakePrivateKey(bytes(95))
    with pytest.raises(ValueError, match="1216 bytes"):
        IntakePublicKey(bytes(1217))
