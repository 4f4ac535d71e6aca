"""Who has a data directory: one process at a time, found by a lock that dies with it.

chDB lets no second process in, so every other command asks the owner, by the note that it leaves, or stays
out with one clear line.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from msgspec import Struct

from ansvar.directory import DataDirectory
from ansvar.embedded.errors import EmbeddedError
from ansvar.embedded.filelock import FileLock
from ansvar.keyfiles import KeyFileError, read_secret_file, write_secret_file

# `running_stack` holds the lock for the blink of an eye, so who starts just then tries again.
_TRIES, _TRY_SECONDS = 5, 0.05


class StackRunning(EmbeddedError):
    """Another process of Ansvar's has this data directory."""


class StackNote(Struct, frozen=True):
    """How other commands reach the running stack. A secret file: the token gives the stack's authority."""

    pid: int
    kafka: str
    port: int | None
    token: str


def running_stack(directory: DataDirectory) -> StackNote | None:
    """The note of the stack that runs on a data directory, or None when none does.

    Raises StackRunning while a stack is starting or stopping there, or a command has the directory.
    """
    if not directory.lock.is_file():
        return None  # whoever had the directory left the lock's file; looking makes nothing
    lock = FileLock(directory.lock)
    if lock.try_acquire():
        lock.release()
        return None
    with contextlib.suppress(msgspec.MsgspecError, KeyFileError):
        return msgspec.json.decode(read_secret_file(directory.stack), type=StackNote)
    raise StackRunning(
        f"process {lock.owner()} has {directory.path} and is starting, stopping or running another command; "
        "try again in a moment"
    )


def write_note(directory: DataDirectory, note: StackNote) -> None:
    """Tell other commands how to reach us. Only the owner of the directory does."""
    write_secret_file(directory.stack, msgspec.json.encode(note), replace=True)


@asynccontextmanager
async def owned(directory: DataDirectory) -> AsyncIterator[None]:
    """Hold the data directory; raises StackRunning when another process has it."""
    directory.make()
    lock = FileLock(directory.lock)
    for attempt in range(1, _TRIES + 1):
        if lock.try_acquire():
            break
        if attempt == _TRIES:
            raise StackRunning(
                f"{directory.path} is in use by process {lock.owner()}; stop it, or choose another --data-dir"
            )
        await asyncio.sleep(_TRY_SECONDS)
    try:
        directory.stack.unlink(missing_ok=True)  # of one that was killed
        yield
    finally:
        directory.stack.unlink(missing_ok=True)
        lock.release()
