"""The judgement: which rules fire on an event, given the subject's state and the bundle.

Invariants:
- Pure: no clock, I/O or randomness. Equal arguments give equal verdicts, and no argument is changed.
- All rules that fire are reported, in the order of `rules.RULES`; several findings of one rule stay in the
  order in which it found them.
- `engine` is the version of this code's meaning. A change that could give any recorded event another
  verdict is a new engine beside the old ones, so that old rows can be judged again as they were.

Not handled here: changing the state afterwards (`state.observe`), reading events and bundles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from msgspec import Struct

from ansvar.events.model import (
    EVENT_TYPES,
    DisclosureEvent,
    Event,
    ProcessingEvent,
    TransferEvent,
)
from ansvar.policy.bundle import Bundle
from ansvar.policy.case import Case, Tables, tabulate
from ansvar.policy.errors import PolicyError
from ansvar.policy.rule import Check
from ansvar.policy.rules import CHAPTERS, RULES
from ansvar.policy.state import SubjectState
from ansvar.policy.verdict import PERMIT, Finding, Verdict, conclude

ENGINE = 1

_ORDER = {rule.id: place for place, rule in enumerate(RULES)}
_MEMORY = 8  # bundles kept compiled: the active one, its successor, and those of an audit


class UnknownEngine(PolicyError):  # noqa: N818 - says what is unknown; its root says that it is an error
    """An engine that this version of Ansvar does not have; upgrade, or judge with one of `ENGINES`."""

    def __init__(self, engine: int) -> None:
        known = ", ".join(str(number) for number in ENGINES)
        super().__init__(f"engine {engine} is not one that this version has ({known}); upgrade Ansvar")
        self.engine = engine


class _Section(Struct, frozen=True):
    """The checks of one chapter that are switched on, behind the question that spares them."""

    opens: Callable[[Case], bool] | None
    checks: tuple[Check, ...]


class _Compiled(Struct, frozen=True):
    """A bundle made ready: its tables, and by type of event the sections that judge it."""

    tables: Tables
    sections: dict[type[Event], tuple[_Section, ...]]


# Compiling is a pure function of the bundle; remembering the result by identity changes no answer.
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
    compiled = _compiled.get(id(bundle))
    if compiled is None or compiled.tables.bundle is not bundle:
        compiled = _compile(bundle)
    sections = compiled.sections[type(event)]
    if not sections:
        return PERMIT
    case = _case(event, state, compiled.tables, recorded_at, own_request)
    for section in sections:
        if section.opens is None or section.opens(case):
            for check in section.checks:
                check(case)
    findings = case.findings
    if not findings:
        return PERMIT
    if len(findings) > 1:
        findings.sort(key=_place)
    return conclude(findings)


def _case(
    event: Event, state: SubjectState, tables: Tables, recorded_at: datetime, own_request: bool
) -> Case:
    bundle = tables.bundle
    recipients = bundle.recipients
    handover = event if isinstance(event, TransferEvent | DisclosureEvent) else None
    return Case(
        event,
        state,
        tables,
        event.occurred_at,
        recorded_at,
        own_request,
        event.operation if isinstance(event, ProcessingEvent) else None,
        event.purpose if event.purpose in bundle.purposes else None,
        None if event.legal_basis is None else tables.bases.get(event.legal_basis),
        event.role == "controller",
        handover,
        None if handover is None else recipients.get(handover.recipient),
        None if handover is None or handover.via is None else recipients.get(handover.via),
        [],
    )


def _place(finding: Finding) -> int:
    return _ORDER[finding.rule]


def _compile(bundle: Bundle) -> _Compiled:
    off = {rule for rule, severity in bundle.severities.items() if severity == "off"}
    sections: dict[type[Event], tuple[_Section, ...]] = {}
    for kind in EVENT_TYPES:
        judged_by = []
        for chapter in CHAPTERS:
            checks = tuple(rule.check for rule in chapter.rules if rule.id not in off)
            if checks and kind.kind in chapter.kinds:
                judged_by.append(_Section(chapter.opens, checks))
        sections[kind] = tuple(judged_by)
    compiled = _Compiled(tabulate(bundle), sections)
    while len(_compiled) >= _MEMORY:
        del _compiled[next(iter(_compiled))]
    _compiled[id(bundle)] = compiled
    return compiled


Engine = Callable[[Event, SubjectState, Bundle, datetime, bool], Verdict]
ENGINES: Mapping[int, Engine] = MappingProxyType({1: _first_engine})
