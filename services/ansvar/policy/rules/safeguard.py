"""Where data go and what protects them there: the facts that the `transfer.*` rules share (clause 6.3).

A destination is a country that the event states or that its recipient or `via` brings: their establishment,
storage and sub-processors. Outside the EU/EEA it is examined with the instruments of whoever brings it; a
stated country belongs to the recipient. What counts as the safeguard:

- a stated word counts as stated;
- absent: an instrument in force in the bundle, else an adequacy decision that covers;
- `none`: an adequacy decision that covers, never an instrument.

Everything is judged as of the time of the event. Not handled here: what follows from it (`transfer`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from ansvar.events.model import DisclosureEvent, TransferEvent
from ansvar.policy.bundle import Bundle, Instrument, Recipient
from ansvar.policy.case import Case, Destination

TOOLS = frozenset({"scc", "bcr", "code_of_conduct", "certification"})

# Among several instruments in force the one that leaves least open counts.
_PREFERENCE = {"scc": 0, "bcr": 0, "code_of_conduct": 1, "certification": 3}
_UNASSESSED = 2


def abroad(case: Case) -> bool:
    """Derive `case.destinations`; whether there is any that is not inside the EU/EEA."""
    handover = case.handover
    if handover is None:
        return False
    tables = case.tables
    brought: list[tuple[str, Recipient | None]] = []
    if handover.country is not None and handover.country not in tables.always_inside:
        brought.append((handover.country, case.recipient))
    for holder in (case.recipient,) if case.via is case.recipient else (case.recipient, case.via):
        if holder is not None:
            for country in tables.perhaps_outside[holder.id]:
                if (country, holder) not in brought:
                    brought.append((country, holder))
    if not brought:
        return False
    found = []
    for country, holder in brought:
        standing = tables.bundle.standing(country, case.at)
        if standing == "third":
            found.append(_examine(handover, country, holder, tables.bundle, case.at))
        elif standing != "inside":
            found.append(Destination(country, standing, holder))
    case.destinations = tuple(found)
    return bool(found)


def _examine(
    handover: TransferEvent | DisclosureEvent,
    country: str,
    holder: Recipient | None,
    bundle: Bundle,
    at: datetime,
) -> Destination:
    """What protects data in one third country with one holder."""
    stated = handover.safeguard
    adequacy = _adequacy(bundle, country, holder, at)
    safeguard: str = stated or "none"
    instrument: Instrument | None = None
    repealed: str | None = None
    if stated is None:
        held = _held(holder, at)
        in_force = [i for i in held if _repeal(i, bundle, at) is None and _usable(i, bundle, at)]
        instrument = _best(i for i in in_force if handover.safeguard_reference in (None, i.reference))
        if instrument is not None:
            safeguard = instrument.tool
        elif adequacy == "covers":
            safeguard = "adequacy"
        elif in_force:  # the bundle shows an instrument, but not the one that the event refers to
            safeguard = in_force[0].tool
    elif stated == "none":
        safeguard = "adequacy" if adequacy == "covers" else "none"
    elif stated in TOOLS:
        meant = [
            i
            for i in _held(holder, at)
            if i.tool == stated and handover.safeguard_reference in (None, i.reference)
        ]
        instrument = _best(i for i in meant if _repeal(i, bundle, at) is None and _usable(i, bundle, at))
        if instrument is None:
            repealed = next((text for i in meant if (text := _repeal(i, bundle, at)) is not None), None)
    return Destination(
        country=country,
        standing="third",
        holder=holder,
        safeguard=safeguard,
        instrument=None if instrument is None else instrument.reference,
        assessed=instrument is not None and instrument.assessment is not None,
        repealed=repealed,
        adequacy=adequacy,
    )


def _held(holder: Recipient | None, at: datetime) -> list[Instrument]:
    return [] if holder is None else [i for i in holder.instruments if i.period.holds(at)]


def _repeal(instrument: Instrument, bundle: Bundle, at: datetime) -> str | None:
    """The citation of the repealed clauses an instrument rests on, or None where they still carry it.

    Contracts made before a repeal stay valid until the set's own end; later ones never were.
    """
    clauses = bundle.scc_sets.get(instrument.set or "")
    if clauses is None:
        return None
    ended = clauses.period.end is not None and clauses.period.end <= at
    made = instrument.period.start
    too_late = clauses.repealed is not None and made is not None and made >= clauses.repealed
    return clauses.citation if ended or too_late else None


def _usable(instrument: Instrument, bundle: Bundle, at: datetime) -> bool:
    """Whether the clauses an instrument rests on could already be used; other tools rest on none."""
    clauses = bundle.scc_sets.get(instrument.set or "")
    return clauses is None or clauses.period.start is None or clauses.period.start <= at


def _best(instruments: Iterable[Instrument]) -> Instrument | None:
    return min(
        instruments,
        key=lambda i: (
            _UNASSESSED if i.tool in ("scc", "bcr") and i.assessment is None else _PREFERENCE[i.tool]
        ),
        default=None,
    )


def _adequacy(
    bundle: Bundle, country: str, holder: Recipient | None, at: datetime
) -> Literal["covers", "lapsed", "unshown", "absent"]:
    """How an adequacy decision (Art. 45) stands for a holder in a country.

    `covers`: in force, and full or the holder's place in its scope is shown for that time. `lapsed`: the
    place is recorded with dates that do not hold. `unshown`: nothing is recorded. `absent`: none in force.
    """
    answer: Literal["lapsed", "unshown", "absent"] = "absent"
    for decision in bundle.decisions.get(country, ()):
        if decision.word != "adequacy" or not decision.period.holds(at):
            continue
        if decision.scope == "full":
            return "covers"
        evidence = [e for e in holder.scope if e.decision == decision.id] if holder is not None else []
        if any(e.period.holds(at) for e in evidence):
            return "covers"
        if evidence:
            answer = "lapsed"
        elif answer == "absent":
            answer = "unshown"
    return answer
