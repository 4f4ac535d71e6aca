"""Customers that are companies: clause 11.1 (Art. 4(7)-(8), 28 and 30(2)).

What passes through the services belongs to the customer, for whom this company is a processor; of its own it
has what it takes to administer the customer, mostly contacts.
"""

from __future__ import annotations

from ansvar.policy.case import Case, moment, quoted
from ansvar.policy.pattern import CONTRACT, EVALUATION, MARKETING, RIGHTS_OPERATIONS, Pattern
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule
from ansvar.policy.state import SubjectState

_ADMINISTERING = frozenset({CONTRACT, "customer_service", "legal_obligation"})
_OWN = frozenset({MARKETING, EVALUATION, "recruitment"})


def _administers(pattern: Pattern) -> bool:
    return pattern.purpose in _ADMINISTERING and pattern.bundle.corporate_contact.issuperset(
        pattern.categories
    )


@rule(
    "corporate.not_controller",
    "11.1",
    "GDPR Art. 4(7), 5(1)(a)",
    "deny",
    en="Acting as controller of what belongs to a company customer",
    sv="Uppträder som ansvarig för det som tillhör en företagskund",
    concerns=lambda p: p.controller and p.operation not in RIGHTS_OPERATIONS and not _administers(p),
)
def not_controller(case: Case) -> None:
    """Of people at a company customer this company is controller only to administer the customer.

    Whoever is a consumer as well has a contract in which it is controller. Steps that serve the subject's
    rights are free.
    """
    if not _ever_of_a_company(case.state):
        return
    types = case.state.customer_at(case.at)
    if "company" in types and "consumer" not in types:
        pattern = case.pattern
        purpose = "no purpose of the policy" if pattern.purpose is None else pattern.purpose
        named = ", ".join(quoted(category) for category in pattern.categories) or "no category"
        case.find(
            not_controller,
            f"{pattern.act} as controller at {moment(case.at)} for {purpose} of {named}, "
            f"the subject's only active contracts are of a company",
        )


@rule(
    "corporate.own_purpose",
    "11.1",
    "GDPR Art. 28(3)(a), 28(10)",
    "deny",
    en="A processor uses its customer's data for purposes of its own",
    sv="Ett personuppgiftsbiträde använder kundens uppgifter för egna ändamål",
    concerns=lambda p: not p.controller and p.purpose in _OWN,
)
def own_purpose(case: Case) -> None:
    """A processor works on its customer's instructions; marketing, evaluation and recruitment are its own."""
    case.find(own_purpose, f"{case.pattern.act} as processor at {moment(case.at)} for {case.pattern.purpose}")


@rule(
    "corporate.no_controller",
    "11.1",
    "GDPR Art. 28(3), 30(2)(a)",
    "deny",
    en="A processor does not say for whom",
    sv="Ett personuppgiftsbiträde anger inte för vem",
    concerns=lambda p: not p.controller,
)
def no_controller(case: Case) -> None:
    """A processor lists what it does for each controller, so each event names the one it serves."""
    if case.event.controller is None:
        case.find(no_controller, f"{case.pattern.act} as processor at {moment(case.at)} names no controller")


def _ever_of_a_company(state: SubjectState) -> bool:
    """Whether any contract is a company's. Few are, and asking this first saves asking each which runs."""
    for steps in state.contracts.values():
        for step in steps:
            if step.customer_type == "company":
                return True
    return False


CHAPTER = Chapter(USES_OF_DATA, (not_controller, own_purpose, no_controller))
