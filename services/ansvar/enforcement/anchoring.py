"""Anchor files: checkpoints that a customer copies away, and holds against whoever rolls the log back.

Invariants: `log-<chain>.txt` is only ever appended to, a note at a time, on disk before it counts; what a
crash or a full disk left of a note is cut off again (`ledger.anchor_file`). At most one an hour a chain and
worker, and one at the end. A worker holds the newest against the ledger before it adds a row (`trees`).

What a file here proves by itself is little, since it lies beside the log; a copy elsewhere proves the rest.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ansvar.keyfiles import KeyFileError, make_private_directory
from ansvar.ledger import anchor_file
from ansvar.ledger.checkpoint import Checkpoint
from ansvar.ledger.errors import Malformed
from ansvar.ledger.notes import Note
from ansvar.store.checkpoints import Stored

EVERY_MS: Final = 3_600_000


class Anchors:
    """The anchor files in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._waiting: dict[int, Stored] = {}
        self._written: dict[int, int] = {}  # chain -> when its newest note was signed, ms

    def take(self, published: Sequence[Stored]) -> None:
        """Append those that are due, and remember the newest of the others. Raises KeyFileError."""
        for stored in published:
            self._waiting[stored.chain] = stored
        self._write([s for s in published if s.at - self._written.get(s.chain, 0) >= EVERY_MS])

    def newest(self, chain: int) -> Stored | None:
        """The last whole note of a chain's file, unchecked; None without one. Raises KeyFileError."""
        path = self._path(chain)
        try:
            notes, _ = anchor_file.decode(path.read_bytes()) if path.exists() else ([], 0)
            size = Checkpoint.parse(Note.parse(notes[-1]).text).size if notes else 0
        except Malformed as error:
            raise KeyFileError(f"{path}: {error}. Run: ansvar verify") from error
        except OSError as error:
            raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
        return Stored(chain, size, 0, True, notes[-1]) if notes else None

    def flush(self) -> None:
        """Append the newest checkpoint of every chain. Raises KeyFileError."""
        self._write(list(self._waiting.values()))

    def _write(self, due: Sequence[Stored]) -> None:
        if due:
            make_private_directory(self._directory)
        for stored in due:
            _append(self._path(stored.chain), stored.note)
            self._written[stored.chain] = stored.at
            self._waiting.pop(stored.chain, None)

    def _path(self, chain: int) -> Path:
        return self._directory / f"log-{chain}.txt"


def _append(path: Path, note: bytes) -> None:
    """Append a note after the last whole one. Raises KeyFileError; the file then ends with that."""
    whole = None
    try:
        with path.open("r+b" if path.exists() else "x+b") as file:
            _, whole = anchor_file.decode(file.read(anchor_file.MAX_FILE + 1))
            file.truncate(whole)
            file.seek(whole)
            file.write(anchor_file.encode(note))
            file.flush()
            os.fsync(file.fileno())
    except Malformed as error:
        raise KeyFileError(f"{path}: {error}; move it to where you keep such files") from error
    except OSError as error:
        if whole is not None:
            with suppress(OSError):
                os.truncate(path, whole)
        raise KeyFileError(f"cannot write {path}: {error.strerror}") from error
