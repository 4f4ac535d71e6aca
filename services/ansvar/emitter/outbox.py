"""Everything of an emitter that belongs to one process and one event loop: sessions, senders, connection.

Invariants: at most `buffer_events` events are taken over and not yet confirmed; who comes later waits in
order, and nothing is dropped. An outbox starts once, closes once, and is left alone by a forked child.

Not handled here: whether an event may be emitted (`preparation`).
"""

from __future__ import annotations

import asyncio
import logging
import traceback

from ansvar.emitter.batching import Delivery, Limits, Prepared
from ansvar.emitter.errors import DeliveryFailed, EmitterClosed
from ansvar.emitter.kafka import KafkaSettings
from ansvar.emitter.kit import ProducerKit
from ansvar.emitter.lane import Lane
from ansvar.emitter.renewal import IntakeRenewal
from ansvar.emitter.sessions import Clock, Randomness, Sessions
from ansvar.emitter.transport import Transport
from ansvar.events.requirements import MAX_EVENT_BYTES

_SEALING_OVERHEAD = 64 * 1024  # headers, tag and Kafka's own framing, rounded up

log = logging.getLogger(__name__)


class Outbox:
    """Events on their way. One for each process that an emitter is used in."""

    def __init__(
        self,
        kit: ProducerKit,
        kafka: KafkaSettings,
        limits: Limits,
        buffer_events: int,
        clock: Clock,
        random: Randomness,
    ) -> None:
        self._kit = kit
        self._limits = limits
        self._sessions = Sessions(kit, clock, random, IntakeRenewal(kit))
        self._transport = Transport(
            kit.topic,
            kit.chains,
            kafka,
            f"ansvar-{kit.producer}",
            max(limits.bytes, 2 * MAX_EVENT_BYTES) + _SEALING_OVERHEAD,
        )
        self._space = asyncio.Semaphore(buffer_events)
        self._lanes: dict[int, Lane] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._starting = asyncio.Lock()
        self._started = self._closing = False

    @property
    def closed(self) -> bool:
        return self._closing

    async def start(self) -> None:
        """Connect, once. Raises `KafkaUnreachable` or `TopicMismatch`."""
        async with self._starting:
            if not self._started:
                await self._transport.start()
                self._started = True

    async def put(self, event: Prepared) -> asyncio.Future[Delivery]:
        """Take an event over once there is space. A caller cancelled before that has handed over nothing."""
        if not self._started:
            await self.start()
        await self._space.acquire()
        if self._closing:
            self._space.release()  # lets the next waiter in, to the same answer
            raise EmitterClosed("the emitter was closed while this event waited for space; it was not sent")
        try:
            return self._lane(event.partition).put(event, asyncio.get_running_loop().time())
        except EmitterClosed:
            self._space.release()
            raise

    async def flush(self) -> None:
        await asyncio.gather(*(lane.flush() for lane in self._lanes.values()))

    async def close(self, seconds: float | None) -> None:
        """Send what was taken over, end the session, disconnect; stop trying after `seconds` (None: never).

        Raises `DeliveryFailed` when events were left unconfirmed; their futures fail with it too.
        """
        if self._closing:
            return
        self._closing = True
        for lane in self._lanes.values():
            lane.finish()
        tasks = list(self._tasks.values())
        try:
            late = (await asyncio.wait(tasks, timeout=seconds))[1] if tasks else set()
            if late:
                log.error("closing the emitter before Kafka confirmed everything, after %s s", seconds)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._transport.stop()
        if failed := sum(lane.failed for lane in self._lanes.values()):
            raise DeliveryFailed(f"{failed} events were not confirmed before the emitter was closed")

    def disown(self) -> None:
        """Leave everything to the parent process that this one was forked from."""
        self._transport.disown()

    def _lane(self, partition: int) -> Lane:
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = Lane(
                self._kit.topic, partition, self._limits, self._sessions, self._transport, self._make_space
            )
            task = asyncio.create_task(lane.run(), name=f"ansvar-emitter-{partition}")
            task.add_done_callback(_report)
            self._tasks[partition] = task
        return lane

    def _make_space(self, events: int) -> None:
        for _ in range(events):
            self._space.release()


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        where = "".join(traceback.format_tb(error.__traceback__))  # what went wrong may quote an event
        what = type(error).__name__
        log.error("%s stopped by a %s; its events were not sent\n%s", task.get_name(), what, where)
