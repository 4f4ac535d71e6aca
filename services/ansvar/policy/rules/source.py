"""Where data come from: clause 2.5 (Art. 13 and 14)."""

from __future__ import annotations

from ansvar.events.model import ProcessingEvent, Source
from ansvar.policy.case import Case, moment
from ansvar.policy.pattern import Pattern
from ansvar.policy.rule import Chapter, rule

_OTHERS: frozenset[Source | None] = frozenset({"partner", "public_register", "activity"})


def _collects(pattern: Pattern) -> bool:
    return pattern.operation == "collect"


@rule(
    "source.uninformed",
    "2.5",
    "GDPR Art. 14(1)-(3)",
    "deny",
    en="Data come from someone else, and the person was not told",
    sv="Uppgifter kommer från någon annan utan att personen har informerats",
    concerns=_collects,
)
def uninformed(case: Case) -> None:
    """Whoever's data come from a partner, a register or an activity is told of it and of the purpose."""
    event = case.event
    if isinstance(event, ProcessingEvent) and event.source in _OTHERS and not event.subject_informed:
        told = "not stated" if event.subject_informed is None else "no"
        case.find(
            uninformed, f"collect at {moment(case.at)} from {event.source}, the subject was informed: {told}"
        )


@rule(
    "source.missing",
    "2.5",
    "GDPR Art. 14(2)(f), 15(1)(g)",
    "flag",
    en="It is not stated where data come from",
    sv="Det framgår inte var uppgifterna kommer ifrån",
    concerns=_collects,
)
def missing(case: Case) -> None:
    """The company must be able to say where it has a person's data from."""
    if isinstance(case.event, ProcessingEvent) and case.event.source is None:
        case.find(missing, f"collect at {moment(case.at)} states no source")


CHAPTER = Chapter(frozenset({"processing"}), (uninformed, missing))
