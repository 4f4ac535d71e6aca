"""The ledger table against a plain list of rows, over every transport."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.ledger.canonical import ZERO32, leaf
from ansvar.ledger.columns import KINDS
from ansvar.ledger.errors import MalformedRow
from ansvar.ledger.row import ZERO16, Row, canonical, decode, encode
from ansvar.store import ledger as ledger_module
from ansvar.store.client import Store
from ansvar.store.errors import StoreError
from ansvar.store.ledger import COLUMNS_SQL, LedgerStore
from rows import JANUARY, any_row, company_chain, sealed
from stores import fill

SIZE = 120
CHAINS = [company_chain(number, SIZE) for number in (0, 1, 65_537)]
MODEL = {rows[0].chain: rows for rows in CHAINS}

numbers = itertools.count(1_000)


@pytest.fixture
def ledger(store: Store) -> LedgerStore:
    fill(store, *CHAINS)
    return LedgerStore(store)


@pytest.fixture(params=[11, 20_000])
def page_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Small pages, so that their seams are met."""
    monkeypatch.setattr(ledger_module, "PAGE_ROWS", request.param)
    return int(request.param)


def leaves(chain: int) -> list[bytes]:
    return [data[-32:] for data in sealed(MODEL[chain])]


def test_chains_and_heads(ledger: LedgerStore) -> None:
    assert ledger.chains() == [0, 1, 65_537]
    for chain, rows in MODEL.items():
        head = ledger.head(chain)
        assert head is not None
        assert (head.seq, head.leaf, head.row) == (SIZE - 1, leaves(chain)[-1], rows[-1])
        assert ledger.last_seq(chain) == SIZE - 1
    assert ledger.head(2) is None
    assert ledger.last_seq(2) == -1


def test_an_empty_ledger(store: Store) -> None:
    ledger = LedgerStore(store)
    assert ledger.chains() == []
    assert ledger.head(0) is None
    assert ledger.leaves(0, 0) == []
    assert list(ledger.rows(0, 0, 10)) == []
    assert list(ledger.state_rows(0, 10)) == []
    assert list(ledger.recent_events(0, 0, 10)) == []
    assert list(ledger.batch_ranges(0, 0, 10)) == []
    assert ledger.rows_of_kind(0, ["gap"], 0, 10) == []


def test_leaves(ledger: LedgerStore) -> None:
    every = list(enumerate(leaves(1)))
    assert ledger.leaves(1, 0) == every
    assert ledger.leaves(1, 50) == every[50:]
    assert ledger.leaves(1, 50, 3) == every[50:53]
    assert ledger.leaves(1, SIZE) == []


@pytest.mark.parametrize(
    ("first", "end"), [(0, SIZE), (0, 10**9), (3, 3), (5, 4), (17, 44), (SIZE - 1, SIZE)]
)
def test_rows(ledger: LedgerStore, page_rows: int, first: int, end: int) -> None:
    expected = list(zip(MODEL[1], leaves(1), strict=True))[first:end]
    assert list(ledger.rows(1, first, end)) == expected
    stored = [(encode(row), leaf) for row, leaf in expected]
    assert list(ledger.stored(1, first, end)) == stored


def changes_a_state(row: Row) -> bool:
    """Whether a row may change what is known of a subject."""
    happened = row.stage in ("done", "fail_open")
    kept = row.kind in ("rights", "contract") or (row.kind, row.operation) == ("processing", "collect")
    return row.kind == "link" or (happened and kept)


@pytest.mark.parametrize("first", [0, 1, 50])
@pytest.mark.parametrize("end", [0, 1, 60, SIZE, 10**9])
def test_state_rows(ledger: LedgerStore, page_rows: int, first: int, end: int) -> None:
    expected = [row for row in MODEL[0][first:end] if changes_a_state(row)]
    assert list(ledger.state_rows(0, end, first)) == expected
    assert not expected or {row.stage for row in expected} <= {"done", "fail_open"}


