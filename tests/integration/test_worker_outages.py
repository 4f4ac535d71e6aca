"""A store, the vault or the broker away for a while: the worker waits, says so, acknowledges nothing."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError

from ansvar.enforcement.effects import Message
from ansvar.enforcement.enforcer import Enforcer
from ansvar.enforcement.kafka import KafkaPublisher
from ansvar.enforcement.opening import Record
from ansvar.enforcement.ports import Bounds, Publisher, TopicReader
from ansvar.enforcement.progressing import Pulse
from ansvar.sample.company import generate
from ansvar.store.client import Store
from ansvar.store.errors import StoreUnavailable
from ansvar.store.ledger import LedgerStore
from records import RecordedTopic
from workers import Deployed, Worker, until

EVENTS = generate(300).events


@pytest.fixture
def deployed(kafka: str, store: Store, tmp_path: Path) -> Deployed:
    return Deployed(kafka, store, tmp_path)


def each_once(deployed: Deployed) -> None:
    assert Counter(deployed.event_ids()) == Counter(event.event_id for event in EVENTS)
    assert {row.kind for row in deployed.rows()}.isdisjoint({"gap", "refused", "duplicate"})
    assert deployed.intact()


async def waits(worker: Worker, for_what: str) -> None:
    """Wait until health says that a worker waits for something."""
    await until(lambda: for_what in worker.enforcer.health().reason, f"waits for {for_what}")
    assert not worker.enforcer.health().processing


# the least that the broker allows for a session
IMPATIENT = {"broker_session_timeout": 6.0, "broker_request_timeout": 6.0}


class Away(LedgerStore):
    """A ledger that does not answer while it is `down`; appends may reach it all the same."""

    down = True
    reached = False  # whether an append is carried out before its answer is lost
    tried = 0

    def _answer(self) -> None:
        self.tried += 1
        if self.down:
            raise StoreUnavailable("ClickHouse did not answer: Connection refused")

    def append(self, chain: int, first_seq: int, block: bytes, *, attempt: int = 0) -> None:
        if self.reached and self.down:
            super().append(chain, first_seq, block, attempt=attempt)
        self._answer()
        super().append(chain, first_seq, block, attempt=attempt)

    def leaves(self, *arguments: Any) -> list[tuple[int, bytes]]:
        self._answer()
        return super().leaves(*arguments)

    def last_seq(self, chain: int) -> int:
        self._answer()
        return super().last_seq(chain)


@pytest.mark.parametrize("reached", [False, True], ids=["refused", "answer lost"])
async def test_the_store_goes_away(
    deployed: Deployed, reached: bool, caplog: pytest.LogCaptureFixture
) -> None:
    await deployed.make_topics()
    away = Away(deployed.store)
    away.reached, away.down = reached, False
    with caplog.at_level(logging.INFO, "ansvar"):
        async with deployed.worker(ledger=away) as worker:
            await until(lambda: worker.enforcer.health().processing, "it is ready")
            before = await deployed.committed()
            away.down = True
            await deployed.emit(EVENTS, batch=20)
            await waits(worker, "ClickHouse did not answer")
            tried = away.tried
            await until(lambda: away.tried > tried + 2, "it tries again")
            assert (await deployed.committed()) == before
            away.down = False
            await deployed.caught_up(worker)
            assert worker.enforcer.health().processing
    waited = [r for r in caplog.records if "nothing is acknowledged" in r.getMessage()]
    assert {r.levelno for r in waited} == {logging.WARNING}
    assert len(waited) <= 2  # said once for each partition, not at every try
    assert any("going on" in r.getMessage() for r in caplog.records)
    each_once(deployed)


async def test_the_store_is_away_at_the_start(deployed: Deployed) -> None:
    """For longer than Faust waits for a seek: it would never have gone on."""
    await deployed.make_topics()
    await deployed.emit(EVENTS, batch=20)
    away = Away(deployed.store)
    async with deployed.worker(ledger=away, conf=IMPATIENT) as worker:
        await waits(worker, "ClickHouse did not answer")
        # 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 3.2 seconds lie between the first try and the seventh
        await until(lambda: away.tried >= 7, "it has waited for longer than Faust would")
        away.down = False
        await deployed.caught_up(worker)
    each_once(deployed)


async def test_a_worker_stops_while_the_store_is_away(deployed: Deployed) -> None:
    await deployed.make_topics()
    await deployed.emit(EVENTS, batch=20)
    away = Away(deployed.store)
    async with deployed.worker(ledger=away) as worker:
        await waits(worker, "ClickHouse did not answer")
    away.down = False
    assert deployed.rows() == []
    await deployed.processed()
    each_once(deployed)


async def test_the_vault_is_locked(deployed: Deployed) -> None:
    await deployed.make_topics()
    async with deployed.worker() as worker:
        await until(lambda: worker.enforcer.health().processing, "it is ready")
        before = await deployed.committed()
        with closing(sqlite3.connect(deployed.directory.vault, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await deployed.emit(EVENTS, batch=20)
            await waits(worker, "the vault did not answer")
            assert await deployed.committed() == before
            assert deployed.rows() == []
            other.execute("ROLLBACK")
        await deployed.caught_up(worker)
    each_once(deployed)


class Flaky(Publisher):
    """A publisher whose broker takes messages but loses its answer, a given number of times."""

    def __init__(self, publisher: Publisher, failures: int) -> None:
        self._publisher = publisher
        self.left = failures

    async def publish(self, messages: Sequence[Message]) -> None:
        await self._publisher.publish(messages)
        if self.left:
            self.left -= 1
            raise OSError("the answer was lost")


async def test_alerts_are_repeated_until_they_are_acknowledged(deployed: Deployed) -> None:
    await deployed.make_topics()
    await deployed.emit(EVENTS, batch=20)
    real = KafkaPublisher(deployed.kafka)
    try:
        flaky = Flaky(real, failures=3)
        async with deployed.worker(publisher=flaky) as worker:
            await deployed.caught_up(worker)
    finally:
        await real.stop()
    assert flaky.left == 0
    heard = Counter(alert["alert_id"] for alert in await deployed.alerts())
    denied = sum(row.verdict == "deny" for row in deployed.rows())
    assert len(heard) >= denied > 0
    assert max(heard.values()) > 1  # at least once, and told apart by their ids
    each_once(deployed)


async def test_an_unexpected_error_stops_the_worker_and_acknowledges_nothing(deployed: Deployed) -> None:
    await deployed.make_topics()
    await deployed.emit(EVENTS, batch=20)

    class Broken(LedgerStore):
        def append(self, chain: int, first_seq: int, block: bytes, *, attempt: int = 0) -> None:
            if first_seq > 0:
                raise ZeroDivisionError("19640823-3234")
            super().append(chain, first_seq, block, attempt=attempt)

    before = await deployed.committed()
    async with deployed.worker(ledger=Broken(deployed.store)) as worker:
        await asyncio.wait_for(worker.failure.happened.wait(), 60)
        assert "ZeroDivisionError" in str(worker.failure.error)
        assert "19640823" not in str(worker.failure.error)
    assert await deployed.committed() == before
    await deployed.processed()
    each_once(deployed)


class Mute(TopicReader):
    """A broker that gives no answer."""

    async def bounds(self, partition: int) -> Bounds:
        raise KafkaTimeoutError

    async def records(self, partition: int, start: int, end: int) -> list[Record]:
        raise KafkaTimeoutError


async def test_the_pulse_tells_of_a_broker_that_does_not_answer(deployed: Deployed) -> None:
    await deployed.make_topics()
    async with deployed.reader() as reader, deployed.worker() as worker:
        await until(lambda: worker.enforcer.health().processing, "it is ready")
        pulse = Pulse(worker.enforcer, reader)
        assert await pulse.look() == ""
        with pytest.raises(KafkaTimeoutError):
            await Pulse(worker.enforcer, Mute()).look()


async def test_the_pulse_tells_of_records_that_nobody_takes(deployed: Deployed) -> None:
    """And knows them from the end of a log that holds no record: a hole at the end is no stall."""
    await deployed.make_topics()
    await deployed.emit(EVENTS, batch=20)
    async with deployed.parts() as parts:
        enforcer = Enforcer(parts)
        for partition in range(2):
            await enforcer.take_over(partition)
        pulse = Pulse(enforcer, parts.reader, patience=0)
        await pulse.look()
        assert "none was taken" in await pulse.look()
        topic = RecordedTopic(2)
        topic.lose(0, 3)
        hole = Pulse(enforcer, topic, patience=0)
        await hole.look()
        assert await hole.look() == ""
        await enforcer.close()
