"""How far a worker is: what the topic holds against what the ledger has confirmed, effects included."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from ansvar.enforcement.enforcer import Enforcer
from ansvar.enforcement.ports import TopicReader


class Lag(Struct, frozen=True):
    """Records taken all the way, and records that the topic holds, over all partitions."""

    done: int
    known: int

    @property
    def caught_up(self) -> bool:
        """Whether nothing is left."""
        return self.done >= self.known


async def lag(enforcer: Enforcer, reader: TopicReader, partitions: int) -> Lag:
    """Compare every partition's end with what the enforcer has done."""
    bounds = await asyncio.gather(*(reader.bounds(partition) for partition in range(partitions)))
    done = [enforcer.done_offset(partition) + 1 for partition in range(partitions)]
    return Lag(sum(min(d, b.end) for d, b in zip(done, bounds, strict=True)), sum(b.end for b in bounds))
