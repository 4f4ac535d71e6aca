"""A mutation of any byte of any column of any stored row makes verification report that chain and seq.

Shown on the real engine, column by column and byte by byte: the whole ledger is written anew with one changed
byte in one row (which also moves it where its chain or seq was changed), and both recomputations, in SQL and
in Python, must name the chain and seq where the row was. Some mutations are made by ALTER, as a person with
rights on the server would.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from msgspec.structs import replace

from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.columns import COLUMNS_V1, names
from ansvar.ledger.merkle import root
from ansvar.ledger.row import encode, seal
from ansvar.ledger.rowbinary import read_length, write_length
from ansvar.store import recompute
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.migrate import migrate
from ansvar.store.recompute import check_by_sql, check_in_python
from ansvar.store.verify import How, verify_chain, verify_store
from rows import company_chain, sealed
from stores import new_database

SIZE: Final = 60
ROWS: Final = {chain: company_chain(chain, SIZE) for chain in (0, 1, 65_536)}
STORED: Final = {chain: sealed(rows) for chain, rows in ROWS.items()}
HEADS: Final = dict.fromkeys(ROWS, SIZE - 1)
STRINGS: Final = [c.name for c in COLUMNS_V1 if c.sql in ("String", "LowCardinality(String)")]
LISTS: Final = [c.name for c in COLUMNS_V1 if c.sql.startswith("Array")]
ENUMS: Final = {
    c.name: [int(part.rpartition("=")[2]) for part in c.sql.removeprefix("Enum8(").rstrip(")").split(",")]
    for c in COLUMNS_V1
    if c.sql.startswith("Enum8")
}
EVERY_COLUMN: Final = (*names(), "leaf")

tokens = itertools.count()


def spans(data: bytes) -> dict[str, tuple[int, int]]:
    """Where each column of a row's stored bytes lies."""
    at, found = 0, {}
    for column in COLUMNS_V1:
        _, end = column.read(data, at)
        found[column.name] = (at, end)
        at = end
    return found | {"leaf": (at, len(data))}


def mutated(data: bytes, column: str, dice: random.Random) -> bytes:
    """The row with one byte of one column changed, or added where the column is empty."""
    start, end = spans(data)[column]
    value = data[start:end]
    if column in ENUMS:
        code = dice.choice([code for code in ENUMS[column] if code != value[0]])
        changed = bytes((code,))
    elif column in STRINGS or column in LISTS:
        changed = _other_text(value, dice) if column in STRINGS else _other_list(value, dice)
    else:
        place = dice.randrange(len(value))
        changed = value[:place] + bytes((value[place] ^ dice.randrange(1, 256),)) + value[place + 1 :]
    assert changed != value
    return data[:start] + changed + data[end:]


def _other_text(value: bytes, dice: random.Random) -> bytes:
    size, at = read_length(value, 0)
    text = value[at : at + size]
    if not text or dice.random() < 0.2:
        longer = text + bytes((dice.randrange(256),))
        return write_length(len(longer)) + longer
    place = dice.randrange(size)
    return (
        value[: at + place] + bytes((value[at + place] ^ dice.randrange(1, 256),)) + value[at + place + 1 :]
    )


def _other_list(value: bytes, dice: random.Random) -> bytes:
    count, at = read_length(value, 0)
    if count and dice.random() < 0.8:
        return value[:at] + _other_text(value[at:], dice) if count == 1 else _last_dropped(value)
    return write_length(count + 1) + value[at:] + b"\x01x"


def _last_dropped(value: bytes) -> bytes:
    count, at = read_length(value, 0)
    kept, place = b"", at
    for _ in range(count - 1):
        size, after = read_length(value, place)
        kept, place = kept + value[place : after + size], after + size
    return write_length(count - 1) + kept


def write(store: Store, stored: dict[int, list[bytes]]) -> None:
    """Make the ledger hold these rows and no others."""
    store.command("TRUNCATE TABLE {database}.ledger")
    block = b"".join(itertools.chain.from_iterable(stored.values()))
    store.insert("ledger", EVERY_COLUMN, block, token=f"mutation {next(tokens)}")


def with_one(chain: int, seq: int, data: bytes) -> dict[int, list[bytes]]:
    changed = list(STORED[chain])
    changed[seq] = data
    return STORED | {chain: changed}


