"""Kafka beside the consumer group: publishing what rows cause, and looking into the events topic.

Invariants: a failed publication is repeated by the caller with a producer of its own, because an idempotent
producer that gave a message up never recovers its numbering; consumers tell repetitions by their ids. What is
stopped is stopped within seconds, also while the broker is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from itertools import chain
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from ansvar.emitter.kafka import MAX_RECORD_BYTES, KafkaSettings
from ansvar.enforcement import parsing
from ansvar.enforcement.effects import Message
from ansvar.enforcement.errors import KafkaUnavailable
from ansvar.enforcement.opening import Record
from ansvar.enforcement.ports import Bounds

log = logging.getLogger(__name__)

_FETCH_SECONDS: Final = 30
_STOP_SECONDS: Final = 5.0


class KafkaPublisher:
    """Publishes with an idempotent producer; `publish` returns when every message is acknowledged by all."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()  # partitions publish at once, and one producer is enough

    async def start(self) -> None:
        """Connect; raises KafkaUnavailable."""
        try:
            await self._connected()
        except KafkaError as error:
            raise _unavailable(self._settings, error) from error

    async def stop(self) -> None:
        """Disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stopped(producer.stop())

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish in order; raises KafkaError when one was not acknowledged (then repeat all of them)."""
        try:
            producer = await self._connected()
            sent = [await producer.send(m.topic, m.value, partition=m.partition) for m in messages]
            await asyncio.gather(*sent)
        except KafkaError:
            await self.stop()
            raise

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    enable_idempotence=True,
                    acks="all",
                    linger_ms=2,
                    max_request_size=MAX_RECORD_BYTES + 1024 * 1024,  # a dead letter carries a whole record
                    compression_type="lz4",
                    **self._settings.client_options(),
                )
                try:
                    await producer.start()
                except BaseException:
                    await _stopped(producer.stop())
                    raise
                self._producer = producer
            return self._producer


class KafkaReader:
    """Reads given offsets of one topic, outside every consumer group."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        parsing.install()
        self._settings = settings
        self._topic = topic
        self._lock = asyncio.Lock()  # one position at a time
        self._consumer = AIOKafkaConsumer(
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=MAX_RECORD_BYTES + 1024 * 1024,
            **settings.client_options(),
        )

    async def start(self) -> None:
        """Connect; raises KafkaUnavailable."""
        try:
            await self._consumer.start()
        except KafkaError as error:
            raise _unavailable(self._settings, error) from error

    async def stop(self) -> None:
        """Disconnect."""
        await _stopped(self._consumer.stop())

    async def bounds(self, partition: int) -> Bounds:
        """The first retained offset and one above the last."""
        place = TopicPartition(self._topic, partition)
        async with self._lock:
            start = await self._consumer.beginning_offsets([place])
            end = await self._consumer.end_offsets([place])
        return Bounds(start[place], end[place])

    async def records(self, partition: int, start: int, end: int) -> list[Record]:
        """The records with start <= offset < end that are retained; raises KafkaError on a broker fault."""
        bounds = await self.bounds(partition)
        first, last = max(start, bounds.start), min(end, bounds.end)
        if first >= last:
            return []
        place = TopicPartition(self._topic, partition)
        async with self._lock:
            self._consumer.assign([place])
            try:
                self._consumer.seek(place, first)
                return await self._fetched(place, last)
            finally:
                self._consumer.unsubscribe()

    async def _fetched(self, place: TopicPartition, last: int) -> list[Record]:
        found: list[Record] = []
        while (at := await self._consumer.position(place)) < last:
            fetched = await self._consumer.getmany(place, timeout_ms=_FETCH_SECONDS * 1000)
            found += [record_of(message) for message in fetched.get(place, ()) if message.offset < last]
            if not fetched and await self._consumer.position(place) == at:
                raise KafkaError(f"partition {place.partition}: no answer for offset {at}")
        return found


def record_of(message: Any) -> Record:
    """An aiokafka message as a Record."""
    return Record(
        message.partition, message.offset, message.timestamp, message.value or b"", beside_value(message)
    )


def beside_value(message: Any) -> tuple[bytes, ...]:
    """Key and headers of a message of aiokafka's, or of Faust's, which has them from there."""
    if message.key is None and not message.headers:
        return ()
    headers = ((name.encode(), value or b"") for name, value in message.headers or ())
    return (message.key or b"", *chain.from_iterable(headers))


def _unavailable(settings: KafkaSettings, error: KafkaError) -> KafkaUnavailable:
    return KafkaUnavailable(
        f"Kafka at {settings.bootstrap} does not answer ({type(error).__name__}); check ANSVAR_KAFKA, the "
        "ANSVAR_KAFKA_* security settings, and that the broker runs"
    )


async def _stopped(stopping: Awaitable[None]) -> None:
    """Wait for a client to stop; one that waits for a broker that is gone is left behind."""
    try:
        await asyncio.wait_for(stopping, _STOP_SECONDS)
    except (KafkaError, TimeoutError) as error:
        log.info("a Kafka client did not stop cleanly: %s", type(error).__name__)
