"""Chains and streams are numbered and named the same for ever."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.ledger.errors import LedgerError
from ansvar.ledger.position import MAX_PARTITIONS, chain_number, file_stream_id, stream_id

NUMBERS = st.integers(0, MAX_PARTITIONS - 1)


@given(NUMBERS, NUMBERS)
def test_chains_do_not_meet(partition: int, ingest: int) -> None:
    assert divmod(chain_number(partition, ingest), MAX_PARTITIONS) == (ingest, partition)
    assert chain_number(partition) == partition


@pytest.mark.parametrize(
    ("partition", "ingest"), [(-1, 0), (MAX_PARTITIONS, 0), (0, -1), (0, MAX_PARTITIONS)]
)
def test_numbers_out_of_range(partition: int, ingest: int) -> None:
    with pytest.raises(LedgerError, match=r"outside 0\.\.65535"):
        chain_number(partition, ingest)


def test_streams_are_frozen() -> None:
    expected = hashlib.sha256(bytes.fromhex("000000030000019b76daa47b") + b"first").digest()[:16]
    assert stream_id(3, 0x19B76DAA47B, b"first") == expected
    assert stream_id(4, 0x19B76DAA47B, b"first") != expected
    assert file_stream_id(bytes(range(32))) == bytes(range(16))
