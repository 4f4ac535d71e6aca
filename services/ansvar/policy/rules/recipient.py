"""Recipients: who may get data (clause 6.1) and how processors are vetted (6.2, Art. 28)."""

from __future__ import annotations

from datetime import datetime

from ansvar.policy.bundle import Period
from ansvar.policy.case import Case, day, moment, quoted
from ansvar.policy.rule import HANDOVERS, Chapter, rule


@rule(
    "recipient.unregistered",
    "6.1",
    "GDPR Art. 30(1)(d)",
    "deny",
    en="The recipient is not in the register",
    sv="Mottagaren finns inte i registret",
    concerns=lambda p: p.recipient is None or (p.via_stated is not None and p.via is None),
)
def unregistered(case: Case) -> None:
    """Data go to recipients that the company has registered, and through those alone.

    When a subject takes their data to another controller (portability, 9.4), the subject chooses who gets
    them; the way there is still the company's.
    """
    pattern = case.pattern
    chosen_by_subject = case.own_request and pattern.kind == "disclosure"
    lacking = []
    if pattern.recipient is None and not chosen_by_subject:
        lacking.append(f"recipient {quoted(pattern.recipient_stated or '')}")
    if pattern.via is None and pattern.via_stated is not None:
        lacking.append(f"via {quoted(pattern.via_stated)}")
    if lacking:
        case.find(unregistered, f"not in the register of recipients: {', '.join(lacking)}")


@rule(
    "recipient.unvetted",
    "6.2",
    "GDPR Art. 28(1), 28(3)",
    "deny",
    en="A processor without agreement or reviewed guarantees",
    sv="Ett personuppgiftsbiträde utan avtal eller granskade garantier",
    concerns=lambda p: bool(p.processors),
)
def unvetted(case: Case) -> None:
    """A processor works under an agreement, and only after its guarantees were reviewed; a review lapses."""
    at = case.at
    for processor in case.pattern.processors:
        if _holds(processor.agreements, at) and _holds(processor.guarantees, at):
            continue
        faults = [
            f"{what} {_lack(periods, at)}"
            for what, periods in (("agreement", processor.agreements), ("guarantees", processor.guarantees))
            if not _holds(periods, at)
        ]
        case.find(unvetted, f"processor {processor.id} at {moment(at)}: {', '.join(faults)}")


@rule(
    "recipient.type_mismatch",
    "6.1",
    "GDPR Art. 30(1)(d)",
    "flag",
    en="The stated type of recipient is not the registered one",
    sv="Den angivna mottagartypen är inte den registrerade",
    concerns=lambda p: p.recipient is not None and p.type_stated not in (None, p.recipient.type),
)
def type_mismatch(case: Case) -> None:
    """Event and register should tell the same story of who the recipient is."""
    recipient, stated = case.pattern.recipient, case.pattern.type_stated
    if recipient is not None:
        case.find(
            type_mismatch, f"recipient {recipient.id} is stated as {stated}, registered as {recipient.type}"
        )


@rule(
    "recipient.no_subscription",
    "6.1",
    "GDPR Art. 5(1)(b)",
    "deny",
    en="A partner gets data of someone who has no subscription",
    sv="En samarbetspartner får uppgifter om någon utan abonnemang",
    concerns=lambda p: p.recipient_type == "partner",
)
def no_subscription(case: Case) -> None:
    """Partners get data of people who have a subscription through the company, and while they have it."""
    contracts = case.contracts()
    if contracts.standing != "active":
        known = "none known" if contracts.last_end is None else f"the last ended {moment(contracts.last_end)}"
        case.find(
            no_subscription,
            f"{case.pattern.act} to a partner at {moment(case.at)} without an active contract, {known}",
        )


def _holds(periods: tuple[Period, ...], at: datetime) -> bool:
    for period in periods:  # noqa: SIM110 - asked of every handover, and this is twice as fast as any()
        if period.holds(at):
            return True
    return False


def _lack(periods: tuple[Period, ...], at: datetime) -> str:
    """Why none of `periods` holds at a time, in words."""
    ended = [period.end for period in periods if period.end is not None and period.end <= at]
    if ended:
        return f"lapsed, first day not covered {day(max(ended))}"
    begins = [period.start for period in periods if period.start is not None and period.start > at]
    return f"only from {day(min(begins))}" if begins else "not on record"


CHAPTER = Chapter(HANDOVERS, (unregistered, unvetted, type_mismatch, no_subscription))
