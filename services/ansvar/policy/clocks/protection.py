"""What protects data in a third country with a holder, by the register: decisions and instruments.

Invariants: half-open validity, as of the instant asked about. Not handled here: what an event states
(`rules/safeguard`).
"""

from __future__ import annotations

from datetime import datetime

from ansvar.policy.bundle import FULL_SCOPE, AdequacyDecision, Bundle, Instrument, Period, Recipient


def covering(
    bundle: Bundle, country: str, holder: Recipient | None, at: datetime
) -> list[tuple[AdequacyDecision, Period]]:
    """The adequacy decisions (Art. 45) in force that cover a holder, and how long it is inside the scope."""
    found = []
    for decision in bundle.decisions.get(country, ()):
        if decision.word != "adequacy" or not decision.period.holds(at):
            continue
        if decision.scope == FULL_SCOPE:
            found.append((decision, decision.period))
            continue
        evidence = () if holder is None else holder.scope
        inside = [e.period for e in evidence if e.decision == decision.id and e.period.holds(at)]
        if inside:
            found.append((decision, inside[0]))
    return found


def instruments(bundle: Bundle, holder: Recipient | None, at: datetime) -> list[Instrument]:
    """The instruments of Art. 46 in force with a holder; clauses of a repealed set are none."""
    held = () if holder is None else holder.instruments
    return [i for i in held if i.period.holds(at) and _carried(i, bundle, at)]


def _carried(instrument: Instrument, bundle: Bundle, at: datetime) -> bool:
    if instrument.set is None:
        return True
    clauses = bundle.scc_sets[instrument.set]
    made, repealed = instrument.period.start, clauses.repealed
    return clauses.period.holds(at) and not (repealed is not None and made is not None and made >= repealed)
