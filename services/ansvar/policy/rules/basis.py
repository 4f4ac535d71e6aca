"""Legal bases: clauses 5.1 to 5.4 (Art. 6(1)).

They bind the controller; a processor works on the basis of its customer, so the chapter stays closed to it.
"""

from __future__ import annotations

from ansvar.policy.case import CONTRACT, LEGITIMATE_INTEREST, Case, moment, quoted
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule


@rule(
    "basis.missing",
    "5.1",
    "GDPR Art. 6(1)",
    "deny",
    en="No legal basis is stated",
    sv="Ingen laglig grund är angiven",
)
def missing(case: Case) -> None:
    """Personal data are processed on a legal basis or not at all."""
    if case.event.legal_basis is None:
        case.find(missing, f"{case.act} at {moment(case.at)} states no legal basis")


@rule(
    "basis.not_in_policy",
    "5.1",
    "GDPR Art. 6(1), 13(1)(c)",
    "deny",
    en="The legal basis is not one that the policy uses",
    sv="Den lagliga grunden används inte i policyn",
)
def not_in_policy(case: Case) -> None:
    """The law knows the basis, but people were told of others."""
    if case.basis is None and case.event.legal_basis is not None:
        known = case.tables.bundle.bases.get(case.event.legal_basis)
        if known is not None:
            case.find(not_in_policy, f"legal basis {known.id} ({known.article}) is not used by the policy")


@rule(
    "basis.unknown",
    "5.1",
    "GDPR Art. 6(1)",
    "deny",
    en="The legal basis is none of the law's",
    sv="Den lagliga grunden finns inte i lagen",
)
def unknown(case: Case) -> None:
    """Article 6 lists every legal basis there is."""
    word = case.event.legal_basis
    if case.basis is None and word is not None and word not in case.tables.bundle.bases:
        case.find(unknown, f"{quoted(word)} is no legal basis of GDPR Art. 6(1)")


@rule(
    "basis.purpose_mismatch",
    "5.2–5.4",
    "GDPR Art. 6(1)",
    "deny",
    en="The purpose cannot rest on this legal basis",
    sv="Ändamålet kan inte vila på den lagliga grunden",
)
def purpose_mismatch(case: Case) -> None:
    """Clauses 5.2 to 5.4 say which purposes rest on which basis."""
    if case.basis is not None and case.purpose is not None and case.purpose not in case.basis.purposes:
        case.find(
            purpose_mismatch,
            f"purpose {case.purpose} does not rest on {case.basis.id} (clause {case.basis.clause})",
        )


@rule(
    "basis.no_balancing_test",
    "5.4",
    "GDPR Art. 6(1)(f)",
    "deny",
    en="No balancing of interests is in force for the purpose",
    sv="Ingen intresseavvägning gäller för ändamålet",
)
def no_balancing_test(case: Case) -> None:
    """A legitimate interest counts only once a balancing shows that the subject's does not outweigh it."""
    if case.basis is None or case.purpose is None or case.basis.id != LEGITIMATE_INTEREST:
        return
    for test in case.tables.bundle.balancing_tests.get(case.purpose, ()):
        if test.period.holds(case.at):
            return
    if not case.found(purpose_mismatch):
        case.find(no_balancing_test, f"no balancing test for {case.purpose} is in force at {moment(case.at)}")


@rule(
    "basis.no_contract",
    "5.2",
    "GDPR Art. 6(1)(b)",
    "flag",
    en="The basis is a contract, and none is known",
    sv="Grunden är avtal, men inget avtal är känt",
)
def no_contract(case: Case) -> None:
    """Data are processed to enter into a contract and to perform it.

    Before one begins, collecting and storing are the steps to expect; more than that deserves a look.
    """
    if case.basis is None or case.basis.id != CONTRACT or case.operation in ("collect", "store"):
        return
    if case.contracts().standing == "none":
        case.find(
            no_contract, f"{case.act} at {moment(case.at)} on basis contract, no contract known by then"
        )


@rule(
    "basis.contract_ended",
    "5.2, 8.2",
    "GDPR Art. 6(1)(b)",
    "deny",
    en="The basis is a contract, and every contract has ended",
    sv="Grunden är avtal, men alla avtal har upphört",
)
def contract_ended(case: Case) -> None:
    """A contract carries processing until it ends (the end instant is outside).

    Collecting and storing may be steps before a new one; erasing is what should follow an end.
    """
    if case.basis is None or case.basis.id != CONTRACT or case.operation in ("collect", "store", "erase"):
        return
    contracts = case.contracts()
    if contracts.last_end is not None:
        case.find(
            contract_ended,
            f"{case.act} at {moment(case.at)} on basis contract, the last ended {moment(contracts.last_end)}",
        )


def _as_controller(case: Case) -> bool:
    return case.controller


CHAPTER = Chapter(
    USES_OF_DATA,
    (missing, not_in_policy, unknown, purpose_mismatch, no_balancing_test, no_contract, contract_ended),
    _as_controller,
)
