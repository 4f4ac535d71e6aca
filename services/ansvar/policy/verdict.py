"""What a judgement is: findings of rules, and the worst severity among them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Severity = Literal["flag", "deny"]
Outcome = Literal["permit", "flag", "deny"]


class Finding(Struct, frozen=True, gc=False):
    """One rule that fired: its id, the clause it enforces, how grave, and the facts in a sentence."""

    rule: str
    clause: str
    severity: Severity
    message: str


class Verdict(Struct, frozen=True, gc=False):
    """The outcome and every finding, in the fixed order of the rules."""

    verdict: Outcome
    findings: tuple[Finding, ...] = ()


PERMIT = Verdict("permit")


def conclude(findings: list[Finding]) -> Verdict:
    """The worst severity found decides; no finding permits."""
    if not findings:
        return PERMIT
    worst: Outcome = "deny" if any(f.severity == "deny" for f in findings) else "flag"
    return Verdict(worst, tuple(findings))
