"""Writes docs/policy-coverage.md: by which rules each clause is enforced, by which tests those are held, and
how many violations of them are planted. Run by `make coverage-table`.

Invariants: the same code and the same sample year give the same file. A test counts for a rule when, by the
syntax tree of a `tests/unit/policy/test_rule_*.py`, it reaches a `fires(...)` and a `silent(...)` with the
rule's id, in itself, in its parameters or in a table of its module that these name; for a clock, and for a
check of lint, when it so reaches the id in a `test_clocks_*.py` or `test_lint*.py`. Other tests name rules as
well (orders, properties) and do not count, so that a rule without its own tests shows.

Not handled here: whether the tests pass, and whether the planted violations are found (`unit/sample`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from ansvar.policy.clocks import CLOCKS, Clock, hindsight, register, subject
from ansvar.policy.lint import CHECKS
from ansvar.policy.rules import ALL_RULES
from policy_clauses import ALSO, CLAUSES, LOADING, NO_CLAUSE, OTHERS, clauses_of
from policy_planted import BY_THE_STRICT_PROFILE, lint_findings, planted
from policy_tests import VERBS, Named, cases, mentions

UNIT = Path(__file__).parent / "unit"
TABLE = Path(__file__).parent.parent / "docs" / "policy-coverage.md"
Kind = Literal["rule", "clock", "lint", "loading"]


@dataclass(frozen=True)
class Enforcer:
    """What holds the company to a clause: a rule, a clock, a check of lint, or loading."""

    id: str
    kind: Kind
    clauses: frozenset[str]
    title: str
    clause: str  # as written
    article: str


@dataclass(frozen=True)
class Coverage:
    """Everything that the tables show."""

    enforcers: tuple[Enforcer, ...]
    tests: Mapping[str, tuple[Named, ...]]  # by the id of the enforcer
    planted: Mapping[str, int]

    def of(self, clause: str) -> tuple[Enforcer, ...]:
        """What enforces a clause, in the order of the tables."""
        return tuple(e for e in self.enforcers if clause in e.clauses or e.id in ALSO.get(clause, ()))

    def problems(self) -> list[str]:
        """What lacks a test or a plant, in sentences."""
        found = [f"{e.kind} {e.id} has no test" for e in self.enforcers if not self.tests.get(e.id)]
        found += [
            f"{e.kind} {e.id} is planted nowhere"
            for e in self.enforcers
            if e.kind in ("rule", "clock") and not self.planted.get(e.id)
        ]
        for clause in rows(self.enforcers):
            enforcers = self.of(clause)
            if not enforcers:
                found.append(f"clause {clause} is enforced by nothing")
            elif not any(self.planted.get(e.id) or e.kind == "loading" for e in enforcers):
                found.append(f"clause {clause} has no planted violation")
        return found


def enforcers() -> Iterator[Enforcer]:
    """Every rule, clock and check, and what loading insists on."""
    stated: dict[str, set[str]] = {}  # a check's findings name the clauses they are about
    for finding in lint_findings():
        stated.setdefault(finding.check, set()).update(clauses_of(finding.clause))
    for rule in ALL_RULES:
        yield Enforcer(rule.id, "rule", clauses_of(rule.clause), rule.title_en, rule.clause, rule.article)
    for clock in CLOCKS:
        yield Enforcer(
            clock.id, "clock", clauses_of(clock.clause), clock.title_en, clock.clause, clock.article
        )
    for check in CHECKS:
        clauses = clauses_of(check.clause) | stated.get(check.id, set())
        yield Enforcer(check.id, "lint", clauses, check.title["en"], check.clause, check.article)
    for field, clause, article in LOADING:
        title = "A bundle that does not name it is refused"
        yield Enforcer(field, "loading", frozenset({clause}), title, clause, article)


def rows(every: Iterable[Enforcer]) -> list[str]:
    """The clauses in the policy's order, then what is cited instead of one."""
    cited = frozenset().union(*(enforcer.clauses for enforcer in every))
    return [*CLAUSES, *(other for other in OTHERS if other in cited), *sorted(cited - {*CLAUSES, *OTHERS})]


