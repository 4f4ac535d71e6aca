"""Commands about producers and epochs: their Avro form, and the bytes that the operator signs."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.events.control import Command, Control, decode_control, encode_control
from ansvar.events.errors import EventError
from ansvar.events.intake import PUBLIC_BYTES
from ansvar.events.key_commands import (
    CloseEpoch,
    KeysChanged,
    OpenEpoch,
    RegisterProducer,
    RevokeProducer,
    SignedKeyCommand,
    check_key_command,
    sign_key_command,
    signed_bytes,
)
from ansvar.events.refusal import BadSignature
from ansvar.events.schemas import current, released

ID = UUID(int=7, version=4)
DEPLOYMENT = bytes(range(16))
OPERATOR = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = OPERATOR.public_key().public_bytes_raw()
CONTROL = current("control").fingerprint

words = st.text(
    st.characters(blacklist_categories=["Cc", "Cs"], blacklist_characters='"\\'), min_size=1, max_size=32
)
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
epochs = st.integers(0, 2**32 - 1)
signed_commands = st.one_of(
    st.builds(
        RegisterProducer,
        names,
        st.binary(min_size=32, max_size=32),
        st.lists(words, max_size=4).map(tuple),
        st.lists(words, max_size=4).map(tuple),
    ),
    st.builds(RevokeProducer, names),
    st.builds(OpenEpoch, epochs, st.binary(min_size=PUBLIC_BYTES, max_size=PUBLIC_BYTES)),
    st.builds(CloseEpoch, epochs, st.integers(0, 2**53 - 1)),
)
changes = st.builds(
    KeysChanged,
    st.sampled_from(["log", "intake", "vault"]),
    st.sampled_from(["rotated", "destroyed"]),
    epochs,
)


@given(signed_commands | changes, st.uuids())
def test_a_command_comes_back_as_it_was_sent(command: Command, id_: UUID) -> None:
    control = Control(id_, command)
    assert decode_control(encode_control(control), CONTROL) == control


@given(signed_commands, signed_commands)
def test_what_is_signed_is_that_command_and_no_other(one: SignedKeyCommand, other: SignedKeyCommand) -> None:
    assert (signed_bytes(DEPLOYMENT, ID, one) == signed_bytes(DEPLOYMENT, ID, other)) is (one == other)


def test_words_do_not_run_into_each_other() -> None:
    key = bytes(32)
    ways = [(("ab",), ()), (("a", "b"), ()), (("a",), ("b",)), ((), ("ab",)), (("", "ab")[1:], ("",)[1:])]
    made = {signed_bytes(DEPLOYMENT, ID, RegisterProducer("x", key, *way)) for way in ways}
    assert len(made) == len(set(ways))


def test_the_documented_bytes() -> None:
    """As docs/wire-format.md says them, put together by hand."""

    def field(content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + content

    head = DEPLOYMENT + ID.bytes
    register = RegisterProducer("crm", b"k" * 32, ("crm", "billing"), ("*",))
    systems = field(field(b"crm") + field(b"billing"))
    assert signed_bytes(DEPLOYMENT, ID, register) == (
        b"ansvar/register-producer/v1"
        + head
        + field(b"crm")
        + field(b"k" * 32)
        + systems
        + field(field(b"*"))
    )
    revoke = RevokeProducer("crm")
    assert signed_bytes(DEPLOYMENT, ID, revoke) == b"ansvar/revoke-producer/v1" + head + field(b"crm")
    opened = OpenEpoch(2, b"p" * PUBLIC_BYTES)
    assert signed_bytes(DEPLOYMENT, ID, opened) == (
        b"ansvar/open-epoch/v1" + head + field(struct.pack(">I", 2)) + field(b"p" * PUBLIC_BYTES)
    )
    closed = CloseEpoch(2, 9)
    assert signed_bytes(DEPLOYMENT, ID, closed) == (
        b"ansvar/close-epoch/v1" + head + field(struct.pack(">I", 2)) + field(struct.pack(">Q", 9))
    )


@given(signed_commands)
def test_a_signature_holds_for_one_command_of_one_deployment(command: SignedKeyCommand) -> None:
    signed = sign_key_command(OPERATOR, DEPLOYMENT, ID, command)
    check_key_command(PUBLIC, DEPLOYMENT, ID, signed)
    wrong = [
        (PUBLIC, bytes(16), ID, signed),
        (PUBLIC, DEPLOYMENT, UUID(int=8), signed),
        (Ed25519PrivateKey.generate().public_key().public_bytes_raw(), DEPLOYMENT, ID, signed),
        (PUBLIC, DEPLOYMENT, ID, command),
    ]
    for given_ in wrong:
        with pytest.raises(BadSignature):
            check_key_command(*given_)


@pytest.mark.parametrize(
    "command",
    [
        RegisterProducer("CRM", b"k" * 32, (), ()),
        RegisterProducer("", b"k" * 32, (), ()),
        RegisterProducer("crm", b"k" * 31, (), ()),
        RegisterProducer("crm", b"k" * 32, ("",), ()),
        RegisterProducer("crm", b"k" * 32, ("a\nb",), ()),
        RegisterProducer("crm", b"k" * 32, ("x" * 101,), ()),
        RegisterProducer("crm", b"k" * 32, ("x",) * 101, ()),
        RegisterProducer("crm", b"k" * 32, (), ("x" * 33,)),
        RevokeProducer("crm\n"),
        OpenEpoch(2, b"p" * (PUBLIC_BYTES - 1)),
        OpenEpoch(-1, b"p" * PUBLIC_BYTES),
        OpenEpoch(1 << 32, b"p" * PUBLIC_BYTES),
        CloseEpoch(2, -1),
        CloseEpoch(2, 1 << 53),
        KeysChanged("log", "rotated", -1),
    ],
)
def test_a_command_out_of_form_is_none(command: Command) -> None:
    body = encode_control(Control(ID, command))
    with pytest.raises(EventError):
        decode_control(body, CONTROL)


def test_the_schema_before_is_still_read() -> None:
    """What it wrote has the same bytes under both: its commands kept their places in the union."""
    assert current("control").fingerprint.hex() == "893316f7847d90c7"
    assert released(bytes.fromhex("f5d5275d6af1404b")).name == "control"
    with pytest.raises(EventError):
        decode_control(encode_control(Control(ID, RevokeProducer("crm"))), bytes.fromhex("f5d5275d6af1404b"))


def test_a_signature_is_no_part_of_what_is_signed() -> None:
    command = RevokeProducer("crm")
    assert signed_bytes(DEPLOYMENT, ID, replace(command, signature=b"s")) == signed_bytes(
        DEPLOYMENT, ID, command
    )
