"""Two subjects who turn out to be one person: the union of what the log knows of both.

Pure. `join` is commutative and associative in every answer of the state it makes, and joining a state with
an equal one changes none. Requests, and contracts, that stand under one key in both are one; every step
keeps its instant. Which of two steps of one instant arrived first is known within a state, not between two:
where both states have steps at an instant, and not the same ones, they are put in the order given below.

Not handled here: which identifiers are one person's (`evaluation`, `enforcement.subjects`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, TypeVar

from ansvar.events.model import ContractPhase, Right, RightsPhase
from ansvar.policy.collecting import Collected, Collection
from ansvar.policy.contracts import ContractStep
from ansvar.policy.requests import RequestStep
from ansvar.policy.state import SubjectState, encode_state

Item = TypeVar("Item")
_at = attrgetter("at")

# A request in its usual course: what ends it comes after what it ends.
_PHASES: Final[dict[RightsPhase, int]] = {
    "received": 0,
    "identified": 1,
    "extended": 2,
    "fulfilled": 3,
    "refused": 4,
    "withdrawn": 5,
    "recipients_notified": 6,
}
# A contract that ends and starts in one instant is renewed.
_CONTRACT_PHASES: Final[dict[ContractPhase, int]] = {"ended": 0, "started": 1}


def join(one: SubjectState, other: SubjectState) -> SubjectState:
    """The state of a person of whom both states tell; a new one, which shares nothing that changes."""
    rights = sorted({*one.requests, *other.requests})
    return SubjectState(
        contracts=_by_key(one.contracts, other.contracts, _contract_order),
        requests={right: _requests(one, other, right) for right in rights},
        collected=_collected(one.collected, other.collected),
        erasures=_merged(one.erasures, other.erasures, lambda at: at, lambda _: ()),
    )


def parts(state: SubjectState, most: int) -> list[SubjectState]:
    """A state as states of at most `most` bytes (as encoded) whose join it is; at least one, maybe empty.

    One step that is larger by itself is a part by itself.
    """
    made, size = [SubjectState(erasures=state.erasures)], 8 * len(state.erasures)
    for step in _steps(state):
        step_size = len(encode_state(step))
        if size + step_size > most and size:
            made.append(SubjectState())
            size = 0
        made[-1] = join(made[-1], step)
        size += step_size
    return made


def _steps(state: SubjectState) -> Iterator[SubjectState]:
    for contract, steps in state.contracts.items():
        for step in steps:
            yield SubjectState(contracts={contract: [step]})
    for right, requests in state.requests.items():
        for request, phases in requests.items():
            for phase in phases:
                yield SubjectState(requests={right: {request: [phase]}})
    for group in state.collected:
        for collect in group.collects:
            yield SubjectState(collected=[Collected(group.purpose, group.categories, [collect])])


def _requests(one: SubjectState, other: SubjectState, right: Right) -> dict[bytes, list[RequestStep]]:
    return _by_key(one.requests.get(right, {}), other.requests.get(right, {}), _request_order)


def _by_key(
    one: dict[bytes, list[Item]], other: dict[bytes, list[Item]], order: Callable[[Item], tuple[Any, ...]]
) -> dict[bytes, list[Item]]:
    return {key: _merged(one.get(key, []), other.get(key, []), _at, order) for key in sorted({*one, *other})}


def _collected(one: Iterable[Collected], other: Iterable[Collected]) -> list[Collected]:
    groups: defaultdict[tuple[str, tuple[str, ...]], list[Collection]] = defaultdict(list)
    for group in (*one, *other):
        what = (group.purpose, group.categories)
        groups[what] = _merged(groups[what], group.collects, _at, _collection_order)
    return [Collected(*what, groups[what]) for what in sorted(groups)]


def _merged(
    one: list[Item],
    other: list[Item],
    at: Callable[[Item], datetime],
    order: Callable[[Item], tuple[Any, ...]],
) -> list[Item]:
    """Both lists, each sorted by time, as one: what stands in both at an instant stands there once.

    An instant of which only one list tells, or both the same, keeps its order of arrival.
    """
    if not one or not other or one == other:
        return list(one or other)
    instants: dict[datetime, list[Item]] = {when: list(items) for when, items in groupby(one, at)}
    for when, items in groupby(other, at):
        theirs = list(items)
        ours = instants.setdefault(when, theirs)
        if ours != theirs:
            instants[when] = sorted({*ours, *theirs}, key=order)
    return [item for when in sorted(instants) for item in instants[when]]


def _request_order(step: RequestStep) -> tuple[Any, ...]:
    fee = -1 if step.fee is None else step.fee
    return _PHASES[step.phase], step.scope or "", step.method or "", step.has_reason, fee


def _contract_order(step: ContractStep) -> tuple[Any, ...]:
    return _CONTRACT_PHASES[step.phase], step.customer_type or ""


def _collection_order(collection: Collection) -> tuple[Any, ...]:
    return (collection.source or "",)
