"""What the published policy says, as files: optional as a whole, refused where a word or a date is wrong."""

from __future__ import annotations

import pytest

from ansvar.policy.canonical import canonical, decode, encode
from ansvar.policy.errors import BundleError, Problem
from ansvar.policy.loader import bundle_from_bytes, read_source
from ansvar.policy.statement import STATEMENT_PATHS
from ansvar.sample import SAMPLE_BUNDLE

FILES = decode(canonical(SAMPLE_BUNDLE))
S, ACTS, RIGHTS, AUTHORITIES = (
    "statement.yaml",
    "law/acts.yaml",
    "law/rights.yaml",
    "law/authorities.yaml",
)


def problems(files: dict[str, str]) -> tuple[Problem, ...]:
    with pytest.raises(BundleError) as caught:
        read_source(encode(files))
    return caught.value.problems


# file, old, new, field, what is said
# fmt: off
BREAKS = [
    (S, "legal_obligation, recruitment,", "legal_obligation, recrutment,", "purposes.listed[4]",
        "`recrutment` is not a known purpose; did you mean `recruitment`?"),
    (S, "[name, address,", "[name, adress,", "categories.listed[1]",
        "`adress` is not a known category; did you mean `address`?"),
    (S, "purpose: security", "purpose: safety", "interests[3].purpose", "`safety` is not a known purpose"),
    (S, "type: invoicing", "type: invoices", "recipients[2].type", "did you mean `invoicing`?"),
    (S, "id: privacy_shield", "id: privacy_sheild", "safeguards[4].id", "did you mean `privacy_shield`?"),
    (S, "id: systems_inside_eea", "id: eea", "claims[0].id", "is not one of systems_inside_eea, no_auto"),
    (S, "purposes: [marketing]", "purposes: [ads]", "retention.stated[1].purposes[0]", "not a known purpose"),
    (S, "exceptions: []", "exceptions: [1999:1087]", "retention.erase_all.exceptions[0]",
        "`1999:1087` is not a known act; did you mean `1999:1078`?"),
    (S, "exceptions: []", "exceptions: [bookkeeping]", "retention.erase_all.exceptions[0]",
        "the text is not the number of an act (such as 2022:482)"),
    (S, "id: portability", "id: porting", "rights.stated[3].id", "`porting` is not a known right"),
    (S, "number: 2003:389", "number: 2003:390", "acts[0].number", "`2003:390` is not a known act"),
    (S, "consent: surfing_on", "consent: implied", "cookies.consent", "is not one of surfing_on, opt_out"),
    (ACTS, "replaced_by: 2022:482", "replaced_by: 2022:483", "acts[0].replaced_by", "did you mean `2022"),
    (ACTS, "valid_to: 2022-06-03", "valid_to: 2002-06-03", "acts[0].valid_to", "ends (2002-06-03) before"),
    (ACTS, "number: 1999:1078", "number: 2022:482", "acts[1].valid_from", "overlaps the validity in line"),
    (ACTS, "pd:Transaction", "dp:Transaction", "acts[2].duty.data[0]", "`dp` is not a known prefix"),
    (RIGHTS, "id: erasure", "id: access", "rights[2].id", "`access` is given twice (first in line 5)"),
    (RIGHTS, "basis: consent", "basis: consnt", "rights[8].basis", "did you mean `consent`?"),
    (AUTHORITIES, "    valid_to: 2021-01-01\n", "", "authorities[1].valid_from", "overlaps the validity in"),
    (AUTHORITIES, "country: SE\n    name: Datainspektionen", "country: UK\n    name: Datainspektionen",
        "authorities[0].country", "`UK` is not a country code of ISO 3166-1; write GB"),
]
# fmt: on


@pytest.mark.parametrize(("file", "old", "new", "field", "says"), BREAKS, ids=lambda value: value[:24])
def test_one_break_is_one_problem_in_its_place(file: str, old: str, new: str, field: str, says: str) -> None:
    assert FILES[file].count(old) == 1
    files = {**FILES, file: FILES[file].replace(old, new)}
    (problem,) = (p for p in problems(files) if p.field == field)
    assert problem.file == file
    assert says in f"{problem.message}; {problem.remedy}"
    lines = files[file].splitlines()
    last = field.rpartition(".")[2].partition("[")[0]
    assert last in lines[(problem.line or 0) - 1] or lines[(problem.line or 0) - 1].lstrip().startswith("- ")


def test_a_bundle_may_do_without_and_judges_alike() -> None:
    files = {name: text for name, text in FILES.items() if name not in STATEMENT_PATHS.values()}
    assert len(files) == len(FILES) - 4
    source = read_source(encode(files))
    assert source.published is None
    with_it, without = bundle_from_bytes(encode(FILES)), bundle_from_bytes(encode(files))
    assert without.sha256 != with_it.sha256
    assert {field: getattr(without, field) for field in without.__struct_fields__ if field != "sha256"} == {
        field: getattr(with_it, field) for field in with_it.__struct_fields__ if field != "sha256"
    }


def test_a_statement_is_not_held_against_nothing() -> None:
    found = problems({name: text for name, text in FILES.items() if name != ACTS})
    assert [str(p) for p in found] == [f"{ACTS}: is missing; add it, as in the sample bundle"]


def test_law_alone_is_read_and_harmless() -> None:
    files = {name: text for name, text in FILES.items() if name != S}
    assert read_source(encode(files)).published is None
    broken = {**files, ACTS: "acts: 1"}
    assert [p.file for p in problems(broken)] == [ACTS]


def test_the_sample_says_what_the_policy_says() -> None:
    published = read_source(encode(FILES)).published
    assert published is not None
    statement = published.statement
    assert (statement.published.version, statement.published.day) == (None, None)
    assert statement.authority.name == "Datainspektionen"
    assert [s.id for s in statement.safeguards] == [
        *("adequacy", "code_of_conduct", "scc", "bcr", "privacy_shield")
    ]
    assert [i.clause for i in statement.interests] == ["5.4 A", "5.4 B", "5.4 C", "5.4 D", "5.4 E"]
    assert {r.id for r in published.rights.rights} - {r.id for r in statement.rights.stated} == {
        *("restriction", "automated_decision", "source", "withdrawal")
    }
    assert all(part.source for part in (*published.acts.acts, *published.authorities.authorities))
