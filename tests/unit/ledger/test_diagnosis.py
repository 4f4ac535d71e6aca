"""Naming what was done to rows: every exchange is found again, from what a check has seen of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ansvar.ledger.check import ChainChecker
from ansvar.ledger.diagnosis import Finding, Suspect, explain, wanted
from ansvar.ledger.errors import Fault
from rows import company_chain, sealed

SIZE = 24
CHAIN = sealed(company_chain(3, SIZE))
OTHER = sealed(company_chain(4, SIZE))


def numbered(data: bytes, seq: int, chain: int = 3) -> bytes:
    """A stored row under another seq and chain."""
    return data[:1] + chain.to_bytes(4, "little") + seq.to_bytes(8, "little") + data[13:]


def named(stored: list[bytes]) -> list[tuple[str, int]]:
    """(kind, seq) of what remains of the faults of rows in stored order."""
    stored = sorted(stored, key=lambda data: data[5:13][::-1])
    checker, findings, before = ChainChecker(3), [], bytes(32)
    for data in stored:
        try:
            checker.feed(data[:-32], data[-32:])
        except Fault as fault:
            seq = int.from_bytes(data[5:13], "little")
            findings.append(Finding(fault, Suspect(seq, data[:-32], data[-32:], before)))
        before = data[-32:]
    leaves = {int.from_bytes(data[5:13], "little"): data[-32:] for data in stored}
    elsewhere = {(4, seq): data[-32:] for seq, data in enumerate(OTHER)}
    needed = wanted(findings)
    found = explain(
        3,
        findings,
        {seq: leaf for seq, leaf in leaves.items() if seq in needed},
        {place: leaf for place, leaf in elsewhere.items() if place[1] in needed},
        [4],
    )
    return [(fault.kind, fault.seq) for fault in found]


def test_nothing() -> None:
    assert named(CHAIN) == []


@settings(max_examples=200)
@given(st.permutations(range(SIZE)), st.integers(0, SIZE - 2), st.integers(2, 6))
def test_any_rows_that_changed_places(order: list[int], first: int, count: int) -> None:
    """A window of the chain in any other order, each row with its leaf or all leaves left where they were."""
    window = range(first, min(first + count, SIZE))
    shuffled = [seq for seq in order if seq in window]
    for with_leaf in (True, False):
        stored = list(CHAIN)
        for seq, source in zip(window, shuffled, strict=True):
            leaf = CHAIN[source if with_leaf else seq][-32:]
            stored[seq] = numbered(CHAIN[source], seq)[:-32] + leaf
        found = named(stored)
        moved = [seq for seq, source in zip(window, shuffled, strict=True) if seq != source]
        assert {kind for kind, _ in found} <= {"reordered"}
        assert [seq for _, seq in found][:1] == moved[:1]


@given(st.integers(0, SIZE - 1), st.integers(0, 2 * SIZE))
def test_a_row_under_another_number(seq: int, number: int) -> None:
    stored = [numbered(data, number) if at == seq else data for at, data in enumerate(CHAIN)]
    expected = [] if number == seq else [("reordered", min(seq, number))]
    if seq == SIZE - 1 and number < seq:  # there is no hole that it could have come from
        expected = [("doubled", number)]
    assert named(stored) == expected


@given(st.sets(st.integers(1, SIZE - 1), min_size=1, max_size=4))
def test_rows_of_another_chain(seqs: set[int]) -> None:
    stored = [numbered(OTHER[at], at) if at in seqs else data for at, data in enumerate(CHAIN)]
    assert named(stored) == [("wrong-origin", min(seqs))]


def test_the_whole_of_another_chain() -> None:
    assert named([numbered(data, seq) for seq, data in enumerate(OTHER)]) == [("wrong-origin", 0)]


@given(st.integers(1, SIZE - 2))
def test_a_row_removed_and_the_gap_closed(seq: int) -> None:
    later = [numbered(data, at) for at, data in enumerate(CHAIN[seq + 1 :], start=seq)]
    kind = "missing" if seq < SIZE - 2 else "edited"  # of the last row alone nothing tells what it was
    assert named([*CHAIN[:seq], *later]) == [(kind, seq)]


@given(st.integers(1, SIZE - 1), st.integers(1, 3))
def test_rows_inserted(seq: int, count: int) -> None:
    """Told as reordered where they stand, if enough rows behind them show by how much they were moved."""
    inserted = [numbered(CHAIN[2][:-32] + bytes(32), at) for at in range(seq, seq + count)]
    later = [numbered(data, at) for at, data in enumerate(CHAIN[seq:], start=seq + count)]
    found = named([*CHAIN[:seq], *inserted, *later])
    if SIZE - seq > 1 or count == 1:
        assert found == [("reordered", seq)]
    else:
        assert found[0][1] == seq


def test_an_edited_row_stays_edited() -> None:
    stored = [*CHAIN[:7], CHAIN[7][:-33] + b"~" + CHAIN[7][-32:], *CHAIN[8:]]
    assert named(stored) == [("edited", 7)]
    assert named(
        [*stored[:12], numbered(CHAIN[15], 12), *stored[13:15], numbered(CHAIN[12], 15), *stored[16:]]
    ) == [
        ("edited", 7),
        ("reordered", 12),
    ]
