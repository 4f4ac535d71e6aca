"""The persons of a batch: from identifiers to references and keys, one round trip to the vault.

Invariants: an identifier is known here by its lookup tag; identifiers and keys stay in memory only, bounded;
what is found for an identifier never changes while a worker lives (references are for ever).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from ansvar.events.model import Event, Identifier
from ansvar.vault.keys import SubjectKeys, lookup_tag
from ansvar.vault.vault import Held, Person, Vault, Wanted

_CACHED: Final = 200_000


class Known:
    """A person as rows need them: reference (16 bytes), home chain, and keyed functions.

    `ids` are the keys under which the ids of their requests and contracts stand: their own, or those of one
    identifier for all that are named together somewhere, so that an id is the same under each of them.
    """

    __slots__ = ("chain", "ids", "keys", "reference")

    def __init__(
        self, reference: bytes, keys: SubjectKeys, chain: int, ids: SubjectKeys | None = None
    ) -> None:
        self.reference = reference
        self.keys = keys
        self.chain = chain
        self.ids = keys if ids is None else ids


Persons = Mapping[Identifier, Known]


class People:
    """A bounded cache in front of the vault."""

    def __init__(self, vault: Vault, pepper: bytes) -> None:
        self._vault = vault
        self._cache: OrderedDict[bytes, Known] = OrderedDict()

        @lru_cache(maxsize=_CACHED)
        def tag(identifier: Identifier) -> bytes:
            return lookup_tag(pepper, identifier.type, identifier.value)

        self._tag = tag

    def resolve(self, wanted: Iterable[tuple[int, Identifier]]) -> dict[Identifier, Known]:
        """Find or make everyone in (home chain if new, identifier); raises VaultError."""
        found: dict[Identifier, Known] = {}
        missing: dict[bytes, tuple[int, Identifier]] = {}
        for chain, identifier in wanted:
            if identifier in found:
                continue
            tag = self._tag(identifier)
            known = self._cache.get(tag)
            if known is None:
                missing.setdefault(tag, (chain, identifier))
            else:
                self._cache.move_to_end(tag)
                found[identifier] = known
        if missing:
            self._fetch(missing, found)
        return found

    def _fetch(self, missing: dict[bytes, tuple[int, Identifier]], found: dict[Identifier, Known]) -> None:
        wanted = {
            tag: Wanted(tag, chain, f"{identifier.type}\0{identifier.value}".encode())
            for tag, (chain, identifier) in missing.items()
        }
        people = self._vault.resolve(list(wanted.values()))
        for tag, (_, identifier) in missing.items():
            person = self._living(people[tag], wanted[tag])
            known = Known(person.reference, SubjectKeys(person.data_key), person.chain)
            self._cache[tag] = found[identifier] = known
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    def _living(self, held: Held, wanted: Wanted) -> Person:
        """The newest generation that is not ended, a new one if there is none."""
        living = [person for person in held.persons if person.ended_seq is None]
        if living:
            return living[-1]
        stone = held.tombstone
        following = held.persons[-1].generation + 1 if stone is None else stone.generation
        return self._vault.next_generation(wanted, following)


def named_in(event: Event) -> Iterable[Identifier]:
    """Every identifier of a person in an event: its subject's, and its actor's when that is a person."""
    if event.subject is not None:
        yield event.subject
        yield from event.aliases
    if isinstance(event.actor, Identifier):
        yield event.actor
