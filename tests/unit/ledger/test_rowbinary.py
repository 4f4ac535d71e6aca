"""RowBinary: what is written is read back, and bytes that end early or lie are MalformedRow."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.ledger import rowbinary as rb
from ansvar.ledger.errors import MalformedRow

CODES = {"": 0, "one": 1, "minus": -128, "most": 127}
TYPES: list[tuple[rb.Type, st.SearchStrategy[Any]]] = [
    (rb.UINT8, st.integers(0, 2**8 - 1)),
    (rb.UINT16, st.integers(0, 2**16 - 1)),
    (rb.UINT32, st.integers(0, 2**32 - 1)),
    (rb.UINT64, st.integers(0, 2**64 - 1)),
    (rb.INT64, st.integers(-(2**63), 2**63 - 1)),
    (rb.fixed(5), st.binary(min_size=5, max_size=5)),
    (rb.enum8(CODES), st.sampled_from(sorted(CODES))),
    (rb.UUID, st.uuids()),
    (rb.STRING, st.text()),
    (rb.STRING_BYTES, st.binary(max_size=300)),
    (rb.STRINGS, st.lists(st.text()).map(tuple)),
]


@given(st.data(), st.binary(max_size=8), st.binary(max_size=8))
@pytest.mark.parametrize(("kind", "values"), TYPES)
def test_round_trip_within_other_bytes(
    kind: rb.Type, values: st.SearchStrategy[Any], data: st.DataObject, before: bytes, after: bytes
) -> None:
    value = data.draw(values)
    written = kind.write(value)
    assert kind.read(before + written + after, len(before)) == (value, len(before + written))


@given(st.data())
@pytest.mark.parametrize(("kind", "values"), TYPES)
def test_cut_off(kind: rb.Type, values: st.SearchStrategy[Any], data: st.DataObject) -> None:
    written = kind.write(data.draw(values))
    for size in range(len(written)):
        with pytest.raises(MalformedRow, match="early"):
            kind.read(written[:size], 0)


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        # ClickHouse documentation, Formats / RowBinary: little-endian integers, LEB128 lengths
        (rb.UINT32, 1, "01000000"),
        (rb.INT64, -2, "feffffffffffffff"),
        (rb.STRING, "å", "02c3a5"),
        (rb.STRINGS, ("a", ""), "02016100"),
        (rb.UUID, uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), "7766554433221100ffeeddccbbaa9988"),
        (rb.enum8(CODES), "minus", "80"),
    ],
)
def test_known_bytes(kind: rb.Type, value: object, written: str) -> None:
    assert kind.write(value).hex() == written


@pytest.mark.parametrize(
    ("length", "written"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (16_383, "ff7f"), (16_384, "808001")],
)
def test_lengths(length: int, written: str) -> None:
    assert rb.write_length(length).hex() == written
    assert rb.read_length(bytes.fromhex(written), 0) == (length, len(written) // 2)


@given(st.integers(0, 2**35 - 1))
def test_lengths_are_read_back(length: int) -> None:
    written = rb.write_length(length)
    assert rb.read_length(written, 0) == (length, len(written))


def test_a_length_without_end() -> None:
    with pytest.raises(MalformedRow, match="more than five bytes"):
        rb.read_length(b"\xff" * 9, 0)


@pytest.mark.parametrize("written", ["8000", "ff8000", "818000"])
def test_a_length_has_one_form(written: str) -> None:
    with pytest.raises(MalformedRow, match="needless"):
        rb.read_length(bytes.fromhex(written), 0)


def test_a_length_that_promises_too_much() -> None:
    with pytest.raises(MalformedRow, match="early"):
        rb.STRINGS.read(b"\xff\xff\xff\xff\x7f", 0)


def test_what_is_no_value() -> None:
    with pytest.raises(MalformedRow, match="UTF-8"):
        rb.STRING.read(b"\x02\xc3\x28", 0)
    with pytest.raises(MalformedRow, match="no name for enum value 2"):
        rb.enum8(CODES).read(b"\x02", 0)
    with pytest.raises(MalformedRow, match=r"FixedString\(5\) got 4"):
        rb.fixed(5).write(b"four")
