"""The clocks of the register and of breaches: guarantees that lapse, transfers without a fallback, 72 hours.

Invariants: pure. What holds at `now` is looked at, and reviews that are recorded to follow without a gap.

Not handled here: whether a recipient gets any data, and on which ground, which the ledger knows; a finding
names the recipient, and the decision that it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from ansvar.policy.bundle import Bundle, Period, Recipient
from ansvar.policy.calendar import day_start, stockholm_date
from ansvar.policy.case import moment, quoted
from ansvar.policy.clocks.clock import About, Clock, ClockFinding, finding, ordered, shifted
from ansvar.policy.clocks.happened import Breach
from ansvar.policy.clocks.protection import covering
from ansvar.policy.rules.safeguard import instruments_in_force

_EXPIRING_DAYS = 90
_BREACH = timedelta(hours=72)  # counted in hours, so it moves for no day off
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_GDPR = day_start(date(2018, 5, 25))  # where the register leaves a beginning open

BREACH_NOTIFY_AUTHORITY = Clock(
    "breach.notify_authority",
    "Art. 33",
    "GDPR Art. 33(1)",
    "deny",
    "The authority was not told of a breach within 72 hours",
    "Myndigheten har inte underrättats om en incident inom 72 timmar",
    "A breach is notified to the supervisory authority within 72 hours of becoming aware of it.",
)
GUARANTEES_EXPIRING = Clock(
    "guarantees.expiring",
    "6.2",
    "GDPR Art. 28(1)",
    "flag",
    "The review of a processor's guarantees runs out",
    "Granskningen av ett personuppgiftsbiträdes garantier löper ut",
    "A processor is used as long as it gives sufficient guarantees; they are reviewed again before the "
    "last review lapses, and brought up ninety days before.",
)
NO_FALLBACK = Clock(
    "transfer.no_fallback",
    "6.3",
    "GDPR Art. 45, 46(1)",
    "flag",
    "Nothing stands behind an adequacy decision that is under appeal",
    "Inget finns bakom ett adekvansbeslut som är överklagat",
    "Transfers that rest on a decision under appeal alone lose their ground on the day it is annulled, so "
    "another instrument is recorded beforehand.",
)


class AboutDecision(About, frozen=True, kw_only=True):
    """A finding about what rests on an adequacy decision in a third country."""

    country: str
    decision: str  # its id


def due_of_bundle(bundle: Bundle, now: datetime) -> list[ClockFinding]:
    """What runs out, or has, in the bundle's register of recipients."""
    recipients = bundle.recipients.values()
    found: list[ClockFinding] = []
    if not GUARANTEES_EXPIRING.switched_off(bundle):
        found += ordered([f for recipient in recipients for f in _guarantees(recipient, bundle, now)])
    if not NO_FALLBACK.switched_off(bundle):
        found += ordered([f for recipient in recipients for f in _no_fallback(recipient, bundle, now)])
    return found


def due_of_breaches(breaches: Iterable[Breach], bundle: Bundle, now: datetime) -> list[ClockFinding]:
    """The breaches of which the authority had not been told when 72 hours had passed."""
    if BREACH_NOTIFY_AUTHORITY.switched_off(bundle):
        return []
    found = []
    for breach in breaches:
        end = breach.known_at + _BREACH
        if now < end or (breach.told_at is not None and breach.told_at <= end):
            continue
        found.append(
            finding(
                BREACH_NOTIFY_AUTHORITY,
                bundle,
                f"breach known {moment(breach.known_at)}, the authority was not notified by {moment(end)}",
                end,
                (breach.reference, breach.known_at),
                About(breach.known_at),
            )
        )
    return ordered(found)


def _guarantees(recipient: Recipient, bundle: Bundle, now: datetime) -> Iterator[ClockFinding]:
    """A review that has lapsed is still reported, as long as the agreement lasts."""
    if recipient.role != "processor" or not any(period.holds(now) for period in recipient.agreements):
        return
    end = _reviewed_until(recipient.guarantees, now)
    if end is None:
        return
    last = shifted(stockholm_date(end), -1)
    since = day_start(shifted(last, -_EXPIRING_DAYS))
    if now >= since:
        yield finding(
            GUARANTEES_EXPIRING,
            bundle,
            f"guarantees of {quoted(recipient.id)} were reviewed for the time to {last}, "
            "no later review is recorded",
            since,
            (recipient.id, end),
            About(recipient=recipient.id),
        )


def _reviewed_until(periods: Iterable[Period], now: datetime) -> datetime | None:
    """The end of the reviewed time that began last, with what follows without a gap; None: open or none."""
    end: datetime | None = None
    for period in sorted(periods, key=lambda p: p.start or _BEGINNING):
        begun = period.start is None or period.start <= now
        follows = end is not None and period.start is not None and period.start <= end
        if begun or follows:
            if period.end is None:
                return None
            end = period.end if end is None else max(end, period.end)
    return end


def _no_fallback(recipient: Recipient, bundle: Bundle, now: datetime) -> Iterator[ClockFinding]:
    if instruments_in_force(bundle, recipient, now):
        return
    for country in recipient.places:
        if bundle.standing(country, now) != "third":
            continue
        decisions = covering(bundle, country, recipient, now)
        if not decisions or any(decision.under_appeal is None for decision, _ in decisions):
            continue
        decision, inside = decisions[0]
        begun = [start for start in (decision.period.start, inside.start) if start is not None]
        since = max([*begun, *_lapsed(bundle, recipient, now)], default=_GDPR)
        yield finding(
            NO_FALLBACK,
            bundle,
            f"{country}: {quoted(recipient.id)} is covered by {decision.citation} alone, "
            f"which is under appeal ({decision.under_appeal}), and no other instrument is in force",
            since,
            (recipient.id, country, decision.id, since),
            AboutDecision(recipient=recipient.id, country=country, decision=decision.id),
        )


def _lapsed(bundle: Bundle, recipient: Recipient, now: datetime) -> list[datetime]:
    """The instants by `now` at which an instrument of a recipient ended that had protected until then.

    It ends with its own time or with that of the clauses it rests on. One that never carried anything has
    no part in this: its end would make news of a fallback that was missing before.
    """
    ends = {instrument.period.end for instrument in recipient.instruments}
    ends |= {bundle.scc_sets[i.set].period.end for i in recipient.instruments if i.set is not None}
    return [
        end
        for end in ends
        if end is not None
        and _BEGINNING < end <= now
        and instruments_in_force(bundle, recipient, end - timedelta.resolution)
    ]
