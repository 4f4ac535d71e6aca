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
STALLED_SECONDS: Final = 120.0  # a micro-batch may hold 50,000 events


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

    def __init__(self, enforcer: Enforcer, reader: TopicReader, patience: float = STALLED_SECONDS) -> None:
        self._enforcer = enforcer
        self._reader = reader
        self._patience = patience  # seconds without progress that are no fault
        self._done = -1
        self._moved_at = time.monotonic()
        self.reason = ""  # what is wrong; empty when nothing is

    async def beat(self) -> None:
        """Look again and again; runs until cancelled."""
        while True:
            try:
                self.reason = await self.look()
            except (KafkaError, TimeoutError, OSError):
                self.reason = "Kafka does not answer"
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> str:
        """What is wrong now; empty when nothing is. Raises what Kafka raises, or TimeoutError."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            now = await lag(self._enforcer, self._reader, self._enforcer.partitions)
        metrics.BEHIND.set(now.known - now.done)
        if now.caught_up or now.done != self._done or self._enforcer.waiting:
            self._done, self._moved_at = now.done, time.monotonic()
        idle = time.monotonic() - self._moved_at
        if idle < self._patience or not await self._something_waits():
            return ""
        return f"{now.known - now.done} records are there, but none was taken for {idle:.0f} s"

    async def _something_waits(self) -> bool:
        """Whether a record follows what is done: what ends a log may also be the mark of a transaction."""
        for partition in self._enforcer.partitions:
            resume = self._enforcer.resume_offset(partition)
            if resume is None:
                continue
            end = (await self._reader.bounds(partition)).end
            if await self._reader.records(partition, resume, min(end, resume + 1)):
                return True
        return False
