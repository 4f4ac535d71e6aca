"""What the shapes of the published policy's files cannot say: its words are the bundle's and the law's.

Invariants: as in `check`: every problem is reported at the line of the word that is wrong, nothing is raised.

Not handled here: whether what the policy says is lawful (`lint`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ansvar.policy.check_words import Place, country_code, known_word, validities
from ansvar.policy.document import Path, Reader
from ansvar.policy.shapes import Files
from ansvar.policy.statement import Published

Readers = Mapping[str, Reader]


def check_statement(published: Published, files: Files, readers: Readers) -> None:
    """Report every reference that does not resolve, every double and every overlap."""
    _words(published, files, readers["statement"])
    _law(published, files, readers)


def _words(published: Published, files: Files, reader: Reader) -> None:
    """The policy's words are purposes, categories, rights and acts that the bundle and the law know."""
    statement = published.statement
    purposes = {p.id for p in files.purposes.purposes}
    categories = {c.id for c in files.categories.categories}
    rights = {r.id for r in published.rights.rights}
    acts = {a.number for a in published.acts.acts}

    def each(
        path: Path, words: Iterable[str | None], known: Collection[str], what: str, where: str, *rest: str
    ) -> None:
        for i, word in enumerate(words):
            if word is not None:
                known_word(reader, (*path, i, *rest), word, known, what, where)

    each(("purposes", "listed"), statement.purposes.listed, purposes, "purpose", "purposes.yaml")
    each(("categories", "listed"), statement.categories.listed, categories, "category", "categories.yaml")
    interests = (interest.purpose for interest in statement.interests)
    each(("interests",), interests, purposes, "purpose", "purposes.yaml", "purpose")
    for i, part in enumerate(statement.retention.stated):
        here: Path = ("retention", "stated", i, "purposes")
        each(here, part.purposes, purposes, "purpose", "purposes.yaml")
    stated = (right.id for right in statement.rights.stated)
    each(("rights", "stated"), stated, rights, "right", "law/rights.yaml", "id")
    cited = (act.number for act in statement.acts)
    each(("acts",), cited, acts, "act", "law/acts.yaml", "number")
    if statement.retention.erase_all is not None:
        here = ("retention", "erase_all", "exceptions")
        each(here, statement.retention.erase_all.exceptions, acts, "act", "law/acts.yaml")


def _law(published: Published, files: Files, readers: Readers) -> None:
    """Names and acts do not overlap, rights are told apart, an act is replaced by one that is there."""
    iso = frozenset(files.places.iso_3166_1.codes)
    authorities = published.authorities.authorities
    for i, authority in enumerate(authorities):
        path: Path = ("authorities", i, "country")
        country_code(files, readers["authorities"], path, authority.country, iso)
    _periods(readers["authorities"], "authorities", authorities, lambda part: part.country)

    acts = published.acts.acts
    numbers = {act.number for act in acts}
    _periods(readers["acts"], "acts", acts, lambda act: act.number)
    prefixes = {*files.vocabulary.prefixes, "https"}
    for i, act in enumerate(acts):
        if act.replaced_by is not None:
            path = ("acts", i, "replaced_by")
            known_word(readers["acts"], path, act.replaced_by, numbers, "act", "law/acts.yaml")
        for j, term in enumerate(act.duty.data if act.duty else ()):
            path = ("acts", i, "duty", "data", j)
            prefix = term.partition(":")[0]
            known_word(readers["acts"], path, prefix, prefixes, "prefix", "law/vocabulary.yaml")

    bases = {b.id for b in files.vocabulary.legal_bases}
    first: dict[str, int] = {}
    for i, right in enumerate(published.rights.rights):
        path = ("rights", i, "id")
        if right.id in first:
            line = readers["rights"].line(("rights", first[right.id], "id"))
            message = f"`{right.id}` is given twice (first in line {line})"
            readers["rights"].report(path, message, "keep one of them")
        first.setdefault(right.id, i)
        if right.basis is not None:
            path = ("rights", i, "basis")
            known_word(readers["rights"], path, right.basis, bases, "legal basis", "law/vocabulary.yaml")


def _periods(reader: Reader, field: str, parts: Iterable[Any], key: Callable[[Any], str]) -> None:
    """What goes by one name, or stands in one place, does so in times that do not overlap."""
    alike: dict[str, list[Place]] = {}
    for i, part in enumerate(parts):
        alike.setdefault(key(part), []).append(((field, i), part))
    for places in alike.values():
        validities(reader, places)