def found_tests(folder: Path) -> dict[str, tuple[Named, ...]]:
    """The tests of each enforcer, read from the files of a directory."""
    found: dict[str, list[Named]] = {}
    for path in sorted((folder / "policy").glob("test_rule_*.py")):
        for rule, test in cases(path):
            found.setdefault(rule, []).append(test)
    for pattern, names in (
        ("policy/test_clocks_*.py", {clock.id: clock.id for clock in CLOCKS} | _CONSTANTS),
        ("policy/test_lint*.py", {check.id: check.id for check in CHECKS}),
        ("test_policy_coverage.py", {field: field for field, *_ in LOADING}),
    ):
        for path in sorted(folder.glob(pattern)):
            for known, test in mentions(path, names):
                found.setdefault(known, []).append(test)
    # Cases that only fire, or only do not, show half a rule.
    rules = {rule.id for rule in ALL_RULES}
    return {
        known: tuple(tests)
        for known, tests in found.items()
        if known not in rules or frozenset().union(*(test.verbs for test in tests)) == VERBS
    }


# The names under which tests import clocks.
_CONSTANTS = {
    name: value.id
    for module in (hindsight, register, subject)
    for name, value in vars(module).items()
    if isinstance(value, Clock)
}


@cache
def coverage() -> Coverage:
    """What the code, its tests and the sample year say today."""
    return Coverage(tuple(enforcers()), found_tests(UNIT), planted())


_HEAD = """# What enforces the policy

Generated by `make coverage-table` from the rules, their tests and the sample company; a test fails when this
file differs, or when a clause or a rule has lost its test or its planted violations.

A **rule** judges an event, a **clock** fires when time passes or the law changes, a **lint** check reads the
policy itself, and **loading** refuses a bundle. Tests are those that hold the rule alone to its cases, those
in which it fires and those in which it does not. Planted: on how many events of the sample year
(`ansvar.sample.company`) a rule must fire, how many findings a clock must give at the year's end, and how
many a check of lint gives on the bundle that ships.
"""


def table(c: Coverage) -> str:
    """The file as Markdown."""
    lines = [
        _HEAD,
        "## Clause by clause",
        "",
        "| clause | enforced by | tests | planted |",
        "|---|---|---|---|",
    ]
    for clause in rows(c.enforcers):
        every = c.of(clause)
        name = "none" if clause == NO_CLAUSE else clause
        about = CLAUSES.get(clause) or OTHERS.get(clause, "")
        lines.append(
            f"| **{name}** {about} | {'<br>'.join(_marked(e) for e in every)} "
            f"| {_listed([test for e in every for test in c.tests.get(e.id, ())])} | {_sum(every, c)} |"
        )
    for kind, title in _TITLES.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| id | clause | article | says | tests | planted |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| `{e.id}` | {e.clause} | {e.article} | {e.title} | {_listed(c.tests.get(e.id, ()))} "
            f"| {_count(e, c)} |"
            for e in c.enforcers
            if e.kind == kind
        ]
    return "\n".join(lines) + "\n"


_TITLES: Mapping[Kind, str] = {
    "rule": "Rule by rule, in the order in which they report",
    "clock": "Clock by clock",
    "lint": "Check by check",
    "loading": "On loading",
}
_OF: Mapping[Kind, str] = {"rule": "events", "clock": "findings of clocks", "lint": "findings of lint"}


def _marked(enforcer: Enforcer) -> str:
    return f"`{enforcer.id}`" if enforcer.kind == "rule" else f"`{enforcer.id}` ({enforcer.kind})"


def _listed(tests: Iterable[Named]) -> str:
    """The tests, file by file."""
    files: dict[str, dict[str, None]] = {}
    for test in tests:
        files.setdefault(test.file, {})[test.function] = None
    return "<br>".join(f"{file}: {', '.join(functions)}" for file, functions in sorted(files.items()))


def _count(enforcer: Enforcer, c: Coverage) -> str:
    if enforcer.kind == "loading":
        return "in its test"
    count = c.planted.get(enforcer.id, 0)
    if enforcer.kind == "lint":
        return str(count) if count else "in its test"  # the shipped bundle has no such fault
    if enforcer.id == BY_THE_STRICT_PROFILE:
        return f"{count} by the strict profile"
    return str(count)


def _sum(every: tuple[Enforcer, ...], c: Coverage) -> str:
    sums = {kind: sum(c.planted.get(e.id, 0) for e in every if e.kind == kind) for kind in _OF}
    return "<br>".join(f"{total} {_OF[kind]}" for kind, total in sums.items() if total) or "in its test"


if __name__ == "__main__":
    TABLE.write_text(table(coverage()), encoding="utf-8")
    for lacking in coverage().problems():
        print(lacking)
