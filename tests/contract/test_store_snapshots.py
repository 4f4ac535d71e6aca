"""Snapshots over every transport: what is marked counts, and folding from any cut is folding everything."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansvar.enforcement.snapshotting import keep, load_subjects
from ansvar.enforcement.subjects import Subjects
from ansvar.ledger.row import Row
from ansvar.policy.state import SubjectState, encode_state
from ansvar.store import snapshots as snapshots_module
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.snapshots import Kept, Mark, Snapshots
from rows import BUNDLE, JANUARY, company_chain, sealed
from stores import fill

A, B, C = (bytes([number]) * 16 for number in (1, 2, 3))
WHO = [A, B, C, bytes([4]) * 16]
DAY = 86_400_000_000

chains = itertools.count(1)


@pytest.fixture
def snapshots(store: Store) -> Snapshots:
    return Snapshots(store)


def marked(store: Store, chain: int, through: int, at: int = 0) -> Mark:
    ((_, leaf),) = LedgerStore(store).leaves(chain, through, 1)
    return Mark(chain, through, leaf, BUNDLE, at)


def by_subject(store: Store, chain: int, through: int) -> dict[bytes, Kept]:
    found = list(Snapshots(store).states(marked(store, chain, through)))
    assert len({kept.subject for kept in found}) == len(found)
    return {kept.subject: kept for kept in found}


def test_marks(store: Store, snapshots: Snapshots) -> None:
    fill(store, company_chain(0, 1), company_chain(1, 12), company_chain(2, 12))
    assert snapshots.newest(1) is None
    for through, at in ((5, 10), (9, 20), (9, 30), (7, 40)):
        for _ in range(2):
            snapshots.mark(marked(store, 1, through, at))
    snapshots.mark(marked(store, 2, 11))
    assert snapshots.newest(1) == marked(store, 1, 9, 30)
    assert snapshots.newest(1, 9) == marked(store, 1, 7, 40)
    assert snapshots.newest(1, 6) == marked(store, 1, 5, 10)
    assert snapshots.newest(1, 5) is None
    assert snapshots.newest(1, 0) is None


@pytest.mark.parametrize("foreign", [Mark(1, 5, b"?" * 32, BUNDLE, 0), Mark(1, 90, b"?" * 32, BUNDLE, 0)])
def test_another_history_counts_for_nothing(store: Store, snapshots: Snapshots, foreign: Mark) -> None:
    """Another row stands there now, or none: the ledger was put back to an earlier point."""
    fill(store, company_chain(0, 1), company_chain(1, 12))
    snapshots.write(foreign, [Kept(A, b"foreign"), Kept(C, b"ghost")])
    snapshots.mark(foreign)
    assert snapshots.newest(1) is None
    snapshots.write(marked(store, 1, 3), [Kept(A, b"a3")])
    snapshots.mark(marked(store, 1, 3))
    snapshots.write(marked(store, 1, 9), [Kept(B, b"b9")])
    snapshots.mark(marked(store, 1, 9))
    assert snapshots.newest(1) == marked(store, 1, 9)
    assert by_subject(store, 1, 9) == {A: Kept(A, b"a3"), B: Kept(B, b"b9")}


def test_the_newest_marked_state_is_read(store: Store, snapshots: Snapshots) -> None:
    fill(store, company_chain(0, 1), company_chain(1, 12), company_chain(2, 12))
    snapshots.write(marked(store, 1, 5), [Kept(A, b"a5"), Kept(B, b"")])
    snapshots.write(marked(store, 1, 9), [Kept(A, b"a9" * 100), Kept(B, b"", A)])
    snapshots.write(marked(store, 2, 5), [Kept(C, b"other")])
    assert by_subject(store, 1, 9) == {}  # nothing is marked yet
    for chain, through in ((1, 5), (1, 9), (2, 5)):
        snapshots.mark(marked(store, chain, through))
    assert by_subject(store, 1, 4) == {}
    assert by_subject(store, 1, 8) == {A: Kept(A, b"a5"), B: Kept(B)}
    assert by_subject(store, 1, 9) == {A: Kept(A, b"a9" * 100), B: Kept(B, b"", A)}
    assert by_subject(store, 2, 9) == {C: Kept(C, b"other")}


def test_a_repeated_write_adds_nothing_and_another_is_not_taken_for_it(
    store: Store, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, company_chain(0, 1), company_chain(1, 12))
    monkeypatch.setattr(snapshots_module, "BLOCK_STATES", 2)
    first = [Kept(who, b"state") for who in WHO]
    for _ in range(3):
        snapshots.write(marked(store, 1, 5), first)
    snapshots.mark(marked(store, 1, 5))
    assert store.query("SELECT count() FROM {database}.snapshots") == [(4,)]
    snapshots.write(marked(store, 1, 5), [Kept(A, b"state"), Kept(C, b"new")])
    assert by_subject(store, 1, 5).keys() == set(WHO)
    assert store.query("SELECT count() FROM {database}.snapshots") == [(6,)]


def test_sweeps_that_overlap_leave_the_fold(store: Store) -> None:
    """The one that saw more is done first: the other one's mark is not written, nor could its states be."""
    ledger, snapshots = LedgerStore(store), Snapshots(store)
    rows = company_chain(1, 40)
    fill(store, company_chain(0, 1), rows)
    keep(ledger, snapshots, [marked(store, 1, 30)])
    keep(ledger, snapshots, [marked(store, 1, 20)])
    assert snapshots.newest(1, 30) is None
    for end in (21, 25, 31, 40):
        assert parts(load_subjects(ledger, snapshots, 1, end)) == parts(folded(rows[:end]))


