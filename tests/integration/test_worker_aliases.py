"""Persons of several identifiers through the real broker: chains tell each other, workers come and go."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

import judging
from ansvar.events.model import Event, Identifier
from ansvar.events.partition import home_of
from ansvar.ledger.row import Row
from ansvar.store.client import Store
from workers import Deployed, Worker, until

pytestmark = pytest.mark.broker
CHAINS = 4


@pytest.fixture
def deployed(kafka: str, store: Store, tmp_path: Path) -> Deployed:
    return Deployed(kafka, store, tmp_path, chains=CHAINS)


def numbered(event: Event, subject: Identifier, *aliases: Identifier) -> Event:
    return replace(event, event_id=uuid4(), subject=subject, aliases=aliases)


async def settled(deployed: Deployed, *workers: Worker) -> None:
    """Until nobody has anything to tell any more."""
    while True:
        before = await ends(deployed)
        await deployed.caught_up(*workers)
        if await ends(deployed) == before:
            return


async def ends(deployed: Deployed) -> list[int]:
    async with deployed.reader() as reader:
        return [(await reader.bounds(partition)).end for partition in range(CHAINS)]


def judged(deployed: Deployed, event: Event) -> Row:
    (row,) = (row for row in deployed.rows() if row.event_id == event.event_id and row.verdict)
    return row


def home(deployed: Deployed, who: Identifier) -> int:
    return home_of(deployed.ring.partition_key, who, CHAINS)


async def test_an_objection_by_email_and_a_call_by_phone(deployed: Deployed) -> None:
    """Clause 4.2, with the objection on one chain and the call on another; and again after a restart."""
    await deployed.make_topics()
    email = Identifier("email", "anna@example.test")
    phone = next(
        who
        for last in range(1000)
        if home(deployed, who := Identifier("phone_number", f"+46701740{last:03}")) != home(deployed, email)
    )
    objection = numbered(judging.objection("2026-01-15", "direct_marketing"), email)
    naming = numbered(judging.process(), phone, email)
    call = judging.interest("call", "2026-02-01", "marketing", data_categories=["phone"])
    first, second = numbered(call, phone), numbered(call, phone)
    async with deployed.worker() as one:
        await deployed.emit([objection])
        await deployed.emit([naming])
        await settled(deployed, one)
        await deployed.emit([first])
        await settled(deployed, one)
    async with deployed.worker() as two:
        await deployed.emit([second])
        await settled(deployed, two)
    assert [judged(deployed, each).chain for each in (naming, first, second)] == 3 * [
        min(home(deployed, email), home(deployed, phone))
    ]
    assert "marketing.objected" in judged(deployed, first).findings
    assert "marketing.objected" in judged(deployed, second).findings
    assert {alert["event_id"] for alert in await deployed.alerts()} >= {
        each.event_id.bytes for each in (first, second) if each.event_id
    }
    assert deployed.intact()


async def test_two_workers_and_many_persons(deployed: Deployed) -> None:
    """Every event is judged once, whoever forwards it while partitions move."""
    await deployed.make_topics()
    people = [
        (Identifier("customer_number", f"K-{n}"), Identifier("email", f"p{n}@example.test"))
        for n in range(40)
    ]
    objection = judging.objection("2026-01-15")
    events = [numbered(objection, mail) for _, mail in people]
    events += [numbered(judging.process(), number, mail) for number, mail in people]
    events += [numbered(judging.process("use"), who) for pair in people for who in pair for _ in range(3)]
    async with deployed.worker() as one:
        await deployed.emit(events[:60], batch=3)
        await until(lambda: len(deployed.rows()) > 30, "the first worker works")
        async with deployed.worker() as two:
            await deployed.emit(events[60:], batch=3)
            await settled(deployed, one, two)
            assert one.failure.error is two.failure.error is None
        await settled(deployed, one)
    rows = deployed.rows()
    assert Counter(row.event_id for row in rows if row.verdict) == Counter(each.event_id for each in events)
    assert {row.kind for row in rows}.isdisjoint({"gap", "refused"})
    assert deployed.intact()
