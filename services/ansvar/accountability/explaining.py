"""Why an event was judged as it was: the facts its rules look at, and what each rule said.

Pure. The event is judged again by the engine that its row names, rule by rule on one case, as `decide` does.
Messages of rules are in English in every language; titles and labels are in the language asked for.

Not handled here: finding the row and the rows before it, words for people (`cli.explain`); the facts
themselves (`circumstances`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct

from ansvar.accountability.circumstances import (
    Fact,
    Language,
    register_facts,
    row_facts,
    state_facts,
)
from ansvar.enforcement.replaying import Replayed
from ansvar.enforcement.rows import EPOCH, extra_of, origin_of, time_of
from ansvar.policy.bundle import Bundle
from ansvar.policy.case import Case, ProducerScope
from ansvar.policy.decide import ENGINES, UnknownEngine
from ansvar.policy.pattern import resolve
from ansvar.policy.verdict import Outcome, Severity, conclude

Answer = Literal["fired", "passed", "not_concerned", "off"]


class RuleAnswer(Struct, frozen=True):
    """What one rule of the engine said. `severity` is that of a finding, None for every other answer."""

    rule: str
    clause: str
    article: str
    answer: Answer
    title: str
    severity: Severity | None = None
    messages: tuple[str, ...] = ()


class Explanation(Struct, frozen=True):
    """One judged row: where it stands, by what it was judged, the facts, and every rule's answer.

    `agrees` is false where judging again gives another verdict or other findings than the row records.
    """

    chain: int
    seq: int
    event_id: str
    occurred_at: datetime
    recorded_at: datetime
    policy: str
    policy_name: str
    engine: int
    recorded: str
    verdict: Outcome
    agrees: bool
    facts: tuple[Fact, ...]
    rules: tuple[RuleAnswer, ...]


def explain(again: Replayed, bundle: Bundle, scope: ProducerScope | None, lang: Language) -> Explanation:
    """Explain one row. `again` is as `replay` gives it, before it goes on; `bundle` is the row's own.

    `scope` is what the row's producer may claim. Raises `UnknownEngine`.
    """
    row, event, state = again.row, again.event, again.state
    case = Case(
        event,
        state,
        resolve(event, bundle),
        event.occurred_at,
        time_of(origin_of(row)[0]),
        bool(extra_of(row).get("own_request")),
        scope,
        [],
        request=row.request_id if row.kind == "rights" else None,
    )
    rules = tuple(_answers(case, row.engine, lang))
    verdict = conclude(case.findings)
    facts = (*row_facts(row, bundle), *state_facts(case), *register_facts(case, lang))
    return Explanation(
        chain=row.chain,
        seq=row.seq,
        event_id=str(row.event_id),
        occurred_at=EPOCH + timedelta(microseconds=row.occurred_at),
        recorded_at=case.recorded_at,
        policy=row.policy.hex(),
        policy_name=f"{bundle.name} {bundle.version}",
        engine=row.engine,
        recorded=row.verdict,
        verdict=verdict.verdict,
        agrees=again.agrees,
        facts=facts,
        rules=rules,
    )


def _answers(case: Case, number: int, lang: Language) -> Iterator[RuleAnswer]:
    """Ask every rule of the engine, in the order in which they report."""
    engine = ENGINES.get(number)
    if engine is None:
        raise UnknownEngine(number)
    for chapter in engine.chapters:
        for rule in chapter.rules:
            answer: Answer = "not_concerned"
            before = len(case.findings)
            if case.pattern.bundle.severities.get(rule.id) == "off":
                answer = "off"
            elif case.event.kind in chapter.kinds and rule.concerns(case.pattern):
                rule.check(case)
                answer = "fired" if len(case.findings) > before else "passed"
            found = case.findings[before:]
            yield RuleAnswer(
                rule=rule.id,
                clause=rule.clause,
                article=rule.article,
                answer=answer,
                title=rule.title_sv if lang == "sv" else rule.title_en,
                severity=_worst({f.severity for f in found}),
                messages=tuple(f.message for f in found),
            )


def _worst(severities: set[Severity]) -> Severity | None:
    return "deny" if "deny" in severities else "flag" if severities else None


def to_json(explanation: Explanation) -> dict[str, object]:
    """The explanation as plain values; times are ISO 8601 in UTC."""
    told: dict[str, object] = msgspec.to_builtins(explanation)
    return told
