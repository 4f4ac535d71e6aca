"""The sender of one partition: cuts batches, numbers and seals them, sends them one at a time.

Invariants: at most one batch is in flight, so batches arrive in the order of their numbers; numbers are
contiguous from 0 in each session; a number is bound to one ciphertext, and only those bytes are ever sent
again; every event handed over ends in a resolved future: a `Delivery`, or `DeliveryFailed` when the sender
was stopped first. A session that the lane has used is ended by a close record that states the next batch
number, unless the session ended while the broker could not be reached.

Not handled here: the bound on waiting events (`outbox`), retries and their pace (`transport`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from ansvar.emitter.batching import Buffer, Delivery, Limits, Prepared, Waiting
from ansvar.emitter.errors import DeliveryFailed, EmitterClosed
from ansvar.emitter.preparation import join_batch
from ansvar.emitter.sessions import Sessions
from ansvar.emitter.transport import NoLongerValid
from ansvar.events.codec import encode_close
from ansvar.events.envelope import RecordType, Session
from ansvar.events.schemas import current

_CLOSE_NUMBER = 0  # close records count separately, and a session has one per partition

log = logging.getLogger(__name__)


class Carrier(Protocol):
    """What a lane needs of the way to the broker (`transport.Transport`)."""

    async def send(self, partition: int, value: bytes, still_valid: Callable[[], bool]) -> int: ...


class Lane:
    """State and task of one partition. `release` is called with the number of events that left the buffer."""

    def __init__(
        self,
        topic: str,
        partition: int,
        limits: Limits,
        sessions: Sessions,
        transport: Carrier,
        release: Callable[[int], None],
    ) -> None:
        self._topic = topic
        self._partition = partition
        self._sessions = sessions
        self._transport = transport
        self._release = release
        self._buffer = Buffer(limits)
        self._in_flight: list[Waiting] = []
        self._session: Session | None = None
        self._next = 0  # number of the next batch in self._session
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()
        self._accepted = self._settled = 0
        self.failed = 0  # events given up
        self._hurry = 0  # events up to this count are sent without lingering
        self._finishing = self._ended = False

    def put(self, event: Prepared, now: float) -> asyncio.Future[Delivery]:
        """Take an event over. From here on it is sent, whoever stops waiting for it."""
        if self._ended:
            raise EmitterClosed(f"the sender of partition {self._partition} has stopped; see the log")
        delivered: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        was_empty = not self._buffer
        self._buffer.add(Waiting(event, now, delivered))
        self._accepted += 1
        if was_empty or self._buffer.full:
            self._wake.set()
        return delivered

    async def flush(self) -> None:
        """Return when all that was taken over before this call has been settled."""
        target = self._hurry = self._accepted
        self._wake.set()
        while self._settled < target:
            self._progress.clear()
            await self._progress.wait()

    def finish(self) -> None:
        """Let `run` send what waits, close the session and return."""
        self._finishing = True
        self._wake.set()

    async def run(self) -> None:
        """Send until `finish`. When cancelled, or on a fault, what is left fails with `DeliveryFailed`."""
        try:
            while batch := await self._next_batch():
                self._in_flight = batch
                await self._deliver(batch)
            await self._close_session()
        finally:
            self._ended = True
            self._abandon()

    async def _next_batch(self) -> list[Waiting]:
        """The next batch when it is due; empty when finishing and nothing is left."""
        clock = asyncio.get_running_loop().time
        while True:
            due = self._buffer.due_in(clock())
            if due is None and self._finishing:
                return []
            if due is not None and (due == 0 or self._finishing or self._settled < self._hurry):
                return self._buffer.take()
            self._wake.clear()
            try:
                async with asyncio.timeout(self._patience(due)):
                    await self._wake.wait()
            except TimeoutError:
                if self._session is not None and self._sessions.is_due(self._session):
                    await self._close_session()

    def _patience(self, due: float | None) -> float | None:
        """How long to wait for news: until the batch or the session is due."""
        if due is not None or self._session is None:
            return due
        # Wall clocks jump (suspend, correction), so look again after a minute at the latest.
        return min(60.0, self._sessions.seconds_until_due(self._session) + 0.001)

    async def _deliver(self, batch: list[Waiting]) -> None:
        body = join_batch([waiting.event.encoded for waiting in batch])
        offset = await self._send_batch(body)
        for number, waiting in enumerate(batch):
            if not waiting.delivered.done():  # its owner may have cancelled it
                waiting.delivered.set_result(
                    Delivery(waiting.event.event_id, self._topic, self._partition, offset, number)
                )
        self._settle(batch)

    async def _send_batch(self, body: bytes) -> int:
        while True:
            session = await self._session_now()
            number = self._next
            self._next += 1
            try:
                return await self._send(session, RecordType.BATCH, number, body)
            except NoLongerValid:
                log.warning(
                    "the session ended before the broker confirmed batch %d of partition %d; "
                    "its events are sealed again in a new session, so they may arrive twice",
                    number,
                    self._partition,
                )
                self._session = None

    async def _session_now(self) -> Session:
        """The session to seal with; the lane's last one is closed first if another has taken its place."""
        await self._sessions.prepare()
        session = self._sessions.current()
        if self._session is not session:
            await self._close_session()
            session = self._sessions.current()  # closing may have taken long
            self._session, self._next = session, 0
        return session

    async def _close_session(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        self._sessions.retire(session)
        try:
            await self._send(session, RecordType.CLOSE, _CLOSE_NUMBER, encode_close(self._next))
        except NoLongerValid:
            log.warning("a session of partition %d ended before it could be closed", self._partition)

    async def _send(self, session: Session, kind: RecordType, number: int, body: bytes) -> int:
        schema = current(kind.name.lower()).fingerprint
        value = session.seal(kind, number, schema, body, self._topic, self._partition)
        return await self._transport.send(self._partition, value, lambda: self._sessions.is_usable(session))

    def _abandon(self) -> None:
        while self._buffer:
            self._in_flight.extend(self._buffer.take())
        for waiting in self._in_flight:
            if not waiting.delivered.done():
                waiting.delivered.set_exception(
                    DeliveryFailed(
                        f"event {waiting.event.event_id} was not confirmed before the emitter stopped; "
                        "emit it again with the same event_id"
                    )
                )
                waiting.delivered.exception()  # counted and logged by the outbox, also if nobody waits
        self.failed += len(self._in_flight)
        self._settle(self._in_flight)

    def _settle(self, batch: list[Waiting]) -> None:
        self._in_flight = []
        self._settled += len(batch)
        self._release(len(batch))
        self._progress.set()
