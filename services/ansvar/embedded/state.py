"""What a data directory remembers of its broker between runs: `broker.json`.

Invariants: written whole (a temporary file, then a rename), readable by its owner only. It is a hint: a
process counts as our broker by its command line, a port by the cluster id that answers on it. A missing or
damaged file is therefore no error.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class BrokerState(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's ports and, while it runs, its process.

    `started` is the process's start time in seconds since 1970 as the system tells it; with `pid` it names
    one process for good. `launch` is a fingerprint of the settings it was started with.
    """

    cluster_id: str
    port: int
    controller_port: int
    launch: str
    pid: int | None = None
    started: float | None = None


def read_state(path: Path) -> BrokerState | None:
    """The remembered state; None if there is none or it cannot be understood."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=BrokerState)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_state(path: Path, state: BrokerState) -> None:
    """Replace the remembered state."""
    write_private(path, msgspec.json.format(msgspec.json.encode(state)) + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; readers see the old content or the new, never a part."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    temporary.replace(path)