def assert_found(store: Store, chain: int, seq: int, column: str) -> None:
    """Each recomputation by itself names the place where the row was, and no other where it stayed there."""
    ledger = LedgerStore(store)
    last = ledger.last_seq(chain)
    if column in ("chain", "seq") and last < seq:
        return  # the end of a chain is missing: only the confirmed head shows it, see `assert_reported`
    for found in (check_by_sql(store, chain, last), check_in_python(ledger, chain, last)[1]):
        assert (chain, seq) in {(fault.chain, fault.seq) for fault in found}
        if column not in ("chain", "seq"):
            assert found[0].seq == seq
            assert {fault.kind for fault in found} == {"edited"}


def assert_reported(store: Store, chain: int, seq: int, column: str) -> None:
    """What `verify` prints names the place; where the row stayed there, that alone."""
    faults = [fault for report in verify_store(store, HEADS) for fault in report.faults]
    assert (chain, seq) in {(fault.chain, fault.seq) for fault in faults}
    if column not in ("chain", "seq"):
        assert [(f.kind, f.chain, f.seq) for f in faults] == [("edited", chain, seq)]


def assert_clean(store: Store) -> None:
    reports = verify_store(store, HEADS)
    assert [(report.chain, report.rows, report.faults) for report in reports] == [
        (chain, SIZE, ()) for chain in ROWS
    ]
    assert [report.root for report in reports] == [root(d[-32:] for d in STORED[chain]) for chain in ROWS]


@pytest.fixture(scope="module")
def mutating(engine: str) -> Iterator[Store]:
    """One database for all mutations; a fresh table each time would cost more than the rows do."""
    store = Store(engine, database=new_database())
    migrate(store, 0)
    yield store
    store.close()


@pytest.mark.parametrize("column", EVERY_COLUMN)
def test_every_column(mutating: Store, column: str) -> None:
    dice = random.Random(column)
    for seq in (0, SIZE - 1, dice.randrange(1, SIZE - 1)):
        chain = dice.choice([*ROWS])
        write(mutating, with_one(chain, seq, mutated(STORED[chain][seq], column, dice)))
        assert_found(mutating, chain, seq, column)
        if seq or column in ("chain", "seq"):
            assert_reported(mutating, chain, seq, column)


def test_undone(mutating: Store) -> None:
    """After all mutations of the columns the rows themselves are as whole as they were."""
    write(mutating, STORED)
    assert_clean(mutating)


def test_every_byte_of_chain_seq_and_leaf(mutating: Store) -> None:
    data = STORED[1][17]
    where = spans(data)
    for column in ("chain", "seq", "leaf"):
        start, end = where[column]
        for at in range(start, end, 1 if column != "leaf" else 5):
            changed = data[:at] + bytes((data[at] ^ 0xFF,)) + data[at + 1 :]
            write(mutating, with_one(1, 17, changed))
            assert_found(mutating, 1, 17, column)


def test_random_mutations(mutating: Store) -> None:
    dice = random.Random(20_261_123)
    for _ in range(80):
        chain, seq, column = dice.choice([*ROWS]), dice.randrange(SIZE), dice.choice(EVERY_COLUMN)
        write(mutating, with_one(chain, seq, mutated(STORED[chain][seq], column, dice)))
        assert_found(mutating, chain, seq, column)


@pytest.mark.parametrize(
    ("assignment", "undo"),
    [
        ("verdict = 'permit', findings = []", None),
        ("purpose = concat(purpose, ' ')", None),
        ("subject = reverse(subject)", "subject = reverse(subject)"),
        (
            "recorded_at = recorded_at + toIntervalMillisecond(1)",
            "recorded_at = recorded_at - toIntervalMillisecond(1)",
        ),
        ("event_id = generateUUIDv4()", None),
        ("details = concat(details, '\\0')", "details = substring(details, 1, length(details) - 1)"),
        (
            "data_categories = arrayPushBack(data_categories, 'health')",
            "data_categories = arrayPopBack(data_categories)",
        ),
        ("leaf = reverse(leaf)", "leaf = reverse(leaf)"),
    ],
)
def test_altered_in_place(mutating: Store, assignment: str, undo: str | None) -> None:
    write(mutating, STORED)
    seq = next(row.seq for row in ROWS[1] if row.verdict == "deny" and row.details)
    alter = (
        "ALTER TABLE {database}.ledger UPDATE %s WHERE chain = 1 AND seq = {seq:UInt64} "
        "SETTINGS mutations_sync = 2"
    )
    mutating.command(alter % assignment, {"seq": seq})
    assert_found(mutating, 1, seq, "altered")
    assert_reported(mutating, 1, seq, "altered")
    if undo is not None:
        mutating.command(alter % undo, {"seq": seq})
        assert_clean(mutating)


