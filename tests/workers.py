"""Workers for tests: the real Faust app on the real broker, inside the test.

Everything here is waited for by condition and ended by id, whatever a test does.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from ansvar import Emitter, Event, ProducerKit
from ansvar.deployment import Deployment
from ansvar.directory import DataDirectory
from ansvar.emitter.kafka import KafkaSettings
from ansvar.enforcement.app import Failure, make_app, running_app
from ansvar.enforcement.carrying import Parts
from ansvar.enforcement.enforcer import Enforcer
from ansvar.enforcement.kafka import KafkaPublisher, KafkaReader
from ansvar.enforcement.opening import Record
from ansvar.enforcement.people import People
from ansvar.enforcement.progressing import lag
from ansvar.enforcement.trees import ChainTrees
from ansvar.enforcement.wiring import forwarder, open_vault, opener, rules, topics
from ansvar.enforcement.wiring import make_topics as wiring_topics
from ansvar.events.codec import single_object_decode
from ansvar.initiation import LOCAL_PRODUCER, initiate, log_signer
from ansvar.ledger.row import Row
from ansvar.sample import SAMPLE_BUNDLE
from ansvar.settings import Settings
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.verify import verify_store
from ansvar.vault import keyring
from ansvar.vault.keyring import kit_path
from ansvar.vault.logkeys import LogSigner
from ansvar.vault.vault import Vault

DEADLINE = 90.0  # seconds; far above what anything here needs, so that a slow machine is no failure
POLL = 0.05


async def until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Wait for a condition; returns what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        await asyncio.sleep(POLL)
    return found


class Worker(Struct, frozen=True):
    """A running worker: what it does, and what stopped it."""

    enforcer: Enforcer
    failure: Failure


class Deployed:
    """A deployment of its own: topic, group, keys, vault and database; its workers run inside the test."""

    def __init__(self, bootstrap: str, store: Store, path: Path, chains: int = 2) -> None:
        name = f"t{uuid.uuid4().hex[:10]}"
        self.kafka = KafkaSettings(bootstrap=bootstrap)
        self.settings = Settings(topic=f"{name}.events", group=name, chains=chains)
        self.directory = DataDirectory(path / "data")
        self.directory.make()
        self.store = store
        self.ledger = LedgerStore(store)
        self.deployment: Deployment = initiate(
            self.directory.keys, store, self.settings, SAMPLE_BUNDLE, 1_772_460_000_000
        )
        self.ring = keyring.read(self.directory.keys)
        self.kit = ProducerKit.read(kit_path(self.directory.keys, LOCAL_PRODUCER))

    @property
    def topic(self) -> str:
        return self.settings.topic

    async def make_topics(self) -> None:
        await wiring_topics(self.kafka, self.deployment, self.settings)

    def signer(self) -> LogSigner:
        return log_signer(self.directory.keys, self.store, self.settings, self.deployment)

    def trees(self) -> ChainTrees:
        return ChainTrees(self.store, self.signer())

    def vault(self) -> Vault:
        return open_vault(self.directory, self.settings)

    @asynccontextmanager
    async def parts(self, vault: Vault | None = None, **changes: Any) -> AsyncIterator[Parts]:
        """Everything of an enforcer, on the real things; a vault that is given is left open."""
        own = vault or self.vault()
        publisher = KafkaPublisher(self.kafka)
        reader = KafkaReader(self.kafka, self.topic)
        await publisher.start()
        await reader.start()
        opens = opener(self.deployment, self.ring, self.directory.keys)
        values: dict[str, Any] = {
            "deployment": self.deployment,
            "ledger": self.ledger,
            "vault": own,
            "people": People(own, self.ring.pepper),
            "opener": opens,
            "rules": rules(self.store, self.ring, opens.home),
            "forwarder": forwarder(self.directory.keys, self.deployment),
            "reader": reader,
            "publisher": publisher,
            "topics": topics(self.deployment, self.settings),
            "trees": self.trees(),
        }
        try:
            yield Parts(**values | changes)
        finally:
            await reader.stop()
            await publisher.stop()
            if vault is None:
                own.close()

    @asynccontextmanager
    async def worker(
        self,
        vault: Vault | None = None,
        conf: Mapping[str, Any] | None = None,
        *,
        checked: bool = True,
        **changes: Any,
    ) -> AsyncIterator[Worker]:
        """A worker; `changes` replace parts of its enforcer, `conf` settings of its Faust app.

        Not `checked`, it takes the topics as they are.
        """
        if checked:
            await self.make_topics()
        async with self.parts(vault, **changes) as parts:
            enforcer = Enforcer(parts)
            failure = Failure()
            app = make_app(
                kafka=self.kafka,
                group=self.settings.group,
                topic=self.topic,
                enforcer=enforcer,
                failure=failure,
            )
            for name, value in (conf or {}).items():
                setattr(app.conf, name, value)
            async with running_app(app, enforcer, failure):
                yield Worker(enforcer, failure)

    async def caught_up(self, *workers: Worker) -> None:
        """Wait until all records are done by these workers together."""
        async with self.reader() as reader:
            end = time.monotonic() + DEADLINE
            while True:
                done = 0
                for worker in workers:
                    if worker.failure.error is not None:
                        raise worker.failure.error
                    part = await lag(worker.enforcer, reader, worker.enforcer.partitions)
                    done += part.done
                everything = 0
                for partition in range(self.deployment.chains):
                    everything += (await reader.bounds(partition)).end
                if done >= everything:
                    return
                assert time.monotonic() < end, f"{everything - done} records were not taken"
                await asyncio.sleep(POLL)

    async def processed(self, *, checked: bool = True) -> None:
        """Run a worker until nothing is left."""
        async with self.worker(checked=checked) as worker:
            await self.caught_up(worker)

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[KafkaReader]:
        reader = KafkaReader(self.kafka, self.topic)
        await reader.start()
        try:
            yield reader
        finally:
            await reader.stop()

    async def recorded(self) -> dict[int, list[Record]]:
        """Every record that the topic holds, by partition."""
        async with self.reader() as reader:
            found = {}
            for partition in range(self.deployment.chains):
                bounds = await reader.bounds(partition)
                found[partition] = await reader.records(partition, bounds.start, bounds.end)
            return found

    async def emit(self, events: Sequence[Event], *, batch: int = 50) -> None:
        """Emit with the SDK, in records of at most `batch` events."""
        async with Emitter(self.kit, self.kafka, max_batch_events=batch) as emitter:
            await emitter.emit_many(events)

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[Any]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def send(self, values: Iterable[bytes], partition: int = 0, **options: Any) -> list[int]:
        """Send bytes as they are, past the SDK; returns their offsets."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.kafka.bootstrap, max_request_size=200 << 20, acks="all", **options
        )
        await producer.start()
        try:
            return [
                (await producer.send_and_wait(self.topic, value, partition=partition)).offset
                for value in values
            ]
        finally:
            await producer.stop()

    async def committed(self) -> dict[int, int | None]:
        """Partition -> the group's committed offset."""
        async with self.group_member() as consumer:
            return {
                partition: await consumer.committed(TopicPartition(self.topic, partition))
                for partition in range(self.deployment.chains)
            }

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit offsets for the group, which must have no member now."""
        async with self.group_member() as consumer:
            await consumer.commit({TopicPartition(self.topic, p): offset for p, offset in offsets.items()})

    @asynccontextmanager
    async def group_member(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap, group_id=self.settings.group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(self.topic, p) for p in range(self.deployment.chains)])
            yield consumer
        finally:
            await consumer.stop()

    async def messages(self, topic: str) -> list[dict[str, Any]]:
        """Every alert or dead letter that was published, decoded, in order."""
        return await published(self.kafka.bootstrap, topic)

    async def alerts(self) -> list[dict[str, Any]]:
        return await self.messages(self.settings.alerts_topic)

    async def dead_letters(self) -> list[dict[str, Any]]:
        return await self.messages(self.settings.deadletter_topic)

    def rows(self, kind: str | None = None) -> list[Row]:
        """Every row but genesis, by chain and seq."""
        rows = [
            row
            for chain in self.ledger.chains()
            for row, _ in self.ledger.rows(chain, 1, self.ledger.last_seq(chain) + 1)
        ]
        return rows if kind is None else [row for row in rows if row.kind == kind]

    def event_ids(self) -> list[uuid.UUID]:
        """The event ids of the rows that judge an event, as often as they are there."""
        return [row.event_id for row in self.rows() if row.verdict]

    def intact(self) -> bool:
        """Whether every chain verifies."""
        reports = verify_store(self.store, self.vault().effects_through())
        return all(report.fault is None for report in reports)


async def published(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    """Everything that a one-partition topic of ours holds, decoded."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=40 << 20,
    )
    await consumer.start()
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        found: list[dict[str, Any]] = []
        while await consumer.position(place) < end:
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                found += [single_object_decode(message.value)[1] for message in batch]
        return found
    finally:
        await consumer.stop()
