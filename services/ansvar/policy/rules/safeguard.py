"""Where data go and what protects them there: the facts that the `transfer.*` rules share (clause 6.3).

A destination is a country that the event states or that its recipient or `via` brings: their establishment,
storage and sub-processors. In a third country it is examined with the instruments of whoever brings it; a
stated country belongs to the recipient. What counts as the safeguard:

- a stated word counts as stated;
- absent: an instrument in force in the bundle, with a reference the one that has it; else an adequacy
  decision that covers;
- `none`: an adequacy decision that covers, never an instrument.

Everything is judged as of the time of the event. Not handled here: what follows from it (`transfer`).
"""

from __future__ import annotations

from datetime import datetime

from ansvar.events.model import DisclosureEvent, TransferEvent
from ansvar.policy.bundle import FULL_SCOPE, Bundle, Instrument, Recipient, SccSet
from ansvar.policy.case import Adequacy, Case, Destination

TOOLS = frozenset({"scc", "bcr", "code_of_conduct", "certification"})


def third_countries(case: Case, *, first_engine: bool = False) -> tuple[Destination, ...]:
    """The event's destinations in third countries at its time, examined once a case.

    The first engine let an instrument in force count as stated before a decision that covers, whatever the
    reference said.
    """
    if case.destinations is None:
        case.destinations = _examine_all(case, first_engine)
    return case.destinations


def _examine_all(case: Case, first_engine: bool) -> tuple[Destination, ...]:
    event, bundle, at = case.event, case.pattern.bundle, case.at
    if not isinstance(event, TransferEvent | DisclosureEvent):
        return ()
    return tuple(
        [
            _examine(event, country, holder, bundle, at, first_engine)
            for country, holder in case.pattern.abroad
            if bundle.standing(country, at) == "third"
        ]
    )


def _examine(
    event: TransferEvent | DisclosureEvent,
    country: str,
    holder: Recipient | None,
    bundle: Bundle,
    at: datetime,
    first_engine: bool,
) -> Destination:
    """What protects data in one third country with one holder."""
    stated, reference = event.safeguard, event.safeguard_reference
    if stated is None:
        return _unstated(reference, country, holder, bundle, at, first_engine)
    if stated in TOOLS:
        meant = [i for i in _held(holder, at) if i.tool == stated and reference in (None, i.reference)]
        instrument = _best([i for i in meant if _carried(i, bundle, at)])
        if instrument is not None:
            return _protected(country, holder, instrument)
        sets = [(i, bundle.scc_sets[i.set]) for i in meant if i.set is not None]
        repealed = next((clauses.citation for i, clauses in sets if _repealed(i, clauses, at)), None)
        return Destination(country, holder, stated, repealed=repealed)
    if stated == "adequacy" or stated == "none":
        adequacy = _adequacy(bundle, country, holder, at)
        return Destination(country, holder, "adequacy" if adequacy == "covers" else stated, adequacy=adequacy)
    return Destination(country, holder, stated)


def _unstated(
    reference: str | None,
    country: str,
    holder: Recipient | None,
    bundle: Bundle,
    at: datetime,
    first_engine: bool,
) -> Destination:
    """What the bundle shows where the event states no safeguard."""
    in_force = instruments_in_force(bundle, holder, at)
    instrument = _best([i for i in in_force if reference in (None, i.reference)])
    if instrument is not None:
        return _protected(country, holder, instrument)
    decided = not (first_engine and in_force) and _adequacy(bundle, country, holder, at) == "covers"
    if decided:
        return Destination(country, holder, "adequacy", adequacy="covers")
    # an instrument counts as stated; where it is not the one referred to, the claim cannot be shown
    return Destination(country, holder, in_force[0].tool if in_force else "none")


def _protected(country: str, holder: Recipient | None, instrument: Instrument) -> Destination:
    return Destination(
        country, holder, instrument.tool, instrument.reference, instrument.assessment is not None
    )


def instruments_in_force(bundle: Bundle, holder: Recipient | None, at: datetime) -> list[Instrument]:
    """The instruments of Art. 46 with a holder that protect at a time; clauses of a repealed set do not."""
    return [i for i in _held(holder, at) if _carried(i, bundle, at)]


def _held(holder: Recipient | None, at: datetime) -> list[Instrument]:
    return [] if holder is None else [i for i in holder.instruments if i.period.holds(at)]


def _carried(instrument: Instrument, bundle: Bundle, at: datetime) -> bool:
    """Whether the clauses that an instrument rests on carry it at a time; other tools rest on none."""
    if instrument.set is None:
        return True
    clauses = bundle.scc_sets[instrument.set]
    return clauses.period.holds(at) and not _repealed(instrument, clauses, at)


def _repealed(instrument: Instrument, clauses: SccSet, at: datetime) -> bool:
    """Whether a repeal has taken the clauses from under an instrument.

    Contracts made before a repeal stay valid until the set's own end; those made later never were.
    """
    ended = clauses.period.end is not None and clauses.period.end <= at
    made = instrument.period.start
    return ended or (clauses.repealed is not None and made is not None and made >= clauses.repealed)


def _best(instruments: list[Instrument]) -> Instrument | None:
    """The instrument that leaves least open, the first of equals."""
    return min(instruments, key=_open_questions, default=None)


def _open_questions(instrument: Instrument) -> int:
    if instrument.tool in ("scc", "bcr"):
        return 0 if instrument.assessment is not None else 2
    return 1 if instrument.tool == "code_of_conduct" else 3


def _adequacy(bundle: Bundle, country: str, holder: Recipient | None, at: datetime) -> Adequacy:
    """How an adequacy decision (Art. 45) stands for a holder in a country at a time."""
    answer: Adequacy = "absent"
    for decision in bundle.decisions.get(country, ()):
        if decision.word != "adequacy" or not decision.period.holds(at):
            continue
        if decision.scope == FULL_SCOPE:
            return "covers"
        evidence = [e for e in holder.scope if e.decision == decision.id] if holder is not None else []
        if any(e.period.holds(at) for e in evidence):
            return "covers"
        if evidence:
            answer = "lapsed"
        elif answer == "absent":
            answer = "unshown"
    return answer
