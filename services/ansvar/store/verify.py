"""Recomputing the whole ledger twice: by SQL inside ClickHouse, and in Python from the raw bytes.

The two share nothing but the column list, so a fault in either shows. Both work in stretches of rows, so
memory and time depend on the rows there are, whatever numbers they claim. Every row at fault is reported, up
to a limit, as a `Fault` value.

They cannot see rows cut off at the end of a chain; `expected_heads` (what the vault knows was confirmed)
closes that for the rows whose effects were carried out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from msgspec import Struct

from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.check import ChainChecker
from ansvar.ledger.errors import Fault
from ansvar.store.catalogue import Catalogue
from ansvar.store.client import Store
from ansvar.store.errors import StoreError
from ansvar.store.ledger import COLUMNS_SQL, PAGE_ROWS, LedgerStore

STRETCH: Final = 200_000
MOST_FAULTS: Final = 100  # reported of one chain by each recomputation
Progress = Callable[[int], None]
ProgressOfChains = Callable[[int, int], None]

# `place` 1 is the first row of a stretch: of the first stretch it has to be the genesis, of a later one it is
# the last row of the stretch before and only there to be linked to.
_SQL: Final = f"""
SELECT max(seq), count(), groupArraySortedIf({MOST_FAULTS})((seq, before, place), NOT fine) FROM
(
    SELECT
        seq,
        lagInFrame(seq) OVER w AS before,
        row_number() OVER w AS place,
        if(seq = 0, toFixedString(unhex('{ZERO32.hex()}'), 32), lagInFrame(leaf) OVER w) AS previous,
        SHA256(concat('\\0', formatRow('RowBinary', {COLUMNS_SQL}, previous))) = leaf AS intact,
        multiIf(place > 1, intact AND seq = before + 1, {{a:UInt64}} = 0, intact AND seq = 0, 1) AS fine
    FROM
    (
        SELECT * FROM {{database}}.ledger
        WHERE chain = {{chain:UInt32}} AND seq >= {{a:UInt64}} AND seq <= {{last:UInt64}}
        ORDER BY seq LIMIT {{limit:UInt64}} WITH TIES
    )
    WINDOW w AS (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
"""  # noqa: S608 - column names are ours


class ChainReport(Struct, frozen=True):
    """What verification saw of one chain: rows that passed, its root after them, and every fault, by seq."""

    chain: int
    rows: int
    root: bytes
    faults: tuple[Fault, ...] = ()

    @property
    def fault(self) -> Fault | None:
        """The first fault, or None."""
        return self.faults[0] if self.faults else None


def check_by_sql(store: Store, chain: int, last: int) -> list[Fault]:
    """Recompute every leaf and link of the seqs up to `last` inside ClickHouse; what was found, by seq.

    The row after one at fault may be named too, when it links to what stood there before.
    """
    found: dict[tuple[str, int], Fault] = {}
    start, more = 0, last >= 0
    while more and len(found) < MOST_FAULTS:
        bound = {"chain": chain, "a": start, "last": last, "limit": STRETCH}
        end, count, suspects = store.query(_SQL, bound)[0]
        for seq, before, place in sorted(suspects):
            fault = _suspect(chain, seq, before, place)
            found.setdefault((fault.kind, fault.seq), fault)
        more = count >= STRETCH and start < end
        start = end
    return sorted(found.values(), key=_by_seq)


def _suspect(chain: int, seq: int, before: int, place: int) -> Fault:
    if place > 1 and seq == before:
        return Fault("doubled", chain, seq, "the sequence number is there twice")
    expected = before + 1 if place > 1 else 0
    if seq > expected:
        return Fault("missing", chain, expected, f"the next row is {seq}")
    return Fault("edited", chain, seq, "the stored columns do not give the stored leaf")


def check_in_python(
    ledger: LedgerStore, chain: int, last: int, progress: Progress | None = None
) -> tuple[ChainChecker, list[Fault]]:
    """Recompute every leaf and link of the seqs up to `last` here, from the raw bytes; the faults, by seq."""
    checker = ChainChecker(chain)
    found: list[Fault] = []
    rows = 0
    for rows, (columns, leaf) in enumerate(ledger.stored(chain, 0, last + 1), start=1):
        try:
            checker.feed(columns, leaf)
        except Fault as fault:
            found.append(fault)
            if len(found) == MOST_FAULTS:
                break
        if progress is not None and rows % PAGE_ROWS == 0:
            progress(rows)
    if progress is not None:
        progress(rows)
    return checker, sorted(found, key=_by_seq)


def verify_chain(
    store: Store, chain: int, progress: Progress | None = None, confirmed: int = -1
) -> ChainReport:
    """Both recomputations of one chain, and whether it reaches `confirmed`, a seq that was there once."""
    ledger = LedgerStore(store)
    last = ledger.last_seq(chain)
    checker, faults = check_in_python(ledger, chain, last, progress)
    explained = {seq for fault in faults for seq in (fault.seq, fault.seq + 1)}
    faults += [fault for fault in check_by_sql(store, chain, last) if fault.seq not in explained]
    if last < confirmed:
        faults.append(Fault("truncated", chain, last + 1, f"the rows up to {confirmed} were confirmed once"))
    return ChainReport(chain, checker.tree.size, checker.tree.root(), tuple(sorted(faults, key=_by_seq)))


def verify_store(
    store: Store,
    expected_heads: Mapping[int, int],
    progress: ProgressOfChains | None = None,
) -> list[ChainReport]:
    """Verify every chain of the store; `progress(chain, rows so far)`.

    `expected_heads` maps a chain to a seq that is known to have been confirmed: a chain that ends before it
    was truncated.
    """
    reports = []
    for chain in sorted({*LedgerStore(store).chains(), *expected_heads}):
        tell = None if progress is None else partial(progress, chain)
        reports.append(verify_chain(store, chain, tell, expected_heads.get(chain, -1)))
    return reports


def verify_bundles(store: Store) -> None:
    """Every stored bundle has the hash it is stored under, and every bundle that a row names is there.

    Raises StoreError naming the bundle.
    """
    stored = set()
    for sha256, content in Catalogue(store).all_bundles():
        if hashlib.sha256(content).digest() != sha256:
            raise StoreError(f"the stored content of bundle {sha256.hex()} was changed")
        stored.add(sha256)
    named = store.query("SELECT DISTINCT policy FROM {database}.ledger")
    missing = {bytes(sha256) for (sha256,) in named} - stored - {ZERO32}
    if missing:
        raise StoreError(f"rows name the bundle {min(missing).hex()}, which is not in the store")


def _by_seq(fault: Fault) -> tuple[int, str]:
    return fault.seq, fault.kind
