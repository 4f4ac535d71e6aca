"""Objections to processing on a legitimate interest (clause 9.5, Art. 21(1)). Marketing has its own rule."""

from __future__ import annotations

from ansvar.policy.case import Case, moment
from ansvar.policy.pattern import LEGITIMATE_INTEREST, MARKETING, RIGHTS_OPERATIONS, Pattern
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule


def _may_be_objected_to(pattern: Pattern) -> bool:
    return (
        pattern.controller
        and pattern.basis is not None
        and pattern.basis.id == LEGITIMATE_INTEREST
        and pattern.purpose is not None
        and pattern.purpose != MARKETING
        and pattern.operation not in RIGHTS_OPERATIONS
    )


@rule(
    "objection.in_force",
    "9.5",
    "GDPR Art. 21(1)",
    "deny",
    en="Legitimate interest in spite of an objection",
    sv="Berättigat intresse trots invändning",
    concerns=_may_be_objected_to,
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
    concerns=_may_be_objected_to,
)
def overridden(case: Case) -> None:
    """Compelling grounds may override an objection; the company must show them, so someone looks."""
    if case.event.compelling_grounds is not None:
        fact = _fact(case)
        if fact is not None:
            case.find(overridden, f"{fact}, compelling grounds stated")


def _fact(case: Case) -> str | None:
    """The objection that meets the event, in words, or None."""
    if not case.state.requests:
        return None
    since = case.objected_since(case.pattern.purpose or "")
    if since is None:
        return None
    return (
        f"{case.pattern.act} for {case.pattern.purpose} on legitimate interest at {moment(case.at)}, "
        f"objection in force since {moment(since)}"
    )


CHAPTER = Chapter(USES_OF_DATA, (in_force, overridden))
