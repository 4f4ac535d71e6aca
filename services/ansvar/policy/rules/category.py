"""Categories of data: clause 2.4 lists them, clause 4.1 confines those for profiling (Art. 5(1)(c))."""

from __future__ import annotations

from ansvar.policy.case import EVALUATION, MARKETING, RIGHTS_OPERATIONS, Case, quoted
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule

_PROFILING_OPERATIONS = frozenset({"collect", "store", "organise", "profile", "analyse", "erase"})


@rule(
    "category.missing",
    "2.4",
    "GDPR Art. 30(1)(c)",
    "flag",
    en="No category of data is named",
    sv="Ingen kategori av uppgifter är angiven",
)
def missing(case: Case) -> None:
    """A use of data can be judged and listed only when it says which categories it touches."""
    if not case.event.data_categories:
        case.find(missing, f"{case.act} names no category of data")


@rule(
    "category.undeclared",
    "2.4",
    "GDPR Art. 13(1), 30(1)(c)",
    "deny",
    en="A category of data is not one of the policy's",
    sv="En kategori av uppgifter finns inte i policyn",
)
def undeclared(case: Case) -> None:
    """The policy tells people which categories are processed; another one is processed behind their back."""
    declared = case.tables.bundle.categories
    for category in case.event.data_categories:
        if category not in declared:
            break
    else:
        return
    others = [quoted(c) for c in dict.fromkeys(case.event.data_categories) if c not in declared]
    case.find(undeclared, f"data category not declared in the policy: {', '.join(others)}")


@rule(
    "category.profiling_only",
    "4.1",
    "GDPR Art. 5(1)(b)-(c)",
    "deny",
    en="Profiling data are used for something other than profiling for marketing",
    sv="Profileringsuppgifter används till annat än profilering för marknadsföring",
)
def profiling_only(case: Case) -> None:
    """Purchase history, age, residence and gender are gathered to sort customers into segments for marketing.

    Handing them over is another use. Steps that serve the subject's rights are free. Where no purpose of the
    policy is stated, the operation alone is judged.
    """
    confined = case.tables.profiling_only
    if confined.isdisjoint(case.event.data_categories) or case.operation in RIGHTS_OPERATIONS:
        return
    faults = []
    if case.operation not in _PROFILING_OPERATIONS:
        faults.append(f"operation {case.act}")
    if case.purpose is not None and case.purpose != MARKETING:
        faults.append(f"purpose {case.purpose}")
    if faults:
        named = [c for c in dict.fromkeys(case.event.data_categories) if c in confined]
        case.find(
            profiling_only, f"{', '.join(named)} serve profiling for marketing only: {' and '.join(faults)}"
        )


@rule(
    "category.personnummer",
    "Act 2018:218 3:10",
    "GDPR Art. 87",
    "flag",
    en="A personal identity number is used for marketing or evaluation",
    sv="Personnummer används för marknadsföring eller utvärdering",
)
def personnummer(case: Case) -> None:
    """Without consent a personal identity number is used only for a weighty reason.

    The purpose, secure identification or the like must justify it; marketing and evaluation seldom do.
    """
    if (
        case.purpose == MARKETING or case.purpose == EVALUATION
    ) and "personnummer" in case.event.data_categories:
        case.find(personnummer, f"personnummer used for {case.purpose}")


CHAPTER = Chapter(USES_OF_DATA, (missing, undeclared, profiling_only, personnummer))
