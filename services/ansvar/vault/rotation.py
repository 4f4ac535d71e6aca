"""Which key-encryption keys a vault is under, and how it leaves an old one behind.

Invariants:
- The vault knows a check value of every key. A key that is missing or another's stops the start before
  anything is written; keys are made for a new vault only.
- A row is sealed under the KEK that is the newest when it is written: that is read in the same transaction.
- A KEK is destroyed only when no row is under it. The vault says so first, then the key goes: a crash
  between the two leaves a key without use, which `destroy_due` finds, never a row without its key.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from ansvar.vault import schema
from ansvar.vault.database import Database
from ansvar.vault.errors import VaultError
from ansvar.vault.schema import keys as _keys
from ansvar.vault.schema import subjects as _subjects
from ansvar.vault.wrapping import SUPPRESSION, KeyEncryption

# A retired KEK must be gone within 30 days; whoever asks `destroy_due` once a day then keeps that.
KEPT_MS: Final = 29 * 24 * 3600 * 1000
_CHUNK: Final = 500  # rows sealed anew in one transaction, while nobody else writes


class Kek(Struct, frozen=True):
    """A key-encryption key and when (ms since 1970) it was made, a newer one took over, it was destroyed."""

    number: int
    made_at: int
    retired_at: int | None
    destroyed_at: int | None


def associated_data(tag: bytes, generation: int, kek: int) -> bytes:
    """What a sealed reference and data key are bound to: tag, u32 generation, u32 KEK, big-endian."""
    return tag + generation.to_bytes(4, "big") + kek.to_bytes(4, "big")


def make_ready(database: Database, keys: KeyEncryption, now: int) -> None:
    """Bring a vault to today's schema and check that the keys are its own; a new one gets its keys.

    Raises VaultError, and has then changed nothing.
    """
    with database.reading() as connection:
        known = _check_values(connection) if schema.version(connection) == schema.HEAD else {}
    if known:
        _check(known, keys)
        return
    with database.writing(alone=True) as connection:  # those who start at once do so one by one
        schema.upgrade(connection)
        known = _check_values(connection)
        if known:
            _check(known, keys)
            return
        newest = keys.newest() or 1
        made = []
        for number in (SUPPRESSION, newest):
            keys.make(number)
            made.append({"number": number, "check_value": keys.check(number), "made_at": now})
        connection.execute(sa.insert(_keys), made)


def _check_values(connection: sa.Connection) -> dict[int, bytes]:
    query = sa.select(_keys.c.number, _keys.c.check_value).where(_keys.c.destroyed_at.is_(None))
    return {number: bytes(value) for number, value in connection.execute(query)}


def _check(known: Mapping[int, bytes], keys: KeyEncryption) -> None:
    for number, value in known.items():
        if not hmac.compare_digest(keys.check(number), value):
            name = "suppression key" if number == SUPPRESSION else f"key-encryption key {number}"
            raise VaultError(
                f"the {name} that is here is not the one of this vault. Bring the right one back from a "
                "backup of the keys, or the vault that belongs to these keys. Nothing was changed."
            )


class Rotation:
    """The key-encryption keys of one vault."""

    def __init__(self, database: Database, keys: KeyEncryption) -> None:
        self._database = database
        self._keys = keys
        self._checked: set[int] = set()

    def keks(self) -> tuple[Kek, ...]:
        """Every KEK that this vault ever had, by number."""
        query = (
            sa.select(_keys.c.number, _keys.c.made_at, _keys.c.retired_at, _keys.c.destroyed_at)
            .where(_keys.c.number != SUPPRESSION)
            .order_by(_keys.c.number)
        )
        with self._database.reading() as connection:
            return tuple(Kek(*row) for row in connection.execute(query))

    def newest(self, connection: sa.Connection) -> int:
        """The KEK for rows of this transaction. Raises VaultError where it is not here."""
        query = sa.select(_keys.c.number, _keys.c.check_value).where(
            _keys.c.number != SUPPRESSION, _keys.c.retired_at.is_(None)
        )
        number, value = connection.execute(query).one()
        if number not in self._checked:
            _check({number: bytes(value)}, self._keys)
            self._checked.add(number)
        return int(number)

    def in_use(self, connection: sa.Connection) -> list[int]:
        """The KEKs under which there may be rows."""
        return [number for number in _check_values(connection) if number != SUPPRESSION]

    def rotate(self, now: int) -> int:
        """Take a new KEK into use and return its number; `rewrap` then brings the rows under it.

        Its file is made if it is not there. Where several machines open one vault, a key that was copied to
        all of them beforehand (`FileKeys.make`) keeps them from waiting for it.
        """
        with self._database.writing(alone=True) as connection:
            old = self.newest(connection)
            number = old + 1
            self._keys.make(number)
            value = self._keys.check(number)
            connection.execute(sa.update(_keys).where(_keys.c.number == old).values(retired_at=now))
            connection.execute(sa.insert(_keys).values(number=number, check_value=value, made_at=now))
        return number

    def rewrap(self) -> int:
        """Seal every row under the newest KEK; returns how many were not. May be cut off and begun again."""
        total = 0
        while done := self._rewrap_some():
            total += done
        return total

    def destroy(self, number: int, now: int) -> None:
        """Destroy a retired KEK. Raises VaultError while it is in use or a row is under it."""
        with self._database.writing(alone=True) as connection:
            found = connection.execute(
                sa.select(_keys.c.check_value, _keys.c.retired_at).where(
                    _keys.c.number == number, _keys.c.number != SUPPRESSION
                )
            ).one_or_none()
            if found is None:
                raise VaultError(f"this vault has no key-encryption key {number}")
            if found.retired_at is None:
                raise VaultError(f"key-encryption key {number} is in use: rotate first")
            under = sa.select(_subjects.c.kek).where(_subjects.c.kek == number).limit(1)
            if connection.execute(under).first() is not None:
                raise VaultError(f"rows are still under key-encryption key {number}: seal them anew first")
            gone = sa.update(_keys).where(_keys.c.number == number, _keys.c.destroyed_at.is_(None))
            connection.execute(gone.values(destroyed_at=now))
        self._keys.destroy(number, bytes(found.check_value))

    def destroy_due(self, now: int) -> list[int]:
        """Destroy every KEK that was retired 29 days ago or more, rows sealed anew first if need be.

        Asked once a day, a KEK is gone within 30 days of its rotation. Returns the numbers that were due. Key
        files that should have been gone before are removed as well, on this machine.
        """
        due = []
        for kek in self.keks():
            if kek.destroyed_at is not None:
                self.destroy(kek.number, now)
            elif kek.retired_at is not None and kek.retired_at + KEPT_MS <= now:
                due.append(kek.number)
        if due:
            self.rewrap()
        for number in due:
            self.destroy(number, now)
        return due

    def _rewrap_some(self) -> int:
        row = _subjects.c
        with self._database.writing(alone=True) as connection:
            newest = self.newest(connection)
            query = sa.select(_subjects).where(row.kek < newest).limit(_CHUNK)
            changed = [self._sealed_anew(newest, found) for found in connection.execute(query).mappings()]
            if changed:
                # every row is there, so each insert updates; PostgreSQL's driver sends updates singly
                insert = self._database.insert(_subjects)
                update = insert.on_conflict_do_update(
                    index_elements=[row.tag, row.generation],
                    set_={name: insert.excluded[name] for name in ("kek", "sealed", "reference_index")},
                )
                connection.execute(update.returning(row.kek), changed)
            return len(changed)

    def _sealed_anew(self, newest: int, found: sa.RowMapping) -> dict[str, Any]:
        tag, generation, kek = found["tag"], found["generation"], found["kek"]
        plain = self._keys.unwrap(kek, found["sealed"], associated_data(tag, generation, kek))
        return dict(found) | {
            "kek": newest,
            "sealed": self._keys.wrap(newest, plain, associated_data(tag, generation, newest)),
            "reference_index": self._keys.index(newest, plain[:16]),
        }
