"""Rows of the table `subjects`: how one is sealed, opened, and found by tag or by reference.

Invariants: reference and data key leave this module opened only in a `Person`; whoever asks for many pays
one round trip for each chunk of them.

Not handled here: transactions, and what is done with whom is found (`vault`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from ansvar.vault.database import Database
from ansvar.vault.errors import VaultError
from ansvar.vault.generator import Generator
from ansvar.vault.keys import SUBJECT_IDENTIFIER, derive
from ansvar.vault.rotation import Rotation, associated_data
from ansvar.vault.schema import subjects as _subjects
from ansvar.vault.schema import tombstones as _tombstones
from ansvar.vault.wrapping import SUPPRESSION, KeyEncryption

CHUNK: Final = 500  # bound parameters of one statement
_REFERENCE_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_T = TypeVar("_T")
_row = _subjects.c
_COLUMNS: Final = (
    _row.tag,
    _row.generation,
    _row.chain,
    _row.kek,
    _row.sealed,
    _row.ended_seq,
    _row.identifier,
    _row.used_on,
)


class Wanted(Struct, frozen=True):
    """A person to be found or made: tag, the identifier's own chain, and type || 0 || value."""

    tag: bytes
    chain: int
    identifier: bytes

    def __repr__(self) -> str:
        return f"Wanted(chain={self.chain})"


class Person(Struct, frozen=True):
    """One generation: reference (16 bytes), data key (32), chain, and the seq of the row that ended it."""

    reference: bytes
    data_key: bytes
    chain: int
    generation: int = 0
    ended_seq: int | None = None

    def __repr__(self) -> str:
        return f"Person(chain={self.chain}, generation={self.generation}, ended_seq={self.ended_seq})"


class Tombstone(Struct, frozen=True):
    """What is kept of an erased person: the erasure row, its instant (ms), the next generation, and facts."""

    chain: int
    seq: int
    at: int
    generation: int
    facts: bytes


class Found(Struct, frozen=True):
    """A row that was found: its tag, the person, the identifier still sealed, and the day of last use."""

    tag: bytes
    person: Person
    sealed_identifier: bytes
    used_on: date


def chunks(items: Iterable[_T], size: int = CHUNK) -> Iterator[list[_T]]:
    """The items in lists of `size`, the last one shorter."""
    every = list(items)
    for start in range(0, len(every), size):
        yield every[start : start + size]


class Subjects:
    """Seals, opens and finds rows, in the transactions of others."""

    def __init__(
        self, database: Database, keys: KeyEncryption, rotation: Rotation, generator: Generator
    ) -> None:
        self._database = database
        self._keys = keys
        self._rotation = rotation
        self._generator = generator

    def by_tag(self, connection: sa.Connection, tags: Iterable[bytes]) -> dict[bytes, list[Found]]:
        """tag -> its rows, ascending by generation; a tag without any is absent."""
        found: dict[bytes, list[Found]] = {}
        for some in chunks(tags):
            query = sa.select(*_COLUMNS).where(_row.tag.in_(some))
            for row in map(self._opened, connection.execute(query)):
                found.setdefault(row.tag, []).append(row)
        for rows in found.values():
            rows.sort(key=lambda row: row.person.generation)
        return found

    def by_reference(self, connection: sa.Connection, references: Iterable[bytes]) -> dict[bytes, Found]:
        """reference -> its row; the transaction must keep keys from being rotated meanwhile."""
        found: dict[bytes, Found] = {}
        keks = self._rotation.in_use(connection)
        indexes = [self._keys.index(kek, reference) for reference in references for kek in keks]
        for some in chunks(indexes):
            query = sa.select(*_COLUMNS).where(_row.reference_index.in_(some))
            opened = [self._opened(row) for row in connection.execute(query)]
            found.update((row.person.reference, row) for row in opened)
        return found

    def destroy(self, connection: sa.Connection, chain: int, below_seq: int) -> list[Found]:
        """Delete the rows of a chain that were ended before a seq; returns what they were."""
        due = sa.delete(_subjects).where(_row.chain == chain, _row.ended_seq < below_seq)
        return [self._opened(row) for row in connection.execute(due.returning(*_COLUMNS))]

    def make(
        self, connection: sa.Connection, wanted: Sequence[Wanted], generation: int, today: date
    ) -> dict[bytes, Person]:
        """Get or create one generation of each; tag -> person. Of two that race the first insert wins."""
        if not wanted:
            return {}
        kek = self._rotation.newest(connection)
        # in one order everywhere: workers that insert the same people wait for each other, never in a ring
        made = {
            each.tag: self._made(each, generation, kek) for each in sorted(wanted, key=lambda each: each.tag)
        }
        insert = self._database.insert(_subjects).on_conflict_do_nothing(index_elements=["tag", "generation"])
        rows = [{**values, "created_on": today, "used_on": today} for _, values in made.values()]
        new = set(connection.execute(insert.returning(_row.tag), rows).scalars())
        people = {tag: person for tag, (person, _) in made.items() if tag in new}
        for tag, found in self.by_tag(connection, made.keys() - new).items():
            people.update((tag, row.person) for row in found if row.person.generation == generation)
        return people

    def identifier(self, found: Found) -> bytes:
        """The identifier of a row, type || 0 || value."""
        sealed = found.sealed_identifier
        cipher = AESGCM(derive(found.person.data_key, SUBJECT_IDENTIFIER))
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], found.tag)
        except (InvalidTag, ValueError) as error:
            raise VaultError(
                "an identifier in the vault does not open under its person's key: it was altered. "
                "Bring the vault back from a backup."
            ) from error

    def suppression(self, identifier: bytes) -> bytes:
        """The name under which an identifier's tombstone lies."""
        return self._keys.index(SUPPRESSION, identifier)

    def tombstones(self, connection: sa.Connection, people: Iterable[Wanted]) -> dict[bytes, Tombstone]:
        """tag -> tombstone, for those who have one."""
        tags = {self.suppression(each.identifier): each.tag for each in people}
        stone, found = _tombstones.c, {}
        query = sa.select(stone.suppression, stone.chain, stone.seq, stone.at, stone.generation, stone.facts)
        for some in chunks(tags):
            for suppression, *facts in connection.execute(query.where(stone.suppression.in_(some))):
                found[tags[suppression]] = Tombstone(*facts)
        return found

    def _made(self, wanted: Wanted, generation: int, kek: int) -> tuple[Person, dict[str, Any]]:
        tag = wanted.tag
        reference = self._generator.reference(tag, generation)
        data_key = self._generator.data_key(tag, generation)
        nonce = os.urandom(_NONCE_BYTES)
        cipher = AESGCM(derive(data_key, SUBJECT_IDENTIFIER))
        return Person(reference, data_key, wanted.chain, generation), {
            "tag": tag,
            "generation": generation,
            "chain": wanted.chain,
            "kek": kek,
            "sealed": self._keys.wrap(kek, reference + data_key, associated_data(tag, generation, kek)),
            "reference_index": self._keys.index(kek, reference),
            "identifier": nonce + cipher.encrypt(nonce, wanted.identifier, tag),
        }

    def _opened(self, row: sa.Row[*tuple[Any, ...]]) -> Found:
        tag, generation, chain, kek, sealed, ended_seq, identifier, used_on = row
        plain = self._keys.unwrap(kek, sealed, associated_data(tag, generation, kek))
        reference, data_key = plain[:_REFERENCE_BYTES], plain[_REFERENCE_BYTES:]
        return Found(tag, Person(reference, data_key, chain, generation, ended_seq), identifier, used_on)
