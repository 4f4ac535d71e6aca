"""Where a worker starts and what it makes of the topic: offsets committed wrongly, holes, other topics.

The head in the ledger is the truth, a hole is a `gap` row and an alert, and a topic that is not the
one a chain was fed from stops the worker before anything is appended.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition

from ansvar import Event
from ansvar.enforcement.effects import Message
from ansvar.enforcement.errors import RolledBack, StreamMismatch
from ansvar.enforcement.kafka import KafkaPublisher
from ansvar.enforcement.ports import Publisher
from ansvar.enforcement.wiring import check_vault
from ansvar.sample.company import generate
from ansvar.store.client import Store
from ansvar.vault.errors import VaultError
from workers import Deployed, until

EVENTS: tuple[Event, ...] = generate(300).events


@pytest.fixture
def deployed(kafka: str, store: Store, tmp_path: Path) -> Deployed:
    return Deployed(kafka, store, tmp_path)


def each_once(deployed: Deployed, events: Sequence[Event]) -> None:
    """Every event is a row exactly once, and nothing else was noted."""
    assert Counter(deployed.event_ids()) == Counter(event.event_id for event in events)
    assert {row.kind for row in deployed.rows()}.isdisjoint({"gap", "refused", "duplicate"})
    assert deployed.intact()


async def ends(deployed: Deployed) -> dict[int, int]:
    async with deployed.reader() as reader:
        return {p: (await reader.bounds(p)).end for p in range(deployed.deployment.chains)}


async def test_the_committed_offset_decides_nothing(kafka: str, store: Store, tmp_path: Path) -> None:
    """Above the head, below it, beyond the end of the log: no record is skipped and none is taken twice."""
    deployed = Deployed(kafka, store, tmp_path, chains=4)
    await deployed.make_topics()
    await deployed.emit(EVENTS[:150], batch=5)
    await deployed.processed()
    heads = await ends(deployed)
    await deployed.emit(EVENTS[150:], batch=5)
    assert all(end > heads[partition] + 2 for partition, end in (await ends(deployed)).items())
    wrong = {0: heads[0] + 2, 1: 0, 2: heads[2] + 1_000_000}
    await deployed.commit(wrong)
    assert (await deployed.committed())[2] == wrong[2]

    await deployed.processed()
    each_once(deployed, EVENTS)
    assert await deployed.committed() == await ends(deployed)


async def test_commits_follow_what_is_done(deployed: Deployed) -> None:
    """A hint only, but a right one: after a clean stop the group stands at the end of every partition."""
    await deployed.make_topics()
    await deployed.emit(EVENTS[:60], batch=5)
    await deployed.processed()
    assert await deployed.committed() == await ends(deployed)


class Topics:
    """Removes the events topic and makes it anew."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed

    async def remove(self) -> None:
        async with self._deployed.admin() as admin:
            await admin.delete_topics([self._deployed.topic])
            while self._deployed.topic in await admin.list_topics():  # noqa: ASYNC110 - Kafka sends no event
                await asyncio.sleep(0.05)

    async def make_anew(self, records: int) -> None:
        await self.remove()
        await self._deployed.make_topics()
        for partition in range(self._deployed.deployment.chains):
            await self._deployed.send([b"of another stream"] * records, partition)


@pytest.mark.parametrize("records", [0, 1, 200], ids=["empty", "shorter", "longer"])
async def test_a_recreated_topic_stops_the_worker(deployed: Deployed, records: int) -> None:
    await deployed.make_topics()
    await deployed.emit(EVENTS[:60], batch=5)
    await deployed.processed()
    before = deployed.rows()
    await Topics(deployed).make_anew(records)
    async with deployed.worker() as worker:
        await asyncio.wait_for(worker.failure.happened.wait(), 60)
        assert isinstance(worker.failure.error, StreamMismatch)
        assert "\n" not in str(worker.failure.error)
        assert "adopt the new one" in str(worker.failure.error)
    assert deployed.rows() == before


async def test_a_topic_recreated_under_a_running_worker_stops_it(deployed: Deployed) -> None:
    await deployed.make_topics()
    await deployed.emit(EVENTS[:60], batch=5)
    async with deployed.worker(conf={"consumer_metadata_max_age_ms": 1_000}) as worker:
        await deployed.caught_up(worker)
        before = deployed.rows()
        await Topics(deployed).make_anew(3)
        await asyncio.wait_for(worker.failure.happened.wait(), 90)
        assert isinstance(worker.failure.error, StreamMismatch)
    assert deployed.rows() == before