def test_rows_deleted_and_put_back(mutating: Store) -> None:
    write(mutating, STORED)
    for seq in (0, 5, 31):
        mutating.command(f"DELETE FROM {{database}}.ledger WHERE chain = 0 AND seq = {seq}")
        (report, *others) = verify_store(mutating, HEADS)
        assert [(f.kind, f.seq) for f in report.faults] == [("missing", seq)]
        assert not any(other.faults for other in others)
        mutating.insert("ledger", EVERY_COLUMN, STORED[0][seq], token=f"back {next(tokens)}")
    assert_clean(mutating)


def test_the_end_cut_off(mutating: Store) -> None:
    write(mutating, STORED | {1: STORED[1][:50]})
    faults = {r.chain: [(f.kind, f.seq) for f in r.faults] for r in verify_store(mutating, HEADS)}
    assert faults == {0: [], 1: [("truncated", 50)], 65_536: []}
    # who knows no head cannot see it: what is left is a whole chain
    assert not any(report.faults for report in verify_store(mutating, {}))
    write(mutating, STORED | {1: []})
    faults = {r.chain: [(f.kind, f.seq) for f in r.faults] for r in verify_store(mutating, HEADS)}
    assert faults == {0: [], 1: [("truncated", 0)], 65_536: []}


def test_cut_off_and_edited(mutating: Store) -> None:
    edited = replace(ROWS[1][9], system="other")
    cut = [*STORED[1][:9], encode(edited) + STORED[1][9][-32:], *STORED[1][10:50]]
    write(mutating, STORED | {1: cut})
    report = verify_store(mutating, HEADS)[1]
    assert [(f.kind, f.seq) for f in report.faults] == [("edited", 9), ("truncated", 50)]
    assert (report.rows, report.root) == (9, root(data[-32:] for data in STORED[1][:9]))


def test_doubled(mutating: Store) -> None:
    write(mutating, STORED | {0: [*STORED[0], STORED[0][7], STORED[0][7], STORED[0][0]]})
    report = verify_store(mutating, HEADS)[0]
    assert {(f.kind, f.seq) for f in report.faults} == {("doubled", 0), ("doubled", 7)}
    assert {(f.kind, f.seq) for f in check_by_sql(mutating, 0, SIZE)} == {("doubled", 0), ("doubled", 7)}


def test_a_row_resealed_with_its_own_leaf(mutating: Store) -> None:
    """Whoever edits a row and gives it the leaf that fits is told by the row after it."""
    columns, leaf = seal(replace(ROWS[1][9], verdict="permit", findings=()), STORED[1][8][-32:])
    write(mutating, with_one(1, 9, columns + leaf))
    for found in (check_by_sql(mutating, 1, SIZE), check_in_python(LedgerStore(mutating), 1, SIZE)[1]):
        assert [(f.kind, f.seq) for f in found] == [("edited", 10)]


def test_a_chain_that_was_sealed_anew_is_whole(mutating: Store) -> None:
    """What recomputation cannot see, said by a test: it takes a checkpoint that someone else keeps."""
    rows = [replace(row, system="other") if row.seq == 9 else row for row in ROWS[1]]
    write(mutating, STORED | {1: sealed(rows)})
    assert not any(report.faults for report in verify_store(mutating, HEADS))


