"""Producers: whoever reports for a system is registered for it (clause 6.2; Art. 28(3)(a), 32)."""

from __future__ import annotations

from ansvar.policy.case import Case, moment, quoted
from ansvar.policy.rule import ALL_KINDS, Chapter, rule


@rule(
    "producer.out_of_scope",
    "6.2",
    "GDPR Art. 5(1)(f), 28(3)(a), 32(4)",
    "deny",
    en="The producer is not registered for this system or kind of event",
    sv="Producenten är inte registrerad för systemet eller händelsetypen",
    concerns=lambda _: True,
)
def out_of_scope(case: Case) -> None:
    """A producer reports for the systems and of the kinds it is registered for, and for nobody else.

    Skipped where no producer is known, as when a file is judged without being recorded.
    """
    scope = case.scope
    if scope is None:
        return
    event = case.event
    beyond = []
    if not scope.covers_system(event.system):
        beyond.append(f"system {quoted(event.system)}")
    if not scope.covers_kind(event.kind):
        beyond.append(f"kind {event.kind}")
    if beyond:
        case.find(
            out_of_scope, f"the producer's registration at {moment(case.at)} lacks {' and '.join(beyond)}"
        )


CHAPTER = Chapter(ALL_KINDS, (out_of_scope,))
