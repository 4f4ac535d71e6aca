"""The way to the broker: the same bytes again and again, until the broker has confirmed them.

Invariants: `send` returns only what every in-sync replica confirmed (acks=all, idempotent producer); a value
is never changed between attempts, so a copy that arrived twice is recognised by its number. aiokafka retries
what it may; whatever ends its attempt is answered with a new client, because an idempotent client that lost
one sequence number refuses all that follow.

Not handled here: what is in a value, order (callers keep one value in flight per partition), deadlines
(callers cancel).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from ansvar.emitter.errors import KafkaUnreachable, TopicMismatch
from ansvar.emitter.kafka import KafkaSettings

_ATTEMPT_SECONDS = 120.0  # aiokafka retries inside an attempt; this ends an attempt that hangs
_START_SECONDS = 20.0
_ABORT_SECONDS = 5.0
_FIRST_BACKOFF, _LAST_BACKOFF = 0.1, 10.0
_CLIENT_BACKOFF_MS = 500  # aiokafka logs each of its own retries as an error

log = logging.getLogger(__name__)


class NoLongerValid(Exception):
    """The value's session ended while the broker could not be reached; it must be sealed anew."""


class Transport:
    """One idempotent Kafka producer, replaced when it fails."""

    def __init__(self, topic: str, chains: int, kafka: KafkaSettings, client_id: str, max_value: int) -> None:
        self._topic = topic
        self._chains = chains
        self._kafka = kafka
        self._client_id = client_id
        self._max_value = max_value
        self._producer: Any = None
        self._connecting = asyncio.Lock()
        self._under_way: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        """Connect and check the topic. Raises `KafkaUnreachable` or `TopicMismatch`."""
        where = f"Kafka at {self._kafka.bootstrap}"
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._connection()
        except (KafkaError, TimeoutError, OSError) as error:
            raise KafkaUnreachable(
                f"{where} does not answer ({type(error).__name__}); check that it runs, or set ANSVAR_KAFKA"
            ) from error
        try:
            await self._check_topic(where)
        except BaseException:
            await self.stop()
            raise

    async def send(self, partition: int, value: bytes, still_valid: Callable[[], bool]) -> int:
        """The offset under which the broker confirmed `value` (−1: confirmed, but the broker forgot where).

        Tries until it succeeds. Raises `NoLongerValid` when `still_valid` says so before an attempt.
        """
        backoff = _FIRST_BACKOFF
        while still_valid():
            try:
                async with asyncio.timeout(_ATTEMPT_SECONDS):
                    return await self._attempt(partition, value)
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the answer is the same bytes again
                log.warning(
                    "Kafka did not confirm a record for partition %d (%s); sending it again in %.1f s",
                    partition,
                    type(error).__name__,
                    backoff,
                )
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LAST_BACKOFF)
        raise NoLongerValid

    async def stop(self) -> None:
        """Close the connection without waiting for anything that is still under way."""
        if self._producer is not None:
            await self._discard(self._producer)

    def disown(self) -> None:
        """In a forked child: never touch the sockets, which are the parent's."""
        if self._producer is not None:
            self._producer._closed = True  # else its finaliser would warn that nobody closed it

    async def _check_topic(self, where: str) -> None:
        try:
            async with asyncio.timeout(_START_SECONDS):
                found = len(await self._producer.partitions_for(self._topic))
        except (KafkaError, TimeoutError) as error:
            raise TopicMismatch(
                f"{where} shows no topic {self._topic!r} ({type(error).__name__}); "
                "create it with `ansvar init`, or give the producer the right to use it"
            ) from error
        if found != self._chains:
            raise TopicMismatch(
                f"topic {self._topic!r} has {found} partitions, the deployment {self._chains} chains; "
                "the kit belongs to another deployment, or the topic was altered"
            )

    async def _attempt(self, partition: int, value: bytes) -> int:
        producer = await self._connection()
        try:
            confirmation = await producer.send(self._topic, value, partition=partition)
            self._under_way.add(confirmation)
            try:
                return int((await confirmation).offset)
            finally:
                self._under_way.discard(confirmation)
        except BaseException:
            # Also after a time-out: what this client holds would arrive beside the next copy.
            await self._discard(producer)
            raise

    async def _connection(self) -> Any:
        async with self._connecting:
            if self._producer is None:
                self._producer = await self._connected()
            return self._producer

    async def _discard(self, producer: Any) -> None:
        """Give a client up, and with it other partitions' attempts, which begin again with a new one."""
        if self._producer is producer:
            self._producer = None
            for confirmation in self._under_way:
                if not confirmation.done():
                    confirmation.set_exception(ProducerClosed())
            await _abort(producer)

    async def _connected(self) -> Any:
        producer = AIOKafkaProducer(
            **self._kafka.client_options(),
            client_id=self._client_id,
            enable_idempotence=True,
            acks="all",
            max_request_size=self._max_value,
            retry_backoff_ms=_CLIENT_BACKOFF_MS,
            # No compression: a request holds one sealed record, and ciphertext does not get smaller.
            compression_type=None,
        )
        try:
            await producer.start()
        except BaseException:
            await _abort(producer)
            raise
        return producer


async def _abort(producer: Any) -> None:
    """What `producer.stop()` does, less its waiting for unsent records, which has no end without a broker."""
    producer._closed = True
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ABORT_SECONDS):
                await producer._sender.close()
    finally:
        await producer.client.close()
