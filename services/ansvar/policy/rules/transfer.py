"""Transfers outside the EU/EEA: clause 6.3 and chapter V of the GDPR, as the law stood when it happened.

Invariants: a country that cannot be placed is reported by `transfer.country_unknown` and by no other rule
here; `transfer.third_country` fires once an event, the others at most once a country.
"""

from __future__ import annotations

from datetime import date
from functools import wraps

from msgspec.structs import replace

from ansvar.events.model import DisclosureEvent, TransferEvent
from ansvar.policy.bundle import Bundle
from ansvar.policy.calendar import day_start
from ansvar.policy.case import Case, Destination, moment, quoted
from ansvar.policy.pattern import Pattern
from ansvar.policy.rule import HANDOVERS, Chapter, Check, rule
from ansvar.policy.rules.safeguard import TOOLS, third_countries

# The judgment C-311/18 asks for the assessment of every transfer after its day, 2020-07-16.
_SCHREMS_II = day_start(date(2020, 7, 17))

_FRAMEWORKS = {"privacy_shield": "Privacy Shield", "safe_harbor": "Safe Harbor"}


def _beyond(pattern: Pattern) -> bool:
    return bool(pattern.abroad)


@rule(
    "transfer.third_country",
    "6.3",
    "GDPR Art. 44, 30(1)(e)",
    "flag",
    en="Data leave the EU/EEA",
    sv="Uppgifter lämnar EU/EES",
    concerns=_beyond,
)
def third_country(case: Case) -> None:
    """Every transfer to a third country is one that someone must be able to list, however well protected.

    Storage, sub-processors and looking in from there count as going there.
    """
    countries = dict.fromkeys(d.country for d in third_countries(case))
    if countries:
        case.find(
            third_country,
            f"{case.pattern.act} at {moment(case.at)} reaches {', '.join(countries)}, outside the EU/EEA",
        )


@rule(
    "transfer.no_safeguard",
    "6.3",
    "GDPR Art. 44, 46(1)",
    "deny",
    en="Nothing protects the data outside the EU/EEA",
    sv="Inget skyddar uppgifterna utanför EU/EES",
    concerns=lambda p: _beyond(p) and p.safeguard in (None, "none"),
)
def no_safeguard(case: Case) -> None:
    """Outside the EU/EEA data need an adequacy decision or an appropriate safeguard."""
    for d in _once([d for d in third_countries(case) if d.safeguard == "none"]):
        fact = (
            "safeguard none, no"
            if _stated(case) is not None
            else "no safeguard stated, no instrument in force and no"
        )
        case.find(
            no_safeguard, f"{_place(case, d)}: {fact} adequacy decision in force that covers {_name(d)}"
        )


@rule(
    "transfer.adequacy_not_in_force",
    "6.3",
    "GDPR Art. 45",
    "deny",
    en="The adequacy decision relied on is not in force",
    sv="Det åberopade adekvansbeslutet gäller inte",
    concerns=lambda p: _beyond(p) and p.safeguard == "adequacy",
)
def adequacy_not_in_force(case: Case) -> None:
    """An adequacy decision protects from its first day to its last, and those inside its scope meanwhile."""
    claimed = [
        d for d in third_countries(case) if d.safeguard == "adequacy" and d.adequacy in ("absent", "lapsed")
    ]
    for d in _once(claimed):
        fact = (
            "no adequacy decision in force"
            if d.adequacy == "absent"
            else f"{_name(d)} is recorded in the decision's scope, but not for that time"
        )
        case.find(adequacy_not_in_force, f"{_place(case, d)}: adequacy claimed, {fact}")


@rule(
    "transfer.scope_unverified",
    "6.3",
    "GDPR Art. 45(3), 5(2)",
    "deny",
    en="Nothing shows that the recipient is inside the adequacy decision",
    sv="Inget visar att mottagaren omfattas av adekvansbeslutet",
    concerns=lambda p: _beyond(p) and p.safeguard == "adequacy",
)
def scope_unverified(case: Case) -> None:
    """Some decisions cover certain organisations only; the company must be able to show that this is one."""
    claimed = [d for d in third_countries(case) if d.safeguard == "adequacy" and d.adequacy == "unshown"]
    for d in _once(claimed):
        case.find(
            scope_unverified,
            f"{_place(case, d)}: adequacy claimed, the decision in force is of limited scope, "
            f"and nothing is recorded of the place of {_name(d)} in it",
        )


@rule(
    "transfer.tool_invalid",
    "6.3",
    "GDPR Art. 44, 46; C-362/14, C-311/18",
    "deny",
    en="The transfer tool was not valid then",
    sv="Överföringsverktyget gällde inte då",
    concerns=lambda p: _beyond(p) and (p.safeguard == "scc" or p.safeguard in _FRAMEWORKS),
)
def tool_invalid(case: Case) -> None:
    """Safe Harbor and Privacy Shield protected transfers to the US until the Court annulled them.

    A repealed set of standard clauses protects no longer than its repeal allows.
    """
    invalid = [d for d in third_countries(case) if d.repealed is not None or _annulled(case, d)]
    for d in _once(invalid):
        if d.repealed is not None:
            fact = f"the clauses with {_name(d)} are of a repealed set ({d.repealed})"
        else:
            fact = f"{_FRAMEWORKS[d.safeguard]} is not in force for that country"
        case.find(tool_invalid, f"{_place(case, d)}: {fact}")


