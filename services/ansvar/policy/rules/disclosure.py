"""Disclosures to authorities (clause 6.4) and on legal request (7.1)."""

from __future__ import annotations

from ansvar.events.model import DisclosureEvent, Ground
from ansvar.policy.case import Case, moment
from ansvar.policy.pattern import Pattern
from ansvar.policy.rule import HANDOVERS, Chapter, rule

_GROUNDS: frozenset[Ground | None] = frozenset(
    {"legal_obligation", "suspected_crime", "legal_request", "fraud_prevention"}
)


def _to_authority(pattern: Pattern) -> bool:
    return pattern.recipient_type == "authority"


@rule(
    "disclosure.authority",
    "6.4",
    "GDPR Art. 4(9), 6(1)(c)",
    "flag",
    en="Data are given to an authority",
    sv="Uppgifter lämnas till en myndighet",
    concerns=_to_authority,
)
def authority(case: Case) -> None:
    """Whatever goes to an authority goes into a register of its own, so every such disclosure is seen."""
    case.find(authority, f"{case.pattern.act} to {_name(case.pattern)} at {moment(case.at)}")


@rule(
    "disclosure.ground_missing",
    "6.4, 7.1",
    "GDPR Art. 6(1)(c), 6(1)(f)",
    "deny",
    en="Data are given to an authority without one of the policy's grounds",
    sv="Uppgifter lämnas till en myndighet utan någon av policyns grunder",
    concerns=_to_authority,
)
def ground_missing(case: Case) -> None:
    """Authorities get data where law obliges, crime or fraud is suspected, or a legal request asks.

    They are reached by disclosure: a transfer states no ground and so has none.
    """
    ground = case.event.ground if isinstance(case.event, DisclosureEvent) else None
    if ground not in _GROUNDS:
        stated = "no ground" if ground is None else f"ground {ground}"
        case.find(
            ground_missing, f"{case.pattern.act} to {_name(case.pattern)} at {moment(case.at)}: {stated}"
        )


@rule(
    "disclosure.reference_missing",
    "7.1",
    "GDPR Art. 5(2)",
    "deny",
    en="A legal request without its reference",
    sv="En rättslig begäran utan referens",
    concerns=lambda p: p.kind == "disclosure",
)
def reference_missing(case: Case) -> None:
    """A search warrant, court decision or order has a number; without it nobody can show that it existed."""
    event = case.event
    if isinstance(event, DisclosureEvent) and event.ground == "legal_request" and event.reference is None:
        case.find(reference_missing, f"disclosure on a legal request at {moment(case.at)} without reference")


def _name(pattern: Pattern) -> str:
    return "an authority" if pattern.recipient is None else pattern.recipient.id


CHAPTER = Chapter(HANDOVERS, (authority, ground_missing, reference_missing))
