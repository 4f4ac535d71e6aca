"""A chain from raw bytes: whatever was done to a row is found, at that row and at no other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.ledger.check import ChainChecker
from ansvar.ledger.errors import Fault
from ansvar.ledger.merkle import root
from ansvar.ledger.row import encode, seal
from rows import company_chain, sealed

ROWS = company_chain(3, 30)
CHAIN = sealed(ROWS)


def faults(stored: list[bytes], chain: int = 3) -> list[tuple[str, int]]:
    """(kind, seq) of every fault found in rows fed in this order."""
    checker = ChainChecker(chain)
    found: list[Fault] = []
    for data in stored:
        try:
            checker.feed(data[:-32], data[-32:])
        except Fault as fault:
            found.append(fault)
    assert all(str(f).startswith(f"chain {chain}, seq {f.seq}: {f.kind}: {f.message}") for f in found)
    return [(fault.kind, fault.seq) for fault in found if fault.chain == chain]


def changed(place: int, **values: object) -> bytes:
    """The stored bytes of a row with other columns, under its old leaf."""
    return encode(replace(ROWS[place], **values)) + CHAIN[place][-32:]


def exchanged(seq: int, data: bytes) -> list[bytes]:
    return [*CHAIN[:seq], data, *CHAIN[seq + 1 :]]


def flipped(data: bytes, at: int, bits: int = 1) -> bytes:
    return data[:at] + bytes((data[at] ^ bits,)) + data[at + 1 :]


def test_whole() -> None:
    checker = ChainChecker(3)
    for number, data in enumerate(CHAIN):
        assert checker.tree.size == checker.next_seq == number
        checker.feed(data[:-32], data[-32:])
    assert checker.tree.root() == root(data[-32:] for data in CHAIN)


@settings(max_examples=300)
@given(st.data())
def test_any_byte(data: st.DataObject) -> None:
    seq = data.draw(st.integers(0, len(CHAIN) - 1))
    at = data.draw(st.integers(0, len(CHAIN[seq]) - 1))
    found = faults(exchanged(seq, flipped(CHAIN[seq], at, data.draw(st.integers(1, 255)))))
    if 5 <= at < 13:  # the seq: the row stands elsewhere now
        assert found[0] in {("missing", seq), *(("doubled", other) for other in range(len(CHAIN)))}
    else:
        assert found == [("edited", seq)]


def test_an_edited_column_and_an_edited_leaf() -> None:
    assert faults(exchanged(7, changed(7, system="other"))) == [("edited", 7)]
    assert faults(exchanged(7, flipped(CHAIN[7], -1))) == [("edited", 7)]
    assert faults(exchanged(29, flipped(CHAIN[29], -1))) == [("edited", 29)]


def test_every_edit_is_told_and_no_row_between() -> None:
    edited = list(CHAIN)
    for seq in (0, 1, 12, 13, 29):
        edited[seq] = flipped(edited[seq], -5)
    edited[20] = changed(20, verdict="permit", findings=(), purpose="made up")
    assert faults(edited) == [("edited", seq) for seq in (0, 1, 12, 13, 20, 29)]


def test_missing() -> None:
    assert faults(CHAIN[1:]) == [("missing", 0)]
    assert faults(CHAIN[:9] + CHAIN[10:]) == [("missing", 9)]
    assert faults(CHAIN[:9] + CHAIN[12:20] + CHAIN[21:]) == [("missing", 9), ("missing", 20)]


def test_missing_at_the_end_is_not_seen() -> None:
    assert faults(CHAIN[:-1]) == []


def test_doubled() -> None:
    assert faults([*CHAIN[:6], CHAIN[5], *CHAIN[6:]]) == [("doubled", 5)]
    forged = changed(5, system="other")
    assert faults([*CHAIN[:6], forged, *CHAIN[6:]]) == [("doubled", 5)]
    # the forged one first: which is which is seen by the leaf, and the row after both is not accused
    assert faults([*CHAIN[:5], forged, *CHAIN[5:]]) == [("edited", 5), ("doubled", 5)]
    resealed = b"".join(seal(replace(ROWS[5], system="other"), CHAIN[4][-32:]))
    assert faults([*CHAIN[:5], resealed, *CHAIN[5:]]) == [("doubled", 5)]
    assert faults([*CHAIN, CHAIN[5]]) == [("doubled", 5)]


def test_a_row_that_moved() -> None:
    moved = sorted([*CHAIN[:9], *CHAIN[10:], changed(9, seq=4)], key=lambda data: data[5:13][::-1])
    assert faults(moved) == [("doubled", 4), ("missing", 9)]


def test_a_resealed_row_breaks_the_next() -> None:
    resealed = b"".join(seal(replace(ROWS[7], system="other"), CHAIN[6][-32:]))
    assert faults(exchanged(7, resealed)) == [("edited", 8)]


def test_a_row_of_another_chain() -> None:
    other = sealed(company_chain(4, 30))
    # the leaf of the row that was there is gone with it, so nothing clears the next one
    assert faults(exchanged(7, other[7])) == [("edited", 7), ("edited", 8)]
    assert faults(CHAIN, chain=4) == [("edited", seq) for seq in range(len(CHAIN))]


def test_genesis_stands_first_and_nowhere_else() -> None:
    second = sealed([ROWS[0], replace(ROWS[0], seq=1)])
    assert faults(second) == [("edited", 1)]
    assert faults(sealed([replace(ROWS[0], kind="policy")])) == [("edited", 0)]


@pytest.mark.parametrize("size", [0, 12])
def test_bytes_that_are_too_few(size: int) -> None:
    assert faults(exchanged(7, CHAIN[7][:size] + CHAIN[7][-32:])) == [("edited", 7)]


def test_why_a_row_is_at_fault() -> None:
    def why(data: bytes) -> str:
        checker = ChainChecker(3)
        checker.feed(CHAIN[0][:-32], CHAIN[0][-32:])
        with pytest.raises(Fault) as caught:
            checker.feed(data[:-32], data[-32:])
        return caught.value.message

    columns, stored_leaf = CHAIN[1][:-32], CHAIN[1][-32:]
    assert why(columns + b"\0\0" + stored_leaf) == "2 bytes after the last column"
    assert "row version 9" in why(b"\x09" + columns[1:] + stored_leaf)
    assert "do not give the stored leaf" in why(changed(1, system="other"))


def test_a_rewritten_chain_costs_no_more_than_its_rows() -> None:
    rewritten = [flipped(data, -1) for data in CHAIN] * 20
    checker = ChainChecker(3)
    for data in rewritten:
        with pytest.raises(Fault):
            checker.feed(data[:-32], data[-32:])
    assert len(checker._links) <= 8  # the bound itself is what is tested


def test_after_a_fault_nothing_more_is_vouched_for() -> None:
    checker = ChainChecker(3)
    for seq, data in enumerate(exchanged(7, changed(7, system="other"))):
        if seq == 7:
            with pytest.raises(Fault):
                checker.feed(data[:-32], data[-32:])
        else:
            checker.feed(data[:-32], data[-32:])
    assert checker.tree.size == 7
    assert checker.tree.root() == root(data[-32:] for data in CHAIN[:7])
