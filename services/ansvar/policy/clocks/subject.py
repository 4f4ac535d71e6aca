"""The clocks of one subject: erasure after the last contract, answers to requests, and telling recipients.

Invariants: pure. What is overdue stays so, whatever the time of asking, until something happens. Deadlines of
requests move past days off (`calendar.deadline`); the periods of clause 8.2 and Art. 19 do not.

Not handled here: requests answered too late (`rules/rights`), data used too long (`rules/retention`): those
have an event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from ansvar.events.model import Right
from ansvar.policy.bundle import Bundle
from ansvar.policy.calendar import day_end, day_start, deadline, last_day, months_later, stockholm_date
from ansvar.policy.case import day, moment, quoted
from ansvar.policy.clocks.clock import About, Clock, ClockFinding, finding, ordered, shifted
from ansvar.policy.clocks.happened import NOTHING, Happened
from ansvar.policy.pattern import MARKETING
from ansvar.policy.requests import MONTHS_EXTENDED, RequestStep, months_to_answer, receipt, stands
from ansvar.policy.state import SubjectState

_SOON_DAYS = 7
_NOTIFY_DAYS = 30
_TOLD_OF: tuple[Right, ...] = ("rectification", "erasure", "restriction")

RETENTION_OVERDUE = Clock(
    "retention.overdue",
    "8.2",
    "GDPR Art. 5(1)(e)",
    "deny",
    "Data of a former customer should have been erased",
    "En tidigare kunds uppgifter skulle ha raderats",
    "Data of a customer are erased twelve months after the last contract ended, or at its end where the "
    "customer had objected to marketing.",
)
RIGHTS_OVERDUE = Clock(
    "rights.overdue",
    "Art. 12(3)",
    "GDPR Art. 12(3)-(4)",
    "deny",
    "A request has not been answered in time",
    "En begäran har inte besvarats i tid",
    "A request is answered within a month of receipt, or within three where that was said in time and why.",
)
RIGHTS_DUE_SOON = Clock(
    "rights.due_soon",
    "Art. 12(3)",
    "GDPR Art. 12(3)",
    "flag",
    "A request must be answered within a week",
    "En begäran måste besvaras inom en vecka",
    "A request that nobody has answered is brought up seven days before its last day.",
)
RECIPIENTS_NOT_NOTIFIED = Clock(
    "rights.recipients_not_notified",
    "9.2",
    "GDPR Art. 19",
    "deny",
    "A recipient was not told of a rectification, erasure or restriction",
    "En mottagare har inte underrättats om rättelse, radering eller begränsning",
    "Whoever got the data is told within thirty days when they are rectified, erased or restricted.",
)


def due(
    state: SubjectState, bundle: Bundle, now: datetime, happened: Happened = NOTHING
) -> list[ClockFinding]:
    """What has run out for one subject by `now`, or soon will; nothing after `now` is looked at.

    In the order of the clocks here, those of one clock by the time from which they hold.
    """
    found: list[ClockFinding] = []
    if state.contracts and not RETENTION_OVERDUE.switched_off(bundle):
        found += _retention(state, bundle, now, happened)
    if not state.requests:
        return found
    answers = list(_unanswered(state, bundle, now))
    for clock in (RIGHTS_OVERDUE, RIGHTS_DUE_SOON):
        if not clock.switched_off(bundle):
            found += ordered([answer for answer in answers if answer.rule == clock.id])
    if not RECIPIENTS_NOT_NOTIFIED.switched_off(bundle):
        found += ordered(list(_not_notified(state, bundle, now, happened)))
    return found


def asks_recipients(state: SubjectState, now: datetime) -> bool:
    """Whether what `happened` besides erasures matters: something was done that recipients are told of."""
    return any(
        now >= _told_by(fulfilled) for right in _TOLD_OF for _, fulfilled in _fulfilments(state, right, now)
    )


def _retention(
    state: SubjectState, bundle: Bundle, now: datetime, happened: Happened
) -> Iterator[ClockFinding]:
    end = state.contracts_at(now).last_end
    if end is None:
        return
    months = bundle.settings.retention_months
    since, fact = months_later(end, months), f"limit {months} months"
    if _objected_to_marketing(state, bundle, end):
        since, fact = end, "marketing had been objected to by then"
    if now < since or any(end <= at <= now for at in (*happened.erased, *state.erasures)):
        return
    yield finding(
        RETENTION_OVERDUE,
        bundle,
        f"the last contract ended {moment(end)}, {fact}, no erasure since",
        since,
        (end,),
        About(end),
    )


def _objected_to_marketing(state: SubjectState, bundle: Bundle, at: datetime) -> bool:
    """Whether an objection that covers marketing holds; one that cannot be placed covers it too (9.5)."""
    held = state.objections_at(at, marketing=True)
    return any(objection.covers(MARKETING, bundle.purposes, broad=True) for objection in held)


def _unanswered(state: SubjectState, bundle: Bundle, now: datetime) -> Iterator[ClockFinding]:
    for right, requests in state.requests.items():
        if right == "complaint":  # it is answered by the authority, under no clock of Art. 12
            continue
        for request in requests:
            steps = state.steps(right, request, now)
            received = receipt(steps, now)
            if received is None or not stands(steps, now) or _answered(steps, received):
                continue
            months = months_to_answer(steps, received)
            last, end = last_day(received, months), deadline(received, months)
            soon = day_start(shifted(last, -_SOON_DAYS))
            if now < soon:
                continue
            clock, since = (RIGHTS_OVERDUE, end) if now >= end else (RIGHTS_DUE_SOON, soon)
            extended = ", extended" if months == MONTHS_EXTENDED else ""
            yield finding(
                clock,
                bundle,
                f"{right} received {day(received)}{extended}, last day {last}, not answered",
                since,
                (right, request, received, months),
                About(received, right, request),
            )


def _answered(steps: Sequence[RequestStep], received: datetime) -> bool:
    return any(step.phase in ("fulfilled", "refused") and step.at >= received for step in steps)


def _not_notified(
    state: SubjectState, bundle: Bundle, now: datetime, happened: Happened
) -> Iterator[ClockFinding]:
    """A recipient told after the thirty days was not told in time, which stays true."""
    for right in _TOLD_OF:
        for request, fulfilled in _fulfilments(state, right, now):
            end = _told_by(fulfilled)
            if now < end:
                continue
            told = {
                notice.recipient
                for notice in happened.notifications
                if notice.right == right and notice.request == request and notice.at < end
            }
            got = {handover.recipient for handover in happened.handovers if handover.at <= fulfilled}
            for recipient in sorted(got - told):
                yield finding(
                    RECIPIENTS_NOT_NOTIFIED,
                    bundle,
                    f"{right} fulfilled {moment(fulfilled)}, recipient {quoted(recipient)} got the data "
                    f"and was not notified within {_NOTIFY_DAYS} days",
                    end,
                    (right, request, fulfilled, recipient),
                    About(fulfilled, right, request, recipient),
                )


def _told_by(fulfilled: datetime) -> datetime:
    """The end of the last day on which recipients are told in time."""
    return day_end(shifted(stockholm_date(fulfilled), _NOTIFY_DAYS))


def _fulfilments(state: SubjectState, right: Right, now: datetime) -> Iterator[tuple[bytes, datetime]]:
    """When each request of a right was first fulfilled by `now`, once more if it was withdrawn in between."""
    for request in state.requests.get(right, ()):
        done = False
        for step in state.steps(right, request, now):
            if step.phase == "fulfilled" and not done:
                done = True
                yield request, step.at
            elif step.phase == "withdrawn":
                done = False
