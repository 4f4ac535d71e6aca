"""Requests of the people themselves: clauses 9.1 to 9.5 (Art. 12 and 15 to 21) and the clocks on answers.

Invariants: a request is one of a subject, an id and a right, and it was received when the log says so by the
time of the event. Deadlines run from the day of receipt and move past days off (`calendar.deadline`); an
event on the last day is in time, one at 24:00 of it is late.

Not handled here: requests that nobody answers, which need the passing of time and no event.
"""

from __future__ import annotations

from datetime import datetime

from ansvar.events.model import Right, RightsEvent
from ansvar.policy.calendar import deadline, last_day, months_later
from ansvar.policy.case import Case, day, moment, quoted
from ansvar.policy.pattern import Pattern
from ansvar.policy.requests import MONTHS, MONTHS_EXTENDED, months_to_answer, receipt
from ansvar.policy.rule import Chapter, rule

_FEE_MONTHS = 12
_IDENTIFIED_FIRST: frozenset[Right] = frozenset({"access", "portability"})


def _any(_: Pattern) -> bool:
    """The words of a pattern say nothing of right and phase."""
    return True


@rule(
    "rights.not_identified",
    "9.1",
    "GDPR Art. 12(6), 32",
    "deny",
    en="Data were given out before the person was identified",
    sv="Uppgifter lämnades ut innan personen identifierats",
    concerns=_any,
)
def not_identified(case: Case) -> None:
    """Whoever asks for a copy or a move of data shows first who they are, and the log says by what method."""
    event = case.event
    if (
        isinstance(event, RightsEvent)
        and event.phase == "fulfilled"
        and event.right in _IDENTIFIED_FIRST
        and not any(step.phase == "identified" and step.method for step in case.request_steps())
    ):
        case.find(
            not_identified,
            f"{event.right} fulfilled at {moment(case.at)}, no identification by a method known by then",
        )


@rule(
    "rights.weak_identification",
    "9.1",
    "GDPR Art. 12(6), 32",
    "flag",
    en="The person was identified by a method that is not secure",
    sv="Personen identifierades med en metod som inte är säker",
    concerns=_any,
)
def weak_identification(case: Case) -> None:
    """Identification is secure, as by BankID; the bundle lists the methods that are, with their dates."""
    event = case.event
    if (
        isinstance(event, RightsEvent)
        and event.phase == "identified"
        and event.method is not None
        and not case.pattern.bundle.secure(event.method, case.at)
    ):
        case.find(
            weak_identification,
            f"identified at {moment(case.at)} by {quoted(event.method)}, not listed as secure at that time",
        )


@rule(
    "rights.fee",
    "9.1",
    "GDPR Art. 12(5)",
    "flag",
    en="A fee although the person has not asked very often",
    sv="Avgift trots att personen inte har begärt utdrag ofta",
    concerns=_any,
)
def fee(case: Case) -> None:
    """Answers are free of charge; only who asks for access very often may be charged a reasonable fee."""
    event = case.event
    if not isinstance(event, RightsEvent) or not event.fee:
        return
    received = _received(case) or case.at
    others = _earlier_access_requests(case, event, received)
    enough = case.pattern.bundle.settings.free_access_requests
    if others < enough:
        case.find(
            fee,
            f"fee {event.fee} at {moment(case.at)}, other access requests in the {_FEE_MONTHS} months "
            f"before {moment(received)}: {others}, limit {enough}",
        )


@rule(
    "rights.late",
    "Art. 12(3)",
    "GDPR Art. 12(3)-(4)",
    "deny",
    en="A request was answered too late",
    sv="En begäran besvarades för sent",
    concerns=_any,
)
def late(case: Case) -> None:
    """An answer, yes or no, comes within a month of receipt, or within three where that was said in time.

    Saying so takes an extension with its reasons within the first month. Complaints have no such clock.
    """
    event = case.event
    if (
        not isinstance(event, RightsEvent)
        or event.phase not in ("fulfilled", "refused")
        or event.right == "complaint"
    ):
        return
    received = _received(case)
    if received is None or case.at < deadline(received, MONTHS):
        return
    months = months_to_answer(case.request_steps(), received)
    if case.at >= deadline(received, months):
        extended = ", extended" if months == MONTHS_EXTENDED else ""
        case.find(
            late,
            f"{event.phase} at {moment(case.at)}, received {day(received)}{extended}, "
            f"last day {last_day(received, months)}",
        )


