"""How long data are kept after the customer has left: clause 8.2 (Art. 5(1)(e)).

It binds the controller. Periods end with the last hour of their last Stockholm day and do not move for
holidays.
"""

from __future__ import annotations

from ansvar.policy.calendar import months_later
from ansvar.policy.case import Case, moment
from ansvar.policy.pattern import CONTRACT, EVALUATION, MARKETING, RIGHTS_OPERATIONS, Pattern
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule

_UNTIL_THE_END = frozenset({CONTRACT, EVALUATION})
_FOR_A_TIME = frozenset({MARKETING, "security", "customer_service"})


def _bound_by_an_end(pattern: Pattern) -> bool:
    if not pattern.controller or pattern.operation in RIGHTS_OPERATIONS:
        return False
    if pattern.kind == "disclosure" and pattern.recipient_type == "authority":
        return False
    if pattern.operation == "collect" and pattern.categories:
        return False  # what is collected now was not kept from before
    if pattern.purpose in _UNTIL_THE_END:
        before_a_contract = pattern.basis is not None and pattern.basis.id == CONTRACT
        return not (before_a_contract and pattern.operation in ("collect", "store"))
    return pattern.purpose in _FOR_A_TIME


@rule(
    "retention.expired",
    "8.2",
    "GDPR Art. 5(1)(e)",
    "deny",
    en="Data are used after they should have been erased",
    sv="Uppgifter används efter att de skulle ha raderats",
    concerns=_bound_by_an_end,
)
def expired(case: Case) -> None:
    """What is processed for a contract is processed until the last contract ends.

    After that marketing, and with it security and customer service, goes on for twelve months, or not at all
    where the customer had objected to marketing. Data collected after the end are not the old customer's.
    """
    if not case.state.contracts:
        return
    last_end = case.contracts().last_end
    if last_end is None:
        return
    pattern, state = case.pattern, case.state
    fact = ""
    if pattern.purpose in _FOR_A_TIME:
        months = pattern.bundle.settings.retention_months
        fact = f", limit {months} months"
        if case.at < months_later(last_end, months):
            objected = case.objected_since(MARKETING, last_end) if state.requests else None
            if objected is None:
                return
            fact = f", marketing objected to since {moment(objected)}"
    if pattern.categories and not state.not_collected(
        pattern.categories, pattern.bundle.purposes, last_end, case.at
    ):
        return
    case.find(
        expired,
        f"{pattern.act} for {pattern.purpose} at {moment(case.at)}, "
        f"the last contract ended {moment(last_end)}{fact}",
    )


CHAPTER = Chapter(USES_OF_DATA, (expired,))