@rule(
    "transfer.safeguard_unregistered",
    "6.3",
    "GDPR Art. 46(2), 49, 5(2)",
    "deny",
    en="The safeguard relied on is not on record",
    sv="Den åberopade skyddsåtgärden är inte registrerad",
    concerns=lambda p: _beyond(p) and (p.safeguard in (None, "derogation") or p.safeguard in TOOLS),
)
def safeguard_unregistered(case: Case) -> None:
    """A claimed instrument must be one that the company holds with that recipient at that time.

    A derogation has no instrument, so it must refer to what it rests on.
    """
    referred = _reference(case) is not None
    lacking = [
        d
        for d in third_countries(case)
        if (d.safeguard in TOOLS and d.instrument is None and d.repealed is None)
        or (d.safeguard == "derogation" and not referred)
    ]
    for d in _once(lacking):
        if d.safeguard == "derogation":
            fact = "derogation without a reference"
        else:
            under = " under the stated reference" if referred else ""
            fact = f"no {d.safeguard} with {_name(d)} in force in the bundle{under}"
        case.find(safeguard_unregistered, f"{_place(case, d)}: {fact}")


@rule(
    "transfer.assessment_missing",
    "6.3, Schrems II",
    "GDPR Art. 46(1); C-311/18",
    "flag",
    en="No transfer impact assessment is on record",
    sv="Ingen konsekvensbedömning av överföringen är registrerad",
    concerns=lambda p: _beyond(p) and p.safeguard in (None, "scc", "bcr"),
)
def assessment_missing(case: Case) -> None:
    """Since Schrems II whoever relies on clauses or corporate rules must have assessed the law over there."""
    if case.at < _SCHREMS_II:
        return
    unassessed = [
        d
        for d in third_countries(case)
        if d.safeguard in ("scc", "bcr") and d.instrument is not None and not d.assessed
    ]
    for d in _once(unassessed):
        case.find(
            assessment_missing,
            f"{_place(case, d)}: {d.safeguard} {d.instrument} with {_name(d)} has no impact assessment",
        )


@rule(
    "transfer.tool_not_in_policy",
    "6.3",
    "GDPR Art. 46(2)(f), 49",
    "flag",
    en="A lawful tool that the policy does not name",
    sv="Ett lagligt verktyg som policyn inte nämner",
    concerns=lambda p: _beyond(p) and p.safeguard in (None, "certification", "derogation"),
)
def tool_not_in_policy(case: Case) -> None:
    """Certification and derogations are lawful tools, but this policy told people of other safeguards."""
    unnamed = [d for d in third_countries(case) if d.safeguard in ("certification", "derogation")]
    for d in _once(unnamed):
        case.find(tool_not_in_policy, f"{_place(case, d)}: {d.safeguard} is not named by the policy")


@rule(
    "transfer.country_unknown",
    "6.3",
    "GDPR Art. 44",
    "deny",
    en="The country cannot be placed inside or outside the EU/EEA",
    sv="Landet kan inte placeras innanför eller utanför EU/EES",
    concerns=lambda p: any(_unplaced(country, p.bundle) for country, _ in p.abroad),
)
def country_unknown(case: Case) -> None:
    """A transfer can be judged only when its destination is known.

    A code that ISO 3166-1 does not know is denied; a territory of disputed status is for a human, so flagged.
    """
    bundle = case.pattern.bundle
    for country in dict.fromkeys(country for country, _ in case.pattern.abroad):
        if country in bundle.disputed:
            case.find(country_unknown, f"the status of {country} towards the EU/EEA is disputed", "flag")
        elif country not in bundle.countries:
            meant = bundle.suggestions.get(country.upper(), country.upper())
            offer = f"; {meant} is meant?" if meant in bundle.countries else ""
            case.find(country_unknown, f"country code {quoted(country)} is not in ISO 3166-1{offer}")


def _unplaced(country: str, bundle: Bundle) -> bool:
    return country in bundle.disputed or country not in bundle.countries


def _once(destinations: list[Destination]) -> list[Destination]:
    """The first destination of each country."""
    if len(destinations) < 2:
        return destinations
    return list({d.country: d for d in reversed(destinations)}.values())[::-1]


def _annulled(case: Case, d: Destination) -> bool:
    """Whether a framework for the US is claimed that was not in force for that country then."""
    if d.safeguard not in _FRAMEWORKS:
        return False
    decisions = case.pattern.bundle.decisions.get(d.country, ())
    return not any(decision.word == d.safeguard and decision.period.holds(case.at) for decision in decisions)


def _stated(case: Case) -> str | None:
    return case.event.safeguard if isinstance(case.event, TransferEvent | DisclosureEvent) else None


def _reference(case: Case) -> str | None:
    return case.event.safeguard_reference if isinstance(case.event, TransferEvent | DisclosureEvent) else None


def _place(case: Case, d: Destination) -> str:
    return f"{d.country} at {moment(case.at)}"


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
)


def _as_at_first(check: Check) -> Check:
    @wraps(check)
    def judged(case: Case) -> None:
        third_countries(case, first_engine=True)  # examined once a case, so the check finds them so
        check(case)

    return judged


# The same rules as the first engine reads an unstated safeguard with a reference.
FIRST_CHAPTER = Chapter(HANDOVERS, tuple(replace(r, check=_as_at_first(r.check)) for r in CHAPTER.rules))
