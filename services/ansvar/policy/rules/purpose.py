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
)
def missing(case: Case) -> None:
    """Personal data are used for a stated purpose or not at all."""
    if case.event.purpose is None:
        case.find(missing, f"{case.act} at {moment(case.at)} states no purpose")


@rule(
    "purpose.undeclared",
    "3.1",
    "GDPR Art. 5(1)(b)",
    "deny",
    en="The purpose is not one of the policy's",
    sv="Ändamålet finns inte i policyn",
)
def undeclared(case: Case) -> None:
    """The policy lists the purposes that data may serve, and the list is complete."""
    if case.purpose is None and case.event.purpose is not None:
        case.find(undeclared, f"purpose {quoted(case.event.purpose)} is not declared in the policy")


@rule(
    "purpose.incompatible",
    "3.2",
    "GDPR Art. 5(1)(b), 6(4)",
    "deny",
    en="Data are used for a purpose that is incompatible with why they were collected",
    sv="Uppgifter används för ett ändamål som är oförenligt med insamlingens",
)
def incompatible(case: Case) -> None:
    """Data may serve another purpose than the one they were collected for only where the two are compatible.

    Each named category must have been collected for at least one purpose from which this one may be served.
    A category without any known collection is the next rule's.
    """
    if not case.state.collected or case.purpose is None or not case.controller:
        return
    if case.operation in _NEEDS_NO_ORIGIN:
        return
    origins = case.tables.serves[case.purpose]
    offending = []
    for category in dict.fromkeys(case.event.data_categories):
        known = case.state.collected_for(category, case.at)
        if known and origins.isdisjoint(known):
            declared = sorted(purpose for purpose in known if purpose in case.tables.bundle.purposes)
            if declared:
                offending.append(f"{quoted(category)} (collected for {', '.join(declared)})")
    if offending:
        case.find(
            incompatible,
            f"purpose {case.purpose} at {moment(case.at)} does not fit that of {'; '.join(offending)}",
        )


@rule(
    "purpose.no_collection_record",
    "3.2",
    "GDPR Art. 5(2)",
    "flag",
    en="No collection is on record for a category that is used",
    sv="Ingen insamling är registrerad för en kategori som används",
)
def no_collection_record(case: Case) -> None:
    """To show that a use fits the purpose of collection, the collection must be on record.

    A switch of the bundle, since a company that starts to log has data from before.
    """
    if not case.tables.bundle.settings.require_collection_record or case.operation in _NEEDS_NO_ORIGIN:
        return
    purposes = case.tables.bundle.purposes
    unknown = [
        quoted(category)
        for category in dict.fromkeys(case.event.data_categories)
        if not any(purpose in purposes for purpose in case.state.collected_for(category, case.at))
    ]
    if unknown:
        case.find(no_collection_record, f"no collect by {moment(case.at)} is known for {', '.join(unknown)}")


CHAPTER = Chapter(USES_OF_DATA, (missing, undeclared, incompatible, no_collection_record))
