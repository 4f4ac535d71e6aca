"""What was erased stays erased: clause 9.3 (Art. 17)."""

from __future__ import annotations

from datetime import datetime

from ansvar.events.model import ProcessingEvent
from ansvar.policy.case import Case, moment, quoted
from ansvar.policy.pattern import CONTRACT, Pattern
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule

_NEEDED_BY_CONTRACTS = (CONTRACT, "customer_service")


def _needs_data(pattern: Pattern) -> bool:
    return pattern.operation != "erase" and pattern.purpose != "legal_obligation"


@rule(
    "subject.erased",
    "9.3",
    "GDPR Art. 17(1), 17(3)",
    "deny",
    en="Data are used that were erased",
    sv="Uppgifter används som har raderats",
    concerns=_needs_data,
)
def erased(case: Case) -> None:
    """Once an erasure is fulfilled there is nothing left to use.

    What the law demands stays, and what a contract needs that ran at the erasure, for as long as it runs. A
    contract begun since opens a new relation; data that the subject has given since are new data.
    """
    if not case.state.erasures:
        return
    since = case.state.last_erasure(case.at)
    if since is None or _new_relation(case, since):
        return
    gone = _not_given_since(case, since)
    if gone is not None:
        what = f" of {', '.join(quoted(category) for category in gone)}" if gone else ""
        case.find(
            erased, f"{case.pattern.act}{what} at {moment(case.at)}, the subject was erased {moment(since)}"
        )


def _new_relation(case: Case, since: datetime) -> bool:
    """Whether a contract carries the event: one that ran at the erasure, or one begun after it."""
    state = case.state
    if case.pattern.purpose in _NEEDED_BY_CONTRACTS and state.contract_lasts(since, case.at):
        return True
    return state.contract_opens(since, case.at)


def _not_given_since(case: Case, since: datetime) -> list[str] | None:
    """The categories that the subject has not given since the erasure; None where there is no fault in that.

    An event that names no category cannot show that its data are new.
    """
    pattern, event = case.pattern, case.event
    if (
        isinstance(event, ProcessingEvent)
        and event.operation == "collect"
        and event.source == "data_subject"
        and pattern.purpose is not None
    ):
        return None
    if not pattern.categories:
        return []
    gone = case.state.not_collected(
        pattern.categories, pattern.bundle.purposes, since, case.at, "data_subject"
    )
    return gone or None


CHAPTER = Chapter(USES_OF_DATA, (erased,))
