"""Anchor files: checkpoints that a customer copies away, and holds against whoever rolls the log back.

Invariants: `log-<chain>.txt` is only ever appended to, a note at a time, on disk before it counts; what was
written of a note that did not fit on the disk is cut off again. Notes are parted by an empty line
(`ledger.statements.split_notes`). At most one an hour a chain, and one at the end.

What a file here proves by itself is little, since it lies beside the log; a copy elsewhere proves the rest.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ansvar.keyfiles import KeyFileError, make_private_directory
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

    def flush(self) -> None:
        """Append the newest checkpoint of every chain. Raises KeyFileError."""
        self._write(list(self._waiting.values()))

    def _write(self, due: Sequence[Stored]) -> None:
        if due:
            make_private_directory(self._directory)
        for stored in due:
            _append(self._directory / f"log-{stored.chain}.txt", stored.note)
            self._written[stored.chain] = stored.at
            self._waiting.pop(stored.chain, None)


def _append(path: Path, note: bytes) -> None:
    """Raises KeyFileError; the file then ends where it did."""
    before = None
    try:
        with path.open("ab") as file:
            before = file.tell()
            file.write((b"\n" if before else b"") + note)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if before is not None:
            with suppress(OSError):
                os.truncate(path, before)
        raise KeyFileError(f"cannot write {path}: {error.strerror}") from error
