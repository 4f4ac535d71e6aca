"""The judgement: which rules fire on an event, given the subject's state and the bundle.

Invariants:
- Pure: no clock, I/O or randomness. Equal arguments give equal verdicts, and no argument is changed.
- All rules of the engine that fire are reported, in the order of its chapters (`rules.ENGINE_CHAPTERS`).
- `engine` is the version of this code's meaning. A change that could give any recorded event another
  verdict is a new engine beside the old ones, so that old rows can be judged again as they were.

Not handled here: changing the state afterwards (`state.observe`), reading events and bundles.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime
from types import MappingProxyType

from msgspec import Struct

from ansvar.events.model import Event, Kind
from ansvar.policy import rules
from ansvar.policy.bundle import Bundle
from ansvar.policy.case import Case, ProducerScope
from ansvar.policy.errors import PolicyError
from ansvar.policy.pattern import Pattern, resolve, words
from ansvar.policy.rule import Chapter, Check
from ansvar.policy.state import SubjectState
from ansvar.policy.verdict import PERMIT, Finding, Verdict, conclude

ENGINE: int = rules.ENGINE

_MOST_BUNDLES = 8  # remembered: the active one, its successor, and those of an audit
_MOST_PLANS = 4_096


class UnknownEngine(PolicyError):
    """An engine that this version of Ansvar does not have; upgrade, or judge with one of `ENGINES`."""

    def __init__(self, engine: int) -> None:
        known = ", ".join(str(number) for number in ENGINES)
        super().__init__(f"engine {engine} is not one that this version has ({known}); upgrade Ansvar")
        self.engine = engine


class _Compiled(Struct, frozen=True):
    """A bundle with what events were seen to mean to it: by words, the pattern and the checks it concerns."""

    bundle: Bundle
    plans: dict[Hashable, tuple[Pattern, tuple[Check, ...]]]


class Engine(Struct, frozen=True):
    """One version of the rules' code: its chapters, and the bundles it has judged by.

    Resolving words is a pure function of engine, event and bundle; remembering the result changes no answer.
    """

    chapters: tuple[Chapter, ...]
    judged: frozenset[Kind]  # the kinds of event that any rule of it is about
    compiled: dict[int, _Compiled]


ENGINES: Mapping[int, Engine] = MappingProxyType(
    {
        number: Engine(chapters, frozenset(kind for chapter in chapters for kind in chapter.kinds), {})
        for number, chapters in rules.ENGINE_CHAPTERS.items()
    }
)


def decide(
    event: Event,
    state: SubjectState,
    bundle: Bundle,
    engine: int = ENGINE,
    *,
    recorded_at: datetime,
    own_request: bool = False,
    scope: ProducerScope | None = None,
    request: bytes | None = None,
) -> Verdict:
    """Judge one event.

    `state` is what is known of the subject before the event; `recorded_at` is the time of the record that
    brought it. `own_request` says that a disclosure's `reference` is the request id of the subject's own
    portability request (the ledger keeps ids as keyed hashes, so the caller works it out). `scope` is what
    the event's producer is registered for, None where no producer is known. `request` is the key under which
    the state holds the request of a rights event, None where that is the plain `request_id`.
    Raises `UnknownEngine`.
    """
    judge = ENGINES.get(engine)
    if judge is None:
        raise UnknownEngine(engine)
    if event.kind not in judge.judged:
        return PERMIT
    compiled = judge.compiled.get(id(bundle))
    if compiled is None or compiled.bundle is not bundle:
        compiled = _begin(judge, bundle)
    key = words(event)
    plan = compiled.plans.get(key)
    if plan is None:
        plan = _plan(event, judge, compiled)
        compiled.plans[key] = plan
    pattern, checks = plan
    if not checks:
        return PERMIT
    findings: list[Finding] = []
    case = Case(event, state, pattern, event.occurred_at, recorded_at, own_request, scope, findings)
    if request is not None:
        case.request = request
    for check in checks:
        check(case)
    return conclude(findings)


def _plan(event: Event, engine: Engine, compiled: _Compiled) -> tuple[Pattern, tuple[Check, ...]]:
    """Resolve the words of an event, and choose the checks that can fire on them, in the rules' order."""
    pattern = resolve(event, compiled.bundle)
    severities = compiled.bundle.severities
    if len(compiled.plans) >= _MOST_PLANS:
        compiled.plans.clear()  # words that nobody declared have no end; the usual ones are soon back
    return pattern, tuple(
        rule.check
        for chapter in engine.chapters
        if event.kind in chapter.kinds
        for rule in chapter.rules
        if severities.get(rule.id) != "off" and rule.concerns(pattern)
    )


def _begin(engine: Engine, bundle: Bundle) -> _Compiled:
    while len(engine.compiled) >= _MOST_BUNDLES:
        del engine.compiled[next(iter(engine.compiled))]
    compiled = engine.compiled[id(bundle)] = _Compiled(bundle, {})
    return compiled
