"""Checkpoints: what is signed, byte for byte, whose signatures count, and that nothing else is believed."""

from __future__ import annotations

import re
import struct
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ansvar.ledger.checkpoint import (
    Checkpoint,
    OpenedCheckpoint,
    Signed,
    cosign_ed25519,
    cosign_mldsa,
    ed25519_key,
    mldsa_key,
    open_checkpoint,
    sign,
    signatures_of,
)
from ansvar.ledger.errors import BadSignature, LedgerError, Malformed, WrongOrigin
from ansvar.ledger.notes import COSIGNATURE_ED25519, ED25519, Note, NoteSignature, VerifierKey

ORIGIN = "ansvar/0192f3a4-0000-7000-8000-000000000000/3"
WITNESS = "witness.example/w1"
TIME = 1679315147
LOG = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
LOG_PQ = MLDSA44PrivateKey.from_seed_bytes(b"p" * 32)
COSIGNER = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
COSIGNER_PQ = MLDSA44PrivateKey.from_seed_bytes(b"q" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)

LOG_KEY = ed25519_key(ORIGIN, LOG.public_key())
LOG_PQ_KEY = mldsa_key(ORIGIN, LOG_PQ.public_key())
WITNESS_KEY = ed25519_key(WITNESS, COSIGNER.public_key(), COSIGNATURE_ED25519)
WITNESS_PQ_KEY = mldsa_key(WITNESS, COSIGNER_PQ.public_key())

TREE = Checkpoint(ORIGIN, 20852163, bytes(range(32)))
BY_LOG = sign(TREE, ORIGIN, LOG)
BY_LOG_PQ = cosign_mldsa(TREE, ORIGIN, LOG_PQ, TIME)
BY_WITNESS = cosign_ed25519(TREE, WITNESS, COSIGNER, TIME + 1)
BY_WITNESS_PQ = cosign_mldsa(TREE, WITNESS, COSIGNER_PQ, TIME + 2)
BY_STRANGER = sign(TREE, "stranger.example", STRANGER)
ALL = Note(TREE.text(), (BY_LOG, BY_LOG_PQ, BY_STRANGER, BY_WITNESS, BY_WITNESS_PQ))

checkpoints = st.builds(
    Checkpoint,
    st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=60),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)


def opened(note: Note, origin: str | None = ORIGIN) -> OpenedCheckpoint:
    return open_checkpoint(
        note.encode(), (LOG_KEY, LOG_PQ_KEY), witness_keys=(WITNESS_KEY, WITNESS_PQ_KEY), origin=origin
    )


def with_blob(signature: NoteSignature, blob: bytes) -> NoteSignature:
    return replace(signature, blob=blob)


# The text


def test_the_text_of_the_specification() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    tree = Checkpoint.parse(text)
    assert (tree.origin, tree.size) == ("example.com/behind-the-sofa", 20852163)
    assert tree.root.hex().startswith("0ac5186a91863e8e")
    assert tree.text() == text


@given(checkpoints)
def test_any_checkpoint_comes_back(tree: Checkpoint) -> None:
    assert Checkpoint.parse(tree.text()) == tree


