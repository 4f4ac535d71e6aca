"""The emitter against a real broker: what arrives, in what records, and what outages and bad events leave."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from ansvar import (
    DeliveryFailed,
    Emitter,
    EmitterClosed,
    Event,
    Identifier,
    InvalidEvent,
    KafkaUnreachable,
    NoticeEvent,
    ProcessingEvent,
    ProducerKit,
    TopicMismatch,
)
from ansvar.embedded.broker import EmbeddedBroker
from ansvar.embedded.ports import free_ports
from ansvar.events.codec import decode_batch, decode_close
from ansvar.events.envelope import OpenSession, RecordType, open_session, split
from ansvar.events.intake import IntakePrivateKey
from ansvar.events.partition import partition_of

pytestmark = pytest.mark.broker

INTAKE = IntakePrivateKey(bytes(range(96)))
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
CHAINS = 4


def event(number: int, **changes: Any) -> ProcessingEvent:
    made = ProcessingEvent(
        occurred_at=AT + timedelta(seconds=number),
        system="crm",
        operation="call",
        purpose="marketing",
        legal_basis="legitimate_interest",
        subject=Identifier(type="customer_number", value=f"C-{number % 700}"),
        data_categories=("name", "phone"),
        event_id=uuid.UUID(int=number + 1),
        actor="svc-campaign",
    )
    return replace(made, **changes)


def new_kit(producer: str = "crm", topic: str | None = None) -> ProducerKit:
    return ProducerKit(
        deployment=uuid.UUID(int=7),
        topic=topic or f"events-{uuid.uuid4().hex}",
        chains=CHAINS,
        partition_key=bytes(range(32)),
        epoch=1,
        intake_key=INTAKE.public_key(),
        producer=producer,
        signing_key=Ed25519PrivateKey.from_private_bytes(producer.encode().ljust(32)),
    )


async def make_topic(kafka: str, topic: str, partitions: int = CHAINS) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        configs = {"message.timestamp.type": "LogAppendTime"}
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])
    finally:
        await admin.close()


@pytest.fixture
async def kit(kafka: str) -> ProducerKit:
    made = new_kit()
    await make_topic(kafka, made.topic)
    return made


@asynccontextmanager
async def reading(kafka: str, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(CHAINS)])
        yield consumer
    finally:
        await consumer.stop()


class Arrived:
    """Everything that a topic holds now, opened as a worker would."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.partition_of: dict[uuid.UUID, int] = {}
        self.offset_of: dict[uuid.UUID, tuple[int, int]] = {}
        # (session, partition) -> numbers of batches as they lie in the log; what the close states
        self.batches: dict[tuple[bytes, int], list[int]] = {}
        self.closes: dict[tuple[bytes, int], list[int]] = {}
        self.producers: set[str] = set()
        self.values: list[bytes] = []

    @property
    def ids(self) -> list[uuid.UUID | None]:
        return [event.event_id for event in self.events]


async def arrived(kafka: str, *kits: ProducerKit) -> Arrived:
    found = Arrived()
    keys = {kit.producer: kit.signing_key.public_key() for kit in kits}
    topic = kits[0].topic
    sessions: dict[bytes, OpenSession] = {}
    async with reading(kafka, topic) as consumer:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        for place, end in ends.items():
            while await consumer.position(place) < end:
                for record in (await consumer.getmany(place, timeout_ms=1000)).get(place, []):
                    _take(found, sessions, keys, kits[0], record)
    return found


def _take(
    found: Arrived, sessions: dict[bytes, OpenSession], keys: dict[str, Any], kit: ProducerKit, record: Any
) -> None:
    assert record.key is None
    parts = split(record.value)
    raw = parts.session.raw
    if raw not in sessions:
        sessions[raw] = open_session(parts.session, kit.deployment.bytes, keys, {1: INTAKE})
    body = sessions[raw].open(parts, kit.topic, record.partition, at=record.timestamp)
    found.values.append(record.value)
    found.producers.add(parts.session.producer)
    place = (parts.session.session, record.partition)
    if parts.record.type is RecordType.CLOSE:
        assert parts.record.number == 0
        found.closes.setdefault(place, []).append(decode_close(body, parts.record.fingerprint))
        return
    assert parts.record.type is RecordType.BATCH
    found.batches.setdefault(place, []).append(parts.record.number)
    for number, event in enumerate(decode_batch(body, parts.record.fingerprint)):
        assert event.event_id is not None
        assert partition_of(kit.partition_key, event, CHAINS) == record.partition
        found.events.append(event)
        found.offset_of[event.event_id] = (record.offset, number)
        found.partition_of[event.event_id] = record.partition


