"""Events of one partition that wait to be sent, and when and how many of them make a batch.

Invariants: events leave in the order in which they came; a batch holds at least one event, at most
`Limits.events`, and at most `Limits.bytes` unless a single event is larger. Waiting is never longer than
`Limits.linger`, counted from the oldest event; a full batch does not wait.

No clock here: times are the caller's, in seconds of any monotonic clock. Not handled here: how many events
may wait at all (the outbox).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from uuid import UUID

from msgspec import Struct

HARD_MAX_EVENTS = 1_000  # a record holds at most this many (wire format version 1)
HARD_MAX_BYTES = 16 * 1024 * 1024


class Delivery(Struct, frozen=True):
    """Where the broker put an event. `offset` is −1 when it confirmed the event but had forgotten where."""

    event_id: UUID
    topic: str
    partition: int
    offset: int
    number_in_batch: int


class Prepared(Struct, frozen=True):
    """An event that was validated, normalised, placed and encoded."""

    event_id: UUID
    partition: int
    encoded: bytes


class Waiting(Struct, frozen=True):
    """A prepared event, when it came, and the future that its emitter waits for."""

    event: Prepared
    since: float
    delivered: asyncio.Future[Delivery]


@dataclass(frozen=True)
class Limits:
    """What bounds a batch. `ValueError` on values that the wire format or the broker could not hold."""

    events: int = 500
    bytes: int = 512 * 1024  # of encoded events, before sealing
    linger: float = 0.02  # seconds

    def __post_init__(self) -> None:
        if not 1 <= self.events <= HARD_MAX_EVENTS:
            raise ValueError(f"max_batch_events must be 1 to {HARD_MAX_EVENTS}, not {self.events}")
        if not 1 <= self.bytes <= HARD_MAX_BYTES:
            raise ValueError(f"max_batch_bytes must be 1 to {HARD_MAX_BYTES}, not {self.bytes}")
        if not 0 <= self.linger <= 60:
            raise ValueError(f"linger must be 0 to 60 seconds, not {self.linger}")


@dataclass
class Buffer:
    """The queue of one partition."""

    limits: Limits
    _queue: deque[Waiting] = field(default_factory=deque)
    _bytes: int = 0

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, waiting: Waiting) -> None:
        self._queue.append(waiting)
        self._bytes += len(waiting.event.encoded)

    @property
    def full(self) -> bool:
        """Whether there is enough for a batch that cannot grow."""
        return len(self._queue) >= self.limits.events or self._bytes >= self.limits.bytes

    def due_in(self, now: float) -> float | None:
        """Seconds until a batch is due, 0 when it is; None while nothing waits."""
        if not self._queue:
            return None
        return 0.0 if self.full else max(0.0, self._queue[0].since + self.limits.linger - now)

    def take(self) -> list[Waiting]:
        """Remove and return the next batch; empty when nothing waits."""
        batch: list[Waiting] = []
        size = 0
        while self._queue and len(batch) < self.limits.events:
            length = len(self._queue[0].event.encoded)
            if batch and size + length > self.limits.bytes:
                break
            batch.append(self._queue.popleft())
            size += length
        self._bytes -= size
        return batch
