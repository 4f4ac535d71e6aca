"""Recomputing the whole ledger twice: by SQL inside ClickHouse, and in Python from the raw bytes.

The two share nothing but the column list, so a fault in either shows. Both work in stretches of rows, so
memory stays flat. What they find is reported as `Fault` values: the first one of every chain.

They cannot see rows cut off at the end of a chain; `expected_heads` (what the vault knows was confirmed)
closes that for the rows whose effects were carried out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from ansvar.ledger.check import ChainChecker
from ansvar.ledger.errors import Fault
from ansvar.ledger.row import ZERO32
from ansvar.store.catalogue import Catalogue
from ansvar.store.client import Store
from ansvar.store.errors import StoreError
from ansvar.store.ledger import COLUMNS_SQL, LedgerStore

STRETCH: Final = 200_000
Progress = Callable[[int], None]

_SQL: Final = f"""
SELECT seq, before, place, intact FROM
(
    SELECT
        seq,
        lagInFrame(seq) OVER w AS before,
        row_number() OVER w AS place,
        if(seq = 0, toFixedString(unhex('{ZERO32.hex()}'), 32), lagInFrame(leaf) OVER w) AS previous,
        SHA256(concat('\\0', formatRow('RowBinary', {COLUMNS_SQL}, previous))) = leaf AS intact
    FROM {{database}}.ledger
    WHERE chain = {{chain:UInt32}} AND seq >= {{a:UInt64}} AND seq < {{b:UInt64}}
    WINDOW w AS (PARTITION BY chain ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE (place = 1 AND seq != {{a:UInt64}})
   OR (place > 1 AND (seq != before + 1 OR NOT intact))
   OR (seq = 0 AND NOT intact)
ORDER BY seq, place LIMIT 1
"""  # noqa: S608 - column names are ours


class ChainReport(Struct, frozen=True):
    """What verification saw of one chain: rows that passed, its root after them, and the first fault."""

    chain: int
    rows: int
    root: bytes
    fault: Fault | None


def check_by_sql(store: Store, chain: int, size: int) -> Fault | None:
    """Recompute every leaf and link of the seqs below `size` inside ClickHouse; the first fault or None."""
    for start in range(0, size, STRETCH):
        # each stretch begins one row early: that row is the link to the one before, already checked
        a = max(0, start - 1)
        found = store.query(_SQL, {"chain": chain, "a": a, "b": start + STRETCH})
        if found:
            seq, before, place, _ = found[0]
            if place == 1:
                return Fault("missing", chain, a, f"the next row is {seq}")
            if seq == before:
                return Fault("doubled", chain, seq, "the sequence number is there twice")
            if seq > before + 1:
                return Fault("missing", chain, before + 1, f"the next row is {seq}")
            return Fault("edited", chain, seq, "the stored columns do not give the stored leaf")
    return None


def check_in_python(
    ledger: LedgerStore, chain: int, size: int, progress: Progress | None = None
) -> tuple[ChainChecker, Fault | None]:
    """Recompute every leaf and link of the seqs below `size` here, from the raw bytes."""
    checker = ChainChecker(chain)
    try:
        for start in range(0, size, STRETCH // 10):
            for columns, leaf in ledger.stored(chain, start, start + STRETCH // 10):
                checker.feed(columns, leaf)
            if progress is not None:
                progress(checker.tree.size)
        if checker.tree.size < size:
            raise Fault("missing", chain, checker.tree.size, "no row has this sequence number")
    except Fault as fault:
        return checker, fault
    return checker, None


def verify_chain(store: Store, chain: int, progress: Progress | None = None) -> ChainReport:
    """Both recomputations of one chain. Where both find a fault, the one with the lower seq is reported."""
    ledger = LedgerStore(store)
    head = ledger.head(chain)
    size = head.seq + 1 if head else 0
    checker, ours = check_in_python(ledger, chain, size, progress)
    theirs = check_by_sql(store, chain, size)
    faults = sorted((f for f in (ours, theirs) if f is not None), key=lambda f: f.seq)
    return ChainReport(chain, checker.tree.size, checker.tree.root(), faults[0] if faults else None)


def verify_store(
    store: Store,
    expected_heads: Mapping[int, int],
    progress: Callable[[int, int], None] | None = None,
) -> list[ChainReport]:
    """Verify every chain of the store; `progress(chain, rows so far)`.

    `expected_heads` maps a chain to a seq that is known to have been confirmed: a chain that ends before it
    was truncated.
    """
    reports = []
    for chain in sorted({*LedgerStore(store).chains(), *expected_heads}):
        tell = None if progress is None else lambda rows, c=chain: progress(c, rows)
        report = verify_chain(store, chain, tell)
        confirmed = expected_heads.get(chain, -1)
        if report.fault is None and report.rows <= confirmed:
            fault = Fault(
                "truncated", chain, report.rows, f"the rows up to {confirmed} were confirmed once"
            )
            report = ChainReport(chain, report.rows, report.root, fault)
        reports.append(report)
    return reports


def verify_bundles(store: Store) -> None:
    """Every stored bundle has the hash it is stored under, and every bundle that a row names is there.

    Raises StoreError naming the bundle.
    """
    catalogue = Catalogue(store)
    for sha256 in catalogue.bundle_hashes():
        if hashlib.sha256(catalogue.bundle(sha256)).digest() != sha256:
            raise StoreError(f"the stored content of bundle {sha256.hex()} was changed")
    named = store.query("SELECT DISTINCT policy FROM {database}.ledger WHERE policy != unhex({zero:String})", {"zero": ZERO32.hex()})
    missing = {bytes(sha) for (sha,) in named} - set(catalogue.bundle_hashes())
    if missing:
        raise StoreError(f"rows name the bundle {min(missing).hex()}, which is not in the store")
