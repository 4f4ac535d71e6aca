"""Signed notes and verifier keys: the specification's examples, round trips, and what is refused where."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from ansvar.ledger.errors import Malformed
from ansvar.ledger.notes import (
    COSIGNATURE_ED25519,
    COSIGNATURE_MLDSA44,
    ED25519,
    MAX_NOTE,
    MAX_SIGNATURES,
    Note,
    NoteSignature,
    VerifierKey,
    decode_decimal,
    split_head,
)

# The examples of C2SP signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SIGNED = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ER"
    "YNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ih"
    "AQwaqP3ZekRwNtIc=\n"
).encode()
LINE = NoteSignature("a", b"1234", b"5").line()

names = st.text(
    st.characters(codec="utf-8", min_codepoint=33, exclude_characters="+"), min_size=1, max_size=20
).filter(lambda name: not any(char.isspace() for char in name))
keys = st.builds(
    lambda name, kind, seed: VerifierKey(name, kind, seed * (41 if kind == COSIGNATURE_MLDSA44 else 1)),
    names,
    st.sampled_from([ED25519, COSIGNATURE_ED25519, COSIGNATURE_MLDSA44]),
    st.binary(min_size=32, max_size=32),
)
signatures = st.builds(
    NoteSignature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=90)
)
texts = st.text(st.characters(codec="utf-8", min_codepoint=32) | st.just("\n"), max_size=60).map(
    lambda text: text + "\n"
)
notes = st.builds(Note, texts, st.lists(signatures, min_size=1, max_size=5).map(tuple))


def refused(parse: Callable[[], object], where: str, problem: str = "") -> None:
    with pytest.raises(Malformed) as caught:
        parse()
    assert caught.value.where == where
    assert problem in caught.value.problem


def test_the_example_key_verifies_the_example_note() -> None:
    key = VerifierKey.parse(VKEY)
    assert (key.name, key.kind, key.key_id.hex()) == ("example.com/foo", ED25519, "530d903a")
    assert str(key) == VKEY
    note = Note.parse(SIGNED)
    (signature,) = note.signatures
    assert (signature.name, signature.key_id) == (key.name, key.key_id)
    Ed25519PublicKey.from_public_bytes(key.public).verify(signature.blob, note.text.encode())


def test_the_last_blank_line_separates() -> None:
    note = Note.parse(POEM)
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert [s.name for s in note.signatures] == ["quasimodo.example/salvatore"]
    assert note.encode() == POEM


def test_a_key_id_is_a_hash_over_name_type_and_key() -> None:
    key = VerifierKey("näme", COSIGNATURE_MLDSA44, bytes(1312))
    assert key.key_id == hashlib.sha256("näme\n\6".encode() + bytes(1312)).digest()[:4]


@given(keys)
def test_any_key_comes_back(key: VerifierKey) -> None:
    assert VerifierKey.parse(str(key)) == key


@given(notes)
def test_any_note_comes_back(note: Note) -> None:
    assert Note.parse(note.encode()) == note


def vkey(name: str, material: bytes, key_id: str | None = None) -> str:
    known = hashlib.sha256(name.encode() + b"\n" + material).hexdigest()[:8]
    return f"{name}+{known if key_id is None else key_id}+{base64.b64encode(material).decode()}"


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("", "line", "name+id+key"),
        ("name+12345678", "line", "name+id+key"),
        (VKEY.replace("530d903a", "530d903b"), "key id", "give 530d903a"),
        (VKEY.replace("530d903a", "530D903A"), "key id", "lowercase"),
        (VKEY.replace("530d903a", "0530d903a"), "key id", "eight"),
        (VKEY + "\n", "key", "base64"),
        (VKEY[:-1], "key", "base64"),
        (VKEY + "=", "key", "base64"),
        ("a+00000000+", "key", "empty"),
        (vkey("", b"\1" + bytes(32)), "name", "no name"),
        (vkey("a b", b"\1" + bytes(32)), "name", "space"),
        (vkey("a\u2003b", b"\1" + bytes(32)), "name", "space"),
        (vkey("a\u0085b", b"\1" + bytes(32)), "name", "space"),
        (vkey("a\x01b", b"\1" + bytes(32)), "name", "control"),
        (vkey("a" * 256, b"\1" + bytes(32)), "name", "more than 255 bytes"),
        ("\udc80+00000000+" + base64.b64encode(b"\1" + bytes(32)).decode(), "name", "UTF-8"),
        (vkey("a", b"\2" + bytes(32)), "type", "0x02"),
        (vkey("a", b"\0" + bytes(32)), "type", "0x00"),
        (vkey("a", b"\xff" + bytes(32)), "type", "0xff"),
        (vkey("a", b"\1" + bytes(31)), "key", "31 bytes"),
        (vkey("a", b"\4" + bytes(33)), "key", "33 bytes"),
        (vkey("a", b"\6" + bytes(32)), "key", "1312"),
        (vkey("a", b"\1" + bytes(1312)), "key", "1312 bytes"),
        ("a" * 4097, "length", "4096"),
    ],
)
def test_what_is_no_key(text: str, where: str, problem: str) -> None:
    refused(lambda: VerifierKey.parse(text), where, problem)


@pytest.mark.parametrize(
    ("data", "where", "problem"),
    [
        (b"", "end", "no blank line"),
        (b"text\n" + LINE.encode(), "end", "no blank line"),
        (b"text\n\n", "end", "newline"),
        (SIGNED[:-1], "end", "newline"),
        (b"text\n\nmore\n", "line 3", "em dash"),
        (b"a\nb\n\n- a MTIzNDU=\n", "line 4", "em dash"),
        ("a\n\n—a MTIzNDU=\n".encode(), "line 3", "em dash"),
        ("a\n\n— a\n".encode(), "line 3", "em dash"),
        ("a\n\n—  MTIzNDU=\n".encode(), "line 3", "no name"),
        ("a\n\n— a+b MTIzNDU=\n".encode(), "line 3", "plus sign"),
        ("a\n\n— a\u00a0b MTIzNDU=\n".encode(), "line 3", "space"),
        ("a\n\n— a b MTIzNDU=\n".encode(), "line 3", "base64"),
        (f"a\n\n— {'é' * 128} MTIzNDU=\n".encode(), "line 3", "more than 255 bytes"),
        ("a\n\n— a MTIzNDU\n".encode(), "line 3", "base64"),
        ("a\n\n— a MTIzNDU= \n".encode(), "line 3", "base64"),
        ("a\n\n— a MTIzNDV=\n".encode(), "line 3", "canonical"),
        ("a\n\n— a MTIz_DU=\n".encode(), "line 3", "base64"),
        ("a\n\n— a MTIz٣DU=\n".encode(), "line 3", "base64"),
        ("a\n\n— a MTIzNA==\n".encode(), "line 3", "fewer than 5 bytes"),
        (b"a\n\n" + LINE.encode() + b"more\n", "line 4", "em dash"),
        (b"a\nb\tc\n\n" + LINE.encode(), "line 2", "0x09"),
        (b"a\r\n\n" + LINE.encode(), "line 1", "0x0d"),
        (b"a\n\n" + LINE.encode() + b"\0", "line 4", "0x00"),
        (b"a\n\xff\n\n" + LINE.encode(), "line 2", "UTF-8"),
        (b"a\n\xed\xa0\x80\n\n" + LINE.encode(), "line 2", "UTF-8"),
        (b"a\n\n" + LINE.encode() * (MAX_SIGNATURES + 1), "signatures", "more than 64"),
        (b"a" * MAX_NOTE + SIGNED, "length", "at most"),
    ],
)
def test_what_is_no_note(data: bytes, where: str, problem: str) -> None:
    refused(lambda: Note.parse(data), where, problem)


def test_sixteen_signatures_of_five_kilobytes_and_sixty_four_of_ml_dsa_fit_or_not() -> None:
    """signed-note: at least 16 signatures must be taken, and one can be nearly 5 kB long."""
    sixteen = Note("a\n", tuple(NoteSignature("a" * 255, b"1234", bytes([n]) * 5000) for n in range(16)))
    assert Note.parse(sixteen.encode()) == sixteen
    most = Note("a\n", tuple(NoteSignature("a", b"1234", bytes([n])) for n in range(MAX_SIGNATURES)))
    assert Note.parse(most.encode()) == most


@given(notes, st.lists(signatures, max_size=3))
def test_signatures_are_added_once_and_behind_the_others(note: Note, more: list[NoteSignature]) -> None:
    longer = note.with_signatures(*more)
    assert longer.text == note.text
    assert list(longer.signatures) == list(dict.fromkeys([*note.signatures, *more]))
    assert longer.with_signatures(*more) == longer
    assert Note.parse(longer.encode()) == longer


def test_more_signatures_than_a_reader_takes_are_not_added() -> None:
    note = Note.parse(SIGNED)
    many = [NoteSignature("a", b"1234", bytes([n])) for n in range(MAX_SIGNATURES)]
    assert len(note.with_signatures(*many[:-1]).signatures) == MAX_SIGNATURES
    refused(lambda: note.with_signatures(*many), "signatures")
    refused(lambda: note.with_signatures(NoteSignature("a", b"1234", bytes(MAX_NOTE))), "length")


@pytest.mark.parametrize(
    "text", ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "１", "٣", "1.0", str(2**63), "9" * 5000]
)
def test_what_is_no_decimal(text: str) -> None:
    refused(lambda: decode_decimal(text, "size", "line 2"), "line 2")


@given(st.integers(0, 2**63 - 1))
def test_any_decimal_comes_back(number: int) -> None:
    assert decode_decimal(str(number), "size", "line 2") == number


def test_a_head_ends_at_the_first_blank_line() -> None:
    assert split_head(b"a\nb\n\nc\n\nd", "proof", 100) == (["a", "b"], b"c\n\nd")
    refused(lambda: split_head(b"a\nb\n", "proof", 100), "end")
    refused(lambda: split_head(b"a\nb\n\n", "proof", 4), "length")
    refused(lambda: split_head(b"a\nb\t\n\nc", "proof", 100), "line 2")


@given(
    st.binary(max_size=200) | st.builds(lambda a, b, c: a + b + c, st.binary(), st.just(SIGNED), st.binary())
)
def test_any_bytes_are_a_note_that_comes_back_or_malformed(data: bytes) -> None:
    try:
        note = Note.parse(data)
    except Malformed:
        return
    assert note.encode() == data


@given(st.data())
def test_a_note_with_a_few_bytes_changed_is_a_note_that_comes_back_or_malformed(data: st.DataObject) -> None:
    changed = bytearray(POEM)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        note = Note.parse(bytes(changed))
    except Malformed:
        return
    assert note.encode() == bytes(changed)


@given(
    st.text(st.characters(exclude_categories=()))
    | st.integers(0, 80).map(lambda n: VKEY[:n] + "\ud800" + VKEY[n:])
)
def test_any_text_is_a_key_or_malformed(text: str) -> None:
    try:
        key = VerifierKey.parse(text)
    except Malformed:
        return
    assert str(key) == text
