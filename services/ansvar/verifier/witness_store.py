"""What a witness remembers, in one SQLite file: who it is, the newest checkpoint of each log, and conflicts.

Invariants: a block under `deciding` reads and writes as one: it holds the file's one write lock from its
first statement, also against other processes, and what it wrote is on disk when it ends (synchronous FULL).
A store belongs to the keys that first opened it. Calls block, and threads may share a store.

An old copy of the file makes the witness forget, and nothing in here can notice: never restore one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

from ansvar.ledger.checkpoint import Checkpoint
from ansvar.ledger.notes import VerifierKey
from ansvar.ledger.witness_protocol import origin_hash

MAX_CONFLICTS: Final = 1000  # kept of a log and kind: whoever can send must not be able to fill the disk

_BUSY_SECONDS: Final = 10.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS identity (vkey TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS heads (
    origin TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL, note BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS conflicts (
    origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, kind TEXT NOT NULL,
    time INTEGER NOT NULL, known BLOB NOT NULL, conflicting BLOB NOT NULL, times INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (origin, size, root)
);
"""

ConflictKind = Literal["two-roots", "unproved"]


class WitnessError(Exception):
    """The witness cannot start, or cannot answer now; the message says what to do."""


class Head(NamedTuple):
    """The newest cosigned checkpoint of a log: its note, and the time of its cosignatures (Unix seconds)."""

    checkpoint: Checkpoint
    time: int
    note: bytes


class Conflict(NamedTuple):
    """Two checkpoints that a log signed, as notes: the one we knew (may be b"") and one that conflicts.

    `two-roots` proves by itself that the log showed two trees: the sizes are equal and the roots are not.
    `unproved` came without a proof that it extends the known one; as anyone can send a true checkpoint with
    a false proof, the log must be asked for the right one. `times` is how often it was sent.
    """

    origin: str
    kind: ConflictKind
    time: int
    known: bytes
    conflicting: bytes
    times: int


class WitnessStore:
    """The store in a file, which is made (mode 0600) where it is not. Raises WitnessError."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise WitnessError(f"{path} cannot be opened as a witness's store: {error}") from error
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._connection.close()
            raise WitnessError(f"{path} cannot be used as a witness's store: {error}") from error

    def close(self) -> None:
        """Close the file, after what is in hand."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """What the block reads and writes is one transaction, persisted at its end, undone if it raises.

        Raises WitnessError where the file cannot be read or written.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")  # before the first read: or two read the same
                try:
                    yield
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:  # a full disk has ended it already
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise WitnessError(f"the witness's store {self._path} failed: {error}") from error

    def identity(self) -> tuple[VerifierKey, ...]:
        """The keys whose store this is; none before `belong_to`."""
        with self.deciding():
            rows = self._connection.execute("SELECT vkey FROM identity ORDER BY vkey").fetchall()
        return tuple([VerifierKey.parse(vkey) for (vkey,) in rows])

    def belong_to(self, keys: Sequence[VerifierKey]) -> None:
        """Say whose store this is, once for ever. Raises WitnessError where it is another witness's."""
        wanted = {str(key) for key in keys}
        with self.deciding():
            found = {vkey for (vkey,) in self._connection.execute("SELECT vkey FROM identity")}
            if not found:
                self._connection.executemany("INSERT INTO identity VALUES (?)", [(v,) for v in wanted])
        if found and found != wanted:
            raise WitnessError(
                f"{self._path} belongs to a witness with other keys or another name; start it with those, or"
                " choose another directory for a new witness"
            )

    def head(self, origin: str) -> Head | None:
        """The newest checkpoint of a log; within `deciding`."""
        row = self._connection.execute(
            "SELECT size, root, time, note FROM heads WHERE origin = ?", (origin,)
        ).fetchone()
        return None if row is None else Head(Checkpoint(origin, row[0], row[1]), row[2], row[3])

    def advance(self, head: Head) -> None:
        """Remember a log's newest checkpoint; within `deciding`.

        It is consistent, so it is no conflict any more; another one of its size now is one for certain.
        """
        tree = head.checkpoint
        self._connection.execute(
            "DELETE FROM conflicts WHERE (origin, size, root) = (?, ?, ?)",
            (tree.origin, tree.size, tree.root),
        )
        self._connection.execute(
            "UPDATE conflicts SET kind = 'two-roots', known = ?"
            " WHERE kind = 'unproved' AND (origin, size) = (?, ?)",
            (head.note, tree.origin, tree.size),
        )
        self._connection.execute(
            "INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?)",
            (tree.origin, origin_hash(tree.origin), tree.size, tree.root, head.time, head.note),
        )

    def keep(self, checkpoint: Checkpoint, conflict: Conflict) -> bool:
        """Keep evidence, or count it once more; `checkpoint` is the conflicting one. Within `deciding`.

        Returns whether it was seen for the first time and kept.
        """
        row = self._connection.execute(
            "INSERT INTO conflicts SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE ?9 >"
            " (SELECT count(*) FROM conflicts WHERE origin = ?1 AND kind = ?4 AND (size, root) != (?2, ?3))"
            " ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times",
            (checkpoint.origin, checkpoint.size, checkpoint.root, *conflict[1:], MAX_CONFLICTS),
        ).fetchone()
        return bool(row == (1,))

    def published(self, hashed: str) -> bytes | None:
        """The note of the newest checkpoint of the log whose origin has this SHA-256, in hex."""
        with self.deciding():
            row = self._connection.execute("SELECT note FROM heads WHERE hash = ?", (hashed,)).fetchone()
        return None if row is None else row[0]

    def conflicts(self) -> tuple[Conflict, ...]:
        """All that was kept, by origin and size."""
        with self.deciding():
            rows = self._connection.execute(
                "SELECT origin, kind, time, known, conflicting, times FROM conflicts"
                " ORDER BY origin, size, root"
            ).fetchall()
        return tuple([Conflict(*row) for row in rows])
