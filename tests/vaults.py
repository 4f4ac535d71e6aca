"""A vault for tests: where it lies, whom it is asked for, and what other processes do to it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from ansvar.vault import rotation
from ansvar.vault.database import Database
from ansvar.vault.generator import Generator, RandomGenerator
from ansvar.vault.vault import Person, Vault, Wanted
from ansvar.vault.wrapping import FileKeys

DAY = 24 * 3600 * 1000
NOW = 1_790_000_000_000


class Spot(Struct, frozen=True):
    """What another process needs to find a vault: file or URL, and the directory of its keys."""

    where: Path | str
    keys: Path

    def database(self) -> Database:
        return Database.in_file(self.where) if isinstance(self.where, Path) else Database(self.where)

    def open(self) -> Vault:
        return Vault(self.database(), RandomGenerator(), FileKeys(self.keys), lambda: NOW)


class Place:
    """One vault and everything that was opened of it."""

    def __init__(self, where: Path | str, keys: Path) -> None:
        self.spot = Spot(where, keys)
        self.keys = keys
        self._opened: list[Vault | Database] = []
        self._past: sa.Engine | None = None

    def __call__(
        self,
        generator: Generator | None = None,
        *,
        keys: Path | None = None,
        now: Callable[[], int] = lambda: NOW,
    ) -> Vault:
        """Open the vault."""
        vault = Vault(self.spot.database(), generator or RandomGenerator(), FileKeys(keys or self.keys), now)
        self._opened.append(vault)
        return vault

    def database(self) -> Database:
        """Its database, without keys."""
        database = self.spot.database()
        self._opened.append(database)
        return database

    def sql(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """A statement past the vault."""
        if self._past is None:
            where = self.spot.where
            self._past = sa.create_engine(f"sqlite:///{where}" if isinstance(where, Path) else where)
        with self._past.begin() as connection:
            answer = connection.execute(sa.text(statement), values)
            return [tuple(row) for row in answer] if answer.returns_rows else []

    def close(self) -> None:
        """Close whatever is open."""
        for opened in self._opened:
            opened.close()
        if self._past is not None:
            self._past.dispose()


def tag(number: int) -> bytes:
    return number.to_bytes(32, "big")


def identifier(number: int) -> bytes:
    return b"customer_number\0K-%d" % number


def wanted(*numbers: int, chain: int = 0) -> list[Wanted]:
    return [Wanted(tag(number), chain, identifier(number)) for number in numbers]


def resolved(vault: Vault, *numbers: int, chain: int = 0) -> list[Person]:
    """The only generation of each."""
    held = vault.resolve(wanted(*numbers, chain=chain))
    people = []
    for number in numbers:
        (person,) = held[tag(number)].persons
        people.append(person)
    return people


def resolve_in_turns(spot: Spot, start: Barrier, count: int, step: int, into: Any) -> None:
    """In a process of its own: everyone, 200 at a time, and then their references."""
    vault = spot.open()
    start.wait()
    everyone = range(count)[::step]
    references = {}
    for first in range(0, count, 200):
        some = everyone[first : first + 200]
        references.update(zip(some, (p.reference for p in resolved(vault, *some)), strict=True))
    vault.close()
    into.put(references)


def start_at_once(spot: Spot, start: Barrier, into: Any) -> None:
    """In a process of its own: open the vault and make one person."""
    start.wait()
    vault = spot.open()
    into.put([person.reference for person in resolved(vault, 1)])
    vault.close()


def killed_while_sealing(spot: Spot, rows: int, chunk: int) -> None:
    """In a process of its own: seal anew, and be killed at a row."""
    left = [rows]
    sealed_anew = rotation.Rotation._sealed_anew

    def counted(self: rotation.Rotation, *row: Any) -> Any:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return sealed_anew(self, *row)

    rotation.Rotation._sealed_anew = counted
    rotation._CHUNK = chunk
    spot.open().rewrap()


def killed_with_a_new_key(spot: Spot) -> None:
    """In a process of its own: be killed when the file of the next KEK is made and nobody knows of it."""
    vault = spot.open()
    keys = vault.rotation._keys
    keys.check = lambda number: os.kill(os.getpid(), signal.SIGKILL)
    vault.rotation._checked.add(1)
    vault.rotation.rotate(NOW)


def killed_before_the_key_goes(spot: Spot) -> None:
    """In a process of its own: be killed when the vault has given up a KEK and its file is still there."""
    vault = spot.open()
    keys = vault.rotation._keys
    keys.destroy = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    vault.rotation.destroy(1, NOW)
