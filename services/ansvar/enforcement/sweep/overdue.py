"""The clocks of a chain's subjects: what has run out for whom, and the row that set the clock going.

Invariants: every subject of whom a contract or a request is known is looked at each time; the ledger is asked
about those only for whom its answer matters, in batches. References that were joined count as one person.

Not handled here: the clocks themselves (`policy.clocks`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from msgspec import Struct

from ansvar.enforcement.rows import microseconds
from ansvar.enforcement.subjects import Subjects
from ansvar.enforcement.sweep.recording import Look, Shown, instant
from ansvar.ledger.row import ZERO16
from ansvar.policy.clocks import (
    CLOCK,
    About,
    ClockFinding,
    Handover,
    Happened,
    Notification,
    asks_recipients,
    due,
)
from ansvar.policy.state import SubjectState
from ansvar.store.errors import StoreError
from ansvar.store.histories import MOST_REFERENCES

_RETENTION = CLOCK["retention.overdue"]


class _Person(Struct, frozen=True):
    """A subject whose clocks may have run out, under every reference that was joined into one."""

    references: tuple[bytes, ...]
    state: SubjectState
    found: list[ClockFinding]
    asking: bool  # whether the ledger must be asked what happened


def overdue(look: Look, subjects: Subjects) -> Iterator[Shown]:
    """What has run out by now for the subjects of a chain and is not recorded, in the order of references.

    Raises StoreError where no row has what the state says, or the store fails.
    """
    for people in _batches(_concerned(look, subjects)):
        asking = [person for person in people if person.asking]
        happened = _happened(look, asking) if asking else {}
        told = [
            (person, _fresh(look, person.references, person.state, happened.get(person.references[0])))
            if person.asking
            else (person, person.found)
            for person in people
        ]
        late = [(person, found) for person, found in told if found]
        if late:
            yield from _shown(look, late)


def _concerned(look: Look, subjects: Subjects) -> list[_Person]:
    """Those of whom something is due, or may be by what the ledger says, in the order of references."""
    joined: dict[bytes, list[bytes]] = defaultdict(list)
    for reference in sorted(subjects.survivors):
        joined[subjects.survivor(reference)].append(reference)
    people = []
    for survivor, state in subjects.states.items():
        if not state.contracts and not state.requests:
            continue
        asks = bool(state.requests) and asks_recipients(state, look.now)
        if not asks and not due(state, look.bundle, look.now):
            continue
        references = (survivor, *joined.get(survivor, ()))
        found = _fresh(look, references, state)
        asks = asks or any(finding.rule == _RETENTION.id for finding in found)
        if found or asks:
            people.append(_Person(references, state, found, asks))
    return sorted(people, key=_reference)


def _reference(person: _Person) -> bytes:
    return person.references[0]


def _fresh(
    look: Look, references: tuple[bytes, ...], state: SubjectState, happened: Happened | None = None
) -> list[ClockFinding]:
    """What is due and not recorded under any reference of a person."""
    found = due(state, look.bundle, look.now, happened or Happened())
    return [finding for finding in found if look.recorded.lacks(finding.key, (look.chain,), references)]


def _batches(people: Iterable[_Person]) -> Iterator[list[_Person]]:
    """The persons in lists of at most `MOST_REFERENCES` references, but for one who has more."""
    batch: list[_Person] = []
    size = 0
    for person in people:
        if batch and size + len(person.references) > MOST_REFERENCES:
            yield batch
            batch, size = [], 0
        batch.append(person)
        size += len(person.references)
    if batch:
        yield batch


def _happened(look: Look, people: list[_Person]) -> dict[bytes, Happened]:
    """What the ledger tells of some persons, by their surviving reference."""
    survivor = _survivors(people)
    asked = look.chain, look.end_seq, list(survivor)
    erased: dict[bytes, list[datetime]] = defaultdict(list)
    handovers: dict[bytes, list[Handover]] = defaultdict(list)
    notifications: dict[bytes, list[Notification]] = defaultdict(list)
    for who, at in look.histories.erasures(*asked):
        erased[survivor[who]].append(instant(at))
    for who, recipient, at in look.histories.handovers(*asked):
        handovers[survivor[who]].append(Handover(recipient, instant(at)))
    for who, right, request, recipient, at in look.histories.notifications(*asked):
        notice = Notification(cast("Any", right), request, recipient, instant(at))
        notifications[survivor[who]].append(notice)
    return {
        who: Happened(tuple(erased[who]), tuple(handovers[who]), tuple(notifications[who]))
        for who in {person.references[0] for person in people}
    }


def _shown(look: Look, late: list[tuple[_Person, list[ClockFinding]]]) -> Iterator[Shown]:
    """The findings with the first row that each is about."""
    survivor = _survivors([person for person, _ in late])
    first: dict[tuple[bytes, object], tuple[int, bytes]] = {}
    for step in look.histories.steps(look.chain, look.end_seq, list(survivor)):
        what = (step.phase, step.right, step.request, step.at)
        first.setdefault((survivor[step.subject], what), (step.seq, step.subject))
    for person, found in late:
        for finding in found:
            row = first.get((person.references[0], _began_by(finding.about)))
            if row is None:
                raise StoreError(
                    f"chain {look.chain}: no row says what {finding.rule} of subject "
                    f"{person.references[0].hex()} begins with. Run: ansvar verify"
                )
            yield Shown(finding, look.chain, *row)


def _began_by(about: About) -> tuple[str, str, bytes, int]:
    """Phase, right, request and time of the row that set a clock going."""
    if about.at is None:
        raise TypeError("a finding about a subject has the time of a row")
    at = microseconds(about.at)
    if about.right is None or about.request is None:
        return "ended", "", ZERO16, at
    return "received" if about.recipient is None else "fulfilled", about.right, about.request, at


def _survivors(people: Iterable[_Person]) -> Mapping[bytes, bytes]:
    return {reference: person.references[0] for person in people for reference in person.references}
