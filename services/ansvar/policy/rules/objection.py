"""Objections to processing on a legitimate interest (clause 9.5, Art. 21(1)). Marketing has its own rule."""

from __future__ import annotations

from ansvar.policy.case import LEGITIMATE_INTEREST, MARKETING, RIGHTS_OPERATIONS, Case, moment
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule


@rule(
    "objection.in_force",
    "9.5",
    "GDPR Art. 21(1)",
    "deny",
    en="Legitimate interest in spite of an objection",
    sv="Berättigat intresse trots invändning",
)
def in_force(case: Case) -> None:
    """Processing on a legitimate interest stops when the subject objects, unless compelling grounds show."""
    if case.event.compelling_grounds is None:
        fact = _fact(case)
        if fact is not None:
            case.find(in_force, f"{fact}, no compelling grounds stated")


@rule(
    "objection.overridden",
    "9.5",
    "GDPR Art. 21(1)",
    "flag",
    en="Compelling grounds are set against an objection",
    sv="Tvingande skäl åberopas mot en invändning",
)
def overridden(case: Case) -> None:
    """Compelling grounds may override an objection; the company must show them, so someone looks."""
    if case.event.compelling_grounds is not None:
        fact = _fact(case)
        if fact is not None:
            case.find(overridden, f"{fact}, compelling grounds stated")


def _fact(case: Case) -> str | None:
    """The objection that meets the event, in words, or None."""
    if case.purpose is None:
        return None
    since = case.objected_since(case.purpose)
    if since is None:
        return None
    return (
        f"{case.act} for {case.purpose} on legitimate interest at {moment(case.at)}, "
        f"objection in force since {moment(since)}"
    )


def _may_be_objected_to(case: Case) -> bool:
    return (
        bool(case.state.requests)
        and case.controller
        and case.basis is not None
        and case.basis.id == LEGITIMATE_INTEREST
        and case.purpose is not None
        and case.purpose != MARKETING
        and case.operation not in RIGHTS_OPERATIONS
    )


CHAPTER = Chapter(USES_OF_DATA, (in_force, overridden), _may_be_objected_to)
