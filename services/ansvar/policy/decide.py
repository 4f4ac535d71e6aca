"""The judgement: which rules fire on an event, given the subject's state and the bundle.

Invariants:
- Pure: no clock, I/O or randomness. Equal arguments give equal verdicts, and no argument is changed.
- All rules that fire are reported, in the order of `rules.RULES`.
- `engine` is the version of this code's meaning. A change that could give any recorded event another
  verdict is a new engine beside the old ones, so that old rows can be judged again as they were.

Not handled here: changing the state afterwards (`state.observe`), reading events and bundles.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from types import MappingProxyType

from msgspec import Struct

from ansvar.events.model import Event
from ansvar.policy.bundle import Bundle
from ansvar.policy.case import Case
from ansvar.policy.errors import PolicyError
from ansvar.policy.pattern import Pattern, resolve, words
from ansvar.policy.rule import Check
from ansvar.policy.rules import CHAPTERS
from ansvar.policy.state import SubjectState
from ansvar.policy.verdict import PERMIT, Finding, Verdict, conclude

ENGINE = 1

_MOST_BUNDLES = 8  # remembered: the active one, its successor, and those of an audit
_MOST_PLANS = 4_096

_JUDGED = frozenset(kind for chapter in CHAPTERS for kind in chapter.kinds)


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


# Resolving words is a pure function of event and bundle; remembering the result changes no answer.
_compiled: dict[int, _Compiled] = {}


def decide(
    event: Event,
    state: SubjectState,
    bundle: Bundle,
    engine: int = ENGINE,
    *,
    recorded_at: datetime,
    own_request: bool = False,
) -> Verdict:
    """Judge one event.

    `state` is what is known of the subject before the event; `recorded_at` is the time of the record that
    brought it. `own_request` says that a disclosure's `reference` is the request id of the subject's own
    portability request (the ledger keeps ids as keyed hashes, so the caller works it out).
    Raises `UnknownEngine`.
    """
    judge = ENGINES.get(engine)
    if judge is None:
        raise UnknownEngine(engine)
    return judge(event, state, bundle, recorded_at, own_request)


def _first_engine(
    event: Event, state: SubjectState, bundle: Bundle, recorded_at: datetime, own_request: bool
) -> Verdict:
    if event.kind not in _JUDGED:
        return PERMIT
    compiled = _compiled.get(id(bundle))
    if compiled is None or compiled.bundle is not bundle:
        compiled = _begin(bundle)
    key = words(event)
    plan = compiled.plans.get(key)
    if plan is None:
        plan = _plan(event, compiled)
        compiled.plans[key] = plan
    pattern, checks = plan
    if not checks:
        return PERMIT
    findings: list[Finding] = []
    case = Case(event, state, pattern, event.occurred_at, recorded_at, own_request, findings)
    for check in checks:
        check(case)
    return conclude(findings)


def _plan(event: Event, compiled: _Compiled) -> tuple[Pattern, tuple[Check, ...]]:
    """Resolve the words of an event, and choose the checks that can fire on them, in the rules' order."""
    pattern = resolve(event, compiled.bundle)
    severities = compiled.bundle.severities
    if len(compiled.plans) >= _MOST_PLANS:
        compiled.plans.clear()  # words that nobody declared have no end; the usual ones are soon back
    return pattern, tuple(
        rule.check
        for chapter in CHAPTERS
        if event.kind in chapter.kinds
        for rule in chapter.rules
        if severities.get(rule.id) != "off" and rule.concerns(pattern)
    )


def _begin(bundle: Bundle) -> _Compiled:
    while len(_compiled) >= _MOST_BUNDLES:
        del _compiled[next(iter(_compiled))]
    compiled = _compiled[id(bundle)] = _Compiled(bundle, {})
    return compiled


Engine = Callable[[Event, SubjectState, Bundle, datetime, bool], Verdict]
ENGINES: Mapping[int, Engine] = MappingProxyType({1: _first_engine})
