"""Naming what was done to rows that do not check: stored in another place, or sealed for another chain.

Pure. A row's leaf covers its chain, its seq and the leaf before it. So if the columns of a row at fault give
a known leaf once another seq or another chain's number is put in, that is where the row was sealed, and
nobody can have made it look so. What explains several rows is one Fault; rows that were accused only because
the row before them was exchanged are cleared.

What was inserted, with the numbers of all later rows raised, is told as "reordered" at the first row that is
not where it was sealed: the rows that were there are all there, in other places. Rows removed with the later
numbers lowered are told as "missing".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ansvar.ledger.canonical import ZERO32, leaf
from ansvar.ledger.errors import Fault

_HOLE: Final = 100  # missing rows of one hole that a row elsewhere is tried for


class Suspect(NamedTuple):
    """A row that did not check: its seq, stored columns, stored leaf, and the leaf of the row before it."""

    seq: int
    columns: bytes
    leaf: bytes
    before: bytes


class Finding(NamedTuple):
    """A fault and the row at which it was seen (for a missing row the one after the hole)."""

    fault: Fault
    row: Suspect


class _Place(NamedTuple):
    """Where a row was sealed: its seq, the leaf it has there, the leaf it links to."""

    seq: int
    leaf: bytes
    link: bytes


def wanted(findings: Iterable[Finding]) -> list[int]:
    """The seqs whose stored leaves `explain` looks for, of this chain and of others."""
    return sorted({seq - 1 for seq in _targets(findings) if seq})


def explain(
    chain: int,
    findings: Sequence[Finding],
    leaves: Mapping[int, bytes],
    elsewhere: Mapping[tuple[int, int], bytes],
    chains: Iterable[int],
) -> list[Fault]:
    """The faults that remain, by seq.

    `leaves` are stored leaves of this chain by seq, `elsewhere` those of others by (chain, seq), `chains` the
    other chains that a row may come from.
    """
    found = _Explanation(chain, findings, leaves, elsewhere, sorted(chains))
    return sorted(found.faults(), key=lambda fault: (fault.seq, fault.kind))


class _Explanation:
    def __init__(
        self,
        chain: int,
        findings: Sequence[Finding],
        leaves: Mapping[int, bytes],
        elsewhere: Mapping[tuple[int, int], bytes],
        chains: Sequence[int],
    ) -> None:
        self._chain = chain
        self._findings = findings
        self._rows = list(dict.fromkeys(finding.row for finding in findings))
        self._foreign = {
            row: other for row in self._rows for other in chains if _sealed_in(row, other, elsewhere)
        }
        self._places = self._placed(leaves)
        self._moved = {
            row: place
            for row, place in self._places.items()
            if (place.seq, place.leaf) != (row.seq, row.leaf)
        }

    def _placed(self, leaves: Mapping[int, bytes]) -> dict[Suspect, _Place]:
        """The places of rows that were sealed for another seq, or belong where they are after all.

        Going up, since the leaf found for one place is what the next links to.
        """
        sealed: dict[int, bytes] = {}
        places: dict[Suspect, _Place] = {}
        stored = {row.leaf for row in self._rows}
        for seq in sorted(_targets(self._findings)):
            before = [ZERO32] if seq == 0 else [d[seq - 1] for d in (sealed, leaves) if seq - 1 in d]
            for row in self._rows:
                if row in places or row in self._foreign:
                    continue
                for link in dict.fromkeys([*before, row.before]):
                    made = leaf(_with_seq(row.columns, seq) + link)
                    at_home = (seq, made, link) == (row.seq, row.leaf, row.before)
                    if made in stored and not at_home:
                        places[row] = _Place(seq, made, link)
                        sealed[seq] = made
                        break
        return places

    def faults(self) -> Iterable[Fault]:
        explained: set[int] = set()  # seqs at which rows were accused for a reason that is told otherwise
        yield from self._of_other_chains(explained)
        yield from self._of_other_places(explained)
        for fault, row in self._findings:
            if not self._is_explained(fault, row, explained):
                yield fault

    def _of_other_chains(self, explained: set[int]) -> Iterable[Fault]:
        by_chain: defaultdict[int, list[int]] = defaultdict(list)
        for row, other in self._foreign.items():
            by_chain[other].append(row.seq)
            explained.add(row.seq + 1)  # the leaf that the row after it links to is gone
        for other, seqs in by_chain.items():
            which = "the row was" if len(seqs) == 1 else f"{len(seqs)} rows or more were"
            yield Fault("wrong-origin", self._chain, min(seqs), f"{which} sealed for chain {other}")

    def _of_other_places(self, explained: set[int]) -> Iterable[Fault]:
        steps = {row.seq - place.seq for row, place in self._moved.items()}
        holes = any(fault.kind in ("missing", "doubled") for fault, _ in self._findings)
        if len(steps) == 1 and 0 not in steps and not holes:
            yield self._shifted(steps.pop(), explained)
            return
        for group in self._exchanged():
            first, last = min(group), max(group)
            if len(group) > 2:
                what = f"{len(group)} rows from here to {last} are not where they were sealed"
            else:
                what = f"rows {first} and {last} changed places, or one was moved to the other's"
            yield Fault("reordered", self._chain, first, what)

    def _shifted(self, step: int, explained: set[int]) -> Fault:
        for row in self._rows:  # those next to the shift, whose places no other row at fault has
            if row not in self._places and row.seq >= step:
                made = leaf(_with_seq(row.columns, row.seq - step) + row.before)
                if made == row.leaf:
                    self._moved[row] = _Place(row.seq - step, made, row.before)
        row, place = min(self._moved.items())
        # Where a row links past what stands before it, the shift begins with it; else with the row before.
        first = row.seq if place.link != row.before else row.seq - 1
        seq = first - max(step, 0)
        explained.update(range(seq, row.seq + 1))
        if step > 0:
            return Fault("reordered", self._chain, seq, f"inserted here: later rows were sealed {step} lower")
        return Fault("missing", self._chain, seq, f"removed here: later rows were sealed {-step} higher")

    def _exchanged(self) -> list[set[int]]:
        """Seqs between which rows changed places; those of groups that reach into each other as one."""
        owner = {row.leaf: row.seq for row in self._rows}
        groups: list[set[int]] = []
        for row, place in self._moved.items():
            ends = {row.seq, place.seq if place.seq != row.seq else owner[place.leaf]}
            apart = [group for group in groups if max(group) < min(ends) or max(ends) < min(group)]
            groups = [*apart, ends.union(*[group for group in groups if group not in apart])]
        return groups

    def _is_explained(self, fault: Fault, row: Suspect, explained: set[int]) -> bool:
        elsewhere = self._moved.keys() | self._foreign.keys()
        if row in elsewhere:
            return True
        if fault.kind == "missing":
            return {place.seq for place in self._moved.values()} >= set(_hole(fault, row))
        if fault.kind == "doubled":
            return any(other.seq == row.seq for other in elsewhere)
        return row in self._places or row.seq in explained


def _sealed_in(row: Suspect, chain: int, elsewhere: Mapping[tuple[int, int], bytes]) -> bool:
    """Whether the row is the one that another chain has, or had, in its place."""
    links = {row.before, ZERO32 if row.seq == 0 else elsewhere.get((chain, row.seq - 1), row.before)}
    columns = _with_chain(row.columns, chain)
    return columns != row.columns and any(leaf(columns + link) == row.leaf for link in links)


def _targets(findings: Iterable[Finding]) -> set[int]:
    """The seqs for which rows at fault may have been sealed."""
    targets: set[int] = set()
    for fault, row in findings:
        targets.update((max(row.seq - 1, 0), row.seq, row.seq + 1))
        if fault.kind == "missing":
            targets.update(_hole(fault, row))
    return targets


def _hole(fault: Fault, row: Suspect) -> range:
    return range(fault.seq, min(row.seq, fault.seq + _HOLE))


def _with_seq(columns: bytes, seq: int) -> bytes:
    """A stored row (every version begins with version, chain and seq) under another seq."""
    return columns[:5] + (seq & (1 << 64) - 1).to_bytes(8, "little") + columns[13:]


def _with_chain(columns: bytes, chain: int) -> bytes:
    return columns[:1] + chain.to_bytes(4, "little") + columns[5:]
