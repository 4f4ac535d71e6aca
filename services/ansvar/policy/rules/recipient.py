"""Recipients: who may get data (clause 6.1) and how processors are vetted (6.2, Art. 28)."""

from __future__ import annotations

from ansvar.events.model import DisclosureEvent
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
)
def unregistered(case: Case) -> None:
    """Data go to recipients that the company has registered, and through those alone.

    When a subject takes their data to another controller (portability, 9.4), the subject chooses who gets
    them; the way there is still the company's.
    """
    handover = case.handover
    if handover is None:
        return
    own_choice = case.own_request and isinstance(handover, DisclosureEvent)
    if case.recipient is None and not own_choice:
        case.find(
            unregistered, f"recipient {quoted(handover.recipient)} is not in the register of recipients"
        )
    if case.via is None and handover.via is not None and (own_choice or handover.via != handover.recipient):
        case.find(unregistered, f"via {quoted(handover.via)} is not in the register of recipients")


@rule(
    "recipient.unvetted",
    "6.2",
    "GDPR Art. 28(1), 28(3)",
    "deny",
    en="A processor without agreement or reviewed guarantees",
    sv="Ett personuppgiftsbiträde utan avtal eller granskade garantier",
)
def unvetted(case: Case) -> None:
    """A processor works under an agreement, and only after its guarantees were reviewed; a review lapses."""
    for processor in (case.recipient,) if case.via is case.recipient else (case.recipient, case.via):
        if processor is None or processor.role != "processor":
            continue
        faults = [
            fault
            for fault in (
                _lack("agreement", processor.agreements, case),
                _lack("review of guarantees", processor.guarantees, case),
            )
            if fault
        ]
        if faults:
            case.find(unvetted, f"processor {processor.id} at {moment(case.at)}: {', '.join(faults)}")


@rule(
    "recipient.type_mismatch",
    "6.1",
    "GDPR Art. 30(1)(d)",
    "flag",
    en="The stated type of recipient is not the registered one",
    sv="Den angivna mottagartypen är inte den registrerade",
)
def type_mismatch(case: Case) -> None:
    """Event and register should tell the same story of who the recipient is."""
    handover = case.handover
    if case.recipient is None or not isinstance(handover, DisclosureEvent) or handover.recipient_type is None:
        return
    if handover.recipient_type != case.recipient.type:
        case.find(
            type_mismatch,
            f"recipient {case.recipient.id} is stated as {handover.recipient_type}, "
            f"registered as {case.recipient.type}",
        )


@rule(
    "recipient.no_subscription",
    "6.1",
    "GDPR Art. 5(1)(b)",
    "deny",
    en="A partner gets data of someone who has no subscription",
    sv="En samarbetspartner får uppgifter om någon utan abonnemang",
)
def no_subscription(case: Case) -> None:
    """Partners get data of people who have a subscription through the company, and while they have it."""
    if case.recipient_type() != "partner":
        return
    contracts = case.contracts()
    if contracts.standing != "active":
        known = "no contract known" if contracts.last_end is None else f"last ended {day(contracts.last_end)}"
        case.find(
            no_subscription, f"{case.act} to a partner at {moment(case.at)} without active contract, {known}"
        )


def _lack(what: str, periods: tuple[Period, ...], case: Case) -> str | None:
    """Why none of `periods` holds at the time of the event, in words, or None."""
    for period in periods:
        if period.holds(case.at):
            return None
    ended = [period.end for period in periods if period.end is not None and period.end <= case.at]
    begins = [period.start for period in periods if period.start is not None and period.start > case.at]
    if ended:
        return f"{what} lapsed (first day not covered {day(max(ended))})"
    return f"{what} only from {day(min(begins))}" if begins else f"no {what}"


CHAPTER = Chapter(HANDOVERS, (unregistered, unvetted, type_mismatch, no_subscription))
