"""Every clause and every rule keeps its tests and its planted violations, and the table says so."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansvar.policy.canonical import canonical, decode, encode
from ansvar.policy.errors import BundleError
from ansvar.policy.loader import bundle_from_bytes
from ansvar.policy.rules import ALL_RULES
from ansvar.sample import SAMPLE_BUNDLE
from policy_clauses import CLAUSES, LOADING, OTHERS, clauses_of
from policy_coverage import TABLE, UNIT, coverage, found_tests, rows, table


def test_no_clause_and_no_rule_is_without_test_or_plant() -> None:
    assert coverage().problems() == []


def without(**parts: Mapping[str, Any]) -> list[str]:
    """The problems of the tables with some entries in place of their own."""
    now = coverage()
    changed: dict[str, Any] = {name: {**getattr(now, name), **entries} for name, entries in parts.items()}
    return replace(now, **changed).problems()


def test_what_is_lost_is_named() -> None:
    assert without(tests={"cookie.undeclared": ()}) == ["rule cookie.undeclared has no test"]
    assert without(tests={"lint.expiring": ()}) == ["lint lint.expiring has no test"]
    assert without(planted={"basis.unknown": 0}) == ["rule basis.unknown is planted nowhere"]
    assert without(planted={"guarantees.expiring": 0}) == ["clock guarantees.expiring is planted nowhere"]
    assert without(planted={"basis.purpose_mismatch": 0}) == [
        "rule basis.purpose_mismatch is planted nowhere",
        "clause 5.3 has no planted violation",
    ]
    unenforced = replace(coverage(), enforcers=coverage().of("4.2 A"))
    assert "clause 9.4 is enforced by nothing" in unenforced.problems()


def test_the_table_is_up_to_date() -> None:
    written = TABLE.read_text(encoding="utf-8") if TABLE.exists() else ""
    assert written == table(coverage()), f"docs/{TABLE.name} says something else: run `make coverage-table`"


def test_the_table_has_no_empty_cell() -> None:
    lines = [line for line in table(coverage()).splitlines() if line.startswith("|")]
    assert len(lines) > len(CLAUSES) + len(ALL_RULES)
    for line in lines:
        assert all(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]), line


def test_every_clause_that_is_cited_has_a_row() -> None:
    every = rows(coverage().enforcers)
    assert [row for row in every if row not in {*CLAUSES, *OTHERS}] == []
    assert len(set(every)) == len(every)
    for rule in ALL_RULES:
        assert clauses_of(rule.clause)
        assert clauses_of(rule.clause) <= set(every)


@pytest.mark.parametrize(
    ("cited", "clauses"),
    [
        ("5.2–5.4", {"5.2", "5.3", "5.4"}),
        ("5.2, 8.2", {"5.2", "8.2"}),
        ("4.2 A", {"4.2 A"}),
        ("5.4 D, 3.1", {"5.4", "3.1"}),
        ("6.3, Schrems II", {"6.3", "Schrems II"}),
        ("Act 2018:218 3:10", {"Act 2018:218 3:10"}),
        ("cookie policy", {"cookie policy"}),
        ("–", {"–"}),
    ],
)
def test_citations(cited: str, clauses: set[str]) -> None:
    assert clauses_of(cited) == clauses


# Without a file of tests, what it holds has none: no other file is taken in its place.


@pytest.mark.parametrize(
    ("file", "lost"),
    [
        ("policy/test_rule_cookie.py", {"cookie.undeclared"}),
        ("policy/test_rule_restriction.py", {"processing.restricted"}),
        ("policy/test_rule_retention.py", {"retention.expired"}),
        ("policy/test_rule_objection.py", {"objection.in_force", "objection.overridden"}),
        ("policy/test_rule_rights_deadlines.py", {"rights.late", "rights.extension_late"}),
        (
            "policy/test_rule_transfer_tools.py",
            {
                "transfer.tool_invalid",
                "transfer.safeguard_unregistered",
                "transfer.assessment_missing",
                "transfer.tool_not_in_policy",
            },
        ),
        (
            "policy/test_clocks_hindsight.py",
            {"objection.retroactive", "history.retroactive", "adequacy.annulled"},
        ),
        ("test_policy_coverage.py", {field for field, *_ in LOADING}),
    ],
)
def test_a_file_of_tests_that_is_gone_is_missed(file: str, lost: set[str], tmp_path: Path) -> None:
    copied = Path(shutil.copytree(UNIT, tmp_path / "unit", ignore=shutil.ignore_patterns("__pycache__")))
    (copied / file).unlink()
    assert coverage().tests.keys() - found_tests(copied).keys() == lost


@pytest.mark.parametrize("verb", ["fires", "silent"])
def test_a_rule_that_is_shown_from_one_side_alone_is_not_tested(verb: str, tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    source = (
        f'CASES = [{verb}("cookie.undeclared", "one side", None)]\n\n\ndef test_it():\n    print(CASES)\n'
    )
    path = tmp_path / "policy" / "test_rule_cookie.py"
    path.write_text(source, encoding="utf-8")
    assert found_tests(tmp_path) == {}
    other = "silent" if verb == "fires" else "fires"
    path.write_text(
        source.replace("[", f'[{other}("cookie.undeclared", "other side", None), '), encoding="utf-8"
    )
    assert [test.function for test in found_tests(tmp_path)["cookie.undeclared"]] == ["test_it"]


def test_a_table_that_no_test_uses_is_none(tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    both = '[fires("cookie.undeclared", "", None), silent("cookie.undeclared", "", None)]'
    path = tmp_path / "policy" / "test_rule_cookie.py"
    path.write_text(f"CASES = {both}\n\n\ndef test_it():\n    pass\n", encoding="utf-8")
    assert found_tests(tmp_path) == {}


@pytest.mark.parametrize("field", ["authority", "data_protection_officer"])
def test_a_bundle_that_does_not_say_whom_to_turn_to_is_refused(field: str) -> None:
    files = decode(canonical(SAMPLE_BUNDLE))
    lines = files["bundle.yaml"].splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if line.startswith(f"{field}:"))
    last = next(n for n in range(first + 1, len(lines)) if not lines[n].startswith(" "))
    files["bundle.yaml"] = "".join([*lines[:first], *lines[last:]])
    with pytest.raises(BundleError) as caught:
        bundle_from_bytes(encode(files))
    (problem,) = caught.value.problems
    assert (problem.file, problem.field) == ("bundle.yaml", field)
    assert "is missing" in str(problem)
