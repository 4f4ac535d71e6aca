"""How fast the emitter is: `python benchmarks/emitter.py [EVENTS]` starts a broker of its own.

Prints events a second (prepared, sealed, confirmed by acks=all) by batch size, and what single steps cost.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ansvar import Emitter, Identifier, ProcessingEvent, ProducerKit
from ansvar.embedded.broker import EmbeddedBroker
from ansvar.emitter.preparation import Preparation, join_batch
from ansvar.events.envelope import RecordType, new_session, open_session, split
from ansvar.events.intake import IntakePrivateKey

CHAINS = 4
INTAKE = IntakePrivateKey(os.urandom(96))
KIT = ProducerKit(
    deployment=uuid.UUID(int=1),
    topic="benchmark",
    chains=CHAINS,
    partition_key=os.urandom(32),
    epoch=1,
    intake_key=INTAKE.public_key(),
    producer="crm",
    signing_key=Ed25519PrivateKey.generate(),
)


def event(number: int) -> ProcessingEvent:
    return ProcessingEvent(
        occurred_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
        system="crm",
        operation="call",
        purpose="marketing",
        legal_basis="legitimate_interest",
        subject=Identifier(type="customer_number", value=f"C-{number % 20_000}"),
        data_categories=("name", "phone"),
        actor="svc-campaign",
    )


def microseconds(step: Callable[[int], object], times: int) -> float:
    start = time.perf_counter()
    for number in range(times):
        step(number)
    return (time.perf_counter() - start) / times * 1e6


def steps() -> None:
    preparation = Preparation(KIT, time.time, os.urandom)
    events = [event(number) for number in range(2000)]
    print(f"prepare an event      {microseconds(lambda n: preparation.prepare(events[n]), 2000):8.1f} µs")
    encoded = [preparation.prepare(one).encoded for one in events[:500]]
    body = join_batch(encoded)
    session = new_session(
        deployment=KIT.deployment.bytes,
        producer=KIT.producer,
        session=os.urandom(16),
        started=int(time.time() * 1000),
        epoch=1,
        intake_key=KIT.intake_key,
        signing_key=KIT.signing_key,
        content_key=os.urandom(32),
    )
    print(f"join a batch of 500   {microseconds(lambda _: join_batch(encoded), 2000):8.1f} µs")
    sealing = microseconds(lambda n: session.seal(RecordType.BATCH, n, bytes(8), body, "t", 0), 2000)
    print(f"seal it ({len(body):,} B)   {sealing:8.1f} µs")
    value = session.seal(RecordType.BATCH, 5000, bytes(8), body, "t", 0)
    keys = {KIT.producer: KIT.signing_key.public_key()}
    header = split(value).session
    opening = microseconds(lambda _: open_session(header, KIT.deployment.bytes, keys, {1: INTAKE}), 300)
    print(f"open a session        {opening:8.1f} µs")
    opened = open_session(header, KIT.deployment.bytes, keys, {1: INTAKE})
    reading = microseconds(lambda _: opened.open(split(value), "t", 0, at=header.started), 2000)
    print(f"split and open it     {reading:8.1f} µs")


async def throughput(kafka: str, count: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(KIT.topic, CHAINS, 1)])
    await admin.close()
    for most in (50, 200, 500, 1000):
        events = [event(number) for number in range(count)]
        async with Emitter(KIT, kafka, max_batch_events=most) as emitter:
            await emitter.emit_many(events[:1000])
            start = time.perf_counter()
            await emitter.emit_many(events)
            print(f"batches of {most:5}      {count / (time.perf_counter() - start):8,.0f} events/s")
    async with Emitter(KIT, kafka, linger=0.0) as emitter:
        times = []
        for number in range(300):
            start = time.perf_counter()
            await emitter.emit(event(number))
            times.append((time.perf_counter() - start) * 1000)
        times.sort()
        print(f"one at a time, linger 0: median {times[150]:.1f} ms, p99 {times[297]:.1f} ms")


if __name__ == "__main__":
    steps()
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder) / "kafka") as broker:
        asyncio.run(throughput(broker.bootstrap, int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
