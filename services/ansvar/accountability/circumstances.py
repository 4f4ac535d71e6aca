"""The facts that the rules look at when they judge one event: its row, its subject's state, the registers.

Invariants: states and registers are read as of the time of the event. Nothing names a person: ids that stand
keyed in a row are not shown, and a producer's word that might hold an identifier is only said to be there.

Not handled here: the rules and what they say of the facts (`explaining`).
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import datetime
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from ansvar.enforcement.rows import extra_of
from ansvar.events.model import ProcessingEvent, Right, RightsEvent
from ansvar.ledger.row import Row
from ansvar.policy.bundle import FULL_SCOPE, Bundle, Period, Recipient
from ansvar.policy.case import Case, quoted
from ansvar.policy.pattern import Pattern
from ansvar.policy.requests import Objection, receipt, stands
from ansvar.policy.state import SubjectState

Language = Literal["en", "sv"]
Part = Literal["row", "state", "register"]

WITHHELD = "(not repeated)"  # stands for a word that might hold an identifier of a person
_COLUMNS = (
    *("kind", "stage", "system", "operation", "purpose", "legal_basis", "role", "controller", "recipient"),
    *("recipient_type", "country", "via", "safeguard", "safeguard_reference", "reference", "ground"),
    *("right", "phase", "producer"),
)
_ANSWERS = frozenset({"fulfilled", "refused", "withdrawn"})


class Fact(Struct, frozen=True):
    """One thing that was known: `name` says of what sort, `what` which.

    It holds in `since <= t < until`, None is open; `holds` tells whether it did at the time of the event,
    None where that is no question.
    """

    part: Part
    name: str
    what: str
    since: datetime | None = None
    until: datetime | None = None
    holds: bool | None = None


def _shown(word: str, known: Container[str] = ()) -> str:
    """A producer's word: as it is if the bundle declares it or it is harmless."""
    return word if word in known or quoted(word) == f"'{word}'" else WITHHELD


def row_facts(row: Row, bundle: Bundle) -> Iterator[Fact]:
    """The words of the row, as its producer stated them."""
    declared = {*bundle.systems, *bundle.purposes, *bundle.bases, *bundle.recipients, *bundle.categories}
    for name in _COLUMNS:
        word: str = getattr(row, name)
        if word:
            yield Fact("row", name, _shown(word, declared))
    for category in row.data_categories:
        yield Fact("row", "data_category", _shown(category, declared))
    for name, value in extra_of(row).items():
        if isinstance(value, str):
            yield Fact("row", name, value if _is_time(value) else _shown(value))
        else:
            yield Fact("row", name, msgspec.json.encode(value).decode())


def _is_time(text: str) -> bool:
    try:
        msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return False
    return True


def state_facts(case: Case) -> Iterator[Fact]:
    """What was known of the subject, as of the moment of the event."""
    state, at = case.state, case.at
    contracts = case.contracts()
    yield Fact("state", "contracts", contracts.standing, until=contracts.last_end)
    for customer in sorted(state.customer_at(at)):
        yield Fact("state", "customer_type", customer)
    ordinary = state.objections_at(at, marketing=False)
    for held in ordinary:
        yield Fact("state", "objection", _scope(held, case.pattern.bundle), held.since, holds=True)
    for held in state.objections_at(at, marketing=True):
        if held not in ordinary:  # a refusal does not end an objection to marketing
            scope = _scope(held, case.pattern.bundle)
            yield Fact("state", "objection_for_marketing_only", scope, held.since, holds=True)
    restricted = state.restricted_since(at)
    yield Fact("state", "restriction", "none" if restricted is None else "restricted", restricted)
    erased = state.last_erasure(at)
    yield Fact("state", "last_erasure", "none" if erased is None else "fulfilled", erased)
    for category in case.pattern.categories:
        purposes = ", ".join(
            _shown(p, case.pattern.bundle.purposes) for p in state.collected_for(category, at)
        )
        what = f"{_shown(category, case.pattern.bundle.categories)}: {purposes or '-'}"
        yield Fact("state", "collected_for", what)
    yield from _requests(state, at)
    for step in case.request_steps():
        yield Fact("state", "request_step", step.phase, step.at)


def _scope(objection: Objection, bundle: Bundle) -> str:
    return "any purpose" if objection.scope is None else _shown(objection.scope, bundle.purposes)


def _requests(state: SubjectState, at: datetime) -> Iterator[Fact]:
    """The requests that were received and not answered or withdrawn by then."""
    right: Right
    for right in get_args(Right):
        for request, steps in state.requests.get(right, {}).items():
            since = receipt(steps, at)
            if since is None or not stands(steps, at):
                continue
            if not any(
                step.phase in _ANSWERS for step in state.steps(right, request, at) if step.at >= since
            ):
                yield Fact("state", "open_request", right, since)


