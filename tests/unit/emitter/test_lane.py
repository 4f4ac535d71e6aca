"""One partition's sender against a broker in memory: numbers, resends, sessions, endings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from unittest.mock import patch
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ansvar.emitter.batching import Delivery, Limits, Prepared
from ansvar.emitter.errors import DeliveryFailed, EmitterClosed
from ansvar.emitter.kit import ProducerKit
from ansvar.emitter.lane import Lane
from ansvar.emitter.sessions import Sessions
from ansvar.emitter.transport import NoLongerValid
from ansvar.events.codec import decode_close
from ansvar.events.envelope import OpenSession, RecordType, open_session, split
from ansvar.events.intake import IntakePrivateKey
from ansvar.events.schemas import current

INTAKE = IntakePrivateKey(bytes(range(96)))
SIGNING = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KIT = ProducerKit(
    deployment=UUID(int=7),
    topic="events",
    chains=1,
    partition_key=bytes(32),
    epoch=1,
    intake_key=INTAKE.public_key(),
    producer="crm",
    signing_key=SIGNING,
)
HOUR = 3600.0


class Memory:
    """A broker that confirms what it is allowed to, and keeps every attempt."""

    def __init__(self) -> None:
        self.attempts: list[bytes] = []
        self.log: list[bytes] = []
        self.up = asyncio.Event()
        self.up.set()
        self.tried = asyncio.Event()

    async def send(self, partition: int, value: bytes, still_valid: Callable[[], bool]) -> int:
        while still_valid():
            self.attempts.append(value)
            self.tried.set()
            if self.up.is_set():
                self.log.append(value)
                return len(self.log) - 1
            await self.up.wait()
        raise NoLongerValid


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A lane with everything around it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.clock = Clock()
        self.broker = Memory()
        self.released = 0
        seeds = count(1)
        self.sessions = Sessions(KIT, self.clock, lambda size: next(seeds).to_bytes(size, "big"))
        self.lane = Lane("events", 0, limits or Limits(linger=0.0), self.sessions, self.broker, self._release)
        self.task = asyncio.create_task(self.lane.run())

    def _release(self, events: int) -> None:
        self.released += events

    def put(self, number: int) -> asyncio.Future[Delivery]:
        event = Prepared(UUID(int=number), 0, b"event %d;" % number)
        return self.lane.put(event, asyncio.get_running_loop().time())

    async def end(self) -> None:
        self.lane.finish()
        await self.task

    def records(self) -> list[tuple[bytes, RecordType, int, bytes]]:
        """Session, type, number and body of everything in the log, opened."""
        sessions: dict[bytes, OpenSession] = {}
        found = []
        for value in self.broker.log:
            parts = split(value)
            if parts.session.raw not in sessions:
                sessions[parts.session.raw] = open_session(
                    parts.session, KIT.deployment.bytes, {"crm": SIGNING.public_key()}, {1: INTAKE}
                )
            at = int(self.clock.now * 1000)
            body = sessions[parts.session.raw].open(parts, "events", 0, at=at)
            found.append((parts.session.session, parts.record.type, parts.record.number, body))
        return found


def batch(*numbers: int) -> bytes:
    return bytes([2 * len(numbers)]) + b"".join(b"event %d;" % number for number in numbers) + b"\x00"


def next_batch(body: bytes) -> int:
    return decode_close(body, current("close").fingerprint)


async def test_batches_are_numbered_and_closed() -> None:
    bench = Bench(Limits(events=2, linger=0.0))
    futures = [bench.put(number) for number in range(5)]
    deliveries = await asyncio.gather(*futures)
    await bench.end()
    (first, second, third, close) = bench.records()
    assert [first[1:], second[1:], third[1:]] == [
        (RecordType.BATCH, 0, batch(0, 1)),
        (RecordType.BATCH, 1, batch(2, 3)),
        (RecordType.BATCH, 2, batch(4)),
    ]
    assert close[1:3] == (RecordType.CLOSE, 0)
    assert next_batch(close[3]) == 3
    assert len({record[0] for record in bench.records()}) == 1
    assert [(d.offset, d.number_in_batch) for d in deliveries] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert bench.released == 5


async def test_an_unused_lane_says_nothing() -> None:
    bench = Bench()
    await bench.end()
    assert bench.broker.attempts == []


async def test_one_batch_is_in_flight_and_the_rest_gathers() -> None:
    bench = Bench()
    bench.broker.up.clear()
    futures = [bench.put(0)]
    await bench.broker.tried.wait()
    futures += [bench.put(number) for number in range(1, 5)]
    await asyncio.sleep(0)
    assert len(bench.broker.attempts) == 1
    bench.broker.up.set()
    await asyncio.gather(*futures)
    await bench.end()
    assert [record[3] for record in bench.records()[:2]] == [batch(0), batch(1, 2, 3, 4)]
    assert bench.broker.attempts[0] == bench.broker.attempts[1]  # the resend is the same bytes


async def test_a_cancelled_future_does_not_take_its_event_back() -> None:
    bench = Bench()
    bench.broker.up.clear()
    first = bench.put(0)
    await bench.broker.tried.wait()
    second = bench.put(1)
    first.cancel()
    second.cancel()
    bench.broker.up.set()
    await bench.lane.flush()
    await bench.end()
    assert [record[3] for record in bench.records()[:2]] == [batch(0), batch(1)]
    assert bench.released == 2


async def test_flush_does_not_linger() -> None:
    bench = Bench(Limits(linger=60.0))
    future = bench.put(0)
    await bench.lane.flush()
    assert future.done()
    late = bench.put(1)
    await asyncio.sleep(0)
    assert not late.done()
    await bench.end()  # neither does the end
    assert late.done()


async def test_stopping_fails_what_is_left() -> None:
    bench = Bench(Limits(events=1, linger=0.0))
    bench.broker.up.clear()
    futures = [bench.put(number) for number in range(3)]
    await bench.broker.tried.wait()
    bench.task.cancel()
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(result, DeliveryFailed) for result in results)
    assert bench.lane.failed == bench.released == 3
    with pytest.raises(EmitterClosed):
        bench.put(3)


@contextmanager
def soon_due() -> Iterator[None]:
    """Lets lanes notice a due session at once instead of within a minute."""
    with patch.object(Sessions, "seconds_until_due", lambda *_: 0.0):
        yield


async def test_sessions_are_renewed_by_a_busy_lane() -> None:
    bench = Bench()
    await bench.put(0)
    await bench.put(1)
    bench.clock.now += 23 * HOUR
    await bench.put(2)
    await bench.end()
    found = bench.records()
    assert [(kind, number) for _, kind, number, _ in found] == [
        (RecordType.BATCH, 0),
        (RecordType.BATCH, 1),
        (RecordType.CLOSE, 0),
        (RecordType.BATCH, 0),
        (RecordType.CLOSE, 0),
    ]
    assert next_batch(found[2][3]) == 2
    assert next_batch(found[4][3]) == 1
    assert found[0][0] == found[1][0] == found[2][0] != found[3][0] == found[4][0]


async def test_an_idle_lane_closes_its_session_in_time() -> None:
    bench = Bench()
    with soon_due():
        await bench.put(0)
        bench.clock.now += 23 * HOUR
        bench.broker.tried.clear()
        await bench.broker.tried.wait()
    await bench.end()
    assert [record[1] for record in bench.records()] == [RecordType.BATCH, RecordType.CLOSE]


async def test_a_closed_session_does_not_come_back_when_the_clock_steps_back() -> None:
    bench = Bench()
    with soon_due():
        await bench.put(0)
        bench.clock.now += 23 * HOUR
        bench.broker.tried.clear()
        await bench.broker.tried.wait()
    bench.clock.now -= 30  # by which the session would not be due any more
    await bench.put(1)
    await bench.end()
    (first, _, second, _) = bench.records()
    assert first[0] != second[0]
    assert second[1:3] == (RecordType.BATCH, 0)


async def test_an_outage_longer_than_a_session(caplog: pytest.LogCaptureFixture) -> None:
    """The batch is sealed again in a new session; the old session gets no close, which would be refused."""
    bench = Bench()
    bench.broker.up.clear()
    future = bench.put(0)
    await bench.broker.tried.wait()
    bench.clock.now += 30 * HOUR
    with caplog.at_level(logging.WARNING):
        bench.broker.up.set()
        await future
    await bench.end()
    assert len(bench.broker.attempts) == 3
    found = bench.records()
    assert [(kind, number, body) for _, kind, number, body in found[:1]] == [(RecordType.BATCH, 0, batch(0))]
    assert [record[1] for record in found] == [RecordType.BATCH, RecordType.CLOSE]
    assert split(bench.broker.attempts[0]).session.session != found[0][0]
    assert "new session" in caplog.text


async def test_a_clock_set_back_opens_a_new_session() -> None:
    bench = Bench()
    first = bench.sessions.current()
    bench.clock.now -= 30
    assert bench.sessions.current() is first
    bench.clock.now -= HOUR
    assert bench.sessions.current() is not first
    await bench.end()


async def test_another_process_gets_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr("ansvar.emitter.sessions.os.getpid", lambda: -1)
    future = bench.put(0)
    with pytest.raises(EmitterClosed, match="forked"):
        await bench.task
    with pytest.raises(DeliveryFailed):
        await future
    assert bench.broker.attempts == []
