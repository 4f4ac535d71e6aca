"""Which adequacy decisions protect data in a third country with a holder, by the register.

Invariants: half-open validity, as of the instant asked about. Not handled here: what an event states, and
instruments (`rules/safeguard`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from ansvar.policy.bundle import FULL_SCOPE, AdequacyDecision, Bundle, Period, Recipient


def covering(
    bundle: Bundle, country: str, holder: Recipient | None, at: datetime
) -> list[tuple[AdequacyDecision, Period]]:
    """The adequacy decisions (Art. 45) in force that cover a holder, and how long it is inside the scope.

    Evidence that is renewed without a gap is one period, so its beginning does not move with a renewal.
    """
    found = []
    for decision in bundle.decisions.get(country, ()):
        if decision.word != "adequacy" or not decision.period.holds(at):
            continue
        if decision.scope == FULL_SCOPE:
            found.append((decision, decision.period))
            continue
        evidence = () if holder is None else holder.scope
        inside = _unbroken((e.period for e in evidence if e.decision == decision.id), at)
        if inside is not None:
            found.append((decision, inside))
    return found


def _unbroken(periods: Iterable[Period], at: datetime) -> Period | None:
    """The stretch of time around an instant that some periods cover without a gap; None where none holds."""
    stretches: list[Period] = []
    for period in sorted(periods, key=_start):
        before = stretches[-1] if stretches else None
        if before is None or (before.end is not None and before.end < _start(period)):
            stretches.append(period)
        else:
            end = None if before.end is None or period.end is None else max(before.end, period.end)
            stretches[-1] = Period(before.start, end)
    return next((stretch for stretch in stretches if stretch.holds(at)), None)


def _start(period: Period) -> datetime:
    return period.start or datetime.min.replace(tzinfo=UTC)