def assert_whole(found: Arrived, sessions: int) -> None:
    """Numbers without holes, and each session closed once in each partition that it used, rightly."""
    assert len({session for session, _ in found.batches}) == sessions
    assert found.closes.keys() == found.batches.keys()
    for place, numbers in found.batches.items():
        assert numbers == list(range(len(numbers)))
        assert found.closes[place] == [len(numbers)]


async def test_many_events_arrive_as_they_were_emitted(kafka: str, kit: ProducerKit) -> None:
    events: list[Event] = [event(number) for number in range(5000)]
    async with Emitter(kit, kafka) as emitter:
        deliveries = await emitter.emit_many(events)
    found = await arrived(kafka, kit)
    assert sorted(found.events, key=lambda one: one.occurred_at) == events
    assert_whole(found, sessions=1)
    assert len(found.batches) == CHAINS
    for emitted, delivery in zip(events, deliveries, strict=True):
        assert emitted.event_id is not None
        assert delivery.event_id == emitted.event_id
        assert delivery.topic == kit.topic
        assert delivery.partition == found.partition_of[delivery.event_id]
        assert (delivery.offset, delivery.number_in_batch) == found.offset_of[delivery.event_id]
    # One subject's events keep their order.
    for subject in {one.subject for one in events}:
        times = [one.occurred_at for one in found.events if one.subject == subject]
        assert times == sorted(times)
    assert all(b"C-1" not in value and b"marketing" not in value for value in found.values)


async def test_one_event_without_id_or_subject(kafka: str, kit: ProducerKit) -> None:
    async with Emitter(kit, kafka) as emitter:
        delivery = await emitter.emit(NoticeEvent(occurred_at=AT, system="web", topic="policy_version"))
    found = await arrived(kafka, kit)
    assert found.ids == [delivery.event_id]
    assert delivery.event_id.version == 7
    assert_whole(found, sessions=1)


async def test_two_emitters_at_once(kafka: str, kit: ProducerKit) -> None:
    other = new_kit("billing", kit.topic)
    async with Emitter(kit, kafka) as first, Emitter(other, kafka) as second:
        await asyncio.gather(
            first.emit_many([event(number) for number in range(0, 2000, 2)]),
            second.emit_many([event(number) for number in range(1, 2000, 2)]),
        )
    found = await arrived(kafka, kit, other)
    assert sorted(one.int for one in found.ids if one) == list(range(1, 2001))
    assert found.producers == {"crm", "billing"}
    assert_whole(found, sessions=2)


async def test_an_emitter_with_work_for_nobody_sends_nothing(kafka: str, kit: ProducerKit) -> None:
    async with Emitter(kit, kafka) as emitter:
        assert await emitter.emit_many([]) == []
        await emitter.flush()
    assert (await arrived(kafka, kit)).values == []


async def test_a_bad_event_leaves_nothing_behind(kafka: str, kit: ProducerKit) -> None:
    bad = event(2, subject=Identifier(type="email", value="nobody"))
    async with Emitter(kit, kafka) as emitter:
        with pytest.raises(InvalidEvent) as caught:
            await emitter.emit_many([event(0), event(1), bad, event(3)])
        assert caught.value.index == 2
        with pytest.raises(InvalidEvent):
            await emitter.emit(bad)
        with pytest.raises(InvalidEvent):
            await emitter.enqueue(bad)
        await emitter.emit(event(9))
    found = await arrived(kafka, kit)
    assert found.ids == [event(9).event_id]


