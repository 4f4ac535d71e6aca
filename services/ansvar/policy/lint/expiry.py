"""What ends soon: whoever reads this in time can renew it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansvar.policy.document import Path
from ansvar.policy.lint.check import Dated, Found, Matter, check, texts

NOTICE_DAYS = 90


@check(
    "lint.expiring",
    "6.2, 6.3, 5.4",
    "GDPR Art. 5(2), 24(1)",
    "warning",
    en="Something that protects people ends within 90 days",
    sv="Något som skyddar människor upphör inom 90 dagar",
    remedy_en="renew it, or end what rests on it before that day",
    remedy_sv="förnya det, eller avsluta det som vilar på det före den dagen",
)
def expiring(matter: Matter) -> Iterator[Found]:
    """Agreements, guarantees, instruments, decisions and balancing tests are renewed before they end."""
    for file, path, name, siblings, part in _dated(matter):
        if part.valid_to is None or not matter.holds(part):
            continue
        left = (part.valid_to - matter.as_of).days
        renewed = any(
            s is not part
            and (s.valid_from is None or s.valid_from <= part.valid_to)
            and (s.valid_to is None or s.valid_to > part.valid_to)
            for s in siblings
        )
        if left <= NOTICE_DAYS and not renewed:
            message = texts(
                f"{name} ends on {part.valid_to} (days left: {left})",
                f"{name} upphör den {part.valid_to} (dagar kvar: {left})",
            )
            yield Found(file, (*path, "valid_to"), message)


def _dated(matter: Matter) -> Iterator[tuple[str, Path, str, Sequence[Dated], Dated]]:
    """File, path, name, what may stand in for it, and the part itself."""
    files = matter.files
    for i, recipient in enumerate(files.recipients.recipients):
        for field in ("agreements", "guarantees", "instruments", "scope"):
            parts: Sequence[Dated] = getattr(recipient, field)
            for j, part in enumerate(parts):
                word = getattr(part, "reference", None) or getattr(part, "decision", None) or field
                yield "recipients", ("recipients", i, field, j), f"{recipient.id}: {word}", parts, part
    tests = files.balancing_tests.balancing_tests
    for i, test in enumerate(tests):
        same = [other for other in tests if other.purpose == test.purpose]
        yield "balancing_tests", ("balancing_tests", i), f"{test.reference} ({test.purpose})", same, test
    used = {place for recipient in matter.bundle.recipients.values() for place in recipient.places}
    for i, decision in enumerate(files.adequacy.decisions):
        if decision.country in used:
            also = [other for other in files.adequacy.decisions if other.country == decision.country]
            yield "adequacy", ("decisions", i), decision.id, also, decision
    signed = {
        instrument.set
        for recipient in files.recipients.recipients
        for instrument in recipient.instruments
        if matter.holds(instrument)
    }
    for i, scc_set in enumerate(files.scc_sets.scc_sets):
        if scc_set.id in signed:
            yield "scc_sets", ("scc_sets", i), scc_set.id, (scc_set,), scc_set
