"""Categories of data: clause 2.4 lists them, clause 4.1 confines those for profiling (Art. 5(1)(c))."""

from __future__ import annotations

from ansvar.policy.case import Case, quoted
from ansvar.policy.pattern import EVALUATION, MARKETING, RIGHTS_OPERATIONS, Pattern
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule

_PROFILING_OPERATIONS = frozenset({"collect", "store", "organise", "profile", "analyse", "erase"})


@rule(
    "category.missing",
    "2.4",
    "GDPR Art. 30(1)(c)",
    "flag",
    en="No category of data is named",
    sv="Ingen kategori av uppgifter är angiven",
    concerns=lambda p: not p.categories,
)
def missing(case: Case) -> None:
    """A use of data can be judged and listed only when it says which categories it touches."""
    case.find(missing, f"{case.pattern.act} names no category of data")


@rule(
    "category.undeclared",
    "2.4",
    "GDPR Art. 13(1), 30(1)(c)",
    "deny",
    en="A category of data is not one of the policy's",
    sv="En kategori av uppgifter finns inte i policyn",
    concerns=lambda p: not p.bundle.categories.keys() >= set(p.categories),
)
def undeclared(case: Case) -> None:
    """The policy tells people which categories are processed; another one is processed behind their back."""
    pattern = case.pattern
    others = [
        quoted(category) for category in pattern.categories if category not in pattern.bundle.categories
    ]
    case.find(undeclared, f"data category not declared in the policy: {', '.join(others)}")


@rule(
    "category.profiling_only",
    "4.1",
    "GDPR Art. 5(1)(b)-(c)",
    "deny",
    en="Profiling data are used for something other than profiling for marketing",
    sv="Profileringsuppgifter används till annat än profilering för marknadsföring",
    concerns=lambda p: p.operation not in RIGHTS_OPERATIONS and bool(_confined(p) and _faults(p)),
)
def profiling_only(case: Case) -> None:
    """Purchase history, age, residence and gender are gathered to sort customers into segments for marketing.

    Handing them over is another use. Steps that serve the subject's rights are free. Where no purpose of the
    policy is stated, the operation alone is judged.
    """
    named, faults = _confined(case.pattern), _faults(case.pattern)
    case.find(
        profiling_only, f"for profiling for marketing only: {', '.join(named)}; found {' and '.join(faults)}"
    )


@rule(
    "category.personnummer",
    "Act 2018:218 3:10",
    "GDPR Art. 87",
    "flag",
    en="A personal identity number is used for marketing or evaluation",
    sv="Personnummer används för marknadsföring eller utvärdering",
    concerns=lambda p: p.purpose in (MARKETING, EVALUATION) and "personnummer" in p.categories,
)
def personnummer(case: Case) -> None:
    """Without consent a personal identity number is used only for a weighty reason.

    The purpose, secure identification or the like must justify it; marketing and evaluation seldom do.
    """
    case.find(personnummer, f"personnummer used for {case.pattern.purpose}")


def _confined(pattern: Pattern) -> list[str]:
    """The categories among those named that serve profiling only."""
    declared = pattern.bundle.categories
    return [
        category
        for category in pattern.categories
        if category in declared and declared[category].profiling_only
    ]


def _faults(pattern: Pattern) -> list[str]:
    """What is not profiling for marketing."""
    faults = []
    if pattern.operation not in _PROFILING_OPERATIONS:
        faults.append(f"operation {pattern.act}")
    if pattern.purpose is not None and pattern.purpose != MARKETING:
        faults.append(f"purpose {pattern.purpose}")
    return faults


CHAPTER = Chapter(USES_OF_DATA, (missing, undeclared, profiling_only, personnummer))
