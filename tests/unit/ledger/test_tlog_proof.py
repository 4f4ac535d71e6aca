"""Offline proofs: the specification's example, whole proofs that hold, and one wrong thing at a time."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ansvar.ledger.canonical import leaf
from ansvar.ledger.checkpoint import Checkpoint, cosign_ed25519, ed25519_key, sign
from ansvar.ledger.errors import BadSignature, LedgerError, Malformed, NoQuorum, Unproved, WrongOrigin
from ansvar.ledger.merkle import node
from ansvar.ledger.notes import COSIGNATURE_ED25519, Note
from ansvar.ledger.tlog_proof import MAX_PROOF, TlogProof
from ansvar.ledger.trust import NO_WITNESSES, TrustPolicy, WitnessEntry

# The example of C2SP tlog-proof, its elided signatures left out.
HEAD = """c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

"""
VERSION = b"c2sp.org/tlog-proof@v1\n"
HASH = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

ORIGIN = "ansvar/deployment/0"
LOG = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
COSIGNER = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
LOG_KEY = ed25519_key(ORIGIN, LOG.public_key())
WITNESS_KEY = ed25519_key("witness", COSIGNER.public_key(), COSIGNATURE_ED25519)
WITNESSED = TrustPolicy((), (WitnessEntry("w", WITNESS_KEY),), (), "w")

LEAVES = [leaf(bytes([n])) for n in range(3)]
TREE = Checkpoint(ORIGIN, 3, node(node(LEAVES[0], LEAVES[1]), LEAVES[2]))
NOTE = Note(TREE.text(), (sign(TREE, ORIGIN, LOG), cosign_ed25519(TREE, "witness", COSIGNER, 1)))
PROOF = TlogProof(1, (LEAVES[0], LEAVES[2]), NOTE.encode(), None)

proofs = st.builds(
    TlogProof,
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.binary(max_size=60),
    st.none() | st.binary(min_size=1, max_size=60),
)


def test_the_example() -> None:
    data = HEAD.encode() + b"the checkpoint"
    proof = TlogProof.parse(data)
    assert (proof.index, len(proof.hashes), proof.checkpoint) == (73894, 5, b"the checkpoint")
    assert proof.extra is not None
    assert proof.extra.startswith(b"age-v1.2.1-darwin-arm64.tar.gz")
    assert proof.encode() == data


@given(proofs)
def test_any_proof_comes_back(proof: TlogProof) -> None:
    assert TlogProof.parse(proof.encode()) == proof


def test_a_proof_holds() -> None:
    found = TlogProof.parse(PROOF.encode()).verify(LEAVES[1], [LOG_KEY], WITNESSED, ORIGIN)
    assert found.checkpoint == TREE
    assert [s.key for s in found.signed] == [LOG_KEY, WITNESS_KEY]
    assert PROOF.verify(LEAVES[1], [LOG_KEY], NO_WITNESSES).checkpoint == TREE


def test_a_tree_of_one_leaf_needs_no_hashes() -> None:
    tree = Checkpoint(ORIGIN, 1, LEAVES[0])
    proof = TlogProof(0, (), Note(tree.text(), (sign(tree, ORIGIN, LOG),)).encode(), b"more")
    assert TlogProof.parse(proof.encode()).verify(LEAVES[0], [LOG_KEY], NO_WITNESSES).checkpoint == tree


def resigned(tree: Checkpoint) -> bytes:
    return Note(tree.text(), (sign(tree, ORIGIN, LOG), cosign_ed25519(tree, "witness", COSIGNER, 1))).encode()


@pytest.mark.parametrize(
    ("change", "arguments", "error"),
    [
        ({}, {"leaf": LEAVES[0]}, Unproved),
        ({}, {"leaf": LEAVES[1][:-1]}, Malformed),
        ({"index": 0}, {}, Unproved),
        ({"index": 3}, {}, Unproved),
        ({"index": -1}, {}, Malformed),
        ({"hashes": (LEAVES[0],)}, {}, Unproved),
        ({"hashes": (LEAVES[2], LEAVES[0])}, {}, Unproved),
        ({"hashes": (LEAVES[0], LEAVES[2], LEAVES[2])}, {}, Unproved),
        ({"hashes": (LEAVES[0], b"")}, {}, Malformed),
        ({"checkpoint": b""}, {}, Malformed),
        ({"checkpoint": resigned(replace(TREE, size=5))}, {}, Unproved),
        ({"checkpoint": resigned(replace(TREE, size=0))}, {}, Unproved),
        ({"checkpoint": resigned(replace(TREE, root=bytes(32)))}, {}, Unproved),
        ({"checkpoint": replace(NOTE, text=replace(TREE, size=4).text()).encode()}, {}, BadSignature),
        ({"checkpoint": replace(NOTE, signatures=NOTE.signatures[:1]).encode()}, {}, NoQuorum),
        ({"checkpoint": replace(NOTE, signatures=NOTE.signatures[1:]).encode()}, {}, BadSignature),
        ({}, {"log_keys": []}, BadSignature),
        ({}, {"log_keys": [ed25519_key(ORIGIN, COSIGNER.public_key())]}, BadSignature),
        ({}, {"origin": "ansvar/deployment/1"}, WrongOrigin),
    ],
)
def test_one_wrong_thing(change: dict[str, Any], arguments: dict[str, Any], error: type[LedgerError]) -> None:
    given_: dict[str, Any] = {"leaf": LEAVES[1], "log_keys": [LOG_KEY], "policy": WITNESSED, "origin": ORIGIN}
    PROOF.verify(**given_)
    with pytest.raises(error):
        replace(PROOF, **change).verify(**(given_ | arguments))


@pytest.mark.parametrize(
    ("data", "where", "problem"),
    [
        (b"", "end", "blank line"),
        (VERSION + b"index 0\n", "end", "blank line"),
        (b"\n\n", "line 1", "not c2sp"),
        (VERSION.replace(b"v1", b"v2") + b"index 0\n\n", "line 1", "not c2sp"),
        (b" " + VERSION + b"index 0\n\n", "line 1", "not c2sp"),
        (VERSION + b"\n", "line 2", "'index'"),
        (VERSION + b"extra YQ==\n\n", "line 3", "'index'"),
        (VERSION + b"index 0\nextra YQ==\n\n", "line 3", "base64"),
        (VERSION + b"extra YQ==\nextra YQ==\nindex 0\n\n", "line 3", "'index'"),
        (VERSION + b"extra \nindex 0\n\n", "line 2", "left out"),
        (VERSION + b"extra YR==\nindex 0\n\n", "line 2", "canonical"),
        (VERSION + b"extra\nindex 0\n\n", "line 2", "'index'"),
        (VERSION + b"index\n\n", "line 2", "'index'"),
        (VERSION + b"index 00\n\n", "line 2", "zeroes"),
        (VERSION + b"index -1\n\n", "line 2", "decimal"),
        (VERSION + b"index 9223372036854775808\n\n", "line 2", "2^63"),
        (VERSION + b"index 0\nAAAA\n\n", "line 3", "3 bytes"),
        (VERSION + b"extra YQ==\nindex 0\n" + HASH + b"AAA\n\n", "line 5", "base64"),
        (VERSION + b"index 0\n" + HASH * 64 + b"\n", "line 66", "more than 63"),
        (VERSION + b"index 0\r\n\n", "line 2", "0x0d"),
        (VERSION + b"index 0\n\n" + b"a" * MAX_PROOF, "length", "at most"),
    ],
)
def test_what_is_no_proof(data: bytes, where: str, problem: str) -> None:
    with pytest.raises(Malformed, match=re.escape(problem)) as caught:
        TlogProof.parse(data)
    assert caught.value.where == where


@given(st.integers(0, len(PROOF.encode()) * 8 - 1))
def test_no_flipped_bit_proves_anything_else(place: int) -> None:
    data = bytearray(PROOF.encode())
    data[place // 8] ^= 1 << place % 8
    with pytest.raises(LedgerError):
        TlogProof.parse(bytes(data)).verify(LEAVES[1], [LOG_KEY], WITNESSED, ORIGIN)


@given(
    st.binary()
    | st.builds(lambda n, b: PROOF.encode()[:n] + b + PROOF.encode()[n:], st.integers(0, 200), st.binary())
)
def test_any_bytes_are_a_proof_that_comes_back_or_malformed(data: bytes) -> None:
    try:
        proof = TlogProof.parse(data)
    except Malformed:
        return
    assert proof.encode() == data