def test_many_faults_are_all_told_up_to_a_limit(mutating: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seqs = [3, 4, 20, 41, 59]
    edited = {seq: encode(replace(ROWS[0][seq], engine=9)) + STORED[0][seq][-32:] for seq in seqs}
    write(mutating, STORED | {0: [edited.get(seq, data) for seq, data in enumerate(STORED[0])]})
    assert [f.seq for f in verify_chain(mutating, 0).faults] == seqs
    assert [f.seq for f in check_by_sql(mutating, 0, SIZE)] == seqs
    monkeypatch.setattr(recompute, "MOST_FAULTS", 3)
    ledger = LedgerStore(mutating)
    assert [f.seq for f in check_in_python(ledger, 0, SIZE)[1]] == seqs[:3]


@pytest.mark.parametrize("stretch", [2, 7, 19, 20, 21])
def test_seams_between_stretches(mutating: Store, monkeypatch: pytest.MonkeyPatch, stretch: int) -> None:
    monkeypatch.setattr(recompute, "STRETCH", stretch)
    chain = STORED[0][:20]
    for rows, expected in (
        (chain, []),
        ([*chain[:14], edited(14), *chain[15:]], [("edited", 14)]),
        ([*chain[:14], *chain[15:]], [("missing", 14)]),
        ([*chain, chain[14]], [("doubled", 14)]),
        ([*chain[:19], edited(19)], [("edited", 19)]),
    ):
        write(mutating, {0: rows})
        assert [(f.kind, f.seq) for f in check_by_sql(mutating, 0, 19)] == expected


def edited(seq: int) -> bytes:
    return encode(replace(ROWS[0][seq], engine=9)) + STORED[0][seq][-32:]


def test_only_the_rows_that_were_there_at_the_start(mutating: Store) -> None:
    write(mutating, STORED | {0: [*STORED[0][:40], edited(40), *STORED[0][41:]]})
    assert check_by_sql(mutating, 0, 39) == []
    assert check_in_python(LedgerStore(mutating), 0, 39)[1] == []
    assert [f.seq for f in check_by_sql(mutating, 0, 40)] == [40]


def test_a_number_beyond_all_rows_costs_no_time(mutating: Store) -> None:
    """A forged seq near 2^64 must not make verification count up to it."""
    far = replace(ROWS[0][59], seq=2**64 - 1)
    write(mutating, with_one(0, 59, encode(far) + STORED[0][59][-32:]))
    for store_report in (verify_store(mutating, HEADS)[0], verify_chain(mutating, 0, how=How(full=True))):
        assert [(f.kind, f.seq) for f in store_report.faults] == [("reordered", 59)]


def test_an_empty_chain(mutating: Store) -> None:
    report = verify_chain(mutating, 7)
    assert (report.rows, report.faults, report.fault) == (0, (), None)
    assert report.root == root([])


@pytest.mark.parametrize("ending", [b"", b"\xff"])
def test_a_last_row_that_cannot_be_read(mutating: Store, ending: bytes) -> None:
    data = STORED[0][59]
    unreadable = b"\x07" + data[1:] if not ending else _with_bad_text(data)
    write(mutating, with_one(0, 59, unreadable))
    assert_found(mutating, 0, 59, "version")
    assert_reported(mutating, 0, 59, "version")


def _with_bad_text(data: bytes) -> bytes:
    start, end = spans(data)["extra"]
    return data[:start] + b"\x02\xc3\x28" + data[end:]


def test_progress(mutating: Store) -> None:
    write(mutating, STORED)
    told: list[tuple[int, int]] = []
    verify_store(mutating, {}, lambda chain, rows: told.append((chain, rows)))
    assert [(chain, [rows for c, rows in told if c == chain][-1]) for chain in ROWS] == [
        (chain, SIZE) for chain in ROWS
    ]


def test_progress_in_a_long_chain(mutating: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recompute, "PAGE_ROWS", 25)
    write(mutating, STORED)
    told: list[int] = []
    verify_chain(mutating, 0, told.append)
    assert told == sorted(told)
    assert told[-1] == SIZE
    assert len(set(told)) > 3


def test_a_chain_nobody_knows(mutating: Store, new_store: Callable[[], Store]) -> None:
    """Rows of a chain that is not one of the deployment's are verified like any other."""
    stray = encode(replace(ROWS[0][9], chain=9)) + ZERO32
    write(mutating, STORED | {9: [stray]})
    assert [(f.kind, f.chain, f.seq) for r in verify_store(mutating, HEADS) for f in r.faults] == [
        ("missing", 9, 0)
    ]
    assert verify_store(new_store(), {}) == []
