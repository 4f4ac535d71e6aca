"""Is this process doing its work? Asked by probes and by people, answered by whoever runs the worker."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class Health(Struct, frozen=True):
    """`processing` is whether events are being processed; `reason` says why not."""

    processing: bool
    reason: str
    partitions: int  # how many this worker has


class HealthSource(Protocol):
    """Knows the health of a worker."""

    def health(self) -> Health: ...
