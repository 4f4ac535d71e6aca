"""The broker is killed under a running worker and comes back: nothing is lost, alerts go out."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansvar import Emitter
from ansvar.embedded.broker import EmbeddedBroker
from ansvar.sample.company import generate
from ansvar.store.client import Store
from stores import engine as engine
from stores import new_store as new_store
from stores import store as store
from workers import Deployed, until

EVENTS = generate(600).events


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "kafka") as started:
        yield started


async def test_a_broker_that_is_killed_and_comes_back(
    broker: EmbeddedBroker, store: Store, tmp_path: Path
) -> None:
    deployed = Deployed(broker.bootstrap, store, tmp_path)
    await deployed.make_topics()

    def rows() -> int:
        return sum(deployed.ledger.last_seq(chain) for chain in deployed.ledger.chains())

    async with (
        deployed.worker() as worker,
        Emitter(deployed.kit, deployed.kafka, max_batch_events=4) as emitter,
    ):
        emitting = asyncio.create_task(emitter.emit_many(EVENTS))
        await until(lambda: rows() > 50, "it works")
        os.kill(broker.pid, signal.SIGKILL)
        await until(lambda: not broker.alive, "the broker is dead")
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(broker.start)
        assert deployed.kafka.bootstrap == broker.bootstrap
        await emitting
        await deployed.caught_up(worker)
        assert worker.failure.error is None
        assert worker.enforcer.health().processing
    assert Counter(deployed.event_ids()) == Counter(event.event_id for event in EVENTS)
    assert {row.kind for row in deployed.rows()}.isdisjoint({"gap", "refused"})
    denied = {(row.chain, row.seq) for row in deployed.rows() if row.verdict == "deny"}
    assert {(alert["chain"], alert["seq"]) for alert in await deployed.alerts()} == denied
    assert deployed.intact()