def test_links_are_state_rows(store: Store) -> None:
    rows = [replace(row, kind="link", stage="") if row.seq % 7 == 3 else row for row in MODEL[1]]
    fill(store, rows)
    expected = [row for row in rows if changes_a_state(row)]
    assert list(LedgerStore(store).state_rows(1, SIZE)) == expected
    assert {row.kind for row in expected} >= {"link", "rights", "contract"}


def test_rows_where(ledger: LedgerStore, page_rows: int) -> None:
    found = ledger.rows_where(1, 5, 100, "kind = {kind:String} OR phase = 'ended'", {"kind": "transfer"})
    assert list(found) == [row for row in MODEL[1][5:100] if row.kind == "transfer" or row.phase == "ended"]


def remembered(row: Row) -> bool:
    """Whether a repetition of what the row is about must be recognised: an event, or a command."""
    return bool(row.verdict) or row.kind in ("policy", "review")


def test_recent_events(ledger: LedgerStore) -> None:
    expected = [(row.seq, row.event_id.bytes, row.digest) for row in MODEL[0][30:100] if remembered(row)]
    assert list(ledger.recent_events(0, 30, 100)) == expected
    assert 0 < len(expected) < 70


@pytest.mark.parametrize("since", [0, JANUARY + 5 * 60_000, JANUARY + 10**9])
def test_batch_ranges(ledger: LedgerStore, since: int) -> None:
    expected: dict[tuple[str, bytes, int], int] = {}
    for row in MODEL[0][:90]:
        if row.session != ZERO16 and row.kind not in ("session", "gap") and row.recorded_at >= since:
            expected[row.producer, row.session, row.batch] = row.recorded_at
    found = ledger.batch_ranges(0, since, 90)
    named = [(r.producer, r.session, number) for r in found for number in range(r.first, r.last + 1)]
    assert named == sorted(expected)
    assert not {(r.producer, r.session, r.last + 1) for r in found} & set(expected)
    for r in found:
        assert r.last_at == max(expected[r.producer, r.session, n] for n in range(r.first, r.last + 1))