def _row(seq: int, chain: int, kind: str, who: bytes, day: int, **own: object) -> Row:
    return Row(
        chain=chain,
        seq=seq,
        stream=bytes(16),
        offset=seq,
        index=0,
        recorded_at=JANUARY + seq,
        occurred_at=JANUARY * 1000 + day * DAY,
        kind=kind,
        subject=who,
        policy=BUNDLE,
        engine=2,
        **own,  # type: ignore[arg-type] # columns of a row, by name
    )


@st.composite
def histories(draw: st.DrawFn, chain: int = 0) -> list[Row]:
    """Rows of a few persons, who are joined now and then; most rows change some state."""
    found = [_row(0, chain, "genesis", bytes(16), 0)]
    for seq in range(1, draw(st.integers(2, 25))):
        who, day = draw(st.sampled_from(WHO)), draw(st.integers(0, 9))
        key = bytes([draw(st.integers(1, 2))]) * 16
        stage = draw(st.sampled_from(["done", "done", "done", "fail_open", "intent"]))
        match draw(st.sampled_from(["rights", "contract", "collect", "collect", "transfer", "link"])):
            case "rights":
                right = draw(st.sampled_from(["objection", "erasure", "restriction"]))
                phase = draw(st.sampled_from(["received", "fulfilled", "withdrawn", "recipients_notified"]))
                row = _row(
                    seq, chain, "rights", who, day, stage=stage, right=right, phase=phase, request_id=key
                )
            case "contract":
                phase = draw(st.sampled_from(["started", "ended"]))
                row = _row(seq, chain, "contract", who, day, stage=stage, phase=phase, contract_id=key)
            case "collect":
                verdict = draw(st.sampled_from(["permit", "permit", "deny"]))
                categories = draw(st.sampled_from([("name",), ("name", "email")]))
                row = _row(seq, chain, "processing", who, day, stage=stage, operation="collect")
                row = msgspec.structs.replace(
                    row, purpose="contract", verdict=verdict, data_categories=categories
                )
            case "transfer":
                row = _row(seq, chain, "transfer", who, day, stage=stage, recipient="mailing-house")
            case _:
                joined = draw(st.sampled_from([other for other in WHO if other != who]))
                row = _row(seq, chain, "link", who, day, extra=f'{{"joined":"{joined.hex()}"}}')
        found.append(row)
    return found


def folded(rows: Sequence[Row]) -> Subjects:
    subjects = Subjects()
    for row in rows:
        if row.kind in ("rights", "contract", "link") or row.operation == "collect":
            subjects.took(row)
    return subjects