async def test_cancelled_callers_do_not_lose_events(kafka: str, kit: ProducerKit) -> None:
    async with Emitter(kit, kafka, linger=1.0) as emitter:
        tasks = [asyncio.create_task(emitter.emit(event(number))) for number in range(20)]
        await asyncio.sleep(0)  # every task has handed its event over and waits
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
    found = await arrived(kafka, kit)
    assert sorted(one.int for one in found.ids if one) == list(range(1, 21))


async def test_a_full_buffer_makes_callers_wait(kafka: str, kit: ProducerKit) -> None:
    async with Emitter(kit, kafka, buffer_events=10, linger=60.0, max_batch_events=1000) as emitter:
        taken = [await emitter.enqueue(event(number)) for number in range(10)]
        waiting = asyncio.create_task(emitter.enqueue(event(10)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        assert not any(future.done() for future in taken)
        await emitter.flush()
        assert all(future.done() for future in taken)
        late = await waiting
        assert not late.done()
    assert late.done()
    found = await arrived(kafka, kit)
    assert sorted(one.int for one in found.ids if one) == list(range(1, 12))


async def test_who_waits_for_space_when_the_emitter_closes_is_told(kafka: str, kit: ProducerKit) -> None:
    emitter = Emitter(kit, kafka, buffer_events=1, linger=60.0)
    await emitter.start()
    taken = await emitter.enqueue(event(0))
    waiting = [asyncio.create_task(emitter.enqueue(event(number))) for number in (1, 2, 3)]
    await asyncio.sleep(0)
    await emitter.close()
    assert taken.done()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [EmitterClosed] * 3
    with pytest.raises(EmitterClosed):
        await emitter.emit(event(4))
    await emitter.close()
    assert (await arrived(kafka, kit)).ids == [event(0).event_id]


async def test_an_emitter_that_was_never_opened() -> None:
    emitter = Emitter(new_kit(), "127.0.0.1:9")
    with pytest.raises(EmitterClosed, match="async with"):
        await emitter.emit(event(0))
    await emitter.close()


async def test_a_topic_of_another_shape(kafka: str) -> None:
    kit = new_kit()
    await make_topic(kafka, kit.topic, partitions=CHAINS + 1)
    with pytest.raises(TopicMismatch, match="5 partitions"):
        await Emitter(kit, kafka).start()


async def test_no_broker() -> None:
    port = free_ports((0, 0))[0]
    with pytest.raises(KafkaUnreachable, match=str(port)):
        await Emitter(new_kit(), f"127.0.0.1:{port}").start()


async def test_a_renewed_session_on_the_broker(kafka: str, kit: ProducerKit) -> None:
    now = [datetime.now(UTC).timestamp() - 22 * 3600]
    async with Emitter(kit, kafka, clock=lambda: now[0]) as emitter:
        await emitter.emit_many([event(number) for number in range(100)])
        now[0] += 23 * 3600
        await emitter.emit_many([event(number) for number in range(100, 200)])
    found = await arrived(kafka, kit)
    assert sorted(one.int for one in found.ids if one) == list(range(1, 201))
    assert_whole(found, sessions=2)


def _emit_in_child(emitter: Emitter) -> None:
    async def run() -> None:
        await emitter.emit_many([event(number) for number in range(100, 150)])
        await emitter.close()

    asyncio.run(run())


@pytest.mark.filterwarnings(
    "ignore:.*multi-threaded.*fork:DeprecationWarning"
)  # Python 3.12; it is the point
async def test_a_forked_child_has_a_session_of_its_own(kafka: str, kit: ProducerKit) -> None:
    async with Emitter(kit, kafka) as emitter:
        await emitter.emit_many([event(number) for number in range(50)])
        buffered = await emitter.enqueue(event(50))  # the parent's, to be sent once
        child = multiprocessing.get_context("fork").Process(target=_emit_in_child, args=(emitter,))
        child.start()
        await asyncio.to_thread(child.join)
        assert child.exitcode == 0
        await buffered
        await emitter.emit_many([event(number) for number in range(51, 100)])
    found = await arrived(kafka, kit)
    assert sorted(one.int for one in found.ids if one) == list(range(1, 151))
    assert_whole(found, sessions=2)


@pytest.fixture(scope="module")
def stoppable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path_factory.mktemp("stoppable") / "kafka") as broker:
        yield broker


@pytest.fixture
def own_broker(stoppable: EmbeddedBroker) -> EmbeddedBroker:
    """A broker that a test may stop; it runs when the test begins."""
    if not stoppable.alive:
        stoppable.start()
    return stoppable


class _Occurrences(logging.Handler):
    """Sets `reached` when a phrase was logged so many times."""

    def __init__(self, phrase: str, times: int) -> None:
        super().__init__()
        self._phrase, self._left = phrase, times
        self.reached = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self._left -= self._phrase in record.getMessage()
        if self._left <= 0:
            self.reached.set()


async def test_a_broker_restart_loses_nothing(own_broker: EmbeddedBroker) -> None:
    kit, kafka = new_kit(), own_broker.bootstrap
    await make_topic(kafka, kit.topic)
    async with Emitter(kit, kafka, max_batch_events=20) as emitter:
        await emitter.emit_many([event(number) for number in range(200)])
        futures = [await emitter.enqueue(event(number)) for number in range(200, 400)]
        await asyncio.to_thread(own_broker.stop)
        futures += [await emitter.enqueue(event(number)) for number in range(400, 600)]
        assert not all(future.done() for future in futures)
        await asyncio.to_thread(own_broker.start)
        assert own_broker.bootstrap == kafka
        await asyncio.gather(*futures)
    found = await arrived(kafka, kit)
    # A batch may lie there twice, since its first confirmation can be lost: same number, same bytes.
    assert {one.int for one in found.ids if one} == set(range(1, 601))
    assert found.closes.keys() == found.batches.keys()
    for place, numbers in found.batches.items():
        assert sorted(set(numbers)) == list(range(found.closes[place][0]))
    assert len(set(found.values)) == sum(len(set(numbers)) for numbers in found.batches.values()) + CHAINS


async def test_a_client_that_hangs_is_replaced(
    own_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts end while the broker is away, and the same bytes go through clients that are new each time."""
    monkeypatch.setattr("ansvar.emitter.transport._ATTEMPT_SECONDS", 0.5)
    failures = _Occurrences("sending it again", 2 * CHAINS)
    kit, kafka = new_kit(), own_broker.bootstrap
    await make_topic(kafka, kit.topic)
    async with Emitter(kit, kafka) as emitter:
        await emitter.emit_many([event(number) for number in range(100)])
        await asyncio.to_thread(own_broker.stop)
        logging.getLogger("ansvar.emitter.transport").addHandler(failures)
        futures = [await emitter.enqueue(event(number)) for number in range(100, 200)]
        await failures.reached.wait()
        logging.getLogger("ansvar.emitter.transport").removeHandler(failures)
        monkeypatch.setattr("ansvar.emitter.transport._ATTEMPT_SECONDS", 120.0)
        await asyncio.to_thread(own_broker.start)
        await asyncio.gather(*futures)
    found = await arrived(kafka, kit)
    assert sorted(one.int for one in found.ids if one) == list(range(1, 201))
    assert_whole(found, sessions=1)


async def test_a_topic_that_is_missing(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansvar.emitter.transport._START_SECONDS", 2.0)
    with pytest.raises(TopicMismatch, match="ansvar init"):
        await Emitter(new_kit(), kafka).start()


async def test_a_broker_that_stays_away(own_broker: EmbeddedBroker) -> None:
    kit, kafka = new_kit(), own_broker.bootstrap
    await make_topic(kafka, kit.topic)
    emitter = Emitter(kit, kafka)
    await emitter.start()
    await emitter.emit(event(0))
    await asyncio.to_thread(own_broker.stop)
    futures = [await emitter.enqueue(event(number)) for number in range(1, 6)]
    with pytest.raises(DeliveryFailed, match="5 events"):
        await emitter.close(timeout=0.5)
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(result) for result in results] == [DeliveryFailed] * 5
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("ansvar-emitter")]
