"""What a rule is: an id, the clause and article it enforces, how grave a breach is, and a check.

Invariants: a rule is immutable; its check reads a `Case` and reports through `Case.find`; the check's
docstring says in our own words what the clause or article asks.

Not handled here: the registry and its order (`rules/`), switching rules off (`decide`).
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import getdoc
from typing import TYPE_CHECKING

from msgspec import Struct

from ansvar.events.model import Kind
from ansvar.policy.verdict import Severity

if TYPE_CHECKING:
    from ansvar.policy.case import Case

Check = Callable[["Case"], None]


class Rule(Struct, frozen=True):
    """One line of the policy as code."""

    id: str
    clause: str  # of the policy
    article: str  # of the law behind it
    severity: Severity
    title_en: str
    title_sv: str
    check: Check

    @property
    def meaning(self) -> str:
        """What the clause or article asks, in plain words."""
        return getdoc(self.check) or ""


class Chapter(Struct, frozen=True):
    """Rules that share the kinds of event they judge and a cheap question that spares the rest of them.

    `opens` says whether any rule of the chapter could fire on a case, and may derive onto the case the facts
    that the chapter's rules share; None means always.
    """

    kinds: frozenset[Kind]
    rules: tuple[Rule, ...]
    opens: Callable[[Case], bool] | None = None


USES_OF_DATA: frozenset[Kind] = frozenset({"processing", "transfer", "disclosure"})
HANDOVERS: frozenset[Kind] = frozenset({"transfer", "disclosure"})


def rule(
    id: str,  # noqa: A002 - the field's own word, always passed first
    clause: str,
    article: str,
    severity: Severity,
    *,
    en: str,
    sv: str,
) -> Callable[[Check], Rule]:
    """Declare the function below it as a rule."""

    def declare(check: Check) -> Rule:
        return Rule(id, clause, article, severity, en, sv, check)

    return declare