def register_facts(case: Case, lang: Language) -> Iterator[Fact]:
    """What the bundle had at the words of the event, each entry with its dates."""
    pattern, bundle, at = case.pattern, case.pattern.bundle, case.at
    yield from _purpose_and_basis(case, lang)
    for category in pattern.categories:
        entry = bundle.categories.get(category)
        text = _shown(category) if entry is None else _named(entry.id, entry.clause, entry.label.get(lang))
        yield Fact("register", "category", text, holds=entry is not None)
    if not pattern.systems:
        yield Fact("register", "system", _shown(case.event.system), holds=False)
    for system in pattern.systems:
        yield _dated("system", _named(system.id, system.country, system.label.get(lang)), system.period, at)
        if system.automated:
            yield Fact("register", "automated_system", system.id)
    for name, stated, holder in (
        ("recipient", pattern.recipient_stated, pattern.recipient),
        ("via", pattern.via_stated, pattern.via),
    ):
        if stated is not None:
            yield from _holder(name, stated, holder, bundle, at)
    yield from _countries(pattern, at)
    method = case.event.method if isinstance(case.event, RightsEvent) else None
    if method is not None:
        yield Fact("register", "secure_method", _shown(method), holds=bundle.secure(method, at))
    cookie = case.event.cookie if isinstance(case.event, ProcessingEvent) else None
    if cookie is not None:
        yield Fact("register", "cookie", _shown(cookie, bundle.cookies), holds=cookie in bundle.cookies)
    if case.scope is not None:
        covers = case.scope.covers_system(case.event.system) and case.scope.covers_kind(case.event.kind)
        yield Fact("register", "producer_scope", case.event.kind, holds=covers)


def _purpose_and_basis(case: Case, lang: Language) -> Iterator[Fact]:
    pattern, bundle = case.pattern, case.pattern.bundle
    if pattern.purpose_stated is not None:
        purpose = bundle.purposes.get(pattern.purpose_stated)
        what = _shown(pattern.purpose_stated)
        if purpose is not None:
            what = _named(purpose.id, purpose.clause, purpose.label.get(lang))
        yield Fact("register", "purpose", what, holds=purpose is not None)
    if pattern.purpose is not None:
        yield Fact("register", "compatible_origins", ", ".join(sorted(pattern.origins)))
        for test in bundle.balancing_tests.get(pattern.purpose, ()):
            yield _dated("balancing_test", test.reference, test.period, case.at)
    if pattern.basis_stated is not None:
        basis = bundle.bases.get(pattern.basis_stated)
        what = _shown(pattern.basis_stated)
        if basis is not None:
            what = _named(basis.id, basis.clause or basis.article, basis.label.get(lang))
        yield Fact("register", "legal_basis", what, holds=pattern.basis is not None)
        if pattern.basis is not None:
            carried = pattern.basis.purposes
            yield Fact(
                "register", "basis_carries", ", ".join(sorted(carried)), holds=pattern.purpose in carried
            )


def _holder(name: str, stated: str, holder: Recipient | None, bundle: Bundle, at: datetime) -> Iterator[Fact]:
    """An entry of the register of recipients: who, where, and what was agreed when."""
    if holder is None:
        yield Fact("register", name, _shown(stated), holds=False)
        return
    what = _named(holder.id, f"{holder.type}, {holder.role}", holder.name)
    yield Fact("register", name, what, holds=True)
    yield Fact("register", "places", f"{holder.id}: {', '.join(holder.places)}")
    for agreement in holder.agreements:
        yield _dated("agreement", holder.id, agreement, at)
    for guarantee in holder.guarantees:
        yield _dated("guarantees", holder.id, guarantee, at)
    for tool in holder.instruments:
        more = ", ".join(filter(None, (tool.tool, tool.set, tool.assessment)))
        yield _dated("instrument", _named(tool.reference, more, None), tool.period, at)
        if tool.set is not None and tool.set in bundle.scc_sets:
            clauses = bundle.scc_sets[tool.set]
            yield _dated("clauses", _named(clauses.id, clauses.citation, None), clauses.period, at)
    for evidence in holder.scope:
        yield _dated("in_scope_of", f"{holder.id}: {evidence.decision}", evidence.period, at)


def _countries(pattern: Pattern, at: datetime) -> Iterator[Fact]:
    """Where data may leave the EU/EEA, and the Commission's decisions on each place."""
    bundle = pattern.bundle
    for country in dict.fromkeys(country for country, _ in pattern.abroad):
        yield Fact(
            "register", "country", f"{_shown(country, bundle.countries)}: {bundle.standing(country, at)}"
        )
        for decision in bundle.decisions.get(country, ()):
            scope = "" if decision.scope == FULL_SCOPE else decision.scope
            yield _dated("adequacy", _named(decision.id, decision.citation, scope), decision.period, at)


def _dated(name: str, what: str, period: Period, at: datetime) -> Fact:
    return Fact("register", name, what, period.start, period.end, period.holds(at))


def _named(identifier: str, note: str, label: str | None) -> str:
    """`id (note): label`, without what is empty."""
    noted = f"{identifier} ({note})" if note else identifier
    return f"{noted}: {label}" if label else noted