@rule(
    "rights.extension_late",
    "Art. 12(3)",
    "GDPR Art. 12(3)",
    "deny",
    en="An extension too late or without a reason",
    sv="En förlängning för sent eller utan skäl",
    concerns=_any,
)
def extension_late(case: Case) -> None:
    """Who needs two months more says so within the first, with the reasons."""
    event = case.event
    if not isinstance(event, RightsEvent) or event.phase != "extended":
        return
    received = _received(case)
    faults = []
    if received is not None and case.at >= deadline(received, MONTHS):
        faults.append(f"received {day(received)}, last day {last_day(received, MONTHS)}")
    if event.reason is None:
        faults.append("no reason stated")
    if faults:
        case.find(extension_late, f"extended at {moment(case.at)}, {', '.join(faults)}")


@rule(
    "rights.refused_without_reason",
    "Art. 12(4)",
    "GDPR Art. 12(4)",
    "deny",
    en="A request was refused without a reason",
    sv="En begäran avslogs utan skäl",
    concerns=_any,
)
def refused_without_reason(case: Case) -> None:
    """Whoever is refused is told why, and that they may complain."""
    event = case.event
    if isinstance(event, RightsEvent) and event.phase == "refused" and event.reason is None:
        case.find(refused_without_reason, f"{event.right} refused at {moment(case.at)}, no reason stated")


@rule(
    "rights.erasure_blocked",
    "9.3",
    "GDPR Art. 17(1), 17(3)",
    "flag",
    en="Everything was erased while a contract is active",
    sv="Radering utförd medan ett avtal löper",
    concerns=_any,
)
def erasure_blocked(case: Case) -> None:
    """A running contract needs data, so an erasure before its end deserves a look."""
    event = case.event
    if (
        isinstance(event, RightsEvent)
        and event.right == "erasure"
        and event.phase == "fulfilled"
        and case.contracts().standing == "active"
    ):
        case.find(erasure_blocked, f"erasure fulfilled at {moment(case.at)}, a contract is active")


@rule(
    "rights.portability_not_customer",
    "9.4",
    "GDPR Art. 20(1)",
    "flag",
    en="Portability for someone who never was a customer",
    sv="Dataportabilitet för någon som aldrig varit kund",
    concerns=_any,
)
def portability_not_customer(case: Case) -> None:
    """The policy promises portability to customers; the law bases it on a contract or a consent."""
    event = case.event
    if (
        isinstance(event, RightsEvent)
        and event.right == "portability"
        and event.phase == "received"
        and case.contracts().standing == "none"
    ):
        case.find(
            portability_not_customer,
            f"portability requested at {moment(case.at)}, no contract known by then",
        )


@rule(
    "rights.scope_unknown",
    "9.5",
    "GDPR Art. 21",
    "flag",
    en="An objection to something that is no purpose of the policy",
    sv="En invändning mot något som inte är ett av policyns ändamål",
    concerns=_any,
)
def scope_unknown(case: Case) -> None:
    """An objection that cannot be placed covers all that it could mean; someone should ask what is meant."""
    event = case.event
    if (
        isinstance(event, RightsEvent)
        and event.right == "objection"
        and event.scope is not None
        and event.scope != "direct_marketing"
        and event.scope not in case.pattern.bundle.purposes
    ):
        case.find(
            scope_unknown,
            f"objection {event.phase} at {moment(case.at)}, scope {quoted(event.scope)} "
            f"is neither direct_marketing nor a declared purpose",
        )


@rule(
    "rights.unknown_request",
    "9",
    "GDPR Art. 12(3), 5(2)",
    "flag",
    en="A step of a request that was never received",
    sv="Ett steg i en begäran som aldrig mottagits",
    concerns=_any,
)
def unknown_request(case: Case) -> None:
    """The clock of a request starts at its receipt; without one nobody can show an answer to be in time."""
    event = case.event
    if isinstance(event, RightsEvent) and event.phase != "received" and _received(case) is None:
        case.find(
            unknown_request,
            f"{event.right} {event.phase} at {moment(case.at)}, the request was not received by then",
        )


def _received(case: Case) -> datetime | None:
    """When the event's request was received, by what is known of the time of the event; itself included."""
    event = case.event
    known = receipt(case.request_steps(), case.at)
    if known is None and isinstance(event, RightsEvent) and event.phase == "received":
        return case.at
    return known


def _earlier_access_requests(case: Case, event: RightsEvent, received: datetime) -> int:
    """How many other requests for access were received in the twelve months before a receipt."""
    known = case.state.receipts("access")
    asked = {request for request, at in known if at < received < months_later(at, _FEE_MONTHS)}
    return len(asked - {case.request_key() if event.right == "access" else None})


CHAPTER = Chapter(
    frozenset({"rights"}),
    (
        not_identified,
        weak_identification,
        fee,
        late,
        extension_late,
        refused_without_reason,
        erasure_blocked,
        portability_not_customer,
        scope_unknown,
        unknown_request,
    ),
)