ROOT = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("", "end", "three lines"),
        ("a\n1\n", "end", "three lines"),
        ("a\n1\n" + ROOT[:-1], "end", "three lines"),
        ("a\n1\n" + ROOT + "x", "end", "three lines"),
        ("a\n1\n" + ROOT + "x\n", "line 4", "extension"),
        ("a\n1\n" + ROOT + "\n", "line 4", "extension"),
        ("a\n1\n" + ROOT + "x\ny\n", "line 4", "extension"),
        ("\n1\n" + ROOT, "line 1", "0 bytes"),
        ("a" * 256 + "\n1\n" + ROOT, "line 1", "256 bytes"),
        ("a\tb\n1\n" + ROOT, "line 1", "control"),
        ("\udc80\n1\n" + ROOT, "line 1", "UTF-8"),
        ("a\n\n" + ROOT, "line 2", "decimal"),
        ("a\n01\n" + ROOT, "line 2", "zeroes"),
        ("a\n-1\n" + ROOT, "line 2", "decimal"),
        ("a\n１\n" + ROOT, "line 2", "decimal"),
        (f"a\n{2**63}\n" + ROOT, "line 2", "2^63"),
        ("a\n1\n" + ROOT[:-2] + "\n", "line 3", "base64"),
        ("a\n1\n" + ROOT.replace("A=", "B="), "line 3", "canonical"),
        ("a\n1\n" + ROOT.replace("AAA=", "AA=="), "line 3", "31 bytes"),
        ("a\n1\nAAAA\n", "line 3", "3 bytes"),
    ],
)
def test_what_is_no_checkpoint(text: str, where: str, problem: str) -> None:
    with pytest.raises(Malformed, match=re.escape(problem)) as caught:
        Checkpoint.parse(text)
    assert caught.value.where == where


@pytest.mark.parametrize("size", [-1, 2**63])
def test_a_size_beyond_the_limits_cannot_be_signed(size: int) -> None:
    with pytest.raises(Malformed):
        Checkpoint(ORIGIN, size, bytes(32))


# What is signed


def test_the_log_signs_the_text() -> None:
    assert (BY_LOG.name, BY_LOG.key_id, len(BY_LOG.blob)) == (ORIGIN, LOG_KEY.key_id, 64)
    LOG.public_key().verify(
        BY_LOG.blob, f"{ORIGIN}\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n".encode()
    )


def test_an_ed25519_cosigner_signs_two_lines_and_the_text() -> None:
    time, signature = BY_WITNESS.blob[:8], BY_WITNESS.blob[8:]
    assert (BY_WITNESS.name, BY_WITNESS.key_id) == (WITNESS, WITNESS_KEY.key_id)
    assert time.hex() == "00000000641850cc"
    message = b"cosignature/v1\ntime 1679315148\n" + ORIGIN.encode()
    message += b"\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    COSIGNER.public_key().verify(signature, message)


def test_an_ml_dsa_cosigner_signs_the_struct() -> None:
    time, signature = BY_WITNESS_PQ.blob[:8], BY_WITNESS_PQ.blob[8:]
    assert (BY_WITNESS_PQ.name, BY_WITNESS_PQ.key_id) == (WITNESS, WITNESS_PQ_KEY.key_id)
    assert len(signature) == 2420
    message = b"subtree/v1\n\x00" + b"\x12witness.example/w1" + time
    message += b"\x2d" + ORIGIN.encode() + bytes(8) + bytes.fromhex("00000000013e2dc3") + bytes(range(32))
    assert time == struct.pack(">Q", TIME + 2)
    assert len(ORIGIN) == 0x2D
    COSIGNER_PQ.public_key().verify(signature, message)


@pytest.mark.parametrize("time", [-1, 2**63])
def test_a_time_beyond_the_limits_is_not_signed(time: int) -> None:
    with pytest.raises(Malformed):
        cosign_ed25519(TREE, WITNESS, COSIGNER, time)
    with pytest.raises(Malformed):
        cosign_mldsa(TREE, WITNESS, COSIGNER_PQ, time)


@given(checkpoints, st.integers(0, 2**63 - 1))
@settings(max_examples=25)
def test_what_is_signed_verifies(tree: Checkpoint, time: int) -> None:
    signatures = (
        sign(tree, ORIGIN, LOG),
        cosign_ed25519(tree, WITNESS, COSIGNER, time),
        cosign_mldsa(tree, WITNESS, COSIGNER_PQ, time),
    )
    note = Note.parse(Note(tree.text(), signatures).encode())
    found = signatures_of(note, tree, [LOG_KEY, WITNESS_KEY, WITNESS_PQ_KEY])
    assert found == (Signed(LOG_KEY, None), Signed(WITNESS_KEY, time), Signed(WITNESS_PQ_KEY, time))


