"""The bodies of add-checkpoint: the specification's examples, round trips, and what is refused where."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.ledger.errors import Malformed
from ansvar.ledger.notes import MAX_NOTE
from ansvar.ledger.witness_protocol import (
    MAX_REQUEST,
    AddCheckpoint,
    origin_hash,
    parse_cosignatures,
    parse_size,
)

# The examples of C2SP tlog-witness.
CHECKPOINT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo"
    "+zyWE+xeMcTOAYQ8=\n"
).encode()
REQUEST = (
    b"old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    b"jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
    b"/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n" + CHECKPOINT
)
RESPONSE = (
    "— witness.example/w1 "
    "CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2Hg"
    "LatVs0pWh6Up69HVOw==\n"
    "— witness.example/w2 "
    "AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJ"
    "lqU3rXXvpysAdyP3wQ==\n"
).encode()
HASH = base64.b64encode(bytes(32)) + b"\n"

hashes = st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple)
requests = st.builds(AddCheckpoint, st.integers(0, 2**63 - 1), hashes, st.binary(max_size=99))


def test_the_example_request() -> None:
    request = AddCheckpoint.parse(REQUEST)
    assert (request.old, len(request.proof), request.checkpoint) == (20852014, 4, CHECKPOINT)
    assert request.proof[0][:4].hex() == "3e544d0a"
    assert request.encode() == REQUEST


def test_a_first_request_has_no_proof() -> None:
    assert AddCheckpoint.parse(b"old 0\n\n" + CHECKPOINT) == AddCheckpoint(0, (), CHECKPOINT)


@given(requests)
def test_any_request_comes_back(request: AddCheckpoint) -> None:
    assert AddCheckpoint.parse(request.encode()) == request


def test_the_example_response() -> None:
    signatures = parse_cosignatures(RESPONSE)
    assert [s.name for s in signatures] == ["witness.example/w1", "witness.example/w2"]
    assert "".join([s.line() for s in signatures]).encode() == RESPONSE


@pytest.mark.parametrize(
    ("body", "where", "problem"),
    [
        (b"", "end", "blank line"),
        (b"old 1\n", "end", "blank line"),
        (b"\n\n" + CHECKPOINT, "line 1", "'old'"),
        (b"Old 1\n\n" + CHECKPOINT, "line 1", "'old'"),
        (b"old\n\n" + CHECKPOINT, "line 1", "'old'"),
        (b"old 01\n\n" + CHECKPOINT, "line 1", "zeroes"),
        (b"old  1\n\n" + CHECKPOINT, "line 1", "decimal"),
        (b"old 9223372036854775808\n\n" + CHECKPOINT, "line 1", "2^63"),
        (b"old 1\nAAAA\n\n" + CHECKPOINT, "line 2", "3 bytes"),
        (b"old 1\n" + HASH + HASH[:-2] + b"\n\n" + CHECKPOINT, "line 3", "base64"),
        (b"old 1\n" + HASH * 64 + b"\n" + CHECKPOINT, "line 65", "more than 63"),
        (b"old 1\r\n\n" + CHECKPOINT, "line 1", "0x0d"),
        (b"old 1\n\xff\n\n" + CHECKPOINT, "line 2", "UTF-8"),
        (b"old 1\n\n" + b"a" * MAX_REQUEST, "length", "at most"),
    ],
)
def test_what_is_no_request(body: bytes, where: str, problem: str) -> None:
    with pytest.raises(Malformed, match=re.escape(problem)) as caught:
        AddCheckpoint.parse(body)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "end"),
        (b"\n", "line 1"),
        (RESPONSE[:-1], "end"),
        (RESPONSE + b"\n", "line 3"),
        (RESPONSE + b"ok\n", "line 3"),
        (CHECKPOINT, "line 1"),
        (RESPONSE * 33, "signatures"),
        (b"a" * (MAX_NOTE + 1), "length"),
        (b"\x1b[0m\n", "line 1"),
    ],
)
def test_what_is_no_response(body: bytes, where: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_cosignatures(body)
    assert caught.value.where == where


def test_a_size() -> None:
    assert [parse_size(body) for body in (b"0\n", b"20852163\n")] == [0, 20852163]


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"1", b"12", b"1\n\n", b" 1\n", b"01\n", b"-1\n", b"1\r\n", b"1" * 99 + b"\n"]
)
def test_what_is_no_size(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_size(body)


def test_the_hash_of_an_origin() -> None:
    assert origin_hash("example.com/å") == hashlib.sha256("example.com/å".encode()).hexdigest()
    with pytest.raises(Malformed):
        origin_hash("\udc80")


@given(
    st.binary()
    | st.builds(lambda n, b: REQUEST[:n] + b + REQUEST[n:], st.integers(0, 250), st.binary(max_size=5))
)
def test_any_body_is_one_that_comes_back_or_malformed(body: bytes) -> None:
    try:
        request = AddCheckpoint.parse(body)
    except Malformed:
        return
    assert request.encode() == body


@given(
    st.binary()
    | st.builds(lambda n, b: RESPONSE[:n] + b + RESPONSE[n:], st.integers(0, 250), st.binary(max_size=5))
)
def test_any_answer_is_one_or_malformed(body: bytes) -> None:
    for parse in (parse_cosignatures, parse_size):
        try:
            parse(body)
        except Malformed:
            continue
