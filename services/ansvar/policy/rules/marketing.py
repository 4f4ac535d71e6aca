"""Marketing: the right to be left alone (clause 4.2, 9.5; Art. 21(3)) and the NIX register (4.2 A)."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from ansvar.events.model import ProcessingEvent
from ansvar.policy.calendar import add_months, stockholm_date
from ansvar.policy.case import Case, day, moment
from ansvar.policy.pattern import MARKETING, RIGHTS_OPERATIONS, Pattern
from ansvar.policy.rule import USES_OF_DATA, Chapter, rule


def _marketing_call(pattern: Pattern) -> bool:
    return pattern.operation == "call" and pattern.purpose == MARKETING


@rule(
    "marketing.objected",
    "4.2, 9.5",
    "GDPR Art. 21(2)-(3)",
    "deny",
    en="Marketing in spite of an objection",
    sv="Marknadsföring trots invändning",
    concerns=lambda p: p.purpose == MARKETING and p.operation not in RIGHTS_OPERATIONS,
)
def objected(case: Case) -> None:
    """Whoever objects to direct marketing is no longer processed for it, whatever grounds the company has.

    Refusing does not end the objection, withdrawing it does. Steps that serve the subject's rights are free.
    """
    if not case.state.requests:
        return
    since = case.objected_since(MARKETING)
    if since is not None:
        case.find(
            objected,
            f"{case.pattern.act} for marketing at {moment(case.at)}, objected to since {moment(since)}",
        )


@rule(
    "marketing.nix_not_checked",
    "4.2 A",
    "Marketing Act 2008:486 s. 21",
    "deny",
    en="A marketing call without a recent check against NIX",
    sv="Marknadsföringssamtal utan aktuell kontroll mot NIX",
    concerns=_marketing_call,
)
def nix_not_checked(case: Case) -> None:
    """Numbers are always washed against the opt-out register before a call; a check lasts sixty days.

    No exemption replaces the check.
    """
    fault = _check_fault(case)
    if fault is not None:
        case.find(nix_not_checked, f"call at {moment(case.at)}, {fault}")


@rule(
    "marketing.nix_result_missing",
    "4.2 A",
    "Marketing Act 2008:486 s. 21",
    "deny",
    en="The result of the NIX check is not stated",
    sv="Resultatet av NIX-kontrollen saknas",
    concerns=_marketing_call,
)
def nix_result_missing(case: Case) -> None:
    """A check without its result allows nothing."""
    event = case.event
    if isinstance(event, ProcessingEvent) and event.nix_listed is None and _check_fault(case) is None:
        case.find(
            nix_result_missing, f"call at {moment(case.at)}, NIX checked, but not whether it lists the number"
        )


@rule(
    "marketing.nix_listed",
    "4.2 A",
    "Marketing Act 2008:486 s. 21",
    "deny",
    en="A marketing call to a number in NIX",
    sv="Marknadsföringssamtal till ett nummer i NIX",
    concerns=_marketing_call,
)
def nix_listed(case: Case) -> None:
    """A listed number is not called, unless an exemption of the register's holds."""
    event = case.event
    if not isinstance(event, ProcessingEvent) or not event.nix_listed:
        return
    if event.nix_exemption is None:
        case.find(nix_listed, f"call at {moment(case.at)} to a number that NIX lists, no exemption stated")
    elif not _exempted(case):
        case.find(nix_listed, f"call at {moment(case.at)} to a number that NIX lists, {_customer_fact(case)}")


@rule(
    "marketing.nix_exempted",
    "4.2 A",
    "Marketing Act 2008:486 s. 21",
    "flag",
    en="A marketing call to a number in NIX under an exemption",
    sv="Marknadsföringssamtal till ett nummer i NIX med stöd av undantag",
    concerns=_marketing_call,
)
def nix_exempted(case: Case) -> None:
    """Consent, existing customers, the subject's own disclosure and surveys are exempted; someone should see.

    A customer is an existing one until twelve months after the last contract's end.
    """
    event = case.event
    if isinstance(event, ProcessingEvent) and event.nix_listed and _exempted(case):
        fact = f", {_customer_fact(case)}" if event.nix_exemption == "existing_customer" else ""
        case.find(
            nix_exempted,
            f"call at {moment(case.at)} to a number that NIX lists, exemption {event.nix_exemption}{fact}",
        )


def _check_fault(case: Case) -> str | None:
    """What is wrong with the NIX check of a call, or None. Days are counted between Stockholm dates."""
    event = case.event
    if not isinstance(event, ProcessingEvent) or event.nix_checked_at is None:
        return "NIX not checked"
    checked = _checked(event.nix_checked_at)
    if checked is None:
        return "NIX check at a time that is neither RFC 3339 nor a date"
    called = stockholm_date(case.at)
    if isinstance(checked, datetime):
        checked_day = stockholm_date(checked)
        after = checked > case.at
    else:
        checked_day = checked
        after = checked > called
    if after:
        return f"NIX checked afterwards, on {checked_day}"
    limit = case.pattern.bundle.settings.nix_days
    if (called - checked_day).days > limit:
        return f"NIX last checked {checked_day}, limit {limit} days"
    return None


def _checked(word: str) -> date | datetime | None:
    """A date or an RFC 3339 time with offset; None where the word is neither."""
    try:
        if len(word) == 10:
            return msgspec.convert(word, date)
        at = msgspec.convert(word, datetime)
    except msgspec.ValidationError:
        return None
    return at if at.tzinfo is not None else None


def _exempted(case: Case) -> bool:
    """Whether the exemption that a call states holds at its time."""
    event = case.event
    if not isinstance(event, ProcessingEvent) or event.nix_exemption is None:
        return False
    if event.nix_exemption != "existing_customer":
        return True
    contracts = case.contracts()
    if contracts.last_end is None:
        return contracts.standing == "active"
    months = case.pattern.bundle.settings.existing_customer_months
    return stockholm_date(case.at) <= add_months(stockholm_date(contracts.last_end), months)


def _customer_fact(case: Case) -> str:
    contracts = case.contracts()
    if contracts.standing == "active":
        return "a contract is active"
    if contracts.last_end is None:
        return "existing_customer claimed, no contract known"
    months = case.pattern.bundle.settings.existing_customer_months
    return f"the last contract ended {day(contracts.last_end)}, limit {months} months"


OBJECTION = Chapter(USES_OF_DATA, (objected,))
NIX = Chapter(frozenset({"processing"}), (nix_not_checked, nix_result_missing, nix_listed, nix_exempted))
