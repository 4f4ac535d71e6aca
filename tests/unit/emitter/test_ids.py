"""Event ids against RFC 9562, its example and its fields."""

from __future__ import annotations

from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.emitter.ids import uuid7


def test_the_example_of_the_rfc() -> None:
    # RFC 9562, A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F
    randomness = bytes.fromhex("0CC3" + "18C4DC0C0C07398F")
    assert uuid7(0x017F22E279B0, randomness) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_version_variant_and_time(milliseconds: int, randomness: bytes) -> None:
    made = uuid7(milliseconds, randomness)
    assert made.version == 7
    assert made.variant == RFC_4122
    assert made.int >> 80 == milliseconds


def test_every_random_bit_counts() -> None:
    made = {uuid7(0, (1 << bit).to_bytes(10, "big")) for bit in range(80)}
    assert len(made) == 74 + 1  # six bits are version and variant


def test_values_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        uuid7(0, bytes(9))
    with pytest.raises(ValueError, match="48-bit"):
        uuid7(2**48, bytes(10))
