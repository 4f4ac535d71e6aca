"""Purpose limitation: clause 3.1 names the purposes, clause 3.2 holds the company to them (Art. 5(1)(b))."""

from __future__ import annotations

from ansvar.policy.case import Case, moment, quoted
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule

_NEEDS_NO_ORIGIN = ("collect", "erase")


@rule(
    "purpose.missing",
    "3.1",
    "GDPR Art. 5(1)(b)",
    "deny",
    en="No purpose is stated",
    sv="Inget ändamål är angivet",
    concerns=lambda p: p.purpose_stated is None,
)
def missing(case: Case) -> None:
    """Personal data are used for a stated purpose or not at all."""
    case.find(missing, f"{case.pattern.act} at {moment(case.at)} states no purpose")


@rule(
    "purpose.undeclared",
    "3.1",
    "GDPR Art. 5(1)(b)",
    "deny",
    en="The purpose is not one of the policy's",
    sv="Ändamålet finns inte i policyn",
    concerns=lambda p: p.purpose_stated is not None and p.purpose is None,
)
def undeclared(case: Case) -> None:
    """The policy lists the purposes that data may serve, and the list is complete."""
    case.find(
        undeclared, f"purpose {quoted(case.pattern.purpose_stated or '')} is not declared in the policy"
    )


@rule(
    "purpose.incompatible",
    "3.2",
    "GDPR Art. 5(1)(b), 6(4)",
    "deny",
    en="Data are used for a purpose that is incompatible with why they were collected",
    sv="Uppgifter används för ett ändamål som är oförenligt med insamlingens",
    concerns=lambda p: p.purpose is not None and p.controller and p.operation not in _NEEDS_NO_ORIGIN,
)
def incompatible(case: Case) -> None:
    """Data may serve another purpose than the one they were collected for only where the two are compatible.

    Each named category must have been collected for at least one purpose from which this one may be served.
    A category without any known collection is the next rule's.
    """
    if not case.state.collected:
        return
    pattern = case.pattern
    offending = []
    for category in case.state.unserved(pattern.categories, pattern.origins, case.at):
        known = case.state.collected_for(category, case.at)
        declared = sorted(purpose for purpose in known if purpose in pattern.bundle.purposes)
        if declared:
            offending.append(f"{quoted(category)} (collected for {', '.join(declared)})")
    if offending:
        case.find(
            incompatible,
            f"purpose {pattern.purpose} at {moment(case.at)} does not fit that of {'; '.join(offending)}",
        )


@rule(
    "purpose.no_collection_record",
    "3.2",
    "GDPR Art. 5(2)",
    "flag",
    en="No collection is on record for a category that is used",
    sv="Ingen insamling är registrerad för en kategori som används",
    concerns=lambda p: p.bundle.settings.require_collection_record and p.operation not in _NEEDS_NO_ORIGIN,
)
def no_collection_record(case: Case) -> None:
    """To show that a use fits the purpose of collection, the collection must be on record.

    A switch of the bundle, since a company that starts to log has data from before.
    """
    purposes = case.pattern.bundle.purposes
    unknown = [
        quoted(category)
        for category in case.pattern.categories
        if not any(purpose in purposes for purpose in case.state.collected_for(category, case.at))
    ]
    if unknown:
        case.find(no_collection_record, f"no collect by {moment(case.at)} is known for {', '.join(unknown)}")


CHAPTER = Chapter(USES_OF_DATA, (missing, undeclared, incompatible, no_collection_record))
