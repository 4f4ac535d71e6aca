"""The parts of a sweep that need no store: ids, what counts as recorded, breaches, and batches."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.enforcement.rows import microseconds
from ansvar.enforcement.subjects import Subjects
from ansvar.enforcement.sweep import overdue as overdue_module
from ansvar.enforcement.sweep.hindsight import overtaken_since
from ansvar.enforcement.sweep.overdue import overdue
from ansvar.enforcement.sweep.recording import Look, Recorded, Shown, finding_id
from ansvar.enforcement.sweep.register import of_breaches
from ansvar.events.control import RecordFinding, decode_control, encode_control
from ansvar.events.schemas import current
from ansvar.ledger.row import ZERO16, Row
from ansvar.policy.clocks import ClockFinding
from ansvar.policy.contracts import ContractStep
from ansvar.policy.state import SubjectState
from ansvar.sample import sample_bundle
from ansvar.store.errors import StoreError
from ansvar.store.histories import Histories, Step
from judging import at
from rows import BUNDLE

A, B, C = (bytes([number]) * 16 for number in (1, 2, 3))
FOUND = ClockFinding("rights.overdue", "Art. 12(3)", "GDPR", "deny", "late", at("2026-02-17"), "key-1")


def test_the_command_names_row_subject_and_time() -> None:
    made = Shown(FOUND, 70_000, 2**40, A).command()
    assert made.command == RecordFinding(
        chain=70_000,
        seq=2**40,
        rule="rights.overdue",
        clause="Art. 12(3)",
        severity="deny",
        message="late",
        subject=A,
        since=microseconds(FOUND.since),
    )
    assert decode_control(encode_control(made), current("control").fingerprint) == made


def test_ids_are_fixed_for_ever() -> None:
    """Findings that are recorded were recorded under these ids."""
    assert finding_id(3, A, "key-1") == UUID("260e7bb7-dd35-59c8-ab3a-6bb97bbdadd8")
    assert finding_id(3, A, "key-1").version == 5


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([A, B, ZERO16]), st.text(max_size=2)), unique=True)
)
def test_ids_differ_with_chain_subject_and_key(named: list[tuple[int, bytes, str]]) -> None:
    assert len({finding_id(*one) for one in named}) == len(named)


def test_what_is_recorded_under_any_reference_or_chain_is_not_lacking() -> None:
    recorded = Recorded({finding_id(1, A, "k").bytes, finding_id(2, ZERO16, "r").bytes})
    assert not recorded.lacks("k", [1], [B, A])
    assert recorded.lacks("k", [1], [B])
    assert recorded.lacks("k", [2], [A])
    assert recorded.lacks("other", [1], [A])
    assert not recorded.lacks("r", [0, 1, 2])
    assert recorded.lacks("r", [0, 1])


def look(histories: Any = None, when: str = "2026-03-02", recorded: Iterable[bytes] = ()) -> Look:
    return Look(1, 100, sample_bundle(), at(when), histories, Recorded(set(recorded)))


def notice(seq: int, when: str, correlation: bytes = ZERO16, version: str = "", chain: int = 1) -> Row:
    told = f',"version":"{version}"' if version else ""
    return Row(
        chain=chain,
        seq=seq,
        stream=ZERO16,
        offset=seq,
        index=0,
        recorded_at=0,
        kind="notice",
        stage="done",
        event_id=UUID(int=seq),
        occurred_at=microseconds(at(when)),
        correlation_id=correlation,
        policy=BUNDLE,
        engine=2,
        extra=f'{{"topic":"breach"{told}}}',
    )


KNOWN, LATEST = "2026-02-10 12:00", "2026-02-13 12:00"
BREACHES = {
    "alone": ([notice(1, KNOWN)], 1),
    "told at the last moment": ([notice(1, KNOWN, A), notice(2, LATEST, A, "authority_notified")], None),
    "told too late": ([notice(1, KNOWN, A), notice(2, "2026-02-13 12:01", A, "authority_notified")], 1),
    "told of another": ([notice(1, KNOWN, A), notice(2, KNOWN, B, "authority_notified")], 1),
    "told without a word of which": ([notice(1, KNOWN), notice(2, KNOWN, version="authority_notified")], 1),
    "told on another chain": (
        [notice(1, KNOWN, A), notice(2, "2026-02-11", A, "authority_notified", chain=3)],
        None,
    ),
    "another version": ([notice(1, KNOWN, A), notice(2, "2026-02-11", A, "2")], 1),
    "the first to arrive was not the first": (
        [notice(1, "2026-02-12", A), notice(2, KNOWN, A), notice(3, "2026-02-14", A, "authority_notified")],
        2,
    ),
    "told at once": ([notice(1, KNOWN, A, "authority_notified")], None),
}


@pytest.mark.parametrize("case", BREACHES)
def test_breaches(case: str) -> None:
    rows, expected = BREACHES[case]
    found = list(of_breaches(look(), rows))
    assert [(shown.chain, shown.seq, shown.subject) for shown in found] == (
        [] if expected is None else [(1, expected, ZERO16)]
    )
    assert list(of_breaches(look(when="2026-02-11"), rows)) == []
    ids = [shown.command().id.bytes for shown in found]
    assert list(of_breaches(look(recorded=ids), rows)) == []


def test_where_late_history_is_switched_off_no_row_is_looked_for() -> None:
    off = replace(sample_bundle(), severities={"history.retroactive": "off"})
    unasked = replace(look(None), bundle=off)  # there is nobody to ask
    assert list(overtaken_since(unasked, Subjects(), 0, lambda _: off)) == []


class ToldHistories(Histories):
    """Answers as if each subject's contract had ended at the time that its state says."""

    def __init__(self, ended: dict[bytes, datetime], erased: tuple[bytes, ...] = ()) -> None:
        self.ended, self.erased = ended, erased
        self.asked: list[int] = []

    def steps(self, chain: int, end_seq: int, references: Iterable[bytes]) -> list[Step]:
        named = list(references)
        return [
            Step(number, who, "ended", "", ZERO16, microseconds(self.ended[who]))
            for number, who in enumerate(named, start=1)
            if who in self.ended
        ]

    def erasures(self, chain: int, end_seq: int, references: Iterable[bytes]) -> list[tuple[bytes, int]]:
        named = list(references)
        self.asked.append(len(named))
        return [(who, microseconds(at("2026-02-20"))) for who in named if who in self.erased]

    def handovers(
        self, chain: int, end_seq: int, references: Iterable[bytes]
    ) -> list[tuple[bytes, str, int]]:
        return []

    def notifications(
        self, chain: int, end_seq: int, references: Iterable[bytes]
    ) -> list[tuple[bytes, str, bytes, str, int]]:
        return []


