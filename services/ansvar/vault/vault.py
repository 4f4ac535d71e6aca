"""The vault: which person a subject reference stands for, and how far each chain's effects were carried out.

Invariants:
- A person is found by lookup tag only, never by name; a (tag, generation) has one reference for ever,
  whichever worker asked first. Reference and data key lie sealed under a key-encryption key (`wrapping`,
  `rotation`), the identifier under the data key.
- A generation is ended by an erasure row, named by its seq, in one transaction with the advance of
  `effects_through` past that row. Its tombstone is written in the same transaction, and holds no reference
  and no identifier.
- What is destroyed is gone from the file as well, on SQLite. PostgreSQL overwrites deleted rows when it
  pleases: there the destruction of the KEK makes it certain.
- `effects_through` of a chain only moves from the value the caller believes it has.

Calls block: callers on an event loop run them in a thread. Not handled here: what a tombstone's facts mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Self

import sqlalchemy as sa
from msgspec import Struct

from ansvar.vault.database import Database
from ansvar.vault.errors import EffectsMoved, VaultError
from ansvar.vault.generator import Generator
from ansvar.vault.rotation import Rotation, make_ready
from ansvar.vault.schema import effects as _effects
from ansvar.vault.schema import owner as _owner
from ansvar.vault.schema import subjects as _subjects
from ansvar.vault.schema import tombstones as _tombstones
from ansvar.vault.subjects import Found, Person, Subjects, Tombstone, Wanted, chunks
from ansvar.vault.wrapping import KeyEncryption

__all__ = ["NONE_YET", "End", "Held", "Person", "Tombstone", "Vault", "Wanted"]

NONE_YET: Final = -1


class Held(Struct, frozen=True):
    """All that is held of one identifier: its generations, ascending, and its tombstone."""

    persons: tuple[Person, ...]
    tombstone: Tombstone | None


class End(Struct, frozen=True):
    """An erasure that took effect: whose reference, by which row, when (ms), and what is kept."""

    reference: bytes
    seq: int
    at: int
    facts: bytes


def now_ms() -> int:
    """The time, in ms since 1970."""
    return time.time_ns() // 1_000_000


class Vault:
    """People and effects in one SQL database; `rotation` has its key-encryption keys.

    Opening makes or upgrades the tables where needed. Raises VaultError, and changes nothing, where a key is
    missing or another vault's.
    """

    def __init__(
        self, database: Database, generator: Generator, keys: KeyEncryption, now: Callable[[], int] = now_ms
    ) -> None:
        self._database = database
        self._now = now
        try:
            make_ready(database, keys, now())
        except BaseException:
            database.close()
            raise
        self.rotation = Rotation(database, keys)
        self._people = Subjects(database, keys, self.rotation, generator)

    @classmethod
    def in_file(
        cls, path: Path, generator: Generator, keys: KeyEncryption, now: Callable[[], int] = now_ms
    ) -> Self:
        """The embedded vault: one SQLite file that only its owner can read. Raises VaultError."""
        return cls(Database.in_file(path), generator, keys, now)

    def close(self) -> None:
        """Release every connection."""
        self._database.close()

    def owner(self) -> bytes | None:
        """The id of the deployment whose vault this is, None before `belong_to`."""
        with self._database.reading() as connection:
            found = connection.execute(sa.select(_owner.c.deployment)).scalar()
            return None if found is None else bytes(found)

    def belong_to(self, deployment: bytes) -> None:
        """Say whose vault this is, once for ever. Raises VaultError where it is another deployment's."""
        if self.owner() is None:
            with self._database.writing() as connection:
                values = {"place": 0, "deployment": deployment}
                connection.execute(self._database.insert(_owner).values(values).on_conflict_do_nothing())
        if self.owner() != deployment:
            raise VaultError(
                "this vault belongs to another deployment: its references and keys are other people's. Bring "
                "the vault of this deployment, or set ANSVAR_VAULT to it."
            )

    def resolve(self, wanted: Sequence[Wanted]) -> dict[bytes, Held]:
        """Find everyone in `wanted`; returns tag -> what is held.

        Whoever has neither a row nor a tombstone gets generation 0, all of them in one transaction: two
        workers that ask for the same new person get the same one. That somebody was asked for is noted once
        a day.
        """
        people: dict[bytes, Wanted] = {}
        for each in wanted:
            people.setdefault(each.tag, each)
        if not people:
            return {}
        with self._database.reading() as connection:
            found, stones = self._held(connection, people)
        missing = [each for tag, each in people.items() if tag not in found and tag not in stones]
        made: Mapping[bytes, Person] = {}
        if missing:
            with self._database.writing() as connection:
                # while the lock is held nobody destroys: a row that is gone by now has left its tombstone
                stones |= self._people.tombstones(connection, missing)
                new = [each for each in missing if each.tag not in stones]
                made = self._people.make(connection, new, 0, self._today())
        self._note_use(found)
        return {
            tag: Held(
                (made[tag],) if tag in made else tuple(row.person for row in found.get(tag, ())),
                stones.get(tag),
            )
            for tag in people
        }

    def next_generation(self, wanted: Wanted, generation: int) -> Person:
        """Get or create a generation of a person, whatever else is held of them."""
        with self._database.writing() as connection:
            return self._people.make(connection, [wanted], generation, self._today())[wanted.tag]

    def find(self, tag: bytes, identifier: bytes) -> Held:
        """What is held of one identifier; makes nobody and notes no use."""
        with self._database.reading() as connection:
            found, stones = self._held(connection, {tag: Wanted(tag, 0, identifier)})
        return Held(tuple(row.person for row in found.get(tag, ())), stones.get(tag))

    def named(self, references: Iterable[bytes]) -> dict[bytes, bytes]:
        """reference -> identifier (type || 0 || value), for those who are still held. For a DPO's eyes."""
        with self._database.reading(steady=True) as connection:
            found = self._people.by_reference(connection, references)
        return {reference: self._people.identifier(row) for reference, row in found.items()}

    def effects_through(self) -> Mapping[int, int]:
        """chain -> seq of the last row whose effects were carried out; a chain that is absent has none."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(_effects.c.chain, _effects.c.through))
            return {int(chain): int(through) for chain, through in rows}

    def advance(self, chain: int, previous: int, through: int, ends: Sequence[End] = ()) -> None:
        """Move a chain's `effects_through` from `previous` (NONE_YET at first) to `through`.

        In the same transaction each of `ends` ends the generation that its reference names, unless it is
        ended or destroyed already, and leaves a tombstone. Raises EffectsMoved when the chain is not at
        `previous`: then another worker owns it; VaultError when a reference is of another chain.
        """
        with self._database.writing() as connection:
            if previous == NONE_YET:
                statement: Any = (
                    self._database.insert(_effects)
                    .values(chain=chain, through=through)
                    .on_conflict_do_nothing()
                )
            else:
                statement = (
                    sa.update(_effects)
                    .where(_effects.c.chain == chain, _effects.c.through == previous)
                    .values(through=through)
                )
            if connection.execute(statement).rowcount != 1:
                raise EffectsMoved(f"chain {chain}: effects are no longer at seq {previous}")
            if ends:
                self._end(connection, chain, ends)

    def destroy(self, chain: int, below_seq: int) -> list[bytes]:
        """Delete the chain's generations that were ended before a seq; returns their references.

        On SQLite no byte of them is left in the file or its journal when this returns, also of those that a
        call destroyed which was cut off. Raises VaultUnavailable if somebody keeps the journal from being
        emptied: the rows are gone then, and the next call does the rest.
        """
        with self._database.writing(alone=True) as connection:
            gone = self._people.destroy(connection, chain, below_seq)
        self._database.truncate()
        return [found.person.reference for found in gone]

    def expire_tombstones(self, before_ms: int) -> int:
        """Delete the tombstones of erasures before an instant; returns how many there were."""
        with self._database.writing(alone=True) as connection:
            gone = connection.execute(sa.delete(_tombstones).where(_tombstones.c.at < before_ms)).rowcount
        self._database.truncate()
        return gone

    def tombstone_count(self) -> int:
        """How many tombstones there are."""
        with self._database.reading() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(_tombstones)).scalar_one())

    def rewrap(self) -> int:
        """Seal every row under the newest KEK; returns how many were not. See `Rotation`."""
        return self.rotation.rewrap()

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now() / 1000, UTC).date()

    def _held(
        self, connection: sa.Connection, people: Mapping[bytes, Wanted]
    ) -> tuple[dict[bytes, list[Found]], dict[bytes, Tombstone]]:
        found = self._people.by_tag(connection, people)
        # whose first generation lives has no tombstone: most people cost one look-up
        others = [each for tag, each in people.items() if not _is_plain(found.get(tag, []))]
        return found, self._people.tombstones(connection, others)

    def _note_use(self, found: Mapping[bytes, list[Found]]) -> None:
        today, row = self._today(), _subjects.c
        stale = [
            tag
            for tag, rows in found.items()
            if any(each.used_on < today and each.person.ended_seq is None for each in rows)
        ]
        if not stale:
            return
        with self._database.writing() as connection:
            for some in chunks(stale):
                unused = sa.and_(row.tag.in_(some), row.used_on < today, row.ended_seq.is_(None))
                # rows that another worker holds are skipped: it is noting the same
                free = sa.select(row.tag).where(unused).with_for_update(skip_locked=True)
                connection.execute(
                    sa.update(_subjects).where(row.tag.in_(free), unused).values(used_on=today)
                )

    def _end(self, connection: sa.Connection, chain: int, ends: Sequence[End]) -> None:
        found = self._people.by_reference(connection, {end.reference for end in ends})
        stones: dict[bytes, dict[str, Any]] = {}
        ended: dict[bytes, dict[str, Any]] = {}
        for end in sorted(ends, key=lambda end: end.seq):
            row = found.get(end.reference)
            if row is None or row.person.ended_seq is not None or end.reference in ended:
                continue
            if row.person.chain != chain:
                raise VaultError(
                    f"chain {chain}, seq {end.seq}: a reference of chain {row.person.chain} cannot end here"
                )
            generation = row.person.generation
            ended[end.reference] = {"of_tag": row.tag, "of_generation": generation, "seq": end.seq}
            suppression = self._people.suppression(self._people.identifier(row))
            before = stones.get(suppression)
            if before is None or before["generation"] <= generation:
                stones[suppression] = {
                    "suppression": suppression,
                    "generation": generation + 1,
                    "chain": chain,
                    "seq": end.seq,
                    "at": end.at,
                    "facts": end.facts,
                }
        if not ended:
            return
        connection.execute(
            sa.update(_subjects)
            .where(
                _subjects.c.tag == sa.bindparam("of_tag"),
                _subjects.c.generation == sa.bindparam("of_generation"),
            )
            .values(ended_seq=sa.bindparam("seq")),
            list(ended.values()),
        )
        insert = self._database.insert(_tombstones)
        new = {name: insert.excluded[name] for name in ("generation", "chain", "seq", "at", "facts")}
        replacing = insert.on_conflict_do_update(
            index_elements=["suppression"],
            set_=new,
            where=_tombstones.c.generation <= insert.excluded.generation,
        )
        connection.execute(replacing, list(stones.values()))


def _is_plain(rows: Sequence[Found]) -> bool:
    return len(rows) == 1 and rows[0].person.generation == 0 and rows[0].person.ended_seq is None
