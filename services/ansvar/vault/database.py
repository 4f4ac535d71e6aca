"""The database of a vault: connections, transactions, and errors that quote nothing.

Invariants:
- Whoever writes takes part in one lock: any number beside each other, or one alone. SQLite has one writer
  at a time anyway; PostgreSQL has an advisory lock for it. What is done alone (migrations, a new key, a
  chunk of sealing anew, destruction) therefore never meets a half-done write.
- What was deleted is overwritten in SQLite's file (`secure_delete`), and after `truncate` also gone from
  its journal.
- No error holds a bound value, and none the URL, which may have a password in it.

Not handled here: what is in the tables.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from ansvar.vault.errors import VaultError, VaultUnavailable

_BUSY_MS: Final = 10_000  # how long SQLite waits for another process that writes
_LOCK: Final = int.from_bytes(b"ansvar/v", "big")  # one for a PostgreSQL database: it has one vault
_NOT_ALLOWED: Final = "42501"  # PostgreSQL: insufficient_privilege


class Database:
    """A vault's SQL database, by SQLAlchemy URL. Calls block, from any thread."""

    def __init__(self, url: str | sa.URL) -> None:
        try:
            made = sa.make_url(url)
            if made.drivername == "postgresql":
                made = made.set(drivername="postgresql+pg8000")
            self._engine = sa.create_engine(made)
        except (sa.exc.ArgumentError, ImportError) as error:
            # the URL may hold a password, so it is not repeated
            raise VaultError(
                f"no vault can be opened by the URL given ({type(error).__name__}): write sqlite:////PATH, "
                "or postgresql+pg8000://USER@HOST/NAME with the driver (pip install 'ansvar[postgresql]')"
            ) from None
        self._file: tuple[Path, int, int] | None = None
        self.sqlite = self._engine.dialect.name == "sqlite"
        if self.sqlite:
            sa.event.listen(self._engine, "connect", _configure_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        else:
            sa.event.listen(self._engine, "handle_error", _give_up_if_cut_off)

    @classmethod
    def in_file(cls, path: Path) -> Database:
        """One SQLite file that only its owner can read.

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
        database = cls(sa.URL.create("sqlite", database=str(path)))
        database._file = (path, found.st_dev, found.st_ino)
        return database

    def close(self) -> None:
        """Release every connection."""
        self._engine.dispose()

    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """An INSERT that may say what happens on a conflict."""
        return sqlite.insert(table) if self.sqlite else postgresql.insert(table)

    @contextmanager
    def reading(self, *, steady: bool = False) -> Iterator[sa.Connection]:
        """A transaction that only reads; `steady`: while nobody works alone."""
        with self._transaction("BEGIN") as connection:
            if steady and not self.sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_LOCK)))
            yield connection

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[sa.Connection]:
        """A transaction that writes: beside others that do, or `alone`."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            if not self.sqlite:
                lock = sa.func.pg_advisory_xact_lock if alone else sa.func.pg_advisory_xact_lock_shared
                connection.execute(sa.select(lock(_LOCK)))
            yield connection

    def truncate(self) -> None:
        """Empty SQLite's write-ahead log into the file. Raises VaultUnavailable if it is being read."""
        if not self.sqlite:
            return
        self._check_file()
        deadline = time.monotonic() + _BUSY_MS / 1000
        try:
            with closing(self._engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
                while True:  # SQLite waits for readers, but not for whom else is doing the same
                    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    ((busy, *_),) = cursor.fetchall()
                    if not busy:
                        return
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.01)
        except (sqlite3.Error, DBAPIError) as error:
            raise _unavailable(error) from None
        raise VaultUnavailable("the vault's write-ahead log is being read all the time and cannot be emptied")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sa.Connection]:
        self._check_file()
        try:
            with self._engine.connect() as connection:
                if self.sqlite:
                    connection = connection.execution_options(ansvar_begin=begin)
                with connection.begin():
                    yield connection
        except (DBAPIError, sa.exc.TimeoutError, ConnectionError, TimeoutError) as error:
            raise _unavailable(error) from None

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


def _unavailable(error: Exception) -> VaultError:
    """What is told of a failure: the class alone, since the driver's text may quote bound values."""
    cause = getattr(error, "orig", None) or error
    told = cause.args[0] if cause is not None and cause.args else None
    if isinstance(told, dict) and told.get("C") == _NOT_ALLOWED:
        return VaultError(
            "the vault's database does not let this user do what is needed. Open the vault once as one who "
            "may make tables, and grant this user SELECT, INSERT, UPDATE and DELETE on them."
        )
    return VaultUnavailable(
        f"the vault did not answer ({type(cause).__name__}). Is its database up and writable?"
    )


def _give_up_if_cut_off(context: sa.engine.ExceptionContext) -> None:
    # pg8000 lets some errors of its socket through as they are: such a connection must not be used again
    if isinstance(context.original_exception, OSError):
        context.is_disconnect = True


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, and as it says
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={_BUSY_MS}", "synchronous=FULL", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    # changing the mode does not wait for its lock; it is kept in the file, so whoever came first has done it
    with suppress(sqlite3.OperationalError):
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # a transaction that reads first and then writes would fail, not wait, when another wrote meanwhile
    connection.exec_driver_sql(connection.get_execution_options().get("ansvar_begin", "BEGIN"))