async def delete_before(deployed: Deployed, partition: int, offset: int) -> None:
    """Drop the records below an offset, as retention does."""
    async with deployed.admin() as admin:
        place = TopicPartition(deployed.topic, partition)
        await admin.delete_records({place: RecordsToDelete(before_offset=offset)})


def gaps(deployed: Deployed) -> list[tuple[int, int, int]]:
    """(chain, first, last) of the missing offsets that gap rows tell."""
    told = [(row.chain, json.loads(row.extra)) for row in deployed.rows("gap")]
    return [(chain, fact["from"], fact["to"]) for chain, fact in told if fact["missing"] == "offsets"]


async def test_records_that_expired_before_they_were_read_are_a_gap(deployed: Deployed) -> None:
    """One partition loses its first records before anything was read, the other those after the head.

    The numbers of the batches that were in them tell it once more, in gap rows of their own.
    """
    await deployed.make_topics()
    await deployed.emit(EVENTS[:80], batch=5)
    await delete_before(deployed, 0, 3)
    await deployed.processed()
    assert gaps(deployed) == [(0, 0, 2)]

    head = (await ends(deployed))[1]
    await deployed.emit(EVENTS[80:160], batch=5)
    await delete_before(deployed, 1, head + 2)
    await deployed.processed()
    assert gaps(deployed) == [(0, 0, 2), (1, head, head + 1)]
    told = [alert for alert in await deployed.alerts() if alert["rule"] == "log.gap"]
    assert {(alert["chain"], alert["seq"]) for alert in told} == {
        (row.chain, row.seq) for row in deployed.rows("gap")
    }
    assert deployed.intact()
    assert await deployed.committed() == await ends(deployed)


async def test_a_hole_in_the_middle_is_a_gap(deployed: Deployed) -> None:
    """A transaction's marker takes an offset that no consumer ever sees."""
    await deployed.make_topics()
    await deployed.emit(EVENTS[:20])
    producer = AIOKafkaProducer(
        bootstrap_servers=deployed.kafka.bootstrap, transactional_id=f"{deployed.topic}-tx"
    )
    await producer.start()
    try:
        async with producer.transaction():
            sent = await producer.send_and_wait(deployed.topic, b"no batch", partition=0)
    finally:
        await producer.stop()
    while (await ends(deployed))[0] < sent.offset + 2:  # noqa: ASYNC110 - the marker comes when it comes
        await asyncio.sleep(0.05)
    (after,) = await deployed.send([b"no batch either"])
    assert after == sent.offset + 2
    await deployed.processed()
    assert gaps(deployed) == [(0, sent.offset + 1, sent.offset + 1)]
    assert [row.offset for row in deployed.rows("refused")] == [sent.offset, after]
    assert deployed.intact()


