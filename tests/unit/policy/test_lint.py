# ruff: noqa: E501 - the tables are read by rows
"""`policy.lint`: each check finds its fault and is silent where the fault is mended."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansvar.policy.canonical import canonical, decode, encode
from ansvar.policy.lint import CHECK, CHECKS, Finding, lint, reaching
from ansvar.policy.lint.check import RANK, Check, check
from ansvar.policy.lint.expiry import NOTICE_DAYS
from ansvar.policy.loader import read_source
from ansvar.policy.statement import STATEMENT_PATHS
from ansvar.sample import SAMPLE_BUNDLE

FILES = decode(canonical(SAMPLE_BUNDLE))
SAMPLE = read_source(encode(FILES))
TODAY = date(2026, 11, 23)
DAY = timedelta(days=1)
Edit = tuple[str, str, str]


def edited(*edits: Edit) -> dict[str, str]:
    files = dict(FILES)
    for file, old, new in edits:
        assert files[file].count(old) == 1, f"{old!r} has to stand once in {file}"
        files[file] = files[file].replace(old, new)
    return files


def look(*edits: Edit, as_of: date = TODAY) -> tuple[Finding, ...]:
    return lint(read_source(encode(edited(*edits))) if edits else SAMPLE, as_of)


def of(check_id: str, findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.check == check_id]


class Case(NamedTuple):
    """In the sample: `count` findings, of which one says `says`. After `mend`: none."""

    count: int
    says: str
    clause: str
    article: str
    file: str
    mend: tuple[Edit, ...]


S = "statement.yaml"
SHIELD = '  - {clause: "6.3", id: privacy_shield}\n'
PURPOSES = "[marketing, contract, customer_service, legal_obligation, recruitment, evaluation]"
CATEGORIES = "bank_account, payment_history]"
COMPLAINT = '    - {clause: "10.1", id: complaint}\n'
STATED = "  website: null                         # cookies and IP addresses: nothing is said\n"
PERIOD = (
    '    - clause: "8.3"\n      purposes: [recruitment, evaluation, security]\n'
    "      period: {en: two years, sv: två år}\n"
)
ANALYTICS = "established: US\n    storage: [US]\n\n  - id: lapsed-printer"
TRIAL = "    name: Analytics trial\n"
UNTIL_2025 = "[{valid_from: 2022-01-01, valid_to: 2025-12-31}]"
GOOGLE = "    scope:\n      - {decision: US-DPF, valid_from: 2023-09-01}\n\n  - {id: police"
SCC = "    instruments:\n      - {tool: scc, reference: SCC-G, set: 2021/914, valid_from: 2024-01-01, assessment: T}\n"
SAFE = "    agreements: [{valid_from: 2024-01-01}]\n    guarantees: [{valid_from: 2024-01-01}]\n"

# A table is read by rows.
# fmt: off
IN_THE_SAMPLE = {
    "lint.safeguard_invalid": Case(1, "privacy_shield is named as a safeguard and has been invalid since 2020-07-16",
        "6.3", "C-311/18", S, ((S, SHIELD, ""),)),
    "lint.authority_renamed": Case(1,
        "Datainspektionen: the authority lost that name on 2021-01-01; it is Integritetsskyddsmyndigheten",
        "10.1", "GDPR Art. 13(2)(d), 77", S, ((S, "Datainspektionen", "Integritetsskyddsmyndigheten"),)),
    "lint.act_replaced": Case(1, "act 2003:389 has not been in force since 2022-06-03; act 2022:482 replaced it",
        "cookie policy", "GDPR Art. 12(1)", S, ((S, "2003:389", "2022:482"),)),
    "lint.cookie_consent_inferred": Case(1, "consent to cookies is inferred from surfing on",
        "cookie policy", "C-673/17", S, ((S, "consent: surfing_on", "consent: opt_in"),)),
    "lint.interest_without_purpose": Case(1, "the interest “high security” has no purpose in 3.1",
        "5.4 D, 3.1", "GDPR Art. 13(1)(c)-(d)", S, ((S, PURPOSES, PURPOSES.replace("]", ", security]")),)),
    "lint.category_not_listed": Case(5, "ip_address (2.2) is not in the list of 2.4",
        "2.4, 2.2", "GDPR Art. 14(1)(d)", "categories.yaml",
        ((S, CATEGORIES, f"{CATEGORIES[:-1]}, ip_address, purchase_history, age, residence, gender]"),)),
    "lint.version_missing": Case(2, "the policy bears no date", "11.2", "GDPR Art. 5(2), 12(1)", S,
        ((S, "version: null", "version: v7"), (S, "day: null", "day: 2026-01-01"))),
    "lint.right_not_stated": Case(1, "not stated: restriction of processing (GDPR Art. 18)",
        "9", "GDPR Art. 18; GDPR Art. 13(2)(b)", S,
        ((S, COMPLAINT, f'{COMPLAINT}    - {{clause: "9.6", id: restriction}}\n'),)),
    "lint.automated_decision_right_not_stated": Case(1, "automated processing (GDPR Art. 22)",
        "9", "GDPR Art. 22; GDPR Art. 13(2)(f)", S,
        ((S, COMPLAINT, f'{COMPLAINT}    - {{clause: "9.6", id: automated_decision}}\n'),)),
    "lint.source_right_not_stated": Case(1, "not stated: to be told the source of data from others",
        "9", "GDPR Art. 14(2)(f)", S, ((S, COMPLAINT, f'{COMPLAINT}    - {{clause: "9.6", id: source}}\n'),)),
    "lint.retention_not_stated": Case(4, "no period is stated for data used for recruitment",
        "8.2", "GDPR Art. 13(2)(a)", S, ((S, STATED, f"{PERIOD}  website: {{en: a year, sv: ett år}}\n"),)),
    "lint.erase_all_against_duty": Case(1, "bank_account, payment_history are kept 7 years from the end of the",
        "8.2", "SFS 1999:1078 7:2", S, ((S, "exceptions: []", "exceptions: [1999:1078]"),)),
    "lint.system_against_promise": Case(2, "legacy_backup runs in US, outside the EU/EEA",
        "6.3", "44", "systems.yaml",
        (("systems.yaml", "country: US", "country: SE"), ("systems.yaml", " automated: true,", ""))),
    "lint.agreement_missing": Case(1, "analytics-trial has no processing agreement in force on 2026-11-23",
        "6.2", "GDPR Art. 28(3)", "recipients.yaml", (("recipients.yaml", TRIAL, TRIAL + SAFE),)),
    "lint.guarantees_missing": Case(2, "guarantees of lapsed-printer: reviewed until 2025-12-31, that day not",
        "6.2", "GDPR Art. 28(1)", "recipients.yaml",
        (("recipients.yaml", TRIAL, TRIAL + SAFE),
         ("recipients.yaml", UNTIL_2025, "[{valid_from: 2022-01-01}]"))),
    "lint.transfer_without_safeguard": Case(1, "analytics-trial reaches US: no instrument and no adequacy decision",
        "6.3", "GDPR Art. 44, 46", "recipients.yaml",
        (("recipients.yaml", ANALYTICS, ANALYTICS.replace("established: US", "established: CH").replace("[US]", "[SE]")),)),
    "lint.decision_under_appeal_alone": Case(1, "google-maps in US rests on US-DPF alone, under appeal in C-703/25 P",
        "6.3", "GDPR Art. 45, 46(2)(c)", "recipients.yaml", (("recipients.yaml", GOOGLE, SCC + GOOGLE),)),
    "lint.assessment_missing": Case(1, "support-desk-in: SCC-2024-02 has no transfer impact assessment",
        "6.3", "GDPR Art. 46", "recipients.yaml",
        (("recipients.yaml", "reference: SCC-2024-02\n", "reference: SCC-2024-02\n        assessment: TIA-2\n"),)),
}

NOT_IN_THE_SAMPLE: dict[str, tuple[str, tuple[Edit, ...]]] = {
    "lint.purpose_not_stated": ("recruitment is not among the purposes in 3.1",
        ((S, ", recruitment, evaluation]", ", evaluation]"), (S, "purpose: recruitment", "purpose: evaluation"))),
    "lint.retention_setting_differs": ("kept 13 months after the contract, promised 12",
        (("bundle.yaml", "retention_months: 12", "retention_months: 13"),)),
    "lint.recipient_type_not_stated": ("invoicing-bureau is of a kind that is not named: invoicing",
        ((S, '  - {clause: "6.1", type: invoicing}\n', ""),)),
    "lint.recipient_type_unused": ("no recipient of the kind other is registered",
        ((S, "type: mailing}\n", 'type: mailing}\n  - {clause: "6.1", type: other}\n'),)),
    "lint.basis_unused": ("no purpose rests on consent",
        (("bases.yaml", "bases:\n", 'bases:\n  - {id: consent, clause: "5.5", purposes: []}\n'),)),
    "lint.balancing_test_missing": ("no balancing test for evaluation is in force on 2026-11-23",
        (("balancing_tests.yaml", "evaluation, valid_from: 2024-01-01", "evaluation, valid_from: 2026-11-24"),)),
    "lint.expiring": ("LIA-E (evaluation) ends on 2026-12-01 (days left: 8)",
        (("balancing_tests.yaml", "purpose: evaluation,", "purpose: evaluation, valid_to: 2026-12-01,"),)),
    "lint.rule_weakened": ("basis.missing is a flag instead of a denial: Because.",
        (("bundle.yaml", "switches: {}", "switches: {basis.missing: {severity: flag, reason: Because.}}"),)),
    "lint.nix_check_too_old": ("a list may be 61 days old, the register allows 60",
        (("bundle.yaml", "nix_days: 60 ", "nix_days: 61 "),)),
}
# fmt: on


@pytest.mark.parametrize(("check_id", "case"), IN_THE_SAMPLE.items(), ids=IN_THE_SAMPLE)
def test_what_the_sample_has_is_found_and_what_is_mended_is_not(check_id: str, case: Case) -> None:
    findings = of(check_id, look())
    assert len(findings) == case.count
    (finding,) = (f for f in findings if case.says in f.message["en"])
    assert (finding.clause, finding.file) == (case.clause, case.file)
    assert case.article in finding.article
    assert of(check_id, look(*case.mend)) == []


@pytest.mark.parametrize(("check_id", "case"), NOT_IN_THE_SAMPLE.items(), ids=NOT_IN_THE_SAMPLE)
def test_what_the_sample_has_not_is_found_once_it_is_there(
    check_id: str, case: tuple[str, tuple[Edit, ...]]
) -> None:
    says, edits = case
    assert of(check_id, look()) == []
    (finding,) = of(check_id, look(*edits))
    assert says in finding.message["en"]


def test_a_mended_statement_has_nothing_left_to_say() -> None:
    mends = [edit for case in IN_THE_SAMPLE.values() for edit in case.mend if edit[0] == S]
    rights = "".join(new.removeprefix(COMPLAINT) for _, old, new in mends if old == COMPLAINT)
    others = [edit for edit in mends if edit[1] != COMPLAINT]
    left = look(*others, (S, COMPLAINT, COMPLAINT + rights))
    assert {f.check for f in left if CHECK[f.check].published} == {"lint.system_against_promise"}


def test_a_bundle_without_a_statement_is_told_so_and_its_registers_are_checked() -> None:
    files = {name: text for name, text in FILES.items() if name not in STATEMENT_PATHS.values()}
    findings = lint(read_source(encode(files)), TODAY)
    assert findings[0].check == "lint.statement_missing"
    registers = [f for f in look() if not CHECK[f.check].published]
    assert list(findings[1:]) == registers
    assert of("lint.statement_missing", look()) == []


def test_every_check_has_a_case() -> None:
    assert {*IN_THE_SAMPLE, *NOT_IN_THE_SAMPLE, "lint.statement_missing"} == set(CHECK)


@pytest.mark.parametrize("found", CHECKS, ids=lambda c: c.id)
def test_a_check_says_what_it_is_for_in_both_languages(found: Check) -> None:
    assert re.fullmatch(r"lint\.[a-z_]+", found.id)
    assert found.level in RANK
    assert found.clause
    assert found.article
    assert found.meaning.endswith(".")
    for texts in (found.title, found.remedy):
        assert texts.keys() == {"en", "sv"}
        assert texts["en"] != texts["sv"]


def test_an_id_is_declared_once() -> None:
    with pytest.raises(ValueError, match="two checks are called lint"):
        check("lint.expiring", "–", "–", "note", en="", sv="", remedy_en="", remedy_sv="")(lambda _: iter(()))


# Both sides of each date.


@pytest.mark.parametrize(
    ("check_id", "first_day"),
    [
        ("lint.safeguard_invalid", date(2020, 7, 16)),
        ("lint.authority_renamed", date(2021, 1, 1)),
        ("lint.act_replaced", date(2022, 6, 3)),
    ],
)
def test_the_day_on_which_the_law_changed(check_id: str, first_day: date) -> None:
    def found(as_of: date) -> bool:
        return any(f.file == S for f in of(check_id, look(as_of=as_of)))

    assert [found(first_day + n * DAY) for n in (-1, 0, 1)] == [False, True, True]


def test_an_act_that_is_not_yet_in_force() -> None:
    (finding,) = of("lint.act_replaced", look((S, "2003:389", "2022:482"), as_of=date(2022, 6, 2)))
    assert finding.message["en"] == "act 2022:482 is in force only from 2022-06-03"


def test_a_shield_before_it_was_raised() -> None:
    (finding,) = of("lint.safeguard_invalid", look(as_of=date(2016, 7, 11)))
    assert finding.message["en"] == "privacy_shield is named as a safeguard and is not in force"


def test_the_authority_of_the_reports_is_checked_too() -> None:
    edit = ("bundle.yaml", "Integritetsskyddsmyndigheten (IMY)", "Dataskyddsverket")
    (finding,) = (f for f in of("lint.authority_renamed", look(edit)) if f.file == "bundle.yaml")
    assert finding.message["en"].startswith("Dataskyddsverket: the authority goes by no such name")
    assert finding.field == "authority.name"


ENDS = date(2028, 1, 1)  # of the reviewed guarantees, the first day not covered


@pytest.mark.parametrize(
    ("as_of", "found"),
    [
        (ENDS - (NOTICE_DAYS + 1) * DAY, 0),
        (ENDS - NOTICE_DAYS * DAY, 7),
        (ENDS - DAY, 7),
        (ENDS, 0),
    ],
)
def test_what_ends_within_ninety_days(as_of: date, found: int) -> None:
    findings = of("lint.expiring", look(as_of=as_of))
    assert len(findings) == found
    assert all(f.file == "recipients.yaml" and f.field.endswith("guarantees[0].valid_to") for f in findings)
    lapsed = [f for f in of("lint.guarantees_missing", look(as_of=as_of)) if "2028-01-01" in f.message["en"]]
    assert len(lapsed) == (7 if as_of >= ENDS else 0)


def test_what_is_renewed_does_not_expire() -> None:
    guarantees = "guarantees: [{valid_from: 2024-02-01, valid_to: 2028-01-01}]"
    as_of = ENDS - DAY
    renewed = guarantees.replace("]", ", {valid_from: 2028-01-01, valid_to: 2029-01-01}]")
    gap = guarantees.replace("]", ", {valid_from: 2028-01-02, valid_to: 2029-01-01}]")
    for new, count in ((renewed, 6), (gap, 7)):
        assert len(of("lint.expiring", look(("recipients.yaml", guarantees, new), as_of=as_of))) == count


def test_a_decision_and_a_set_in_use_expire() -> None:
    decision = of("lint.expiring", look(as_of=date(2031, 12, 26)))
    assert [(f.file, f.message["en"]) for f in decision] == [
        ("law/adequacy.yaml", "GB-2021 ends on 2031-12-27 (days left: 1)")
    ]
    edit = (
        "law/scc_sets.yaml",
        "valid_from: 2021-06-27\n",
        "valid_from: 2021-06-27\n    valid_to: 2027-01-01\n",
    )
    (scc,) = of("lint.expiring", look(edit))
    assert (scc.file, scc.field) == ("law/scc_sets.yaml", "scc_sets[0].valid_to")
    lost = of("lint.transfer_without_safeguard", look(edit, as_of=date(2027, 1, 1)))
    assert any("support-desk-in reaches IN" in f.message["en"] for f in lost)


def test_a_decision_of_limited_scope_needs_evidence() -> None:
    edit = ("recipients.yaml", "    scope:\n      - {decision: CA-PIPEDA, valid_from: 2024-03-01}\n", "")
    lost = of("lint.transfer_without_safeguard", look(edit))
    assert any("hr-platform-ca reaches CA" in f.message["en"] for f in lost)


def test_withdrawal_is_a_right_only_where_consent_is_a_basis() -> None:
    _, edits = NOT_IN_THE_SAMPLE["lint.basis_unused"]
    rights = [f.article for f in of("lint.right_not_stated", look(*edits))]
    assert [article.split(";")[0] for article in rights] == ["GDPR Art. 18", "GDPR Art. 7(3)"]


def test_an_interest_that_serves_no_purpose_of_the_bundle() -> None:
    edit = (S, "clause: 5.4 E, purpose: evaluation", "clause: 5.4 E, purpose: null")
    assert [f.clause for f in of("lint.interest_without_purpose", look(edit))] == ["5.4 D, 3.1", "5.4 E, 3.1"]


def test_an_act_without_listed_data_does_not_collide() -> None:
    edit = (S, ", bank_account, payment_history]", "]")
    assert of("lint.erase_all_against_duty", look(edit)) == []


@pytest.mark.parametrize(
    ("severity", "says"),
    [("off", "basis.missing is off: R"), ("deny", None)],
)
def test_a_rule_switched(severity: str, says: str | None) -> None:
    switch = f"switches: {{basis.missing: {{severity: {severity}, reason: R}}}}"
    found = of("lint.rule_weakened", look(("bundle.yaml", "switches: {}", switch)))
    assert [f.message["en"] for f in found] == ([says] if says else [])
    assert all((f.clause, f.field) == ("5.1", "switches.basis.missing") for f in found)


def test_levels_reach_upwards() -> None:
    findings = look()
    levels = [f.level for f in findings]
    assert reaching(findings, "error") == levels.count("error") == 20
    assert reaching(findings, "warning") == reaching(findings, "note") == len(findings) == 28
    assert reaching((), "note") == 0


@settings(max_examples=60)
@given(st.dates())
def test_any_day_can_be_asked_for(as_of: date) -> None:
    findings = lint(SAMPLE, as_of)
    order = [check.id for check in CHECKS]
    assert [order.index(f.check) for f in findings] == sorted(order.index(f.check) for f in findings)
    assert len({(f.check, f.file, f.field, f.message["en"]) for f in findings}) == len(findings)
    for finding in findings:
        assert 1 <= finding.line <= FILES[finding.file].count("\n") + 1
        assert finding.message["en"]
        assert finding.message["sv"]


@pytest.mark.parametrize("finding", look(), ids=lambda f: f"{f.check}-{f.field}")
def test_the_line_shows_the_field(finding: Finding) -> None:
    line = FILES[finding.file].splitlines()[finding.line - 1]
    last = re.sub(r"\[\d+\]$", "", finding.field).rpartition(".")[2]
    # a field that is not written stands at the entry around it
    assert last in line or line.lstrip().startswith("- ")