def test_refused_by_hour(ledger: LedgerStore) -> None:
    refused = [row for row in MODEL[1][:100] if row.kind == "refused"]
    hours = Counter(row.recorded_at // 3_600_000 for row in refused)
    found = ledger.refused_by_hour(1, 0, 100)
    assert {at // 3_600_000: rows for at, rows in found} == hours
    assert ledger.refused_by_hour(1, refused[-1].recorded_at + 1, 100) == []


@pytest.mark.parametrize("kinds", [["genesis", "policy"], ["refused"], ["erasure"], list(KINDS), []])
@pytest.mark.parametrize("since", [0, JANUARY + 10 * 60_000])
def test_rows_of_kind(ledger: LedgerStore, kinds: list[str], since: int) -> None:
    expected = [row for row in MODEL[1][:100] if row.kind in kinds and row.recorded_at >= since]
    assert ledger.rows_of_kind(1, kinds, since, 100) == expected


def test_first_of_record(ledger: LedgerStore) -> None:
    for row in MODEL[1][::9]:
        first = min(r.seq for r in MODEL[1] if (r.stream, r.offset) == (row.stream, row.offset))
        assert ledger.first_of_record(1, row.seq, SIZE - 1) == first
    assert ledger.first_of_record(1, SIZE, SIZE - 1) == SIZE
    with pytest.raises(StoreError, match="chain 2 has no row 5"):
        ledger.first_of_record(2, 5, 9)


def test_a_token_adds_once(store: Store) -> None:
    ledger = LedgerStore(store)
    ours, theirs = company_chain(0, 20), company_chain(0, 20, seed=1)
    ledger.append(0, 0, b"".join(sealed(ours)))
    ledger.append(0, 0, b"".join(sealed(ours)))
    ledger.append(0, 0, b"".join(sealed(theirs)))
    ledger.append(0, 0, b"".join(sealed(theirs)[:7]))
    assert [row for row, _ in ledger.rows(0, 0, 99)] == ours
    ledger.append(0, 0, b"".join(sealed(ours)), attempt=1)  # another token: this one is not dropped
    assert [seq for seq, _ in ledger.leaves(0, 0)] == sorted([*range(20)] * 2)
    ledger.append(1, 0, b"".join(sealed(company_chain(1, 20))))  # nor that of another chain
    assert ledger.last_seq(1) == 19


def test_a_token_is_remembered_by_the_table(store: Store, connect: Callable[[str], Store]) -> None:
    block = b"".join(sealed(company_chain(0, 20)))
    LedgerStore(store).append(0, 0, block)
    LedgerStore(connect(store.database)).append(0, 0, block)
    assert len(LedgerStore(store).leaves(0, 0)) == 20


def test_a_block_is_whole_or_absent(store: Store) -> None:
    ledger = LedgerStore(store)
    block = b"".join(sealed(company_chain(0, 20)))
    with pytest.raises(StoreError):
        ledger.append(0, 0, block[:-1])
    assert ledger.chains() == []
    ledger.append(0, 0, block)  # what was refused has not used up the token
    assert len(ledger.leaves(0, 0)) == 20


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])  # one table is enough
@given(st.lists(any_row(chain=st.just(0), seq=st.just(0)), min_size=1, max_size=4), st.data())
@example([], None)
def test_sql_gives_the_bytes_that_were_encoded(
    store: Store, drawn: list[Row], data: st.DataObject | None
) -> None:
    """The table's own RowBinary, and its own SHA-256 over it, are ours, whatever a row holds."""
    chain = next(numbers)
    high = 2**64 - len(drawn)  # the highest numbers that a seq can have
    rows = [replace(row, chain=chain, seq=high + place) for place, row in enumerate(drawn)]
    if not rows:
        rows = [replace(row, chain=chain) for row in company_chain(0, 20)]
    previous = ZERO32 if data is None else data.draw(st.binary(min_size=32, max_size=32))
    block = b"".join(encode(row) + leaf(canonical(row, previous)) for row in rows)
    ledger = LedgerStore(store)
    ledger.append(chain, rows[0].seq, block)
    assert list(ledger.rows(chain, 0, 2**64)) == [(row, leaf(canonical(row, previous))) for row in rows]
    canonical_sql = f"formatRow('RowBinary', {COLUMNS_SQL}, toFixedString(unhex({{p:String}}), 32))"
    differing = store.query(
        "SELECT count() FROM {database}.ledger "
        f"WHERE chain = {{chain:UInt32}} AND leaf != SHA256(concat('\\0', {canonical_sql}))",
        {"chain": chain, "p": previous.hex()},
    )
    assert differing == [(0,)]


def test_the_highest_seq(store: Store) -> None:
    ledger = LedgerStore(store)
    row = replace(company_chain(0, 2)[1], seq=2**64 - 1)
    ledger.append(0, row.seq, encode(row) + ZERO32)
    assert ledger.last_seq(0) == 2**64 - 1
    assert list(ledger.rows(0, 0, 2**64)) == [(row, ZERO32)]
    assert list(ledger.rows(0, 0, 2**64 - 1)) == []


def test_stored_bytes_that_are_no_row(store: Store) -> None:
    ledger = LedgerStore(store)
    (first, second), leaves_of = company_chain(0, 2), ZERO32
    unknown = b"\x09" + encode(second)[1:]
    ledger.append(0, 0, encode(first) + leaves_of + unknown + leaves_of)
    assert [columns for columns, _ in ledger.stored(0, 0, 2)] == [encode(first), unknown]
    with pytest.raises(MalformedRow):
        decode(unknown)
    for read in (lambda: ledger.head(0), lambda: list(ledger.rows(0, 0, 2))):
        with pytest.raises(StoreError, match=r"chain 0, seq 1: row version 9 .* ansvar verify"):
            read()


def test_rows_with_one_seq_are_not_lost_between_pages(store: Store, page_rows: int) -> None:
    rows = company_chain(0, 30)
    stored = sealed(rows)
    for attempt in range(3):
        LedgerStore(store).append(0, 0, b"".join(stored), attempt=attempt)
    found = list(LedgerStore(store).stored(0, 0, 30))
    assert found == [(data[:-32], data[-32:]) for data in stored for _ in range(3)]