class Blocked(Publisher):
    """A publisher that is refused by the broker until it is let through."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.tried = 0

    async def publish(self, messages: Sequence[Message]) -> None:
        self.tried += 1
        raise OSError("the broker takes nothing")


async def test_effects_that_are_due_are_carried_out_by_the_next_worker(deployed: Deployed) -> None:
    """The rows are in the ledger, their alerts and dead letters are not out; the records are still there."""
    await deployed.make_topics()
    await deployed.emit(EVENTS, batch=20)
    await deployed.send([b"bad"])
    publisher = Blocked(KafkaPublisher(deployed.kafka))
    async with deployed.worker(publisher=publisher) as worker:
        await until(lambda: publisher.tried, "rows are in, effects are tried")
        assert not worker.enforcer.health().processing
    before = deployed.rows()
    assert before
    assert await deployed.alerts() == await deployed.dead_letters() == []

    await deployed.processed()
    rows = deployed.rows()
    assert set(before) <= set(rows)
    due = {(row.chain, row.seq) for row in rows if row.verdict == "deny" or row.kind == "refused"}
    assert {(alert["chain"], alert["seq"]) for alert in await deployed.alerts()} == due
    assert [letter["record"] for letter in await deployed.dead_letters()] == [b"bad"]
    assert Counter(deployed.event_ids()) == Counter(event.event_id for event in EVENTS)
    assert deployed.intact()


async def test_effects_whose_records_expired_are_said_to_be_lost(deployed: Deployed) -> None:
    """Rows are in the ledger, their alerts are not out, and the records are gone: one alert says so."""
    await deployed.make_topics()
    await deployed.send([b"bad 1"])
    publisher = Blocked(KafkaPublisher(deployed.kafka))
    async with deployed.worker(publisher=publisher) as worker:
        await until(lambda: publisher.tried, "the rows are in, effects are tried")
        assert not worker.enforcer.health().processing
    refused = deployed.rows("refused")
    assert [row.offset for row in refused] == [0]
    assert await deployed.alerts() == []

    await delete_before(deployed, 0, 1)
    await deployed.send([b"bad 2"])
    await deployed.processed()
    expected = {("log.effects_lost", 1), ("log.refused", 2)}
    assert {(alert["rule"], alert["seq"]) for alert in await deployed.alerts()} == expected
    assert [row.offset for row in deployed.rows()] == [0, 1]
    await deployed.processed()
    again = Counter(alert["rule"] for alert in await deployed.alerts())
    assert again == {"log.effects_lost": 1, "log.refused": 1}
    assert deployed.intact()


class Forgetful:
    """Takes every second record away from what Faust delivers, as its queues do when they are cleared."""

    def __init__(self, enforce: Callable[..., Any]) -> None:
        self._enforce = enforce
        self.dropped = 0

    async def __call__(self, records: Sequence[Any]) -> frozenset[int]:
        kept = [record for record in records if record.offset % 2]
        self.dropped += len(records) - len(kept)
        await self._enforce(kept)
        return frozenset()


async def test_what_the_consumer_skips_is_fetched(deployed: Deployed) -> None:
    """A record that is delivered after a jump brings those between with it; a jump alone is no gap."""
    await deployed.make_topics()
    await deployed.emit(EVENTS[:100], batch=2)
    for partition in range(2):
        await deployed.send([b"the last"] * 2, partition)
    async with deployed.worker() as worker:
        forgetful = Forgetful(worker.enforcer.enforce)
        worker.enforcer.enforce = forgetful  # type: ignore[method-assign] # what Faust's agent calls
        last = {partition: end - 1 for partition, end in (await ends(deployed)).items()}
        odd = {partition: offset - (offset + 1) % 2 for partition, offset in last.items()}
        await until(
            lambda: all(worker.enforcer.done_offset(p) >= offset for p, offset in odd.items()), "all odd ones"
        )
    assert forgetful.dropped > 10
    await deployed.processed()
    assert deployed.rows("gap") == []
    assert Counter(deployed.event_ids()) == Counter(event.event_id for event in EVENTS[:100])


@pytest.mark.parametrize("everything", [False, True])
async def test_a_ledger_cut_behind_what_was_confirmed_is_not_built_on(
    deployed: Deployed, everything: bool
) -> None:
    await deployed.make_topics()
    await deployed.emit(EVENTS[:100], batch=5)
    await deployed.processed()
    head = deployed.ledger.last_seq(0)
    kept = -1 if everything else head - 3
    deployed.store.command(
        "ALTER TABLE {database}.ledger DELETE WHERE chain = 0 AND toInt64(seq) > {kept:Int64} "
        "SETTINGS mutations_sync = 1",
        {"kept": kept},
    )
    await deployed.emit(EVENTS[100:], batch=5)
    async with deployed.worker() as worker:
        await until(worker.failure.happened.is_set, "the worker stops")
    assert isinstance(worker.failure.error, RolledBack)
    assert f"ends at row {kept}, but rows up to {head} were confirmed" in str(worker.failure.error)
    assert deployed.ledger.last_seq(0) == kept
    assert not deployed.intact()


async def test_a_vault_that_was_lost_or_exchanged_is_not_replaced_by_an_empty_one(
    deployed: Deployed, kafka: str, new_store: Callable[[], Store], tmp_path: Path
) -> None:
    vault = deployed.vault()
    check_vault(vault, deployed.deployment, deployed.ledger)
    await deployed.make_topics()
    await deployed.emit(EVENTS[:20], batch=5)
    await deployed.processed()
    check_vault(vault, deployed.deployment, deployed.ledger)
    vault.close()

    other = Deployed(kafka, new_store(), tmp_path / "other")
    theirs = other.vault()
    check_vault(theirs, other.deployment, other.ledger)
    with pytest.raises(VaultError, match="belongs to another deployment"):
        check_vault(theirs, deployed.deployment, deployed.ledger)
    theirs.close()

    deployed.directory.vault.unlink()
    empty = deployed.vault()
    with pytest.raises(VaultError, match="was lost or exchanged"):
        check_vault(empty, deployed.deployment, deployed.ledger)
    empty.close()
