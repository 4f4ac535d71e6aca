"""Ownership that the kernel gives back when a process dies, however it died.

Invariants: an advisory `flock(2)` on a file of its own. It belongs to the open file, so two locks on one
path exclude each other inside one process too, and children do not inherit it (Python opens files
close-on-exec): a broker that outlives its parent does not keep its parent's lock. The file's content is the
owner's pid, for messages only. The file is never removed, because removing it would let two owners hold
locks on two files of the same name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class FileLock:
    """A lock at `path`, not held yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it. Returns whether it is ours now."""
        return self._acquire(fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Give the lock back; without it, nothing happens."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock, and hold it for the block."""
        self._acquire(fcntl.LOCK_EX)
        try:
            yield
        finally:
            self.release()

    def owner(self) -> int | None:
        """The pid that the present owner wrote, if it is there to be read."""
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def _acquire(self, operation: int) -> bool:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, operation)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode("ascii"))
        self._descriptor = descriptor
        return True
