"""What a worker remembers: each part against a plain model of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.enforcement.memory import HOUR_MS, SESSION_MEMORY_MS, ChainMemory, Numbers, RecentEvents
from ansvar.events.envelope import SESSION_LIFETIME_MS, SESSION_TOLERANCE_MS
from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.row import ZERO16, Row
from ansvar.policy.state import SubjectState

ONE, TWO = b"1" * 16, b"2" * 16
POLICY = b"p" * 32
LEAF = b"l" * 32
few = st.integers(0, 12) | st.integers(0, 2**64 - 1)


def row(kind: str, seq: int = 1, *, at: int = 5 * HOUR_MS, **columns: Any) -> Row:
    values = {
        "chain": 3,
        "stream": ZERO16,
        "offset": 7,
        "index": 0,
        "policy": ZERO32,
        "engine": 0,
        "producer": "crm",
    }
    return Row(kind=kind, seq=seq, recorded_at=at, occurred_at=at * 1000, **{**values, **columns})


def took(*rows: Row) -> ChainMemory:
    memory = ChainMemory(3, 10)
    for each in rows:
        memory.took(each, LEAF)
    return memory


@given(st.lists(few, max_size=30), st.lists(few, max_size=10))
def test_numbers_are_a_set(added: list[int], asked: list[int]) -> None:
    numbers, model = Numbers(), set[int]()
    for number in added:
        numbers.add(number)
        model.add(number)
        assert numbers.next == max(model) + 1
        for other in (*added, *asked, number + 1, number - 1):
            assert (other in numbers) == (other in model)


def test_no_number_yet() -> None:
    numbers = Numbers()
    assert numbers.next == 0
    assert 0 not in numbers


@given(st.permutations(range(40)))
def test_numbers_without_holes_are_one_range(order: list[int]) -> None:
    """However they arrive, so that a session costs the same after a million batches."""
    numbers = Numbers()
    for number in order:
        numbers.add(number)
    assert (numbers._starts, numbers._ends) == ([0], [40])


@given(st.integers(1, 8), st.lists(st.integers(0, 5), max_size=60))
def test_recent_events_are_those_of_the_last_rows(window: int, rows: list[int]) -> None:
    """Row `seq` holds event `rows[seq]`, or none (0); judging adds an event id once in a window."""
    recent, model = RecentEvents(window), dict[int, bytes]()
    for seq, event in enumerate(rows):
        within = {e: digest for e, digest in model.items() if rows[max(0, seq - window) : seq].count(e)}
        for asked in range(1, 6):
            assert recent.digest(bytes([asked]), seq) == within.get(asked)
        if event and event not in within:
            recent.add(seq, bytes([event]), seq.to_bytes(2))
            model[event] = seq.to_bytes(2)
        elif event:
            rows[seq] = 0  # a repetition leaves a row that is no event's


def test_took_follows_place_leaf_and_stream() -> None:
    memory = took(row("processing", 4, stream=b"s" * 16, offset=11))
    assert (memory.next_seq, memory.leaf, memory.offset, memory.stream) == (5, LEAF, 11, b"s" * 16)
    memory.took(row("genesis", 5, offset=12), LEAF)
    assert memory.stream == b"s" * 16  # a row without a stream tells nothing of it


@pytest.mark.parametrize("kind", ["genesis", "policy"])
def test_a_policy_row_switches_policy_and_engine(kind: str) -> None:
    memory = took(row(kind, policy=POLICY, engine=9))
    assert (memory.policy, memory.engine) == (POLICY, 9)
    memory.took(row("processing", policy=LEAF, engine=10), LEAF)
    assert (memory.policy, memory.engine) == (POLICY, 9)


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("processing", True),
        ("rights", True),
        ("refused", True),
        ("duplicate", True),
        ("gap", False),
        ("session", False),
    ],
)
def test_which_rows_use_up_a_batch_number(kind: str, seen: bool) -> None:
    """A close counts its own records, and a gap names numbers that are still to come."""
    memory = took(row(kind, session=ONE, batch=4))
    assert (4 in memory.numbers(("crm", ONE))) is seen
    assert memory.numbers(("crm", ONE)).next == (5 if seen else 0)
    assert (("crm", ONE) in memory.closed) is (kind == "session")
    assert memory.numbers(("crm", TWO)).next == 0


def test_a_session_id_is_its_producers_own() -> None:
    memory = took(
        row("processing", session=ONE, batch=4), row("processing", session=ONE, batch=0, producer="hr")
    )
    assert 0 not in memory.numbers(("crm", ONE))
    assert 0 in memory.numbers(("hr", ONE))


def test_a_row_without_session_uses_up_nothing() -> None:
    memory = took(row("refused", batch=4))
    assert memory.sessions == {}
    assert memory.clock == 0


def test_asking_for_an_unknown_session_or_subject_keeps_nothing() -> None:
    memory = took()
    assert 0 not in memory.numbers(("crm", ONE))
    assert memory.subjects.state(ONE) == SubjectState()
    assert (memory.sessions, memory.subjects.states) == ({}, {})


@given(st.lists(st.sampled_from([0, 0, 0, 1]), max_size=40))
def test_refusals_are_counted_by_the_hour(steps: list[int]) -> None:
    memory, hours = took(), list[int]()
    hour = 100
    for step in steps:
        hour += step
        at = hour * HOUR_MS + 5
        assert memory.refused_this_hour(at) == hours.count(hour)
        memory.took(row("refused", at=at), LEAF)
        hours.append(hour)
        assert memory.refused_this_hour(at + HOUR_MS) == 0


def test_refusals_at_an_hours_end_may_step_back() -> None:
    """Another broker leads and its clock is a little behind: the hour before still counts."""
    at = 7 * HOUR_MS
    memory = took(row("refused", at=at - 1), row("refused", at=at), row("refused", at=at - 1))
    assert memory.refused_this_hour(at - 1) == 2
    assert memory.refused_this_hour(at) == 1


def test_a_wild_hour_does_not_stop_the_count() -> None:
    memory = took(*[row("refused", at=hour * HOUR_MS) for hour in (9000, 9001, 5, 5, 6, 6, 6)])
    assert memory.refused_this_hour(6 * HOUR_MS) == 3


def sessions(memory: ChainMemory) -> set[bytes]:
    return {session for _, session in (*memory.sessions, *memory.closed)}


@pytest.mark.parametrize("kind", ["processing", "session"])
def test_old_sessions_are_forgotten(kind: str) -> None:
    start = 1_000 * HOUR_MS
    end = start + SESSION_MEMORY_MS
    memory = took(row(kind, at=start, session=ONE), row("processing", at=end + 1, session=TWO))
    memory.forget_old_sessions(end)
    assert sessions(memory) == {ONE, TWO}
    memory.forget_old_sessions(end + 1)
    assert sessions(memory) == {TWO}


def test_a_session_outlives_every_record_of_it() -> None:
    """From a session that begins in the future to its last record with every tolerance, and a day more."""
    assert SESSION_MEMORY_MS >= 2 * SESSION_LIFETIME_MS + SESSION_TOLERANCE_MS + 24 * HOUR_MS


def test_unauthenticated_records_do_not_make_us_forget() -> None:
    """A broker whose clock runs ahead has its records refused; numbers must survive that."""
    start = 1_000 * HOUR_MS
    later = start + 2 * SESSION_MEMORY_MS
    memory = took(row("processing", at=start, session=ONE), row("refused", at=later))
    memory.forget_old_sessions(later)
    assert sessions(memory) == {ONE}
    memory.took(row("gap", at=later, session=TWO), LEAF)
    memory.forget_old_sessions(start)  # the clock was set back
    assert sessions(memory) == {ONE}
    memory.forget_old_sessions(later)
    assert sessions(memory) == set()
