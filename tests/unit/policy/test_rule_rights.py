"""Clauses 9.1 to 9.5: identification, fees, refusals, and requests that do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from ansvar.events.model import Event
from ansvar.policy.bundle import Period, Settings
from ansvar.policy.case import Case
from ansvar.policy.pattern import resolve
from ansvar.policy.rules.rights import CHAPTER
from ansvar.policy.state import SubjectState, fact_of, observe
from ansvar.policy.verdict import PERMIT, Finding
from ansvar.sample import sample_bundle
from boundaries import begins, ends
from judging import (
    RuleCase,
    changed,
    contract,
    days,
    fires,
    just_before,
    objection,
    rights,
    silent,
)

RECEIVED, ANSWERED = "2026-02-20", "2026-03-02 14:00"


def access(phase: str, when: str, request: str = "R1", **changes: Any) -> Event:
    told = {"recipient": "mailing-house"} if phase == "recipients_notified" else {}
    return rights("access", phase, when, request, **told, **changes)


ASKED = access("received", RECEIVED)
IDENTIFIED = access("identified", "2026-02-21", method="bankid")
COPY = access("fulfilled", ANSWERED)

IDENTIFICATION = [
    fires("rights.not_identified", "never", COPY, ASKED),
    fires("rights.not_identified", "portability", rights("portability", "fulfilled", ANSWERED), ASKED),
    fires("rights.not_identified", "without a method", COPY, ASKED, access("identified", "2026-02-21")),
    fires(
        "rights.not_identified",
        "afterwards",
        COPY,
        ASKED,
        access("identified", "2026-03-02 14:01", method="bankid"),
    ),
    fires(
        "rights.not_identified",
        "for another request",
        COPY,
        ASKED,
        access("identified", "2026-02-21", "R2", method="bankid"),
    ),
    fires(
        "rights.not_identified",
        "for another right",
        COPY,
        ASKED,
        rights("portability", "identified", "2026-02-21", method="bankid"),
    ),
    fires(
        "rights.not_identified",
        "intended only",
        COPY,
        ASKED,
        access("identified", "2026-02-21", method="bankid", stage="intent"),
    ),
    silent("rights.not_identified", "before", COPY, ASKED, IDENTIFIED),
    silent(
        "rights.not_identified",
        "at the same instant, arrived before",
        COPY,
        ASKED,
        access("identified", ANSWERED, method="bankid"),
    ),
    silent("rights.not_identified", "before the receipt arrived", COPY, IDENTIFIED, ASKED),
    silent(
        "rights.not_identified",
        "by a weak method, which has its own rule",
        COPY,
        ASKED,
        access("identified", "2026-02-21", method="phone"),
    ),
    *(
        silent("rights.not_identified", right, rights(right, "fulfilled", ANSWERED))
        for right in ("rectification", "restriction", "erasure", "objection", "complaint")
    ),
    *(
        silent("rights.not_identified", phase, access(phase, ANSWERED), ASKED)
        for phase in ("received", "extended", "refused", "withdrawn", "recipients_notified")
    ),
]

OLD_FREJA = changed(secure_methods={"freja": (days("2024-01-01", "2026-01-01"),), "bankid": (Period(),)})
WEAK = [
    fires("rights.weak_identification", "by phone", access("identified", ANSWERED, method="phone"), ASKED),
    fires(
        "rights.weak_identification",
        "erasure too",
        rights("erasure", "identified", ANSWERED, method="e-mail"),
        ASKED,
    ),
    *(
        silent("rights.weak_identification", method, access("identified", ANSWERED, method=method), ASKED)
        for method in ("bankid", "freja", "eid_in_person")
    ),
    silent("rights.weak_identification", "no method", access("identified", ANSWERED), ASKED),
    silent(
        "rights.weak_identification", "another phase", access("received", ANSWERED, method="phone"), ASKED
    ),
    fires(
        "rights.weak_identification",
        "before the method counted",
        access("identified", just_before("2024-01-01"), method="freja"),
        bundle=OLD_FREJA,
    ),
    silent(
        "rights.weak_identification",
        "the method's first day",
        access("identified", "2024-01-01", method="freja"),
        bundle=OLD_FREJA,
    ),
    silent(
        "rights.weak_identification",
        "the method's last day",
        access("identified", just_before("2026-01-01"), method="freja"),
        bundle=OLD_FREJA,
    ),
    fires(
        "rights.weak_identification",
        "the day after",
        access("identified", "2026-01-01", method="freja"),
        bundle=OLD_FREJA,
    ),
]

FIRST, SECOND = access("received", "2025-06-01", "R2"), access("received", "2025-09-01", "R3")
CHARGED = access("fulfilled", ANSWERED, fee=100)


def other(when: str, request: str = "R3", phase: str = "received") -> Event:
    return access(phase, when, request)


FEES = [
    fires("rights.fee", "the first request", CHARGED, ASKED),
    fires("rights.fee", "one other", CHARGED, ASKED, FIRST),
    silent("rights.fee", "two others", CHARGED, FIRST, SECOND, ASKED),
    silent("rights.fee", "two others that arrived later", CHARGED, ASKED, SECOND, FIRST),
    *(
        fires("rights.fee", f"on {phase}", access(phase, ANSWERED, fee=1), ASKED)
        for phase in ("identified", "extended", "refused", "withdrawn", "recipients_notified")
    ),
    fires("rights.fee", "at once", access("received", RECEIVED, fee=100), FIRST),
    silent("rights.fee", "at once, after two others", access("received", RECEIVED, fee=100), FIRST, SECOND),
    fires("rights.fee", "of a request nobody received", CHARGED, FIRST),
    fires("rights.fee", "another right", rights("erasure", "fulfilled", ANSWERED, fee=100), FIRST),
    silent(
        "rights.fee",
        "another right, after two requests for access",
        rights("erasure", "fulfilled", ANSWERED, fee=100),
        FIRST,
        SECOND,
    ),
    silent("rights.fee", "none", COPY, ASKED),
    silent("rights.fee", "of zero", access("fulfilled", ANSWERED, fee=0), ASKED),
    # Only requests for access count, each once, this one not, and by their receipt.
    fires("rights.fee", "one other, received twice", CHARGED, ASKED, FIRST, other("2025-07-01", "R2")),
    fires("rights.fee", "this one, received twice", CHARGED, access("received", "2026-02-19"), ASKED, FIRST),
    fires(
        "rights.fee",
        "this one, withdrawn and made anew",
        CHARGED,
        access("received", "2025-10-01"),
        access("withdrawn", "2025-10-02"),
        ASKED,
        FIRST,
    ),
    fires(
        "rights.fee", "another right's", CHARGED, ASKED, FIRST, rights("erasure", "received", "2025-09-01")
    ),
    fires("rights.fee", "other's later steps", CHARGED, ASKED, FIRST, other("2025-09-01", phase="fulfilled")),
    silent(
        "rights.fee",
        "others withdrawn",
        CHARGED,
        ASKED,
        FIRST,
        SECOND,
        other("2025-09-02", phase="withdrawn"),
    ),
    # In the twelve months before this one's receipt.
    silent("rights.fee", "a year to the day", CHARGED, ASKED, FIRST, other("2025-02-20")),
    fires("rights.fee", "a year and a day", CHARGED, ASKED, FIRST, other("2025-02-19 23:59")),
    silent("rights.fee", "just before", CHARGED, ASKED, FIRST, other(just_before(RECEIVED))),
    fires("rights.fee", "at the same instant", CHARGED, ASKED, FIRST, other(RECEIVED)),
    fires("rights.fee", "after it", CHARGED, ASKED, FIRST, other("2026-02-21")),
    silent(
        "rights.fee",
        "from a leap day",
        access("fulfilled", "2025-03-03", fee=1),
        access("received", "2025-02-28 23:00"),
        other("2024-02-29", "R2"),
        other("2024-09-01"),
    ),
    fires(
        "rights.fee",
        "from a leap day, March",
        access("fulfilled", "2025-03-03", fee=1),
        access("received", "2025-03-01"),
        other("2024-02-29", "R2"),
        other("2024-09-01"),
    ),
    silent(
        "rights.fee",
        "the bundle's number",
        CHARGED,
        ASKED,
        FIRST,
        bundle=changed(settings=Settings(free_access_requests=1)),
    ),
    silent(
        "rights.fee",
        "a bundle that always charges",
        CHARGED,
        ASKED,
        bundle=changed(settings=Settings(free_access_requests=0)),
    ),
]

REFUSED = [
    *(
        fires("rights.refused_without_reason", right, rights(right, "refused", ANSWERED))
        for right in ("access", "rectification", "restriction", "erasure", "portability", "objection")
    ),
    silent("rights.refused_without_reason", "with one", access("refused", ANSWERED, reason="not identified")),
    silent("rights.refused_without_reason", "fulfilled", COPY),
    silent("rights.refused_without_reason", "extended", access("extended", ANSWERED)),
]

ERASED = rights("erasure", "fulfilled", ANSWERED)
CUSTOMER = contract("started", "2024-01-01")
UNFIT = [
    fires("rights.erasure_blocked", "a contract is active", ERASED, CUSTOMER),
    fires("rights.erasure_blocked", "begun that instant", ERASED, contract("started", ANSWERED)),
    fires("rights.erasure_blocked", "ends later", ERASED, CUSTOMER, contract("ended", "2026-03-02 14:01")),
    fires("rights.erasure_blocked", "one of two", ERASED, CUSTOMER, contract("ended", "2026-01-01", "C2")),
    silent("rights.erasure_blocked", "no contract", ERASED),
    silent("rights.erasure_blocked", "ended that instant", ERASED, CUSTOMER, contract("ended", ANSWERED)),
    silent("rights.erasure_blocked", "begins later", ERASED, contract("started", "2026-03-02 14:01")),
    silent("rights.erasure_blocked", "received", rights("erasure", "received", ANSWERED), CUSTOMER),
    silent("rights.erasure_blocked", "refused", rights("erasure", "refused", ANSWERED), CUSTOMER),
    silent("rights.erasure_blocked", "access", COPY, CUSTOMER),
    fires("rights.portability_not_customer", "no contract", rights("portability", "received", ANSWERED)),
    fires(
        "rights.portability_not_customer",
        "a contract that begins later",
        rights("portability", "received", ANSWERED),
        contract("started", "2026-03-02 14:01"),
    ),
    silent(
        "rights.portability_not_customer", "a customer", rights("portability", "received", ANSWERED), CUSTOMER
    ),
    silent(
        "rights.portability_not_customer",
        "a customer before",
        rights("portability", "received", ANSWERED),
        contract("ended", "2015-01-01"),
    ),
    silent(
        "rights.portability_not_customer",
        "a customer from that instant",
        rights("portability", "received", ANSWERED),
        contract("started", ANSWERED),
    ),
    silent("rights.portability_not_customer", "access", ASKED),
    silent("rights.portability_not_customer", "another phase", rights("portability", "fulfilled", ANSWERED)),
    fires("rights.scope_unknown", "no word of the policy", objection(ANSWERED, "spam")),
    fires(
        "rights.scope_unknown", "another phase", objection(ANSWERED, "spam", "refused"), objection(RECEIVED)
    ),
    *(
        silent("rights.scope_unknown", scope, objection(ANSWERED, scope))
        for scope in ("direct_marketing", "marketing", "evaluation", "legal_obligation")
    ),
    silent("rights.scope_unknown", "none", objection(ANSWERED)),
    silent("rights.scope_unknown", "another right", rights("access", "received", ANSWERED, scope="spam")),
]

STEPS = ("identified", "extended", "fulfilled", "refused", "withdrawn", "recipients_notified")
UNKNOWN = [
    *(fires("rights.unknown_request", phase, access(phase, ANSWERED)) for phase in STEPS),
    fires("rights.unknown_request", "a complaint", rights("complaint", "fulfilled", ANSWERED)),
    fires("rights.unknown_request", "another request", COPY, access("received", RECEIVED, "R2")),
    fires("rights.unknown_request", "another right", COPY, rights("erasure", "received", RECEIVED)),
    fires("rights.unknown_request", "received later", COPY, access("received", "2026-03-02 14:01")),
    fires("rights.unknown_request", "other steps", COPY, IDENTIFIED),
    *(silent("rights.unknown_request", phase, access(phase, ANSWERED), ASKED) for phase in STEPS),
    silent("rights.unknown_request", "received", ASKED),
    silent("rights.unknown_request", "received that instant", COPY, access("received", ANSWERED)),
    silent("rights.unknown_request", "withdrawn since", COPY, ASKED, access("withdrawn", "2026-02-25")),
]

CASES = IDENTIFICATION + WEAK + FEES + REFUSED + UNFIT + UNKNOWN

LEAP_DAY = changed(secure_methods={"freja": (days("2024-02-29", "2026-01-31"),)})


def identified(when: str) -> Event:
    return access("identified", when, method="freja")


def asked_on(when: str) -> Event:
    return access("received", when, fee=100)


# By days and months, also a leap day and the last of January.
CASES += [
    *ends("rights.weak_identification", "counted from a leap day", "2024-02-29", identified, bundle=LEAP_DAY),
    *begins("rights.weak_identification", "counted no more", "2026-01-31", identified, bundle=LEAP_DAY),
    *begins("rights.fee", "a year from 31 January", "2026-02-01", asked_on, FIRST, other("2025-01-31 15:00")),
    *begins(
        "rights.fee",
        "a year from a leap day",
        "2025-03-01",
        asked_on,
        other("2024-02-29", "R2"),
        other("2024-09-01"),
    ),
    *(
        case
        for day in ("2025-06-30", "2024-02-29")
        for case in (
            *begins(
                "rights.erasure_blocked",
                f"a contract begun {day}",
                day,
                lambda when: rights("erasure", "fulfilled", when),
                contract("started", day),
            ),
            *ends(
                "rights.erasure_blocked",
                f"the contract ended {day}",
                day,
                lambda when: rights("erasure", "fulfilled", when),
                contract("started", "2023-01-10"),
                contract("ended", day),
            ),
            *ends(
                "rights.portability_not_customer",
                f"a customer from {day}",
                day,
                lambda when: rights("portability", "received", when),
                contract("started", day),
            ),
            *ends(
                "rights.unknown_request",
                f"received {day}",
                day,
                lambda when: access("identified", when, method="bankid"),
                access("received", day),
            ),
            *ends(
                "rights.not_identified",
                f"identified {day}",
                day,
                lambda when: access("fulfilled", when),
                access("identified", day, method="bankid"),
            ),
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def message(case: RuleCase) -> str:
    finding = case.check()
    assert finding is not None
    return finding.message


def test_messages_state_the_facts() -> None:
    assert message(fires("rights.not_identified", "", COPY, ASKED)) == (
        "access fulfilled at 2026-03-02 14:00, no identification by a method known by then"
    )
    assert message(fires("rights.fee", "", CHARGED, ASKED, FIRST)) == (
        "fee 100 at 2026-03-02 14:00, other access requests in the 12 months before 2026-02-20 00:00: 1, "
        "limit 2"
    )


def test_words_that_may_name_a_person_are_not_repeated() -> None:
    number, sentence = "19640823-3234", "whatever Anna Andersson gets by post"
    by_number = fires("rights.weak_identification", "", access("identified", ANSWERED, method=number))
    to_sentence = fires("rights.scope_unknown", "", objection(ANSWERED, sentence))
    assert number not in message(by_number)
    assert sentence not in message(to_sentence)


def test_the_state_may_hold_requests_under_other_keys() -> None:
    """The ledger keeps ids as keyed hashes; whoever judges says under which key the request stands."""
    state = SubjectState()
    for step in (ASKED, IDENTIFIED):
        fact = fact_of(step, PERMIT, b"keyed")
        assert fact is not None
        observe(state, fact)
    for key, expected in ((None, ["rights.not_identified", "rights.unknown_request"]), (b"keyed", [])):
        findings: list[Finding] = []
        pattern = resolve(COPY, sample_bundle())
        case = Case(
            COPY, state, pattern, COPY.occurred_at, COPY.occurred_at, False, None, findings, request=key
        )
        for known in CHAPTER.rules:
            known.check(case)
        assert [finding.rule for finding in findings] == expected