# Whose signatures count


def test_all_known_signatures_are_returned_in_order_with_their_times() -> None:
    result = opened(ALL)
    assert result.checkpoint == TREE
    assert result.note == ALL
    assert result.signed == (
        Signed(LOG_KEY, None),
        Signed(LOG_PQ_KEY, TIME),
        Signed(WITNESS_KEY, TIME + 1),
        Signed(WITNESS_PQ_KEY, TIME + 2),
    )


@pytest.mark.parametrize("key", [LOG_KEY, LOG_PQ_KEY])
def test_one_key_of_the_log_is_enough(key: VerifierKey) -> None:
    assert [s.key for s in open_checkpoint(ALL.encode(), [key]).signed] == [key]


@pytest.mark.parametrize(
    "bad",
    [
        with_blob(BY_LOG, BY_LOG.blob[:-1]),
        with_blob(BY_LOG, BY_LOG.blob + b"\0"),
        with_blob(BY_LOG, b"\0" + BY_LOG.blob),
        with_blob(BY_LOG, bytes(64)),
        with_blob(BY_LOG_PQ, BY_LOG_PQ.blob[:-1]),
        with_blob(BY_LOG_PQ, b"\xff" + BY_LOG_PQ.blob[1:]),
        with_blob(BY_WITNESS, struct.pack(">Q", TIME) + BY_WITNESS.blob[8:]),
        with_blob(BY_WITNESS, BY_WITNESS.blob[:8] + b"\0" + BY_WITNESS.blob[8:]),
        with_blob(BY_WITNESS, BY_WITNESS.blob[8:]),
        with_blob(BY_WITNESS_PQ, struct.pack(">Q", TIME) + BY_WITNESS_PQ.blob[8:]),
        with_blob(BY_WITNESS_PQ, BY_WITNESS_PQ.blob[:8]),
        with_blob(BY_WITNESS_PQ, b"\0"),
        cosign_mldsa(replace(TREE, size=TREE.size + 1), WITNESS, COSIGNER_PQ, TIME),
        cosign_mldsa(replace(TREE, origin=TREE.origin + "0"), WITNESS, COSIGNER_PQ, TIME),
        replace(cosign_mldsa(TREE, "x", COSIGNER_PQ, TIME), name=WITNESS, key_id=WITNESS_PQ_KEY.key_id),
        sign(replace(TREE, root=bytes(32)), ORIGIN, LOG),
    ],
)
def test_a_bad_signature_of_any_known_key_rejects_the_note(bad: NoteSignature) -> None:
    with pytest.raises(BadSignature, match=re.escape(bad.key_id.hex())):
        opened(ALL.with_signatures(bad))


def test_a_time_above_two_to_the_63rd_is_refused_even_if_signed() -> None:
    blob = struct.pack(">Q", 2**63)
    blob += COSIGNER.sign(f"cosignature/v1\ntime {2**63}\n{TREE.text()}".encode())
    with pytest.raises(BadSignature, match="2\\^63"):
        opened(ALL.with_signatures(with_blob(BY_WITNESS, blob)))


def test_bad_signatures_of_keys_that_share_only_name_or_only_id_are_ignored() -> None:
    other_name = replace(with_blob(BY_LOG, bytes(64)), name="other.example")
    other_id = replace(with_blob(BY_WITNESS, bytes(72)), key_id=bytes(4))
    assert opened(ALL.with_signatures(other_name, other_id)).signed == opened(ALL).signed


def test_a_note_signature_does_not_pass_as_a_cosignature_of_the_same_key() -> None:
    as_log = ed25519_key(WITNESS, COSIGNER.public_key())
    assert as_log.kind == ED25519
    moved = replace(BY_WITNESS, key_id=as_log.key_id, blob=BY_WITNESS.blob[8:])
    with pytest.raises(BadSignature):
        open_checkpoint(ALL.with_signatures(moved).encode(), [LOG_KEY], [as_log])


