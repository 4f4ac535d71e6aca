"""Which adequacy decisions protect data in a third country with a holder, by the register.

Invariants: half-open validity, as of the instant asked about. Not handled here: what an event states, and
instruments (`rules/safeguard`).
"""

from __future__ import annotations

from datetime import datetime

from ansvar.policy.bundle import FULL_SCOPE, AdequacyDecision, Bundle, Period, Recipient


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
