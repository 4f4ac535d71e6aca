"""The emitter: how a service tells the log what it did with personal data.

Invariants: an event that `emit` returned for is on every in-sync replica of the broker; an event that was
taken over is sent even if its caller stops waiting, and is never dropped to make room; nothing leaves the
process unsealed; an invalid event raises before anything of its call is buffered. After a fork the child
gets sessions, keys and connections of its own, and none of its parent's events.

asyncio only. A synchronous program can run an emitter in a thread with a loop of its own and hand events over
with `asyncio.run_coroutine_threadsafe(emitter.emit(event), loop)`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from ansvar.emitter.batching import Delivery, Limits
from ansvar.emitter.errors import EmitterClosed, EmitterError, KitError
from ansvar.emitter.kafka import KafkaSettings, settings_from_environment
from ansvar.emitter.kit import ProducerKit
from ansvar.emitter.outbox import Outbox
from ansvar.emitter.preparation import Preparation
from ansvar.emitter.sessions import Clock, Randomness
from ansvar.events.model import Event

KIT_VARIABLE = "ANSVAR_PRODUCER"
CLOSE_SECONDS = 30.0
_YIELD_EVERY = 200  # events prepared before other tasks get a turn

# In a forked child: what belongs to the parent is kept, so that no finaliser touches its sockets.
_left_to_parent: list[Outbox] = []


class Emitter:
    """Emits events to the company's log. Use as `async with Emitter() as emitter:`.

    `kit`: a `ProducerKit` or the path of its file (default: the path in ANSVAR_PRODUCER). `kafka`: settings
    or `host:port[,host:port]` (default: ANSVAR_KAFKA and ANSVAR_KAFKA_*). An event waits at most `linger`
    seconds for company in its batch; `buffer_events` bounds what is taken over and not yet confirmed.

    Raises `KitError`, `KafkaSettingsError`, or `ValueError` on a limit out of range.
    """

    def __init__(
        self,
        kit: ProducerKit | Path | str | None = None,
        kafka: KafkaSettings | str | None = None,
        *,
        max_batch_events: int = 500,
        max_batch_bytes: int = 512 * 1024,
        linger: float = 0.02,
        buffer_events: int = 10_000,
        clock: Clock = time.time,
        random: Randomness = os.urandom,
    ) -> None:
        if buffer_events < 1:
            raise ValueError(f"buffer_events must be 1 or more, not {buffer_events}")
        self._kit = _kit(kit)
        self._kafka = _kafka(kafka)
        self._limits = Limits(max_batch_events, max_batch_bytes, linger)
        self._buffer_events = buffer_events
        self._clock = clock
        self._random = random
        self._preparation = Preparation(self._kit, clock, random)
        self._outbox: Outbox | None = None
        self._process = os.getpid()

    async def start(self) -> None:
        """Connect. Raises `KafkaUnreachable` or `TopicMismatch`; `async with` calls this."""
        if self._outbox is None:
            self._outbox = self._new_outbox()
        await self._here().start()

    async def emit(self, event: Event) -> Delivery:
        """Emit an event and return once the broker has confirmed it.

        Raises `InvalidEvent`, `EmitterClosed`, or `DeliveryFailed` if the emitter is closed first. A caller
        that is cancelled while the event is on its way only stops waiting; cancelled while it still waits for
        space, it has handed over nothing. To tell the two apart, use `enqueue`; emitting the same `event_id`
        twice is harmless.
        """
        return await (await self.enqueue(event))

    async def emit_many(self, events: Iterable[Event]) -> list[Delivery]:
        """Emit events in order and return once all are confirmed, their deliveries in the same order.

        All are checked first: `InvalidEvent` names the first bad one by its place, and then none is sent.
        """
        outbox = self._here()
        prepared = []
        for index, event in enumerate(events):
            prepared.append(self._preparation.prepare(event, index))
            if index % _YIELD_EVERY == _YIELD_EVERY - 1:
                await asyncio.sleep(0)
        return await asyncio.gather(*[await outbox.put(event) for event in prepared])

    async def enqueue(self, event: Event) -> asyncio.Future[Delivery]:
        """Hand an event over; wait only while the buffer is full. The future tells of its delivery.

        Once this returns the event will be sent, also if the future is dropped or cancelled. Raises
        `InvalidEvent` or `EmitterClosed`.
        """
        outbox = self._here()
        return await outbox.put(self._preparation.prepare(event))

    async def flush(self) -> None:
        """Return when every event handed over so far has been confirmed (or has failed, see its future)."""
        await self._here().flush()

    async def close(self, timeout: float | None = CLOSE_SECONDS) -> None:  # noqa: ASYNC109 - a limit, not a cancel
        """Send what was handed over, end the session and disconnect.

        After `timeout` seconds (None: no limit) the rest is given up: its futures and this call raise
        `DeliveryFailed`. Closing again does nothing.
        """
        if self._outbox is not None and self._process == os.getpid():
            await self._outbox.close(timeout)

    async def __aenter__(self) -> Emitter:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except EmitterError:
            if error is None:  # else the block's own error matters more; the outbox has logged this one
                raise

    def _here(self) -> Outbox:
        """The outbox of this process; a forked child gets its own at first use."""
        if self._outbox is None:
            raise EmitterClosed("the emitter is not open; use `async with Emitter(...) as emitter:`")
        if self._process != os.getpid():
            self._outbox.disown()
            _left_to_parent.append(self._outbox)
            self._outbox = self._new_outbox()
        if self._outbox.closed:
            raise EmitterClosed("the emitter has been closed; make a new one")
        return self._outbox

    def _new_outbox(self) -> Outbox:
        self._process = os.getpid()
        return Outbox(self._kit, self._kafka, self._limits, self._buffer_events, self._clock, self._random)


def _kit(kit: ProducerKit | Path | str | None) -> ProducerKit:
    if isinstance(kit, ProducerKit):
        return kit
    path = os.environ.get(KIT_VARIABLE) if kit is None else kit
    if not path:
        raise KitError(f"no producer kit: pass one, or set {KIT_VARIABLE} to the path of its file")
    return ProducerKit.read(Path(path).expanduser())


def _kafka(kafka: KafkaSettings | str | None) -> KafkaSettings:
    if isinstance(kafka, KafkaSettings):
        return kafka
    return settings_from_environment() if kafka is None else KafkaSettings(bootstrap=kafka)
