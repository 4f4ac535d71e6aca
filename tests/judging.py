"""Building blocks for tests of rules: events with harmless defaults, judged by the sample bundle.

Times are written as Stockholm wall-clock times, "2026-03-02 14:00" or a date (midnight). Unless a test says
otherwise an event is one that no rule objects to, so what fires is due to what the test changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from ansvar.events.boundary import event_from_object
from ansvar.events.model import Event
from ansvar.policy.bundle import Bundle, Instrument, Period, ScopeEvidence
from ansvar.policy.calendar import STOCKHOLM, day_start
from ansvar.policy.evaluation import Evaluator
from ansvar.policy.rules import RULE
from ansvar.policy.verdict import Finding, Verdict
from ansvar.sample import sample_bundle

NOW = "2026-03-02 14:00"
PERSON = {"type": "customer_number", "value": "K-4711-secret"}


def at(text: str) -> datetime:
    """A Stockholm wall-clock time as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=STOCKHOLM).astimezone(UTC)


def just_before(text: str) -> str:
    """The last microsecond before a Stockholm time, in the same notation."""
    return (at(text) - timedelta(microseconds=1)).astimezone(STOCKHOLM).replace(tzinfo=None).isoformat(" ")


def _event(defaults: dict[str, Any], when: str, changes: dict[str, Any]) -> Event:
    source = {"system": "crm", "subject": PERSON, "occurred_at": at(when), **defaults, **changes}
    return event_from_object({key: value for key, value in source.items() if value is not None})


def process(operation: str = "store", when: str = NOW, **changes: Any) -> Event:
    """A processing event; by default bookkeeping, which needs neither contract nor collection."""
    duty = {"purpose": "legal_obligation", "legal_basis": "legal_obligation", "data_categories": ["name"]}
    return _event({"kind": "processing", "operation": operation, **duty}, when, changes)


def interest(operation: str = "use", when: str = NOW, purpose: str = "evaluation", **changes: Any) -> Event:
    """Processing on a legitimate interest."""
    return process(operation, when, purpose=purpose, legal_basis="legitimate_interest", **changes)


def collect(
    when: str, purpose: str = "contract", categories: tuple[str, ...] = ("name",), **changes: Any
) -> Event:
    """A collect on the basis that its purpose usually has."""
    basis = {"contract": "contract", "customer_service": "contract", "legal_obligation": "legal_obligation"}
    return process(
        "collect",
        when,
        purpose=purpose,
        legal_basis=basis.get(purpose, "legitimate_interest"),
        data_categories=list(categories),
        source="data_subject",
        **changes,
    )


def transfer(recipient: str = "mailing-house", when: str = NOW, **changes: Any) -> Event:
    """A transfer for bookkeeping."""
    duty = {"purpose": "legal_obligation", "legal_basis": "legal_obligation", "data_categories": ["name"]}
    return _event({"kind": "transfer", "recipient": recipient, **duty}, when, changes)


def disclose(recipient: str = "police", when: str = NOW, **changes: Any) -> Event:
    """A disclosure on a suspicion of crime."""
    duty = {"purpose": "legal_obligation", "legal_basis": "legal_obligation", "data_categories": ["name"]}
    defaults = {"kind": "disclosure", "recipient": recipient, "ground": "suspected_crime", **duty}
    return _event(defaults, when, changes)


def rights(right: str, phase: str, when: str, request: str = "R1", **changes: Any) -> Event:
    """A step of a request."""
    defaults = {"kind": "rights", "right": right, "phase": phase, "request_id": request}
    return _event(defaults, when, changes)


def objection(when: str, scope: str | None = None, phase: str = "received", request: str = "R1") -> Event:
    """A step of an objection."""
    return rights("objection", phase, when, request, scope=scope)


def contract(phase: str, when: str, contract_id: str = "C1", **changes: Any) -> Event:
    """The start or end of a contract."""
    return _event({"kind": "contract", "phase": phase, "contract_id": contract_id}, when, changes)


def changed(**changes: Any) -> Bundle:
    """The sample bundle with other tables."""
    return replace(sample_bundle(), **changes)


def registering(recipient: str, **changes: Any) -> Bundle:
    """The sample bundle with one recipient changed."""
    known = sample_bundle().recipients
    return changed(recipients={**known, recipient: replace(known[recipient], **changes)})


def days(start: str | None = None, end: str | None = None) -> Period:
    """A period of Stockholm days; `end` is the first day outside."""
    return Period(
        None if start is None else day_start(date.fromisoformat(start)),
        None if end is None else day_start(date.fromisoformat(end)),
    )


def instrument(tool: Any, reference: str = "T-1", **changes: Any) -> Instrument:
    """An instrument with assessment, from 2024."""
    base = Instrument(tool, reference, "2021/914" if tool == "scc" else None, days("2024-01-01"), "TIA-1")
    return replace(base, **changes)


def abroad(country: str = "IN", *instruments: Instrument, scope: tuple[ScopeEvidence, ...] = ()) -> Bundle:
    """The sample bundle with `mailing-house` moved to another country."""
    return registering(
        "mailing-house", established=country, storage=(country,), instruments=instruments, scope=scope
    )


def judge(event: Event, *history: Event, bundle: Bundle | None = None) -> Verdict:
    """The verdict on an event after others have arrived in the given order."""
    evaluator = Evaluator(bundle or sample_bundle())
    for earlier in history:
        evaluator.judge(earlier)
    return evaluator.judge(event)


def found(rule: str, verdict: Verdict) -> list[Finding]:
    """The findings of one rule."""
    return [finding for finding in verdict.findings if finding.rule == rule]


@dataclass(frozen=True)
class RuleCase:
    """An event, what came before it, and whether one rule fires on it."""

    title: str
    rule: str
    severity: str | None  # None: the rule is silent
    event: Event
    history: tuple[Event, ...]
    bundle: Bundle | None

    def __str__(self) -> str:
        return f"{self.rule}: {self.title}"

    def check(self) -> Finding | None:
        """Judge, and hold the rule to its word."""
        verdict = judge(self.event, *self.history, bundle=self.bundle)
        findings = found(self.rule, verdict)
        if self.severity is None:
            assert findings == [], f"{self} fired: {findings}"
            return None
        assert [finding.severity for finding in findings] == [self.severity], f"{self}: {verdict}"
        assert findings[0].clause == RULE[self.rule].clause
        assert findings[0].message
        for finding in verdict.findings:
            assert PERSON["value"] not in finding.message
        return findings[0]


def fires(
    rule: str,
    title: str,
    event: Event,
    *history: Event,
    severity: str | None = None,
    bundle: Bundle | None = None,
) -> RuleCase:
    """A case in which a rule fires, with its own severity unless another is given."""
    return RuleCase(title, rule, severity or RULE[rule].severity, event, history, bundle)


def silent(rule: str, title: str, event: Event, *history: Event, bundle: Bundle | None = None) -> RuleCase:
    """A case in which a rule does not fire."""
    assert rule in RULE
    return RuleCase(title, rule, None, event, history, bundle)
