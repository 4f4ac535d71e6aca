"""Transfers outside the EU/EEA: clause 6.3 and chapter V of the GDPR, as the law stood when it happened.

Invariants: a country that cannot be placed is reported by `transfer.country_unknown` and by no other rule
here; `transfer.third_country` fires once an event, the others at most once a country.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from ansvar.policy.calendar import day_start
from ansvar.policy.case import Case, Destination, moment, quoted
from ansvar.policy.rule import HANDOVERS, Chapter, rule
from ansvar.policy.rules.safeguard import TOOLS, abroad

# The judgment C-311/18 asks for the assessment of every transfer after its day, 2020-07-16.
_SCHREMS_II = day_start(date(2020, 7, 17))

_ANNULLABLE = {"privacy_shield": "Privacy Shield", "safe_harbor": "Safe Harbor"}


@rule(
    "transfer.third_country",
    "6.3",
    "GDPR Art. 44, 30(1)(e)",
    "flag",
    en="Data leave the EU/EEA",
    sv="Uppgifter lämnar EU/EES",
)
def third_country(case: Case) -> None:
    """Every transfer to a third country is one that someone must be able to list, however well protected.

    Storage, sub-processors and looking in from there count as going there.
    """
    countries = dict.fromkeys(d.country for d in case.destinations if d.standing == "third")
    if countries:
        case.find(
            third_country,
            f"{case.act} at {moment(case.at)} reaches {', '.join(countries)}, outside the EU/EEA",
        )


@rule(
    "transfer.no_safeguard",
    "6.3",
    "GDPR Art. 44, 46(1)",
    "deny",
    en="Nothing protects the data outside the EU/EEA",
    sv="Inget skyddar uppgifterna utanför EU/EES",
)
def no_safeguard(case: Case) -> None:
    """Outside the EU/EEA data need an adequacy decision or an appropriate safeguard."""
    stated = "safeguard none" if _stated(case) == "none" else "no safeguard stated"
    for d in _each(case, lambda d: d.safeguard == "none"):
        held = "" if _stated(case) == "none" else " no instrument in force and"
        case.find(
            no_safeguard,
            f"{d.country} at {moment(case.at)}: {stated},{held} no adequacy decision that covers {_name(d)}",
        )


@rule(
    "transfer.adequacy_not_in_force",
    "6.3",
    "GDPR Art. 45",
    "deny",
    en="The adequacy decision relied on is not in force",
    sv="Det åberopade adekvansbeslutet gäller inte",
)
def adequacy_not_in_force(case: Case) -> None:
    """An adequacy decision protects from its first day to its last, and those inside its scope meanwhile."""
    for d in _each(case, lambda d: d.safeguard == "adequacy" and d.adequacy in ("absent", "lapsed")):
        fact = (
            "no adequacy decision in force"
            if d.adequacy == "absent"
            else f"{_name(d)} is recorded in the scope of the decision with dates that do not hold then"
        )
        case.find(adequacy_not_in_force, f"adequacy claimed for {d.country} at {moment(case.at)}: {fact}")


@rule(
    "transfer.scope_unverified",
    "6.3",
    "GDPR Art. 45(3), 5(2)",
    "deny",
    en="Nothing shows that the recipient is inside the adequacy decision",
    sv="Inget visar att mottagaren omfattas av adekvansbeslutet",
)
def scope_unverified(case: Case) -> None:
    """Some decisions cover certain organisations only; the company must be able to show that this is one."""
    for d in _each(case, lambda d: d.safeguard == "adequacy" and d.adequacy == "unshown"):
        case.find(
            scope_unverified,
            f"adequacy claimed for {d.country} at {moment(case.at)}: the decision is of limited scope, "
            f"and nothing is recorded of the place of {_name(d)} in it",
        )


@rule(
    "transfer.tool_invalid",
    "6.3",
    "GDPR Art. 44, 46; C-362/14, C-311/18",
    "deny",
    en="The transfer tool was not valid then",
    sv="Överföringsverktyget gällde inte då",
)
def tool_invalid(case: Case) -> None:
    """Safe Harbor and Privacy Shield protected transfers to the US until the Court annulled them.

    A repealed set of standard clauses protects no longer than its repeal allows.
    """
    for d in _each(case, lambda d: d.repealed is not None or not _holds(case, d)):
        if d.repealed is not None:
            fact = f"the clauses with {_name(d)} are of a repealed set ({d.repealed})"
        else:
            fact = f"{_ANNULLABLE[d.safeguard]} is not valid for {d.country} then"
        case.find(tool_invalid, f"{d.country} at {moment(case.at)}: {fact}")


@rule(
    "transfer.safeguard_unregistered",
    "6.3",
    "GDPR Art. 46(2), 49, 5(2)",
    "deny",
    en="The safeguard relied on is not on record",
    sv="Den åberopade skyddsåtgärden är inte registrerad",
)
def safeguard_unregistered(case: Case) -> None:
    """A claimed instrument must be one that the company holds with that recipient at that time.

    A derogation has no instrument, so it must refer to what it rests on.
    """
    reference = case.handover is not None and case.handover.safeguard_reference is not None

    def lacks(d: Destination) -> bool:
        if d.safeguard == "derogation":
            return not reference
        return d.safeguard in TOOLS and d.instrument is None and d.repealed is None

    for d in _each(case, lacks):
        if d.safeguard == "derogation":
            fact = "derogation without a reference"
        else:
            under = " under the stated reference" if reference else ""
            fact = f"no {d.safeguard} with {_name(d)} in force in the bundle{under}"
        case.find(safeguard_unregistered, f"{d.country} at {moment(case.at)}: {fact}")


@rule(
    "transfer.assessment_missing",
    "6.3, Schrems II",
    "GDPR Art. 46(1); C-311/18",
    "flag",
    en="No transfer impact assessment is on record",
    sv="Ingen konsekvensbedömning av överföringen är registrerad",
)
def assessment_missing(case: Case) -> None:
    """Since Schrems II whoever relies on clauses or corporate rules must have assessed the law over there."""
    if case.at < _SCHREMS_II:
        return

    def unassessed(d: Destination) -> bool:
        return d.safeguard in ("scc", "bcr") and d.instrument is not None and not d.assessed

    for d in _each(case, unassessed):
        case.find(
            assessment_missing,
            f"{d.country} at {moment(case.at)}: {d.safeguard} {d.instrument} with {_name(d)} "
            "has no transfer impact assessment",
        )


@rule(
    "transfer.tool_not_in_policy",
    "6.3",
    "GDPR Art. 46(2)(f), 49",
    "flag",
    en="A lawful tool that the policy does not name",
    sv="Ett lagligt verktyg som policyn inte nämner",
)
def tool_not_in_policy(case: Case) -> None:
    """Certification and derogations are lawful tools, but this policy told people of other safeguards."""
    for d in _each(case, lambda d: d.safeguard in ("certification", "derogation")):
        case.find(
            tool_not_in_policy, f"{d.country} at {moment(case.at)}: {d.safeguard} is not named by the policy"
        )


@rule(
    "transfer.country_unknown",
    "6.3",
    "GDPR Art. 44",
    "deny",
    en="The country cannot be placed inside or outside the EU/EEA",
    sv="Landet kan inte placeras innanför eller utanför EU/EES",
)
def country_unknown(case: Case) -> None:
    """A transfer can be judged only when its destination is known.

    A code that ISO 3166-1 does not know is denied; a territory of disputed status is for a human, so flagged.
    """
    bundle = case.tables.bundle
    for country, standing in {d.country: d.standing for d in case.destinations}.items():
        if standing == "disputed":
            fact = f"the status of {country} towards the EU/EEA is disputed"
            case.find(country_unknown, fact, "flag")
        elif standing == "unknown":
            meant = bundle.suggestions.get(country.upper())
            if meant is None and country.upper() in bundle.countries:
                meant = country.upper()
            offer = f"; {meant} is meant?" if meant is not None else ""
            case.find(country_unknown, f"country code {quoted(country)} is not in ISO 3166-1{offer}")


def _each(case: Case, fires: Callable[[Destination], bool]) -> Iterator[Destination]:
    """The first destination of each third country of which `fires` holds."""
    seen = set()
    for d in case.destinations:
        if d.standing == "third" and d.country not in seen and fires(d):
            seen.add(d.country)
            yield d


def _holds(case: Case, d: Destination) -> bool:
    """Whether an annulled framework, where one is claimed, was in force for that country then."""
    if d.safeguard not in _ANNULLABLE:
        return True
    decisions = case.tables.bundle.decisions.get(d.country, ())
    return any(decision.word == d.safeguard and decision.period.holds(case.at) for decision in decisions)


def _stated(case: Case) -> str | None:
    return None if case.handover is None else case.handover.safeguard


def _name(d: Destination) -> str:
    return "the recipient" if d.holder is None else d.holder.id


CHAPTER = Chapter(
    HANDOVERS,
    (
        third_country,
        no_safeguard,
        adequacy_not_in_force,
        scope_unverified,
        tool_invalid,
        safeguard_unregistered,
        assessment_missing,
        tool_not_in_policy,
        country_unknown,
    ),
    abroad,
)
