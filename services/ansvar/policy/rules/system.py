"""The company's own systems: clause 6.3 keeps them all inside the EU/EEA. Every kind of event has one."""

from __future__ import annotations

from ansvar.policy.case import Case, moment, quoted
from ansvar.policy.pattern import Pattern, always_inside
from ansvar.policy.rule import ALL_KINDS, Chapter, rule


def _perhaps_outside(pattern: Pattern) -> bool:
    bundle = pattern.bundle
    return pattern.operation != "erase" and any(not always_inside(s.country, bundle) for s in pattern.systems)


@rule(
    "system.unregistered",
    "6.3",
    "GDPR Art. 5(2), 30(1)",
    "flag",
    en="The system is not in the register",
    sv="Systemet finns inte i registret",
    concerns=lambda p: not p.system_always_known,
)
def unregistered(case: Case) -> None:
    """Where a system runs is known of those in the register alone; one outside its dates is not in it."""
    if case.system() is None:
        case.find(
            unregistered,
            f"system {quoted(case.event.system)} is not in the register of systems at {moment(case.at)}",
        )


@rule(
    "system.outside_eea",
    "6.3",
    "GDPR Art. 44",
    "deny",
    en="One of the company's own systems is outside the EU/EEA",
    sv="Ett av företagets egna system finns utanför EU/EES",
    concerns=_perhaps_outside,
)
def outside_eea(case: Case) -> None:
    """The policy promises that the company's own systems run inside the EU/EEA, as it stood at that time.

    Erasing there is how the breach ends. Where the place is of disputed status, a human should look.
    """
    system = case.system()
    if system is None:
        return
    standing = case.pattern.bundle.standing(system.country, case.at)
    if standing == "third":
        case.find(
            outside_eea,
            f"{case.pattern.act} at {moment(case.at)} in {quoted(system.id)}, "
            f"which is in {system.country}, outside the EU/EEA",
        )
    elif standing == "disputed":
        case.find(
            outside_eea,
            f"{case.pattern.act} at {moment(case.at)} in {quoted(system.id)}, "
            f"which is in {system.country}, whose status towards the EU/EEA is disputed",
            "flag",
        )


CHAPTER = Chapter(ALL_KINDS, (unregistered, outside_eea))
