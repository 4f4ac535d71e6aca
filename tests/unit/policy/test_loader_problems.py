"""A bundle broken in one place is refused with the file, the line and the field of that place."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import pytest

from ansvar.policy.bundle import Period
from ansvar.policy.calendar import day_start
from ansvar.policy.canonical import canonical, decode, encode
from ansvar.policy.errors import BundleError, PolicyError, Problem
from ansvar.policy.loader import bundle_from_bytes
from ansvar.policy.shapes import PATHS
from ansvar.sample import SAMPLE_BUNDLE

TICK = timedelta(microseconds=1)
FILES = decode(canonical(SAMPLE_BUNDLE))
SCC_IN = "        set: 2021/914\n        valid_from: 2024-02-01"
SCC_US = "        set: 2021/914\n        valid_from: 2023-04-01"
SCOPE_CA = "      - {decision: CA-PIPEDA, valid_from: 2024-03-01}"
REPEALED = "    repealed: 2021-09-27\n    source: EUR-Lex, CELEX 32021D0914, Art. 4(3) and (4)"
LIA_E = "LIA-E, purpose: evaluation, valid_from: 202"
SHIELD = (
    "    valid_to: 2020-07-16              # annulled, C-311/18\n"
    "    scope: certified organisations\n    claimed_as: privacy_shield\n"
)
EPO = "    organisation: EPO                 # an organisation is a recipient, not a place\n"


class Break(NamedTuple):
    """Replace `old` by `new` in a file. The problem is to stand where they begin to differ, or at `at`."""

    file: str
    old: str
    new: str
    field: str
    says: str
    at: str = ""

    @property
    def files(self) -> dict[str, str]:
        text = FILES[self.file]
        assert text.count(self.old) == 1, f"{self.old!r} has to stand once in {self.file}"
        return {**FILES, self.file: text.replace(self.old, self.new)}

    @property
    def line(self) -> int:
        text = self.files[self.file]
        if self.at:
            assert text.count(self.at) == 1
            return text.count("\n", 0, text.index(self.at)) + 1
        pairs = enumerate(zip(text, FILES[self.file], strict=False))
        return text.count("\n", 0, next(i for i, (new, old) in pairs if new != old)) + 1


# A table is read by rows: two or three lines a case.
# fmt: off
BREAKS = {
    # YAML itself
    "syntax": Break("systems.yaml", "systems:\n", "systems: ]\n", "",
        "is not YAML: "),
    "control character": Break("cookies.yaml", "en: Functional,", "en: Func\x01tional,", "",
        "is not YAML: "),
    "empty file": Break("cookies.yaml", FILES["cookies.yaml"], "# nothing\n", "",
        "is empty; write the file's fields"),
    "doubled key": Break("systems.yaml", "{id: crm, country: SE,", "{id: crm, country: SE, country: US,",
        "systems[0].country", "is given twice (first in line 6); keep one of them"),
    "anchor": Break("cookies.yaml", "{id: functional,", "&x {id: functional,", "",
        "uses an anchor or an alias; write the value out in each place"),
    "alias": Break("cookies.yaml", "{id: functional,", "{id: *x,", "",
        "uses an anchor or an alias; write the value out in each place"),
    "tag": Break("cookies.yaml", "{id: functional,", "{id: !!python/name:os.system functional,", "",
        "uses a tag; remove the word that begins with `!`"),
    "second document": Break("cookies.yaml", "cookies:\n", "cookies: []\n---\nmore:\n", "",
        "holds a second document; keep one document a file (no `---`)", at="---"),
    "deep nesting": Break("cookies.yaml", "cookies:\n", f"cookies: {'[' * 500_000}\n", "",
        "is nested deeper than 20; follow the shape of the sample"),
    "key that is a list": Break("bases.yaml", "bases:\n", "[a, b]: c\nbases:\n", "",
        "has a field whose name is not a word; write `name: value`"),
    # Shapes
    "file that is a list": Break("cookies.yaml", FILES["cookies.yaml"], "- necessary\n", "",
        "is not a set of fields; write `name: value`, one a line"),
    "unknown field": Break("recipients.yaml", "    storage: [DK]", "    storrage: [DK]\n    storage: [DK]",
        "recipients[2].storrage", "is not a known field; did you mean `storage`?"),
    "unknown field like no other": Break("methods.yaml", "secure_methods:\n", "zzz: 1\nsecure_methods:\n",
        "zzz", "is not a known field; fields here are secure_methods"),
    "missing field": Break("recipients.yaml", "    established: DK\n", "", "recipients[2].established",
        "is missing; add `established: a country code of two capital letters`", at="- id: sms-gateway"),
    "missing list": Break("purposes.yaml", "    may_also_serve: []\n", "", "purposes[3].may_also_serve",
        "is missing; add `may_also_serve: a list`", at="id: legal_obligation\n"),
    "missing fields": Break("cookies.yaml", "{id: functional, label: {en: Functional, sv: Funktionella}}",
        "{id: functional}", "cookies[1].label", "is missing; add `label: a set of fields`"),
    "empty field": Break("recipients.yaml", "established: DK", "established:", "recipients[2].established",
        "is empty; write a value or leave the field out"),
    "null field": Break("bundle.yaml", "name: Securio Sweden AB", "name: null", "company.name",
        "is empty; write a value or leave the field out"),
    "word instead of a list": Break("recipients.yaml", "storage: [DK]", "storage: DK",
        "recipients[2].storage", "is not a list; write a list, one `- ` an entry or [a, b]"),
    "list instead of a word": Break("recipients.yaml", "established: DK", "established: [DK]",
        "recipients[2].established", "is a list or a set of fields; write a country code of two"),
    "word instead of fields": Break("recipients.yaml", "[{name: SMS routing, country: GB}]", "[GB]",
        "recipients[2].subprocessors[0]", "is not a set of fields; write `name: value`, one a line"),
    "word instead of a mapping": Break("bundle.yaml", "switches: {}", "switches: none", "switches",
        "is not a set of fields; write `name: value`, one a line"),
    "word that is none of the closed ones": Break("recipients.yaml", "type: invoicing", "type: invoising",
        "recipients[1].type",
        "'invoising' is not one of partner, mailing, invoicing, it_supplier, authority, other; did you mean"),
    "number": Break("bundle.yaml", "nix_days: 60 ", "nix_days: sixty ", "settings.nix_days",
        "the text is not a whole number from 0 to 100000; write a whole number"),
    "negative number": Break("bundle.yaml", "nix_days: 60 ", "nix_days: -1 ", "settings.nix_days",
        "the text is not a whole number from 0 to 100000; write a whole number"),
    "truth value": Break("systems.yaml", "automated: true", "automated: yes", "systems[11].automated",
        "'yes' is not true or false; write true or false"),
    "impossible date": Break("balancing_tests.yaml", "security, valid_from: 2024-01-01",
        "security, valid_from: 2024-02-30", "balancing_tests[3].valid_from",
        "'2024-02-30' is not a date as YYYY-MM-DD; write a date as YYYY-MM-DD"),
    "date in another order": Break("law/scc_sets.yaml", "valid_from: 2021-06-27", "valid_from: 27.6.2021",
        "scc_sets[0].valid_from", "'27.6.2021' is not a date as YYYY-MM-DD; write a date as YYYY-MM-DD"),
    "id with spaces": Break("systems.yaml", "id: alarm_centre", "id: Alarm centre", "systems[5].id",
        "the text is not an id of a-z, 0-9, _ and - (such as mailing-house); write an id"),
    "contact that is none": Break("bundle.yaml", "privacy@securiosweden.se", "kim.svensson",
        "data_protection_officer", "the text is not an e-mail address; write an e-mail address"),
    "format of another time": Break("bundle.yaml", "format: 1", "format: 2", "format",
        "'2' is not one of 1; write one of 1"),
    # Switches
    "rule off without a reason": Break("bundle.yaml", "switches: {}",
        "switches:\n  rights.fee: {severity: off}", "switches.rights.fee.reason",
        "is missing; add `reason: a reason in words", at="  rights.fee: {severity: off}\n"),
    "rule off with an empty reason": Break("bundle.yaml", "switches: {}",
        "switches: {rights.fee: {severity: off, reason: ''}}", "switches.rights.fee.reason",
        "the text is not a reason in words, to 2000 characters; write a reason"),
    "rule off with a reason of spaces": Break("bundle.yaml", "switches: {}",
        "switches: {rights.fee: {severity: off, reason: '  \u200b '}}", "switches.rights.fee.reason",
        "the text is not a reason in words, to 2000 characters; write a reason"),
    "rule switched to no severity": Break("bundle.yaml", "switches: {}",
        "switches: {rights.fee: {severity: warn, reason: x}}", "switches.rights.fee.severity",
        "'warn' is not one of off, flag, deny; write one of off, flag, deny"),
    "switch of a misspelt rule": Break("bundle.yaml", "switches: {}",
        "switches: {basis.mising: {severity: off, reason: x}}", "switches.basis.mising",
        "`basis.mising` is not a known rule; did you mean `basis.missing`?"),
    "agreement since for ever": Break("recipients.yaml", "[{valid_from: 2022-01-01}]", "[{}]",
        "recipients[8].agreements[0].valid_from", "is missing"),
    "decision without a beginning": Break("law/adequacy.yaml", "    valid_from: 2023-07-10\n", "",
        "decisions[16].valid_from", "is missing", at="id: US-DPF"),
    "full, almost": Break("law/adequacy.yaml",
        "valid_from: 2000-07-26\n    scope: full", "valid_from: 2000-07-26\n    scope: Full",
        "decisions[0].scope", "would be read as the words of a limit"),
    "switch that names no rule": Break("bundle.yaml", "switches: {}",
        "switches: {rights: {severity: off, reason: x}}", "switches.rights",
        "is not a name that can stand here; write a rule (such as rights.fee)"),
    # References
    "purpose of a basis": Break("bases.yaml", "[legal_obligation]", "[legal_obligation, sekurity]",
        "bases[1].purposes[1]", "`sekurity` is not a known purpose; did you mean `security`?"),
    "compatible purpose": Break("purposes.yaml", "[legal_obligation, security]", "[x]",
        "purposes[4].may_also_serve[0]", "`x` is not a known purpose; add it to purposes.yaml or name one"),
    "purpose of a balancing test": Break("balancing_tests.yaml", "purpose: evaluation", "purpose: evalution",
        "balancing_tests[4].purpose", "`evalution` is not a known purpose; did you mean `evaluation`?"),
    "basis that Art. 6 has not": Break("bases.yaml", "id: legal_obligation ", "id: legal_obligations ",
        "bases[1].id", "`legal_obligations` is not a known legal basis; did you mean `legal_obligation`?"),
    "category": Break("bundle.yaml", "[name, address, email,", "[name, address, emial,",
        "corporate_contact[2]", "`emial` is not a known category; did you mean `email`?"),
    "country of a recipient": Break("recipients.yaml", "established: DK", "established: UK",
        "recipients[2].established", "`UK` is not a country code of ISO 3166-1; write GB"),
    "country of storage": Break("recipients.yaml", "storage: [DK]", "storage: [DK, XK]",
        "recipients[2].storage[1]", "`XK` is not a country code of ISO 3166-1; write its alpha-2 code"),
    "country of a sub-processor": Break("recipients.yaml", "country: GB}", "country: EL}",
        "recipients[2].subprocessors[0].country", "`EL` is not a country code of ISO 3166-1; write GR"),
    "country of a system": Break("systems.yaml", "{id: crm, country: SE", "{id: crm, country: ZZ",
        "systems[0].country", "`ZZ` is not a country code of ISO 3166-1; write its alpha-2 code"),
    "country of a decision": Break("law/adequacy.yaml", "country: KR", "country: QQ",
        "decisions[13].country", "`QQ` is not a country code of ISO 3166-1; write its alpha-2 code"),
    "decision": Break("recipients.yaml", "decision: CA-PIPEDA", "decision: CA-PIPDA",
        "recipients[5].scope[0].decision",
        "`CA-PIPDA` is not a known adequacy decision; did you mean `CA-PIPEDA`?"),
    "decision on another country": Break("recipients.yaml", "decision: CA-PIPEDA", "decision: JP-2019",
        "recipients[5].scope[0].decision", "`JP-2019` is about JP, where this recipient has no place; name"),
    "set of clauses": Break("recipients.yaml", SCC_IN, SCC_IN.replace("914", "915"),
        "recipients[4].instruments[0].set", "`2021/915` is not a known SCC set; did you mean `2021/914`?"),
    "scc without a set": Break("recipients.yaml", SCC_IN, "        valid_from: 2024-02-01",
        "recipients[4].instruments[0].set", "is missing for scc; name the set, such as 2021/914",
        at="tool: scc\n        reference: SCC-2024-02"),
    "bcr with a set": Break("recipients.yaml", "BCR-CH-1\n", "BCR-CH-1\n        set: 2010/87\n",
        "recipients[6].instruments[0].set", "bcr has no set of clauses; remove `set`"),
    "prefix of a term": Break("purposes.yaml", "iri: dpv:CustomerCare", "iri: dvp:CustomerCare",
        "purposes[2].iri", "`dvp` is not a known prefix; did you mean `dpv`?"),
    "prefix of a term of the format": Break("law/vocabulary.yaml", "permit: eu-gdpr:", "permit: eugdpr:",
        "terms.verdicts.permit", "`eugdpr` is not a known prefix; did you mean `eu-gdpr`?"),
    # Dates
    "inverted validity": Break("recipients.yaml", "2025-12-31", "2021-12-31",
        "recipients[8].guarantees[0].valid_to",
        "ends (2021-12-31) before it begins (2022-01-01) or on that day; give the first day not covered"),
    "validity of no day": Break("recipients.yaml", "2025-12-31", "2022-01-01",
        "recipients[8].guarantees[0].valid_to",
        "ends (2022-01-01) before it begins (2022-01-01) or on that day"),
    "overlapping agreements": Break("recipients.yaml", "[{valid_from: 2022-01-01}]",
        "[{valid_from: 2023-02-03}, {valid_from: 2022-01-01}]", "recipients[8].agreements[0].valid_from",
        "overlaps the validity in line 106; end the earlier one where the later one begins"),
    "overlapping scope": Break("recipients.yaml", SCOPE_CA,
        f"      - {{decision: CA-PIPEDA, valid_from: 2020-01-01, valid_to: 2025-01-01}}\n{SCOPE_CA}",
        "recipients[5].scope[1].valid_from", "overlaps the validity in line 77; end the earlier one",
        at=SCOPE_CA),
    "overlapping balancing tests": Break("balancing_tests.yaml",
        f"{LIA_E}4",
        f"{LIA_E}4-01-01}}\n  - {{reference: {LIA_E}5",
        "balancing_tests[5].valid_from", "overlaps the validity in line 8; end the earlier one",
        at="valid_from: 2025"),
    "overlapping decisions": Break("law/adequacy.yaml", SHIELD, "    scope: certified organisations\n",
        "decisions[16].valid_from", "overlaps the validity in line 118; end the earlier one",
        at="valid_from: 2023-07-10"),
    "overlapping memberships": Break("law/places.yaml", "inside_for_a_time:\n",
        "inside_for_a_time:\n  - {country: GB, valid_from: 2020-01-01, source: x}\n",
        "inside_for_a_time[0].valid_from", "overlaps the validity in line 37; end the earlier one"),
    "overlapping systems": Break("systems.yaml", "{id: billing, country: SE,", "{id: crm, country: US,",
        "systems[1].valid_from", "overlaps the validity in line 6; end the earlier one"),
    "overlapping dated systems": Break("systems.yaml", "{id: crm, country: SE,",
        "{id: crm, country: US, valid_to: 2025-01-02, label: {en: x, sv: y}}\n"
        "  - {id: crm, country: SE, valid_from: 2025-01-01,",
        "systems[1].valid_from", "overlaps the validity in line 6; end the earlier one", at="2025-01-01"),
    "inverted system": Break("systems.yaml", "{id: crm, country: SE,",
        "{id: crm, country: SE, valid_from: 2025-01-02, valid_to: 2025-01-02,", "systems[0].valid_to",
        "ends (2025-01-02) before it begins (2025-01-02) or on that day; give the first day not covered"),
    "system in no country": Break("systems.yaml", "country: US", "country: UK", "systems[10].country",
        "`UK` is not a country code of ISO 3166-1; write GB"),
    "date that is none": Break("systems.yaml", "{id: crm, country: SE,",
        "{id: crm, country: SE, valid_to: 2025-02-29,", "systems[0].valid_to", "2025-02-29' is not a date"),
    "overlapping methods": Break("methods.yaml", "{id: freja,", "{id: bankid, valid_from: 2025-01-01,",
        "secure_methods[1].valid_from", "overlaps the validity in line 5; end the earlier one"),
    "inverted method": Break("methods.yaml", "{id: freja,",
        "{id: freja, valid_from: 2025-01-02, valid_to: 2025-01-01,", "secure_methods[1].valid_to",
        "ends (2025-01-01) before it begins (2025-01-02) or on that day"),
    "profile that is none": Break("bundle.yaml", "format: 1\n", "format: 1\nprofile: strickt\n", "profile",
        "'strickt' is not one of default, strict; did you mean `strict`?"),
    "switch of no rule": Break("bundle.yaml", "switches: {}",
        "switches: {rights.feee: {severity: off, reason: x}}", "switches.rights.feee",
        "`rights.feee` is not a known rule"),
    "set repealed after it lapsed": Break("law/scc_sets.yaml", REPEALED,
        REPEALED.replace("2021-09", "2023-09"), "scc_sets[1].repealed",
        "is repealed (2023-09-27) after its contracts have lapsed (2022-12-27); correct"),
    "contract on a set not yet usable": Break("recipients.yaml", SCC_US,
        SCC_US.replace("2023-04-01", "2021-06-26"), "recipients[3].instruments[0].valid_from",
        "begins before the set 2021/914 could be used (2021-06-27)"),
    "contract on a repealed set": Break("recipients.yaml", SCC_US,
        "        set: 2010/87\n        valid_from: 2021-09-27", "recipients[3].instruments[0].valid_from",
        "begins after the set 2010/87 was repealed (2021-09-27); correct the date",
        at="valid_from: 2021-09-27"),
    # Doubles
    "id given twice": Break("recipients.yaml", "id: invoicing-bureau", "id: mailing-house",
        "recipients[1].id", "`mailing-house` is given twice (first in line 9); keep one of them"),
    "decision given twice": Break("law/adequacy.yaml", "id: KR-2021", "id: JP-2019", "decisions[13].id",
        "`JP-2019` is given twice (first in line 84); keep one of them"),
    "decision about nobody": Break("law/adequacy.yaml", EPO, "", "decisions[17]",
        "a decision is about a country or about an organisation; give one of", at="id: EPO-2025"),
    "decision about both": Break("law/adequacy.yaml", EPO, f"{EPO}    country: DE\n", "decisions[17]",
        "a decision is about a country or about an organisation; give one", at="id: EPO-2025"),
    # Places
    "country listed twice": Break("law/places.yaml", "codes: [IS, LI, NO]", "codes: [IS, LI, NO, SE]",
        "eea_efta.codes[3]", "`SE` already stands under eu; keep it in one place"),
    "member with dates": Break("law/places.yaml", "country: GB", "country: NO",
        "inside_for_a_time[0].country", "`NO` already stands under eea_efta; keep it in one place"),
    "territory that is no code": Break("law/places.yaml", "[GL, AW,", "[GX, AW,",
        "territories_third.codes[0]", "`GX` is not a country code of ISO 3166-1; write its alpha-2 code"),
    "code listed twice": Break("law/places.yaml", "[AD, AE,", "[AD, AD, AE,", "iso_3166_1.codes[1]",
        "`AD` already stands under iso_3166_1; keep it in one place"),
    "suggestion for a real code": Break("law/places.yaml", "  UK: GB", "  UA: GB", "suggestions.UA",
        "`UA` is itself a country code of ISO 3166-1; suggest only for codes that are not"),
    "suggestion of no code": Break("law/places.yaml", "  EL: GR", "  EL: GX", "suggestions.EL",
        "`GX` is not a country code of ISO 3166-1; write its alpha-2 code"),
}
# fmt: on


def problems(files: dict[str, str]) -> tuple[Problem, ...]:
    with pytest.raises(BundleError) as caught:
        bundle_from_bytes(encode(files))
    return caught.value.problems


@pytest.mark.parametrize("case", BREAKS.values(), ids=BREAKS.keys())
def test_one_break_is_one_problem_in_its_place(case: Break) -> None:
    (problem,) = problems(case.files)
    assert (problem.file, problem.line, problem.field) == (case.file, case.line, case.field)
    assert case.says in f"{problem.message}; {problem.remedy}"


def test_a_purpose_without_a_basis() -> None:
    files = Break("bases.yaml", ", recruitment, security", ", security", "", "").files
    (problem,) = problems(files)
    line = FILES["purposes.yaml"].split("- id: recruitment")[0].count("\n") + 1
    assert (problem.file, problem.line, problem.field) == ("purposes.yaml", line, "purposes[4].id")
    assert problem.message == "no legal basis serves the purpose `recruitment`"
    assert problem.remedy == "name it under a basis in bases.yaml, or remove it"


def test_a_missing_and_an_unknown_file() -> None:
    files = {("recipient.yaml" if name == "recipients.yaml" else name): text for name, text in FILES.items()}
    assert [str(p) for p in problems(files)] == [
        "recipient.yaml: is not a file of a bundle; did you mean `recipients.yaml`?",
        "recipients.yaml: is missing; add it, as in the sample bundle",
    ]
    (problem,) = problems({**FILES, "zzz/qqq.yaml": ""})
    assert "is not a file of a bundle; remove it" in str(problem)


def test_an_empty_bundle_misses_every_file() -> None:
    found = problems({})
    assert {p.file for p in found} == set(PATHS.values())
    assert {p.message for p in found} == {"is missing"}


def test_every_problem_is_found_and_sorted() -> None:
    files = {
        **FILES,
        "systems.yaml": FILES["systems.yaml"].replace("country: SE", "country: 1").replace("US", "U"),
        "methods.yaml": "a: [",
        "bundle.yaml": FILES["bundle.yaml"].replace("format: 1", "format: 9").replace("nix_days", "nix_dayz"),
    }
    with pytest.raises(PolicyError) as caught:
        bundle_from_bytes(encode(files))
    error = caught.value
    assert isinstance(error, BundleError)
    assert [p.file for p in error.problems] == ["bundle.yaml"] * 2 + ["methods.yaml"] + ["systems.yaml"] * 12
    places = [(p.file, p.line or 0) for p in error.problems]
    assert places == sorted(places)
    assert (error.file, error.line, error.field) == ("bundle.yaml", 4, "format")
    assert str(error).startswith("the policy bundle has 15 problems:\n  bundle.yaml:4: format: '9' is not")
    assert str(error).count("\n") == 15


def test_problems_between_files_are_all_found() -> None:
    files = Break("bases.yaml", "[legal_obligation]", "[nothing]", "", "").files
    files["recipients.yaml"] = files["recipients.yaml"].replace("[IN]", "[IQ, QI]").replace("CA-PIPEDA", "CA")
    found = problems(files)
    assert [(p.file, p.field) for p in found] == [
        ("bases.yaml", "bases[1].purposes[0]"),
        ("purposes.yaml", "purposes[3].id"),
        ("recipients.yaml", "recipients[4].storage[1]"),
        ("recipients.yaml", "recipients[5].scope[0].decision"),
    ]


def test_no_message_shows_a_contact_or_free_text() -> None:
    broken = Break("bundle.yaml", "privacy@securiosweden.se", "Kim Svensson +46701234567", "", "")
    assert not any(word in str(p) for p in problems(broken.files) for word in ("Kim", "4670"))


def test_words_that_yaml_reads_as_false_are_words() -> None:
    case = Break(
        "bundle.yaml", "switches: {}", "switches: {basis.missing: {severity: off, reason: no}}", "", ""
    )
    bundle = bundle_from_bytes(encode(case.files))
    assert bundle.severities == {"basis.missing": "off"}
    assert bundle.switch_reasons == {"basis.missing": "no"}
    assert bundle.recipients["installer-partner"].established == "NO"


def test_optional_dates_may_be_left_empty_and_periods_may_meet() -> None:
    case = Break(
        "recipients.yaml",
        "[{valid_from: 2022-01-01}]",
        "[{valid_from: 2023-01-01, valid_to: null}, {valid_from: 2022-01-01, valid_to: 2023-01-01}]",
        "",
        "",
    )
    later, earlier = bundle_from_bytes(encode(case.files)).recipients["lapsed-printer"].agreements
    assert later.end is None
    assert earlier.end == later.start


def test_systems_and_methods_may_change_over_time() -> None:
    files = {
        **FILES,
        "systems.yaml": FILES["systems.yaml"].replace(
            "{id: crm, country: SE,",
            "{id: crm, country: US, valid_to: 2025-01-01, label: {en: x, sv: y}}\n"
            "  - {id: crm, country: SE, valid_from: 2025-01-01,",
        ),
        "methods.yaml": FILES["methods.yaml"].replace(
            "{id: freja,", "{id: freja, valid_from: 2024-02-29, valid_to: 2026-01-01,"
        ),
    }
    bundle = bundle_from_bytes(encode(files))
    moved = day_start(date(2025, 1, 1))
    assert [(s.country, s.period) for s in bundle.systems["crm"]] == [
        ("US", Period(None, moved)),
        ("SE", Period(moved, None)),
    ]
    first, after = day_start(date(2024, 2, 29)), day_start(date(2026, 1, 1))
    held = [bundle.secure("freja", t) for t in (first - TICK, first, after - TICK, after)]
    assert held == [False, True, True, False]
    assert bundle.secure("bankid", first - TICK)
    assert not bundle.secure("password", first)


def test_a_rule_of_any_engine_may_be_switched() -> None:
    switches = "switches: {cookie.undeclared: {severity: off, reason: no site}}"
    case = Break("bundle.yaml", "switches: {}", switches, "", "")
    assert bundle_from_bytes(encode(case.files)).severities == {"cookie.undeclared": "off"}


def test_settings_may_be_left_out_and_terms_written_in_full() -> None:
    text = FILES["bundle.yaml"]
    start, end = text.index("settings:"), text.index("# A rule may be switched")
    files = {
        **FILES,
        "bundle.yaml": (text[:start] + text[end:]).replace("switches: {}\n", ""),
        "purposes.yaml": FILES["purposes.yaml"].replace("dpv:CustomerCare", "https://example.com/care"),
    }
    bundle = bundle_from_bytes(encode(files))
    assert (bundle.settings.late_days, bundle.severities) == (400, {})
    assert bundle.purposes["customer_service"].iri == "https://example.com/care"
