"""Recomputing the links and leaves of a chain twice: by SQL inside ClickHouse, and in Python from raw bytes.

The two share nothing but the column list, so a fault in either shows. Both work in stretches of rows, so
memory and time depend on the rows there are, whatever numbers they claim. Every row at fault is reported, up
to a limit, as a `Fault` value; what was seen in Python is named by `ledger.diagnosis`.

They cannot see rows cut off at the end of a chain, nor rows that were all sealed anew: see `verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import Struct

from ansvar.ledger.canonical import ZERO32, place
from ansvar.ledger.check import ChainChecker
from ansvar.ledger.diagnosis import Finding, Suspect, explain, wanted
from ansvar.ledger.errors import Fault, MalformedRow
from ansvar.ledger.merkle import Range
from ansvar.store.client import Store
from ansvar.store.ledger import COLUMNS_SQL, PAGE_ROWS, LedgerStore

STRETCH: Final = 500_000
MOST_FAULTS: Final = 100  # reported of one chain by each recomputation
FEW_ROWS: Final = 100_000  # of a chain: Python recomputes them in about a second, whatever SQL found
_AROUND: Final = 64  # rows that Python recomputes before and after one that SQL found at fault
_MOST_CHAINS: Final = 256  # other chains that a row may have been taken from
Progress = Callable[[int], None]

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


class Rows(Struct, frozen=True):
    """What was found of a chain's rows: faults by seq, and how many stand there once each from the first on.

    `root` is that of the tree over all rows as Python computed it, None where it did not or found a fault.
    """

    faults: tuple[Fault, ...]
    unbroken: int
    root: bytes | None = None


def check_rows(
    store: Store,
    chain: int,
    last: int,
    *,
    first: int = 0,
    link: bytes = ZERO32,
    tree: Range | None = None,
    in_python: bool = True,
    progress: Progress | None = None,
) -> Rows:
    """Both recomputations of the seqs from `first`, which follows the leaf `link`, up to `last`.

    `tree` is the one over the rows before `first`. With `in_python` False, Python recomputes only what is
    near to rows that SQL found at fault.
    """
    ledger = LedgerStore(store)
    by_sql = check_by_sql(store, chain, last, first, progress)
    before = last + 1 - first
    if in_python:
        tell = None if progress is None else _after(before, progress)
        checker = ChainChecker(chain, first, link, tree)
        findings = list(_findings(ledger, checker, last, tell))
        root = None if findings else checker.tree.root()
    else:
        findings, root = list(_near(ledger, chain, first, link, last, by_sql)), None
    told = {seq for fault, _ in findings for seq in (fault.seq, fault.seq + 1)}
    sql_alone = [fault for fault in by_sql if fault.seq not in told]
    holes = [
        fault.seq
        for fault in (*sql_alone, *(fault for fault, _ in findings))
        if fault.kind in ("missing", "doubled")
    ]
    faults = [*_named(ledger, chain, findings), *sql_alone]
    return Rows(tuple(sorted(faults, key=by_seq)), min([last + 1, *holes]), root)


def check_by_sql(
    store: Store, chain: int, last: int, first: int = 0, progress: Progress | None = None
) -> list[Fault]:
    """Recompute every leaf and link of the seqs up to `last` inside ClickHouse; what was found, by seq.

    The row before `first` is taken as it is. The row after one at fault may be named too, when it links to
    what stood there before.
    """
    found: dict[tuple[str, int], Fault] = {}
    start, more = max(first - 1, 0), last >= first
    while more and len(found) < MOST_FAULTS:
        bound = {"chain": chain, "a": start, "last": last, "limit": STRETCH}
        end, count, suspects = store.query(_SQL, bound)[0]
        for seq, before, at in sorted(suspects):
            fault = _suspect(chain, seq, before, at)
            found.setdefault((fault.kind, fault.seq), fault)
        more = count >= STRETCH and start < end
        start = end
        if progress is not None:
            progress(min(end, last) + 1 - first)
    return sorted(found.values(), key=by_seq)


def _suspect(chain: int, seq: int, before: int, at: int) -> Fault:
    if at > 1 and seq == before:
        return Fault("doubled", chain, seq, "the sequence number is there twice")
    expected = before + 1 if at > 1 else 0
    if seq > expected:
        return Fault("missing", chain, expected, f"the next row is {seq}")
    return Fault("edited", chain, seq, "the stored columns do not give the stored leaf")


def check_in_python(
    ledger: LedgerStore, chain: int, last: int, progress: Progress | None = None
) -> tuple[ChainChecker, list[Fault]]:
    """Recompute every leaf and link of the seqs up to `last` here, from the raw bytes; the faults, by seq."""
    checker = ChainChecker(chain)
    findings = _findings(ledger, checker, last, progress)
    return checker, sorted([fault for fault, _ in findings], key=by_seq)


def _findings(
    ledger: LedgerStore, checker: ChainChecker, last: int, progress: Progress | None = None
) -> Iterator[Finding]:
    found = rows = 0
    before = checker.link
    for rows, (columns, leaf) in enumerate(ledger.stored(checker.chain, checker.next_seq, last + 1), start=1):
        try:
            checker.feed(columns, leaf)
        except Fault as fault:
            found += 1
            yield Finding(fault, Suspect(_seq(columns, fault.seq), columns, leaf, before))
            if found == MOST_FAULTS:
                break
        before = leaf
        if progress is not None and rows % PAGE_ROWS == 0:
            progress(rows)
    if progress is not None:
        progress(rows)


def _near(
    ledger: LedgerStore, chain: int, first: int, link: bytes, last: int, by_sql: Iterable[Fault]
) -> Iterator[Finding]:
    """What Python finds near to what SQL found."""
    spans: list[tuple[int, int]] = []
    for fault in by_sql:
        (row, _), *_ = ledger.leaves(chain, fault.seq, 1) or [(last, b"")]  # the row after a hole
        begin = spans.pop()[0] if spans and fault.seq - _AROUND <= spans[-1][1] else fault.seq
        spans.append((begin, min(row + _AROUND, last)))
    for begin, end in spans:
        start, before = _row_before(ledger, chain, first, begin) or (first, link)
        yield from _findings(ledger, ChainChecker(chain, start, before), end)


def _row_before(ledger: LedgerStore, chain: int, first: int, seq: int) -> tuple[int, bytes] | None:
    """Where to begin so that some rows before `seq` are seen: the next seq, and the leaf that it follows."""
    found = ledger.store.query(
        "SELECT seq, leaf FROM {database}.ledger WHERE chain = {chain:UInt32} AND seq >= {a:UInt64} "
        "AND seq < {b:UInt64} ORDER BY seq DESC LIMIT {around:UInt64}",
        {"chain": chain, "a": first, "b": seq, "around": _AROUND},
    )
    return (found[-1][0] + 1, bytes(found[-1][1])) if len(found) == _AROUND else None


def _named(ledger: LedgerStore, chain: int, findings: list[Finding]) -> list[Fault]:
    """The faults by what was done, as far as the rows show it."""
    if not findings:
        return []
    others = [other for other in ledger.chains() if other != chain][:_MOST_CHAINS]
    stored = ledger.store.query(
        "SELECT chain, seq, leaf FROM {database}.ledger WHERE chain IN {chains:Array(UInt32)} "
        "AND seq IN {seqs:Array(UInt64)}",
        {"chains": [chain, *others], "seqs": wanted(findings)},
    )
    leaves = {seq: bytes(leaf) for where, seq, leaf in stored if where == chain}
    elsewhere = {(where, seq): bytes(leaf) for where, seq, leaf in stored if where != chain}
    return explain(chain, findings, leaves, elsewhere, others)


def _seq(columns: bytes, default: int) -> int:
    try:
        return place(columns)[1]
    except MalformedRow:
        return default


def _after(rows: int, progress: Progress) -> Progress:
    return lambda more: progress(rows + more)


def by_seq(fault: Fault) -> tuple[int, str]:
    """In what order faults are told."""
    return fault.seq, fault.kind
