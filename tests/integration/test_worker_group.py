"""Two workers in one consumer group, one ledger: partitions move between them and nothing is lost or doubled.

chDB lets one process in, so both Faust apps run in this one; each has connections, caches and memory of its
own, as two processes would.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from ansvar import Emitter
from ansvar.sample.company import generate
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from workers import Deployed, Worker, until

EVENTS = generate(1_200).events


@pytest.fixture
def deployed(kafka: str, store: Store, tmp_path: Path) -> Deployed:
    return Deployed(kafka, store, tmp_path, chains=4)


def shares(*workers: Worker) -> list[int]:
    """How many partitions each worker has ready."""
    return [sum(w.enforcer.resume_offset(p) is not None for p in w.enforcer.partitions) for w in workers]


def each_once(deployed: Deployed) -> None:
    assert Counter(deployed.event_ids()) == Counter(event.event_id for event in EVENTS)
    assert {row.kind for row in deployed.rows()}.isdisjoint({"gap", "refused", "duplicate"})
    assert deployed.intact()


async def test_partitions_move_while_events_arrive(deployed: Deployed) -> None:
    await deployed.make_topics()
    ledger = deployed.ledger

    async def emit(start: int, end: int) -> None:
        await emitter.emit_many(EVENTS[start:end])

    def rows() -> int:
        return sum(ledger.last_seq(chain) for chain in range(4))

    async with AsyncExitStack() as first, AsyncExitStack() as second:
        emitter = await first.enter_async_context(Emitter(deployed.kit, deployed.kafka, max_batch_events=5))
        one = await first.enter_async_context(deployed.worker())
        emitting = asyncio.create_task(emit(0, 400))
        await until(lambda: rows() > 100, "the first worker works")
        two = await second.enter_async_context(deployed.worker())
        await until(lambda: shares(one, two) == [2, 2], "they share")
        await emitting
        await emit(400, 600)
        await deployed.caught_up(one, two)

        emitting = asyncio.create_task(emit(600, 900))
        await until(lambda: rows() > 650, "both work")
        await second.aclose()
        await until(lambda: shares(one) == [4], "the first has all again")
        await emitting
        async with deployed.worker() as three:
            await until(lambda: shares(one, three) == [2, 2], "they share again")
            await emit(900, 1_200)
            await deployed.caught_up(one, three)
            assert one.failure.error is three.failure.error is None
    each_once(deployed)


class Held(LedgerStore):
    """A ledger whose first append waits, in its thread, until it is let through."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.entered = threading.Event()
        self.let_through = threading.Event()

    def append(self, chain: int, first_seq: int, block: bytes, *, attempt: int = 0) -> None:
        if first_seq > 0:  # a genesis may pass
            self.entered.set()
            self.let_through.wait(60)
        super().append(chain, first_seq, block, attempt=attempt)


def has_done_its_own(worker: Worker, ends: dict[int, int]) -> bool:
    """Whether a worker has done all that its own partitions hold."""
    return all(worker.enforcer.done_offset(p) == ends[p] - 1 for p in worker.enforcer.partitions)


@pytest.mark.parametrize(
    "before", [True, pytest.param(False, marks=pytest.mark.nightly)], ids=["late", "early"]
)
async def test_an_append_in_flight_when_its_partition_moves(deployed: Deployed, before: bool) -> None:
    """It lands before or after the new owner has appended the same rows: either way each is there once."""
    await deployed.make_topics()
    await deployed.emit(EVENTS, batch=20)
    held = Held(deployed.store)
    try:
        async with deployed.worker(ledger=held) as one:
            await until(held.entered.is_set, "an append is in flight")
            async with deployed.reader() as reader:
                ends = {p: (await reader.bounds(p)).end for p in range(4)}
            async with deployed.worker() as two:
                await until(lambda: len(two.enforcer.partitions) == 2, "two partitions moved")
                if before:
                    await until(lambda: has_done_its_own(two, ends), "the new owner has done its partitions")
                held.let_through.set()
                await deployed.caught_up(one, two)
                assert one.failure.error is two.failure.error is None
    finally:
        held.let_through.set()
    each_once(deployed)


async def test_a_worker_that_stops_with_an_append_in_flight(deployed: Deployed) -> None:
    """The batch in hand is finished before anything is closed, and acknowledged."""
    await deployed.make_topics()
    await deployed.emit(EVENTS[:200], batch=20)
    held = Held(deployed.store)
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(deployed.worker(ledger=held))
            await until(held.entered.is_set, "an append is in flight")
            closing = asyncio.create_task(stack.aclose())
            await asyncio.sleep(0)
            held.let_through.set()
            await closing
    finally:
        held.let_through.set()
    kept = len(deployed.event_ids())
    assert kept > 0
    committed = await deployed.committed()
    heads = {
        chain: head.row.offset for chain in range(4) if (head := deployed.ledger.head(chain)) is not None
    }
    assert {p: (offset or 0) - 1 for p, offset in committed.items()} == heads
    await deployed.processed()
    assert Counter(deployed.event_ids()) == Counter(event.event_id for event in EVENTS[:200])
    assert deployed.intact()
