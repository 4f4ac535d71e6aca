"""How far a worker is: what the topic holds against what the ledger has confirmed, effects included."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Final

from aiokafka.errors import KafkaError
from msgspec import Struct

from ansvar.enforcement import metrics
from ansvar.enforcement.enforcer import Enforcer
from ansvar.enforcement.ports import TopicReader

_LOOK_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0
_STALLED_SECONDS: Final = 120.0  # a micro-batch may hold 50,000 events


class Lag(Struct, frozen=True):
    """Records taken all the way, and records that the topic holds, over some partitions."""

    done: int
    known: int

    @property
    def caught_up(self) -> bool:
        """Whether nothing is left."""
        return self.done >= self.known


async def lag(enforcer: Enforcer, reader: TopicReader, partitions: Collection[int]) -> Lag:
    """Compare the ends of partitions with what the enforcer has done."""
    bounds = await asyncio.gather(*(reader.bounds(partition) for partition in partitions))
    done = [enforcer.done_offset(partition) + 1 for partition in partitions]
    return Lag(sum(min(d, b.end) for d, b in zip(done, bounds, strict=True)), sum(b.end for b in bounds))


class Pulse:
    """Looks now and then whether Kafka answers and records are being taken.

    It is how a fault shows that raises no error: a broker that is gone, a consumer that stands still.
    """

    def __init__(self, enforcer: Enforcer, reader: TopicReader) -> None:
        self._enforcer = enforcer
        self._reader = reader
        self._done = -1
        self._moved_at = time.monotonic()
        self.reason = ""  # what is wrong; empty when nothing is

    async def beat(self) -> None:
        """Look again and again; runs until cancelled."""
        while True:
            self.reason = await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> str:
        """What is wrong now; empty when nothing is."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                now = await lag(self._enforcer, self._reader, self._enforcer.partitions)
        except (KafkaError, TimeoutError):
            return "Kafka does not answer"
        metrics.BEHIND.set(now.known - now.done)
        if now.caught_up or now.done != self._done or self._enforcer.waiting:
            self._done, self._moved_at = now.done, time.monotonic()
        idle = time.monotonic() - self._moved_at
        if idle < _STALLED_SECONDS:
            return ""
        return f"{now.known - now.done} records are there, but none was taken for {idle:.0f} s"
