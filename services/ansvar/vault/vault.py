"""The vault: which person a subject reference stands for, and how far each chain's effects were carried out.

Invariants: a person is found by lookup tag only, never by name; a (tag, generation) has one reference for
ever, whichever worker asked first; `effects_through` of a chain only moves from the value the caller
believes it has. Calls block: callers on an event loop run them in a thread.

First form: data keys lie in the database as they are, protected by its file permissions. Wrapping under
key-encryption keys, erasure and linking build on the same table.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from ansvar.vault.errors import EffectsMoved, VaultError, VaultUnavailable
from ansvar.vault.generator import Generator
from ansvar.vault.keys import SUBJECT_IDENTIFIER, derive

NONE_YET: Final = -1
_CHUNK: Final = 500  # bound parameters of one statement
_BUSY_MS: Final = 10_000  # how long SQLite waits for another process that writes

_metadata = sa.MetaData()
_subjects = sa.Table(
    "subjects",
    _metadata,
    sa.Column("tag", sa.LargeBinary(32), primary_key=True),
    sa.Column("generation", sa.Integer, primary_key=True),
    sa.Column("chain", sa.BigInteger, nullable=False),
    sa.Column("reference", sa.LargeBinary(16), nullable=False, unique=True),
    sa.Column("data_key", sa.LargeBinary, nullable=False),
    sa.Column("identifier", sa.LargeBinary, nullable=False),
)
_effects = sa.Table(
    "effects",
    _metadata,
    sa.Column("chain", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("through", sa.BigInteger, nullable=False),
)
_owner = sa.Table(
    "owner",
    _metadata,
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),  # 0: there is one owner
    sa.Column("deployment", sa.LargeBinary(16), nullable=False),
)


class Wanted(Struct, frozen=True):
    """A person to be found or made: tag, chain of the first event, and the identifier as type and value."""

    tag: bytes
    chain: int
    identifier: bytes


class Person(Struct, frozen=True):
    """What the worker needs of one person: reference (16 bytes), data key (32 bytes), home chain."""

    reference: bytes
    data_key: bytes
    chain: int


class Vault:
    """People and effects in one SQL database, by SQLAlchemy URL."""

    def __init__(self, url: str | sa.URL, generator: Generator) -> None:
        try:
            self._engine = sa.create_engine(url)
        except (sa.exc.ArgumentError, ImportError) as error:
            # the URL may hold a password, so it is not repeated
            raise VaultError(
                f"no vault can be opened by the URL given ({type(error).__name__}): write sqlite:////PATH, "
                "or postgresql+psycopg://USER@HOST/NAME with that driver installed"
            ) from None
        self._generator = generator
        self._file: tuple[Path, int, int] | None = None
        self._insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _configure_sqlite)
        with self._asking() as connection:
            for table in _metadata.sorted_tables:  # two that start at once must not trip over each other
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))

    @classmethod
    def in_file(cls, path: Path, generator: Generator) -> Vault:
        """The embedded vault: one SQLite file that only its owner can read.

        Raises VaultError when it cannot be made, is another user's, or is open to others.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            found = path.stat()
        except OSError as error:
            raise VaultError(f"the vault {path} cannot be opened: {error.strerror}") from error
        if found.st_uid != os.geteuid():
            raise VaultError(f"{path} belongs to another user. Run Ansvar as its owner.")
        if found.st_mode & 0o077:
            raise VaultError(f"{path} is open to other users. Run: chmod 600 {path}")
        vault = cls(sa.URL.create("sqlite", database=str(path)), generator)
        vault._file = (path, found.st_dev, found.st_ino)
        return vault

    def close(self) -> None:
        """Release every connection."""
        self._engine.dispose()

    def owner(self) -> bytes | None:
        """The id of the deployment whose vault this is, None before `belong_to`."""
        with self._asking() as connection:
            found = connection.execute(sa.select(_owner.c.deployment)).scalar()
            return None if found is None else bytes(found)

    def belong_to(self, deployment: bytes) -> None:
        """Say whose vault this is, once for ever. Raises VaultError where it is another deployment's."""
        with self._asking() as connection:
            values = {"place": 0, "deployment": deployment}
            connection.execute(self._insert(_owner).values(values).on_conflict_do_nothing())
        if self.owner() != deployment:
            raise VaultError(
                "this vault belongs to another deployment: its references and keys are other people's. Bring "
                "the vault of this deployment, or set ANSVAR_VAULT to it."
            )

    def resolve(self, wanted: Sequence[Wanted]) -> dict[bytes, Person]:
        """Find or make everyone in `wanted` in one transaction; returns tag -> person.

        Two workers that ask for the same new person get the same one: the first insert wins and both read it.
        """
        found: dict[bytes, Person] = {}
        if not wanted:
            return found
        by_tag: dict[bytes, Wanted] = {}
        for person in wanted:
            by_tag.setdefault(person.tag, person)  # home is the chain where a person was seen first
        with self._asking() as connection:
            found.update(self._select(connection, list(by_tag)))
            fresh = [self._made(w) for tag, w in by_tag.items() if tag not in found]
            if fresh:
                insert = self._insert(_subjects).on_conflict_do_nothing(index_elements=["tag", "generation"])
                connection.execute(insert, fresh)
                found.update(self._select(connection, [row["tag"] for row in fresh]))
        return found

    def effects_through(self) -> Mapping[int, int]:
        """chain -> seq of the last row whose effects were carried out; a chain that is absent has none."""
        with self._asking() as connection:
            rows = connection.execute(sa.select(_effects.c.chain, _effects.c.through))
            return {int(chain): int(through) for chain, through in rows}

    def advance(self, chain: int, previous: int, through: int) -> None:
        """Move a chain's `effects_through` from `previous` (NONE_YET at first) to `through`.

        Raises EffectsMoved when it is not at `previous`: then another worker owns the chain.
        """
        with self._asking() as connection:
            if previous == NONE_YET:
                statement: Any = (
                    self._insert(_effects).values(chain=chain, through=through).on_conflict_do_nothing()
                )
            else:
                statement = (
                    sa.update(_effects)
                    .where(_effects.c.chain == chain, _effects.c.through == previous)
                    .values(through=through)
                )
            if connection.execute(statement).rowcount != 1:
                raise EffectsMoved(f"chain {chain}: effects are no longer at seq {previous}")

    def _made(self, wanted: Wanted) -> dict[str, Any]:
        data_key = self._generator.data_key(wanted.tag, 0)
        nonce = os.urandom(12)
        cipher = AESGCM(derive(data_key, SUBJECT_IDENTIFIER))
        return {
            "tag": wanted.tag,
            "generation": 0,
            "chain": wanted.chain,
            "reference": self._generator.reference(wanted.tag, 0),
            "data_key": data_key,
            "identifier": nonce + cipher.encrypt(nonce, wanted.identifier, wanted.tag),
        }

    def _select(self, connection: sa.Connection, tags: list[bytes]) -> dict[bytes, Person]:
        columns = _subjects.c
        query = sa.select(columns.tag, columns.reference, columns.data_key, columns.chain)
        found = {}
        for start in range(0, len(tags), _CHUNK):
            chunk = tags[start : start + _CHUNK]
            for tag, reference, data_key, chain in connection.execute(query.where(columns.tag.in_(chunk))):
                found[tag] = Person(reference, data_key, chain)
        return found

    @contextmanager
    def _asking(self) -> Iterator[sa.Connection]:
        self._check_file()
        try:
            with self._engine.begin() as connection:
                yield connection
        except (DBAPIError, sa.exc.TimeoutError) as error:
            # the driver's text may quote bound values, so only its class is told
            cause = type(getattr(error, "orig", error)).__name__
            raise VaultUnavailable(
                f"the vault did not answer ({cause}). Is its database up and writable?"
            ) from None

    def _check_file(self) -> None:
        """SQLite goes on writing to a file that was removed: references would be given out and lost."""
        if self._file is None:
            return
        path, device, inode = self._file
        try:
            found = path.stat()
        except OSError as error:
            raise VaultUnavailable(f"the vault {path} is gone: {error.strerror}. Bring it back.") from error
        if (found.st_dev, found.st_ino) != (device, inode):
            raise VaultUnavailable(f"the vault {path} was replaced by another file. Start Ansvar again.")


def _configure_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={_BUSY_MS}", "synchronous=FULL", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    # changing the mode does not wait for its lock; it is kept in the file, so whoever came first has done it
    with suppress(sqlite3.OperationalError):
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()
