"""The statement of the current intake key: its bytes, and that the pinned key alone is believed."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.events.intake import PUBLIC_BYTES
from ansvar.events.intake_statement import (
    MAX_STATEMENT,
    BadStatement,
    IntakeStatement,
    checked_statement,
    pinned_key,
    read_statement,
    signed_statement,
)
from ansvar.ledger.checkpoint import ed25519_key
from ansvar.ledger.notes import VerifierKey

DEPLOYMENT = UUID(int=7)
NAME = f"ansvar/{DEPLOYMENT}/0"
OLD, NEW = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))

statements = st.builds(
    IntakeStatement,
    st.just(DEPLOYMENT),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=PUBLIC_BYTES, max_size=PUBLIC_BYTES),
    st.integers(0, 2**53 - 1),
)


def vkey(key: Ed25519PrivateKey) -> str:
    return str(ed25519_key(NAME, key.public_key()))


def signed(statement: IntakeStatement, *keys: Ed25519PrivateKey) -> bytes:
    return signed_statement(statement, [(vkey(key), key.sign(statement.signed)) for key in keys]).encode()


PLAIN = IntakeStatement(DEPLOYMENT, 2, b"k" * PUBLIC_BYTES, 9)


@given(statements)
def test_it_is_read_as_written_and_believed_by_any_generation_s_key(statement: IntakeStatement) -> None:
    content = signed(statement, OLD, NEW)
    for key in (OLD, NEW):
        found = checked_statement(content, vkey(key), DEPLOYMENT)
        assert replace(found, signatures=()) == statement
        assert found.encode() == content


@given(statements, statements)
def test_what_is_signed_is_that_statement_and_no_other(one: IntakeStatement, other: IntakeStatement) -> None:
    assert (one.signed == other.signed) is (one == other)


def test_the_documented_bytes() -> None:
    head = b"ansvar/intake-key/v1\0" + DEPLOYMENT.bytes + struct.pack(">IQ", 2, 9)
    assert PLAIN.signed == head + b"k" * PUBLIC_BYTES


@pytest.mark.parametrize(
    "changes", [{"epoch": 3}, {"valid_from": 10}, {"intake_key": b"x" * PUBLIC_BYTES}], ids=repr
)
def test_a_changed_statement_is_not_believed(changes: dict[str, Any]) -> None:
    changed = replace(read_statement(signed(PLAIN, OLD)), **changes)
    with pytest.raises(BadStatement, match="does not verify"):
        checked_statement(changed.encode(), vkey(OLD), DEPLOYMENT)


def test_neither_is_another_s() -> None:
    with pytest.raises(BadStatement, match="not signed by the log key that is pinned"):
        checked_statement(signed(PLAIN, NEW), vkey(OLD), DEPLOYMENT)
    with pytest.raises(BadStatement, match="not signed"):
        checked_statement(PLAIN.encode(), vkey(OLD), DEPLOYMENT)
    with pytest.raises(BadStatement, match="another deployment"):
        checked_statement(signed(PLAIN, OLD), vkey(OLD), UUID(int=8))
    forged = signed_statement(PLAIN, [(vkey(OLD), NEW.sign(PLAIN.signed))]).encode()
    with pytest.raises(BadStatement, match="does not verify"):
        checked_statement(forged, vkey(OLD), DEPLOYMENT)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"<html>",
        b"\xff",
        b"x" * (MAX_STATEMENT + 1),
        msgspec.json.encode(replace(PLAIN, intake_key=b"k")),
        msgspec.json.encode(replace(PLAIN, epoch=-1)),
        msgspec.json.encode(msgspec.to_builtins(PLAIN) | {"more": 1}),
    ],
    ids=range(8),
)
def test_what_is_no_statement(content: bytes) -> None:
    with pytest.raises(BadStatement):
        read_statement(content)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_that(content: bytes) -> None:
    with pytest.raises(BadStatement):
        checked_statement(content, vkey(OLD), DEPLOYMENT)


def test_the_pin_is_a_log_s_verifier_key() -> None:
    assert pinned_key(vkey(OLD)) == OLD.public_key()
    wrong_type = str(VerifierKey(NAME, 4, OLD.public_key().public_bytes_raw()))
    for pin in ("", "a+b", "a+b+c", vkey(OLD).replace("ansvar", "other"), vkey(OLD) + "=", wrong_type):
        with pytest.raises(BadStatement, match="pinned log key"):
            pinned_key(pin)