def test_without_a_signature_of_the_log_nothing_is_believed() -> None:
    with pytest.raises(
        BadSignature, match=r"no key that is trusted.*'stranger.example'.*'witness.example/w1'"
    ):
        opened(replace(ALL, signatures=(BY_STRANGER, BY_WITNESS)))
    with pytest.raises(BadSignature):
        open_checkpoint(ALL.encode(), [])
    with pytest.raises(BadSignature):  # a witness is not the log
        open_checkpoint(ALL.encode(), [], [LOG_KEY])


def test_the_key_of_another_log_does_not_sign_for_this_one() -> None:
    """Else whoever has one chain's key could speak for another chain."""
    other = ed25519_key("ansvar/other", STRANGER.public_key())
    note = Note(TREE.text(), (sign(TREE, "ansvar/other", STRANGER),))
    with pytest.raises(BadSignature):
        open_checkpoint(note.encode(), [LOG_KEY, other])


def test_the_origin_that_is_asked_for() -> None:
    assert opened(ALL, origin=None) == opened(ALL)
    with pytest.raises(WrongOrigin, match="expected"):
        opened(ALL, origin=ORIGIN + "1")


def test_two_keys_that_cannot_be_told_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VerifierKey, "key_id", property(lambda _: b"same"))  # a collision takes 2^32 keys
    twin = replace(LOG_KEY, public=bytes(32))
    with pytest.raises(Malformed, match="two keys"):
        signatures_of(ALL, TREE, [LOG_KEY, twin])
    signatures_of(Note(TREE.text(), ()), TREE, [LOG_KEY, LOG_KEY])


# Changed bytes


def test_every_flipped_bit_is_refused_or_leaves_what_is_known_and_signed() -> None:
    """With a log's and a witness's signature asked for, only bits of the unknown signature may differ."""
    note = Note(TREE.text(), (BY_LOG, BY_STRANGER, BY_WITNESS))
    data = note.encode()
    start = data.index(BY_STRANGER.line().encode())
    unknown = range(start, start + len(BY_STRANGER.line().encode()))
    survived = set()
    for at in range(len(data)):
        for bit in range(8):
            flipped = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            try:
                result = open_checkpoint(flipped, [LOG_KEY], [WITNESS_KEY])
            except LedgerError:
                continue
            assert result.checkpoint == TREE
            if Signed(WITNESS_KEY, TIME + 1) in result.signed:
                survived.add(at)
    assert survived
    assert survived <= set(unknown)


@given(st.integers(0, len(ALL.encode()) * 8 - 1))
@settings(max_examples=300)
def test_flipped_bits_of_the_ml_dsa_signatures_too(place: int) -> None:
    data = bytearray(ALL.encode())
    data[place // 8] ^= 1 << place % 8
    try:
        result = open_checkpoint(bytes(data), [LOG_PQ_KEY], [WITNESS_PQ_KEY])
    except (Malformed, BadSignature):
        return
    assert result.checkpoint == TREE
    assert set(result.signed) <= set(opened(ALL).signed)


@given(st.binary(max_size=100), st.integers(0, 400), st.integers(0, 20))
def test_any_bytes_are_refused_with_one_of_ours(data: bytes, at: int, cut: int) -> None:
    whole = ALL.encode()
    for one in (data, whole[:at] + data + whole[at + cut :]):
        try:
            result = open_checkpoint(one, [LOG_KEY], [WITNESS_KEY], ORIGIN)
        except (Malformed, BadSignature, WrongOrigin):
            continue
        assert result.checkpoint == TREE


@given(st.text(st.characters(exclude_categories=()), max_size=40), st.text(max_size=10), st.text(max_size=60))
def test_any_text_is_a_checkpoint_that_comes_back_or_malformed(origin: str, size: str, rest: str) -> None:
    text = f"{origin}\n{size}\n{rest}"
    try:
        tree = Checkpoint.parse(text)
    except Malformed:
        return
    assert tree.text() == text
