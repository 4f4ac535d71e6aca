"""The collects of one subject in time: which categories were collected for which purposes (clause 3.2, 8.2).

Invariants: collects of the same categories for the same purpose are one group, groups are in one order
whatever came first, and the collects of a group are sorted by time.

Not handled here: which events are collects that count, when an erasure clears them (`state`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Container, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from sys import intern

from msgspec import Struct

from ansvar.events.model import Source

_at = attrgetter("at")
_what = attrgetter("purpose", "categories")


class Collection(Struct, frozen=True, array_like=True, gc=False):
    """One `collect`."""

    at: datetime
    source: Source | None


class Collected(Struct, frozen=True, array_like=True, gc=False):
    """The collects of the same categories for the same purpose. There are few such groups to a subject."""

    purpose: str
    categories: tuple[str, ...]  # sorted, without repeats
    collects: list[Collection]  # never empty


def add(groups: list[Collected], purpose: str, categories: tuple[str, ...], collection: Collection) -> None:
    """Add one collect to its group, in place."""
    categories = _shared(categories)
    for group in groups:
        if group.purpose == purpose and group.categories == categories:
            insort(group.collects, collection, key=_at)
            return
    insort(groups, Collected(intern(purpose), categories, [collection]), key=_what)


@lru_cache(maxsize=4_096)
def _shared(categories: tuple[str, ...]) -> tuple[str, ...]:
    """The categories sorted, as one object for all subjects."""
    return tuple(sorted({intern(category) for category in categories}))


def purposes(groups: Iterable[Collected], category: str, cleared: datetime | None, at: datetime) -> list[str]:
    """The purposes for which a category was collected in `cleared < t <= at`."""
    found = [
        group.purpose
        for group in groups
        if category in group.categories and _any_within(group.collects, cleared, at)
    ]
    return list(dict.fromkeys(found))


def missing(
    groups: Iterable[Collected], categories: tuple[str, ...], wanted: Container[str], at: datetime
) -> set[str]:
    """Of some categories those that were not collected for a wanted purpose by an instant."""
    left = set(categories)
    for group in groups:
        if group.purpose in wanted and group.collects[0].at <= at:
            left.difference_update(group.categories)
            if not left:
                break
    return left


def within(group: Collected, since: datetime, at: datetime) -> Iterator[Collection]:
    """The collects of a group in `since <= t <= at`."""
    collects = group.collects
    yield from collects[bisect_left(collects, since, key=_at) : bisect_right(collects, at, key=_at)]


def _any_within(collects: list[Collection], cleared: datetime | None, at: datetime) -> bool:
    first = 0 if cleared is None else bisect_right(collects, cleared, key=_at)
    return first < len(collects) and collects[first].at <= at
