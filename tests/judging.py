"""Building blocks for tests of rules: events with harmless defaults, judged by the sample bundle.

Times are written as Stockholm wall-clock times, "2026-03-02 14:00" or a date (midnight). Unless a test says
otherwise an event is one that no rule objects to, so what fires is due to what the test changed. A rule is
judged by the default engine, one that this does not have by the oldest engine that has it.
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
from ansvar.policy.case import ProducerScope
from ansvar.policy.decide import ENGINE, ENGINES, decide
from ansvar.policy.evaluation import Evaluator
from ansvar.policy.rules import ALL_RULES, RULE
from ansvar.policy.state import SubjectState
from ansvar.policy.verdict import Finding, Verdict
from ansvar.sample import sample_bundle

ANY_RULE = {rule.id: rule for rule in ALL_RULES}
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


def judge(
    event: Event,
    *history: Event,
    bundle: Bundle | None = None,
    engine: int = ENGINE,
    recorded: str | None = None,
    scope: ProducerScope | None = None,
) -> Verdict:
    """The verdict on an event after others have arrived in the given order.

    `recorded` is a Stockholm time at which all were recorded; without it each was when it occurred. With a
    `scope` there can be no history.
    """
    as_of = None if recorded is None else at(recorded)
    if scope is not None:
        assert not history
        return decide(
            event,
            SubjectState(),
            bundle or sample_bundle(),
            engine,
            recorded_at=as_of or event.occurred_at,
            scope=scope,
        )
    evaluator = Evaluator(bundle or sample_bundle(), as_of=as_of, engine=engine)
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
    engine: int = ENGINE
    recorded: str | None = None
    scope: ProducerScope | None = None

    def __str__(self) -> str:
        return f"{self.rule}: {self.title}"

    def verdict(self, bundle: Bundle | None = None) -> Verdict:
        """What is judged, by another bundle if one is given."""
        return judge(
            self.event,
            *self.history,
            bundle=bundle or self.bundle,
            engine=self.engine,
            recorded=self.recorded,
            scope=self.scope,
        )

    def check(self) -> Finding | None:
        """Judge, and hold the rule to its word."""
        verdict = self.verdict()
        findings = found(self.rule, verdict)
        if self.severity is None:
            assert findings == [], f"{self} fired: {findings}"
            return None
        assert [finding.severity for finding in findings] == [self.severity], f"{self}: {verdict}"
        assert findings[0].clause == ANY_RULE[self.rule].clause
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
    engine: int | None = None,
    recorded: str | None = None,
    scope: ProducerScope | None = None,
) -> RuleCase:
    """A case in which a rule fires, with its own severity unless another is given."""
    graveness = severity or ANY_RULE[rule].severity
    return RuleCase(
        title, rule, graveness, event, history, bundle, engine or engine_of(rule), recorded, scope
    )


def silent(
    rule: str,
    title: str,
    event: Event,
    *history: Event,
    bundle: Bundle | None = None,
    engine: int | None = None,
    recorded: str | None = None,
    scope: ProducerScope | None = None,
) -> RuleCase:
    """A case in which a rule does not fire."""
    return RuleCase(title, rule, None, event, history, bundle, engine or engine_of(rule), recorded, scope)


def engine_of(rule: str) -> int:
    """The engine by which a rule's cases are judged unless they say otherwise."""
    if rule in RULE:
        return ENGINE
    return min(
        number
        for number, engine in ENGINES.items()
        if any(known.id == rule for chapter in engine.chapters for known in chapter.rules)
    )
