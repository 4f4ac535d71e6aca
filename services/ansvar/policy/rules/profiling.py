"""Profiling and automated decisions: clause 4.1 (Art. 4(4), 21 and 22)."""

from __future__ import annotations

from ansvar.events.model import ProcessingEvent
from ansvar.policy.case import Case, moment, quoted
from ansvar.policy.pattern import MARKETING, Pattern
from ansvar.policy.rule import Chapter, rule


def _individual(pattern: Pattern) -> bool:
    if pattern.operation == "analyse":
        return pattern.purpose == MARKETING
    return pattern.operation == "profile" and pattern.purpose not in (None, MARKETING)


@rule(
    "profiling.individual",
    "4.1",
    "GDPR Art. 4(4), 5(1)(a)-(b)",
    "deny",
    en="A person is analysed or profiled beyond what the policy says",
    sv="En person analyseras eller profileras utöver vad policyn säger",
    concerns=_individual,
)
def individual(case: Case) -> None:
    """Customers are sorted into segments for marketing, and segments, not people, are analysed.

    Analyses are of aggregates without anything that identifies; profiling serves marketing alone.
    """
    event, pattern = case.event, case.pattern
    if not isinstance(event, ProcessingEvent):
        return
    if pattern.operation == "profile":
        case.find(
            individual,
            f"profile at {moment(case.at)} for {pattern.purpose}; profiling serves {MARKETING} alone",
        )
        return
    lacking = [
        fault
        for fault, held in (("not aggregated", event.aggregated), ("not deidentified", event.deidentified))
        if not held
    ]
    if lacking:
        case.find(individual, f"analyse for {MARKETING} at {moment(case.at)}, {' and '.join(lacking)}")


@rule(
    "decision.automated",
    "4.1",
    "GDPR Art. 22(1)",
    "deny",
    en="A decision is taken without a human",
    sv="Ett beslut fattas utan någon människa",
    concerns=lambda p: (
        p.decided_by_machine or (p.operation == "decide" and any(s.automated for s in p.systems))
    ),
)
def automated(case: Case) -> None:
    """The policy says that no decision about a person is left to a machine.

    A decision counts as one where the event says so, or where it comes from a system that decides by itself.
    """
    if case.pattern.decided_by_machine:
        case.find(automated, f"{case.pattern.act} at {moment(case.at)} is stated as an automated decision")
        return
    system = case.system()
    if system is not None and system.automated:
        case.find(
            automated, f"decide at {moment(case.at)} by {quoted(system.id)}, registered as deciding by itself"
        )


CHAPTER = Chapter(frozenset({"processing"}), (individual, automated))
