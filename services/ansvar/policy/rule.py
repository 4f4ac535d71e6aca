"""What a rule is: an id, the clause and article it enforces, how grave a breach is, and a check.

Invariants: a rule is immutable. `concerns` looks at the words of an event alone and is asked once for each
combination of them; `check` is called for those events only, reads a `Case` and reports through `Case.find`.
The check's docstring says in our own words what the clause or article asks.

Not handled here: the registry and its order (`rules/`), switching rules off (`decide`).
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import getdoc
from typing import TYPE_CHECKING, Literal, get_args

from msgspec import Struct

from ansvar.events.model import Kind
from ansvar.policy.verdict import Severity

if TYPE_CHECKING:
    from ansvar.policy.case import Case
    from ansvar.policy.pattern import Pattern

Language = Literal["en", "sv"]  # of titles and labels
Check = Callable[["Case"], None]
Concern = Callable[["Pattern"], bool]

ALL_KINDS: frozenset[Kind] = frozenset(get_args(Kind))
USES_OF_DATA: frozenset[Kind] = frozenset({"processing", "transfer", "disclosure"})
HANDOVERS: frozenset[Kind] = frozenset({"transfer", "disclosure"})


class Rule(Struct, frozen=True):
    """One line of the policy as code."""

    id: str
    clause: str  # of the policy
    article: str  # of the law behind it
    severity: Severity
    title_en: str
    title_sv: str
    concerns: Concern  # whether the rule could fire on any event of these words
    check: Check

    @property
    def meaning(self) -> str:
        """What the clause or article asks, in plain words."""
        return getdoc(self.check) or ""


class Chapter(Struct, frozen=True):
    """Rules that judge the same kinds of event, in the order in which they report."""

    kinds: frozenset[Kind]
    rules: tuple[Rule, ...]


def rule(
    id: str,  # noqa: A002 - the field's own word, always passed first
    clause: str,
    article: str,
    severity: Severity,
    *,
    en: str,
    sv: str,
    concerns: Concern,
) -> Callable[[Check], Rule]:
    """Declare the function below it as a rule."""

    def declare(check: Check) -> Rule:
        return Rule(id, clause, article, severity, en, sv, concerns, check)

    return declare
