"""The fold of a chain's rows into subjects: links join, and who was joined is found under the survivor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.enforcement.rows import extra_json
from ansvar.enforcement.subjects import Subjects
from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.row import ZERO16, Row
from ansvar.policy.state import SubjectState

PEOPLE = [bytes([n]) * 16 for n in range(1, 6)]
A, B, C, D, _ = PEOPLE


def row(kind: str, subject: bytes, at: int = 0, **changes: Any) -> Row:
    columns = {"chain": 0, "seq": 0, "stream": ZERO16, "offset": 0, "index": 0, "recorded_at": 0}
    done = "" if kind == "link" else "done"
    return Row(
        **columns, kind=kind, stage=done, subject=subject, occurred_at=at, policy=ZERO32, engine=1, **changes
    )


def link(survivor: bytes, joined: bytes) -> Row:
    return row("link", survivor, extra=extra_json({"joined": joined.hex()}))


def collect(subject: bytes, purpose: str = "contract", at: int = 0) -> Row:
    words: dict[str, Any] = {"operation": "collect", "purpose": purpose, "data_categories": ("name",)}
    return row("processing", subject, at, **words)


def folded(*rows: Row) -> Subjects:
    subjects = Subjects()
    for each in rows:
        subjects.took(each)
    return subjects


def purposes(state: SubjectState) -> list[str]:
    return [group.purpose for group in state.collected]


def test_nothing_is_kept_of_whom_no_row_tells() -> None:
    subjects = folded(row("processing", A, operation="use"), row("notice", B), row("transfer", C))
    assert subjects.state(A) == SubjectState()
    assert (subjects.states, subjects.survivors) == ({}, {})


def test_subjects_are_their_own_until_they_are_joined() -> None:
    subjects = folded(collect(A, "contract"), collect(B, "marketing"))
    assert purposes(subjects.state(A)) == ["contract"]
    assert purposes(subjects.state(B)) == ["marketing"]
    assert subjects.survivor(B) == B
    subjects.took(link(A, B))
    assert subjects.survivor(B) == A
    assert purposes(subjects.state(B)) == purposes(subjects.state(A)) == ["contract", "marketing"]
    assert set(subjects.states) == {A}


@pytest.mark.parametrize("told", [(A,), (B,), (A, B), ()])
def test_a_link_of_whom_something_or_nothing_is_known(told: tuple[bytes, ...]) -> None:
    subjects = folded(*map(collect, told), link(A, B))
    assert set(subjects.states) == ({A} if told else set())
    assert subjects.survivors == {B: A}


def test_a_link_folded_twice_changes_nothing() -> None:
    once, twice = folded(collect(B), link(A, B)), folded(collect(B), link(A, B), link(A, B), link(B, A))
    assert (once.states, once.survivors) == (twice.states, twice.survivors)


def test_a_survivor_may_be_joined_later() -> None:
    subjects = folded(collect(D), link(C, D), link(B, C), link(A, B), collect(D, "marketing"))
    assert {subjects.survivor(one) for one in (A, B, C, D)} == {A}
    assert purposes(subjects.state(C)) == ["contract", "marketing"]


def test_a_row_of_one_who_was_joined_enters_the_survivor() -> None:
    """Judging writes the survivor; a row that names another, as one of a finding may, is understood too."""
    assert purposes(folded(link(A, B), collect(B)).state(A)) == ["contract"]


pairs = st.tuples(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)).filter(lambda pair: pair[0] != pair[1])


@given(
    st.lists(pairs, max_size=8), st.lists(st.tuples(st.sampled_from(PEOPLE), st.integers(0, 9)), max_size=8)
)
def test_joined_early_or_late_everyone_has_the_same_union(
    links: list[tuple[bytes, bytes]], collects: list[tuple[bytes, int]]
) -> None:
    told = [collect(who, at=at) for who, at in collects]
    joins = [link(min(pair), max(pair)) for pair in links]
    early, late = folded(*joins, *told), folded(*told, *joins)
    for who in PEOPLE:
        assert early.survivor(who) == late.survivor(who)
        ours = {at for other, at in collects if early.survivor(other) == early.survivor(who)}
        for subjects in (early, late):
            times = {collect.at for group in subjects.state(who).collected for collect in group.collects}
            assert len(times) == len(ours)
            assert (subjects.survivor(who) in subjects.states) == bool(ours)
