"""Kafka beside the consumer group: publishing what rows cause, and looking into the events topic."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from ansvar.emitter.kafka import MAX_RECORD_BYTES, KafkaSettings
from ansvar.enforcement.effects import Message
from ansvar.enforcement.opening import Record
from ansvar.enforcement.ports import Bounds

_FETCH_SECONDS = 30


class KafkaPublisher:
    """Publishes with an idempotent producer; `publish` returns when every message is acknowledged by all."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._producer = AIOKafkaProducer(
            enable_idempotence=True,
            acks="all",
            linger_ms=2,
            max_request_size=MAX_RECORD_BYTES + 1024 * 1024,  # a dead letter carries a whole record
            compression_type="lz4",
            **settings.client_options(),
        )

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is buffered and disconnect."""
        await self._producer.stop()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish in order; raises KafkaError when one was not acknowledged (then repeat all of them)."""
        sent = [await self._producer.send(message.topic, message.value) for message in messages]
        await asyncio.gather(*sent)


class KafkaReader:
    """Reads given offsets of one topic, outside every consumer group."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._lock = asyncio.Lock()  # one position at a time
        self._consumer = AIOKafkaConsumer(
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=MAX_RECORD_BYTES + 1024 * 1024,
            **settings.client_options(),
        )

    async def start(self) -> None:
        """Connect."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

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
        place = TopicPartition(self._topic, partition)
        found: list[Record] = []
        async with self._lock:
            self._consumer.assign([place])
            self._consumer.seek(place, first)
            while first < last:
                fetched = await self._consumer.getmany(place, timeout_ms=_FETCH_SECONDS * 1000)
                if not fetched:
                    raise KafkaError(f"partition {partition}: no answer for offset {first}")
                for message in fetched[place]:
                    first = message.offset + 1
                    if message.offset < last:
                        found.append(record_of(message))
            self._consumer.unsubscribe()
        return found


def record_of(message: Any) -> Record:
    """An aiokafka message as a Record."""
    return Record(message.partition, message.offset, message.timestamp, message.value or b"")