def parts(subjects: Subjects) -> tuple[dict[bytes, SubjectState], dict[bytes, bytes]]:
    return subjects.states, subjects.survivors


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.data())
def test_a_fold_from_any_cut_is_the_fold_of_everything(store: Store, data: st.DataObject) -> None:
    ledger, snapshots, chain = LedgerStore(store), Snapshots(store), next(chains)
    rows = data.draw(histories(chain))
    ledger.append(chain, 0, b"".join(sealed(rows)))
    for cut in sorted(data.draw(st.sets(st.integers(0, len(rows) - 1), max_size=3))):
        if data.draw(st.booleans()):  # a write that was cut off: some states, right ones, and no mark
            some = list(folded(rows[: cut + 1]).states.items())[: data.draw(st.integers(0, 3))]
            snapshots.write(
                marked(store, chain, cut), [Kept(who, encode_state(state)) for who, state in some]
            )
        if data.draw(st.booleans()):
            keep(ledger, snapshots, [marked(store, chain, cut)])
    for end in data.draw(st.sets(st.integers(0, len(rows)), min_size=1, max_size=3)):
        assert parts(load_subjects(ledger, snapshots, chain, end)) == parts(folded(rows[:end]))


def test_only_who_changed_is_written_again(store: Store, snapshots: Snapshots) -> None:
    ledger, chain = LedgerStore(store), next(chains)
    started = {"stage": "done", "phase": "started", "contract_id": bytes(16)}
    rows = [
        _row(0, chain, "genesis", bytes(16), 0),
        *(_row(seq, chain, "contract", who, 0, **started) for seq, who in enumerate(WHO, start=1)),
        _row(5, chain, "contract", B, 1, **{**started, "phase": "ended"}),
        _row(6, chain, "link", A, 1, extra=f'{{"joined":"{C.hex()}"}}'),
        _row(7, chain, "transfer", WHO[3], 1, stage="done"),
    ]
    ledger.append(chain, 0, b"".join(sealed(rows)))
    written = "SELECT through, count() FROM {database}.snapshots GROUP BY through ORDER BY through"
    keep(ledger, snapshots, [marked(store, chain, 4)])
    keep(ledger, snapshots, [marked(store, chain, 4, at=1)])
    assert store.query(written) == [(4, 4)]
    keep(ledger, snapshots, [marked(store, chain, 7)])
    assert store.query(written) == [(4, 4), (7, 3)]
    assert by_subject(store, chain, 7)[C] == Kept(C, b"", A)
    assert parts(load_subjects(ledger, snapshots, chain, 8)) == parts(folded(rows))


@pytest.mark.parametrize("damage", ["state = concat(state, 'x')", "survivor = subject", "state = '\\xc1'"])
@pytest.mark.parametrize("connect", ["chdb"], indirect=True)
def test_a_damaged_snapshot_is_folded_anew(store: Store, snapshots: Snapshots, damage: str) -> None:
    ledger, rows = LedgerStore(store), _started(1)
    ledger.append(1, 0, b"".join(sealed(rows)))
    keep(ledger, snapshots, [marked(store, 1, 2)])
    store.command(f"ALTER TABLE {{database}}.snapshots UPDATE {damage} WHERE 1 SETTINGS mutations_sync = 1")
    assert parts(load_subjects(ledger, snapshots, 1, 5)) == parts(folded(rows))


def _started(chain: int) -> list[Row]:
    started = {"stage": "done", "phase": "started", "contract_id": bytes(16)}
    return [
        _row(0, chain, "genesis", bytes(16), 0),
        *(_row(seq, chain, "contract", who, 0, **started) for seq, who in enumerate(WHO, start=1)),
    ]


@pytest.mark.parametrize("state", [b"", b"\xc1", b"\x01\xc1", b"\x02" + encode_state(SubjectState())[1:]])
def test_a_snapshot_of_another_version_is_folded_anew_and_written_whole(
    store: Store, snapshots: Snapshots, state: bytes
) -> None:
    ledger, rows = LedgerStore(store), _started(1)
    ledger.append(1, 0, b"".join(sealed(rows)))
    snapshots.write(marked(store, 1, 2), [Kept(A, state)])
    snapshots.mark(marked(store, 1, 2))
    assert parts(load_subjects(ledger, snapshots, 1, 5)) == parts(folded(rows))
    keep(ledger, snapshots, [marked(store, 1, 4)])
    assert by_subject(store, 1, 4).keys() == set(WHO)
    assert parts(load_subjects(ledger, snapshots, 1, 5)) == parts(folded(rows))
