"""When events are said to have happened, against when the log got them. Every kind of event.

The limits are lengths of time (minutes of sixty seconds, days of 24 hours), not calendar days.
"""

from __future__ import annotations

from datetime import timedelta

from ansvar.policy.case import Case, moment
from ansvar.policy.rule import ALL_KINDS, Chapter, rule


@rule(
    "event.future",
    "–",
    "GDPR Art. 5(1)(d), 5(2)",
    "deny",
    en="The event is said to happen in the future",
    sv="Händelsen sägs inträffa i framtiden",
    concerns=lambda _: True,
)
def future(case: Case) -> None:
    """A log tells what has happened; clocks may differ by some minutes, not by more."""
    if case.at <= case.recorded_at:
        return
    limit = case.pattern.bundle.settings.future_minutes
    if case.at - case.recorded_at > timedelta(minutes=limit):
        case.find(
            future,
            f"occurred at {moment(case.at)}, recorded at {moment(case.recorded_at)}, limit {limit} minutes",
        )


@rule(
    "event.late",
    "–",
    "GDPR Art. 5(2)",
    "flag",
    en="The event was reported long after it happened",
    sv="Händelsen rapporterades långt efter att den inträffade",
    concerns=lambda _: True,
)
def late(case: Case) -> None:
    """What is reported late was not there to be judged by; someone should ask why."""
    if case.recorded_at is case.at:
        return  # judged as if recorded at once, which is most of what is evaluated
    limit = case.pattern.bundle.settings.late_days
    delay = case.recorded_at - case.at
    if delay.days >= limit and delay > timedelta(days=limit):
        case.find(
            late, f"occurred at {moment(case.at)}, recorded at {moment(case.recorded_at)}, limit {limit} days"
        )


CHAPTER = Chapter(ALL_KINDS, (future, late))
