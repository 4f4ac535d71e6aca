"""Legal bases: clauses 5.1 to 5.4 (Art. 6(1)).

They bind the controller; a processor works on the basis of its customer, so no rule here concerns it.
"""

from __future__ import annotations

from ansvar.policy.case import Case, moment, quoted
from ansvar.policy.pattern import CONTRACT, LEGITIMATE_INTEREST, Pattern
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule


@rule(
    "basis.missing",
    "5.1",
    "GDPR Art. 6(1)",
    "deny",
    en="No legal basis is stated",
    sv="Ingen laglig grund är angiven",
    concerns=lambda p: p.controller and p.basis_stated is None,
)
def missing(case: Case) -> None:
    """Personal data are processed on a legal basis or not at all."""
    case.find(missing, f"{case.pattern.act} at {moment(case.at)} states no legal basis")


@rule(
    "basis.not_in_policy",
    "5.1",
    "GDPR Art. 6(1), 13(1)(c)",
    "deny",
    en="The legal basis is not one that the policy uses",
    sv="Den lagliga grunden används inte i policyn",
    concerns=lambda p: p.controller and p.basis is None and p.basis_stated in p.bundle.bases,
)
def not_in_policy(case: Case) -> None:
    """The law knows the basis, but people were told of others."""
    known = case.pattern.bundle.bases[case.pattern.basis_stated or ""]
    case.find(not_in_policy, f"legal basis {known.id} ({known.article}) is not used by the policy")


@rule(
    "basis.unknown",
    "5.1",
    "GDPR Art. 6(1)",
    "deny",
    en="The legal basis is none of the law's",
    sv="Den lagliga grunden finns inte i lagen",
    concerns=lambda p: p.controller and p.basis_stated is not None and p.basis_stated not in p.bundle.bases,
)
def unknown(case: Case) -> None:
    """Article 6 lists every legal basis there is."""
    case.find(unknown, f"{quoted(case.pattern.basis_stated or '')} is no legal basis of GDPR Art. 6(1)")


@rule(
    "basis.purpose_mismatch",
    "5.2–5.4",
    "GDPR Art. 6(1)",
    "deny",
    en="The purpose cannot rest on this legal basis",
    sv="Ändamålet kan inte vila på den lagliga grunden",
    concerns=lambda p: p.controller and _mismatched(p),
)
def purpose_mismatch(case: Case) -> None:
    """Clauses 5.2 to 5.4 say which purposes rest on which basis."""
    basis = case.pattern.basis
    if basis is not None:
        case.find(
            purpose_mismatch,
            f"purpose {case.pattern.purpose} does not rest on {basis.id} (clause {basis.clause})",
        )


@rule(
    "basis.no_balancing_test",
    "5.4",
    "GDPR Art. 6(1)(f)",
    "deny",
    en="No balancing of interests is in force for the purpose",
    sv="Ingen intresseavvägning gäller för ändamålet",
    concerns=lambda p: p.controller and _rests_on(p, LEGITIMATE_INTEREST) and p.purpose is not None,
)
def no_balancing_test(case: Case) -> None:
    """A legitimate interest counts only once a balancing shows that the subject's does not outweigh it."""
    purpose = case.pattern.purpose or ""
    for test in case.pattern.bundle.balancing_tests.get(purpose, ()):
        if test.period.holds(case.at):
            return
    if not case.found(purpose_mismatch):
        case.find(no_balancing_test, f"no balancing test for {purpose} is in force at {moment(case.at)}")


@rule(
    "basis.no_contract",
    "5.2",
    "GDPR Art. 6(1)(b)",
    "flag",
    en="The basis is a contract, and none is known",
    sv="Grunden är avtal, men inget avtal är känt",
    concerns=lambda p: p.controller and _rests_on(p, CONTRACT) and p.operation not in ("collect", "store"),
)
def no_contract(case: Case) -> None:
    """Data are processed to enter into a contract and to perform it.

    Before one begins, collecting and storing are the steps to expect; more than that deserves a look.
    """
    if case.contracts().standing == "none":
        case.find(
            no_contract,
            f"{case.pattern.act} at {moment(case.at)} on basis contract, no contract known by then",
        )


@rule(
    "basis.contract_ended",
    "5.2, 8.2",
    "GDPR Art. 6(1)(b)",
    "deny",
    en="The basis is a contract, and every contract has ended",
    sv="Grunden är avtal, men alla avtal har upphört",
    concerns=lambda p: (
        p.controller and _rests_on(p, CONTRACT) and p.operation not in ("collect", "store", "erase")
    ),
)
def contract_ended(case: Case) -> None:
    """A contract carries processing until it ends (the end instant is outside).

    Collecting and storing may be steps before a new one; erasing is what should follow an end.
    """
    last_end = case.contracts().last_end
    if last_end is not None:
        case.find(
            contract_ended,
            f"{case.pattern.act} at {moment(case.at)} on basis contract, the last ended {moment(last_end)}",
        )


def _mismatched(pattern: Pattern) -> bool:
    return (
        pattern.basis is not None
        and pattern.purpose is not None
        and pattern.purpose not in pattern.basis.purposes
    )


def _rests_on(pattern: Pattern, basis: str) -> bool:
    return pattern.basis is not None and pattern.basis.id == basis


CHAPTER = Chapter(
    USES_OF_DATA,
    (missing, not_in_policy, unknown, purpose_mismatch, no_balancing_test, no_contract, contract_ended),
)
