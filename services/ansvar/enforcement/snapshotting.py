"""A chain's subjects from the newest snapshot and the rows since; and writing what has changed.

Invariant: `load_subjects(..., end_seq)` equals the fold over every state row below `end_seq`, wherever
snapshots were written. Like every snapshot it is no evidence: replaying folds rows, from the first.

Not handled here: the fold itself (`subjects`), when to write (the sweep).
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from sys import intern

import msgspec

from ansvar.enforcement.rows import joined_of
from ansvar.enforcement.subjects import Subjects
from ansvar.policy.state import Collected, SubjectState, decode_state, encode_state
from ansvar.store.ledger import LedgerStore
from ansvar.store.snapshots import DamagedSnapshot, Kept, Mark, Snapshots

_log = logging.getLogger(__name__)


def load_subjects(ledger: LedgerStore, snapshots: Snapshots, chain: int, end_seq: int) -> Subjects:
    """The subjects of a chain after every row below `end_seq`. Raises StoreError where the store fails."""
    subjects, first = _from_snapshot(snapshots, snapshots.newest(chain, end_seq), chain)
    for row in ledger.state_rows(chain, end_seq, first):
        subjects.took(row)
    return subjects


def keep(ledger: LedgerStore, snapshots: Snapshots, marks: Iterable[Mark]) -> None:
    """Write the subjects that changed up to each mark, then the mark itself.

    Cut off and done again it leaves what one run leaves. A mark below the newest one of its chain is not
    written, and one at the same row adds no states. Raises StoreError where the store fails.
    """
    for mark in marks:
        before = snapshots.newest(mark.chain)
        if before is not None and before.through > mark.through:
            continue  # another sweep has seen more; a mark below its own would stand for states never written
        if before is None or before.through < mark.through:
            snapshots.write(mark, _changed(ledger, snapshots, before, mark))
        snapshots.mark(mark)


def _changed(ledger: LedgerStore, snapshots: Snapshots, before: Mark | None, mark: Mark) -> Iterator[Kept]:
    """The subjects that rows since a mark changed, and those they were joined to, by reference."""
    subjects, first = _from_snapshot(snapshots, before, mark.chain)
    named: set[bytes] = set()
    for row in ledger.state_rows(mark.chain, mark.through + 1, first):
        subjects.took(row)
        named.add(row.subject)
        if row.kind == "link" and (joined := joined_of(row)) is not None:
            named.add(joined)
    for reference in sorted(_followed(named, subjects)):
        if reference in subjects.survivors:
            yield Kept(reference, survivor=subjects.survivors[reference])
        elif reference in subjects.states:
            yield Kept(reference, encode_state(subjects.states[reference]))


def _followed(references: Iterable[bytes], subjects: Subjects) -> set[bytes]:
    """The references and everyone on the way to their survivors."""
    found: set[bytes] = set()
    for named in references:
        reference: bytes | None = named
        while reference is not None and reference not in found:
            found.add(reference)
            reference = subjects.survivors.get(reference)
    return found


def _from_snapshot(snapshots: Snapshots, mark: Mark | None, chain: int) -> tuple[Subjects, int]:
    """The subjects as of a mark, and the seq from which rows are to be folded onto them.

    A snapshot that cannot be read (of another version, or damaged) counts as none: rows say the same.
    """
    if mark is None:
        return Subjects(), 0
    subjects = Subjects()
    words: dict[tuple[str, ...], tuple[str, ...]] = {}
    try:
        with _no_cycles_sought():
            for kept in snapshots.states(mark):
                if kept.survivor:
                    subjects.survivors[kept.subject] = kept.survivor
                else:
                    subjects.states[kept.subject] = _sharing(decode_state(kept.state), words)
    except (msgspec.DecodeError, DamagedSnapshot) as error:
        _log.warning("chain %s: folding every row, the snapshot cannot be read: %s", chain, error)
        return Subjects(), 0
    return subjects, mark.through + 1


def _sharing(state: SubjectState, words: dict[tuple[str, ...], tuple[str, ...]]) -> SubjectState:
    """The state with words that are one object for all subjects, as in states that were folded from rows."""
    if state.collected:
        state.collected = [
            Collected(
                intern(group.purpose), words.setdefault(group.categories, group.categories), group.collects
            )
            for group in state.collected
        ]
    return state


@contextmanager
def _no_cycles_sought() -> Iterator[None]:
    """Millions of new objects without a cycle: looking for one again and again takes most of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
