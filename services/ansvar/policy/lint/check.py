"""What a check of a policy is, what it looks at and what it finds.

Invariants: everything here is immutable but the list of declared checks, which grows while the modules of
this package are imported and never after; a check is a generator over a `Matter`, knows no file system and no
clock, and says where each thing it found is written. Its docstring says in our own words what the law asks.

Not handled here: the order of the checks and running them (`lint/__init__`), printing (`sarif`, `cli`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from inspect import getdoc
from types import MappingProxyType
from typing import Literal, Protocol

from msgspec import Struct

from ansvar.policy.bundle import Bundle
from ansvar.policy.calendar import day_start
from ansvar.policy.document import Path
from ansvar.policy.shapes import Files
from ansvar.policy.statement import Published

Level = Literal["error", "warning", "note"]
RANK: Mapping[Level, int] = MappingProxyType({"error": 3, "warning": 2, "note": 1})
Texts = Mapping[str, str]  # language ('en', 'sv') -> text


class Dated(Protocol):
    """What holds from the start of `valid_from` to the start of `valid_to`."""

    @property
    def valid_from(self) -> date | None: ...
    @property
    def valid_to(self) -> date | None: ...


class Found(Struct, frozen=True):
    """What a check found: the place in the bundle's files and the facts. `clause` and `article` stand for the
    check's own where the place says them better."""

    file: str  # a name in `loader.ALL_PATHS`
    path: Path
    message: Texts
    clause: str | None = None
    article: str | None = None


class Matter(Struct, frozen=True):
    """What is looked at: a bundle as written and as compiled, and the day as of which it is judged."""

    files: Files
    bundle: Bundle
    as_of: date
    published: Published | None = None

    @property
    def policy(self) -> Published:
        """What the published policy says. Only checks declared with `published=True` may ask."""
        if self.published is None:
            raise LookupError("the bundle has no statement.yaml: declare the check with published=True")
        return self.published

    @property
    def at(self) -> datetime:
        """The first instant of the day, in UTC."""
        return day_start(self.as_of)

    def holds(self, part: Dated) -> bool:
        """Whether a dated part is in force on the day."""
        started = part.valid_from is None or part.valid_from <= self.as_of
        return started and (part.valid_to is None or self.as_of < part.valid_to)


Inspect = Callable[[Matter], Iterator[Found]]


class Check(Struct, frozen=True):
    """One thing that a policy is looked through for."""

    id: str
    clause: str  # of the policy
    article: str  # of the law behind it
    level: Level
    title: Texts
    remedy: Texts
    inspect: Inspect
    published: bool  # looks at what the published policy says, so needs statement.yaml

    @property
    def meaning(self) -> str:
        """What the law asks, in plain words."""
        return getdoc(self.inspect) or ""


DECLARED: list[Check] = []


def check(
    id: str,  # noqa: A002 - the field's own word, always passed first
    clause: str,
    article: str,
    level: Level,
    *,
    en: str,
    sv: str,
    remedy_en: str,
    remedy_sv: str,
    published: bool = False,
) -> Callable[[Inspect], Check]:
    """Declare the generator below it as a check. Raises ValueError if the id is taken."""

    def declare(inspect: Inspect) -> Check:
        if any(other.id == id for other in DECLARED):
            raise ValueError(f"two checks are called {id}; give one another id")
        title, remedy = texts(en, sv), texts(remedy_en, remedy_sv)
        DECLARED.append(Check(id, clause, article, level, title, remedy, inspect, published))
        return DECLARED[-1]

    return declare


def texts(en: str, sv: str) -> Texts:
    """A text in both languages."""
    return {"en": en, "sv": sv}