def former(count: int) -> tuple[Subjects, dict[bytes, datetime]]:
    subjects, end = Subjects(), at("2025-01-31")
    people = [number.to_bytes(16, "big") for number in range(1, count + 1)]
    for who in people:
        subjects.states[who] = SubjectState(contracts={who: [ContractStep(end, "ended", None)]})
    return subjects, dict.fromkeys(people, end)


@pytest.mark.parametrize("most", [1, 3, 1_000])
def test_the_ledger_is_asked_in_batches(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue_module, "MOST_REFERENCES", most)
    subjects, ended = former(7)
    subjects.survivors[A] = (2).to_bytes(16, "big")  # so one person has two references
    histories = ToldHistories(ended, erased=(A, (5).to_bytes(16, "big")))
    found = list(overdue(look(histories), subjects))
    assert [shown.subject[-1] for shown in found] == [1, 3, 4, 6, 7]
    assert sum(histories.asked) == 8
    assert max(histories.asked) <= max(most, 2)


def test_only_those_whom_the_answer_matters_for_are_asked_about() -> None:
    subjects, ended = former(3)
    histories = ToldHistories(ended)
    assert list(overdue(look(histories, "2026-01-30"), subjects)) == []
    assert histories.asked == []
    ids = [shown.command().id.bytes for shown in overdue(look(histories), subjects)]
    assert len(ids) == 3
    histories.asked.clear()
    assert list(overdue(look(histories, recorded=ids), subjects)) == []
    assert histories.asked == []


def test_a_state_that_no_row_has_is_an_error_that_names_the_subject_by_reference() -> None:
    subjects, _ = former(1)
    reference = (1).to_bytes(16, "big").hex()
    with pytest.raises(StoreError, match=rf"chain 1: no row says what .* of subject {reference} begins with"):
        list(overdue(look(ToldHistories({})), subjects))
