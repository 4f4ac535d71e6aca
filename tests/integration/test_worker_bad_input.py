"""Bad records between good ones, sent past the SDK: each is accounted for, and the good ones are all rows."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from ansvar import Event
from ansvar.emitter.kafka import MAX_RECORD_BYTES
from ansvar.enforcement.effects import REFUSED_ALERTS_AN_HOUR
from ansvar.enforcement.metrics import REGISTRY
from ansvar.events import codec
from ansvar.events.envelope import RecordType, Session, new_session, split
from ansvar.events.identifiers import normalise_event
from ansvar.events.partition import partition_of
from ansvar.events.schemas import current
from ansvar.sample.company import generate
from ansvar.store.client import Store
from workers import Deployed

YEAR = tuple(normalise_event(event) for event in generate(300).events)
BATCH = current("batch").fingerprint


@pytest.fixture
def deployed(kafka: str, store: Store, tmp_path: Path) -> Deployed:
    return Deployed(kafka, store, tmp_path)


class Sealer:
    """A producer of the deployment that may be made to do anything wrong."""

    def __init__(self, deployed: Deployed, **changes: Any) -> None:
        kit = deployed.kit
        values: dict[str, Any] = {
            "deployment": kit.deployment.bytes,
            "producer": kit.producer,
            "session": os.urandom(16),
            "started": time.time_ns() // 1_000_000,
            "epoch": kit.epoch,
            "intake_key": kit.intake_key,
            "signing_key": kit.signing_key,
            "content_key": os.urandom(32),
        }
        self.session: Session = new_session(**values | changes)
        self.topic = kit.topic
        self.number = 0

    def batch(self, *events: Event, **changes: Any) -> bytes:
        """A batch for partition 0; a good one unless changed."""
        values: dict[str, Any] = {
            "record_type": RecordType.BATCH,
            "number": self.number,
            "fingerprint": BATCH,
            "body": codec.encode_batch(events),
            "topic": self.topic,
            "partition": 0,
        }
        self.number += 1
        values |= changes
        return self.session.seal(*values.values())


def on_partition(deployed: Deployed, partition: int) -> list[Event]:
    """The sample's events that belong to a partition."""
    key, chains = deployed.kit.partition_key, deployed.kit.chains
    return [event for event in YEAR if partition_of(key, event, chains) == partition]


def flipped(value: bytes, at: int) -> bytes:
    """The bytes with one bit turned, counted from the start."""
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]


def forged(value: bytes) -> bytes:
    """A record whose session header has one bit turned in its last byte, the signature's."""
    return flipped(value, value.index(split(value).session.raw) + len(split(value).session.raw) - 1)


BAD: dict[str, tuple[str, Callable[[Deployed, Event], bytes]]] = {
    "no bytes": ("undecodable", lambda d, e: b""),
    "text": ("unsupported_version", lambda d, e: b'{"kind": "processing"}'),
    "random bytes": ("unsupported_version", lambda d, e: bytes(range(1, 256)) * 20),
    "cut in the header": ("undecodable", lambda d, e: Sealer(d).batch(e)[:500]),
    "cut in the seal": ("bad_seal", lambda d, e: Sealer(d).batch(e)[:-1]),
    "a bit of the seal": ("bad_seal", lambda d, e: flipped(value := Sealer(d).batch(e), len(value) - 1)),
    "sealed for another partition": ("bad_seal", lambda d, e: Sealer(d).batch(e, partition=1)),
    "sealed for another topic": ("bad_seal", lambda d, e: Sealer(d).batch(e, topic="other")),
    "a bit of the signature": ("bad_signature", lambda d, e: forged(Sealer(d).batch(e))),
    "another's signature": (
        "bad_signature",
        lambda d, e: Sealer(d, signing_key=Ed25519PrivateKey.generate()).batch(e),
    ),
    "unknown producer": ("unknown_producer", lambda d, e: Sealer(d, producer="stranger").batch(e)),
    "unknown epoch": ("unknown_epoch", lambda d, e: Sealer(d, epoch=77).batch(e)),
    "another deployment": ("wrong_deployment", lambda d, e: Sealer(d, deployment=bytes(16)).batch(e)),
    "unknown fingerprint": ("unknown_schema", lambda d, e: Sealer(d).batch(e, fingerprint=bytes(8))),
    "no Avro": ("malformed", lambda d, e: Sealer(d).batch(e, body=b"\xff" * 40)),
    "a session of last week": (
        "session_expired",
        lambda d, e: Sealer(d, started=time.time_ns() // 1_000_000 - 7 * 86_400_000).batch(e),
    ),
}


async def send_with_headers(deployed: Deployed, value: bytes, keys: bytes) -> None:
    """Send a record with a header of whatever key: four bytes, which need not be text."""
    builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 1 << 20)
    builder.append(0, time.time_ns() // 1_000_000, None, value, [("AAAA", b"v")])
    raw = bytearray(bytes(builder.build()).replace(b"AAAA", keys))
    raw[17:21] = calc_crc32c(bytes(raw[21:])).to_bytes(4, "big")
    client = AIOKafkaClient(bootstrap_servers=deployed.kafka.bootstrap)
    await client.bootstrap()
    try:
        client.add_topic(deployed.topic)
        await client.force_metadata_update()
        leader = client.cluster.leader_for_partition(TopicPartition(deployed.topic, 0))
        answer = await client.send(
            leader,
            ProduceRequest(
                transactional_id=None,
                required_acks=-1,
                timeout=10_000,
                topics=[(deployed.topic, [(0, bytes(raw))])],
            ),
        )
        assert answer.topics[0][1][0][1] == 0
    finally:
        await client.close()


async def test_record_headers_that_are_no_text_stop_nothing(deployed: Deployed) -> None:
    """Kafka takes any bytes as a header's key; a client that insists on text would never get past them."""
    await deployed.make_topics()
    events = on_partition(deployed, 0)
    good = Sealer(deployed)
    await deployed.send([good.batch(events[0])])
    await send_with_headers(deployed, b"no record of ours", b"\xff\xfe\xfd\xfc")
    await send_with_headers(deployed, good.batch(events[1]), b"\x80\x80\x80\x80")
    await deployed.send([good.batch(events[2])])

    await deployed.processed()

    assert deployed.event_ids() == [event.event_id for event in events[:3]]
    (refused,) = deployed.rows("refused")
    assert refused.offset == 1
    assert len(await deployed.dead_letters()) == 1
    assert deployed.intact()


def refused_count(reason: str) -> float:
    return REGISTRY.get_sample_value("ansvar_refused_total", {"reason": reason}) or 0.0


async def test_every_bad_record_is_accounted_for(deployed: Deployed) -> None:
    await deployed.make_topics()
    events = on_partition(deployed, 0)
    good = Sealer(deployed)
    sent: list[bytes] = []
    for number, (_, make) in enumerate(BAD.values()):
        sent += [good.batch(*events[2 * number : 2 * number + 2]), make(deployed, events[-1])]
    sent.append(good.batch(*events[2 * len(BAD) : -1]))
    before = {reason: refused_count(reason) for reason, _ in BAD.values()}
    letters = REGISTRY.get_sample_value("ansvar_dead_letters_total") or 0.0
    offsets = await deployed.send(sent)
    assert offsets == list(range(2 * len(BAD) + 1))

    await deployed.processed()

    # the good ones: all, once, in order
    assert deployed.event_ids() == [event.event_id for event in events[:-1]]
    # the bad ones: a row that names record and reason
    rows = {row.offset: json.loads(row.extra) for row in deployed.rows("refused")}
    assert list(rows) == offsets[1::2]
    reasons = dict(zip(BAD, (rows[offset]["reason"] for offset in offsets[1::2]), strict=True))
    assert reasons == {name: reason for name, (reason, _) in BAD.items()}
    for offset in offsets[1::2]:
        assert rows[offset]["sha256"] == sha256(sent[offset]).hexdigest()
        assert rows[offset]["size"] == len(sent[offset])
    # a dead letter with the bytes as they came
    told = {letter["offset"]: letter for letter in await deployed.dead_letters()}
    assert list(told) == offsets[1::2]
    for offset, letter in told.items():
        assert letter["record"] == sent[offset]
        assert letter["sha256"] == sha256(sent[offset]).digest()
        assert letter["reason"] == rows[offset]["reason"]
        assert letter["explanation"]
        assert (letter["topic"], letter["partition"]) == (deployed.topic, 0)
    # the counters rose, the alerts are limited
    expected = Counter(reason for reason, _ in BAD.values())
    assert {reason: refused_count(reason) - before[reason] for reason in before} == expected
    assert REGISTRY.get_sample_value("ansvar_dead_letters_total") == letters + len(BAD)
    alerts = [alert for alert in await deployed.alerts() if alert["rule"] == "log.refused"]
    assert len(alerts) == REFUSED_ALERTS_AN_HOUR < len(BAD)
    assert deployed.intact()


async def test_a_repeated_batch_is_one_duplicate_row(deployed: Deployed) -> None:
    """The same bytes twice, at once and after a restart; the same events in a batch of another session."""
    await deployed.make_topics()
    events = on_partition(deployed, 0)[:6]
    sealer = Sealer(deployed)
    first, second = sealer.batch(*events[:3]), sealer.batch(*events[3:])
    await deployed.send([first, first, second])
    await deployed.processed()
    assert [row.kind for row in deployed.rows()][3] == "duplicate"
    assert Counter(row.kind == "duplicate" for row in deployed.rows()) == {False: 6, True: 1}

    await deployed.send([second, first, Sealer(deployed).batch(*events)])
    await deployed.processed()
    rows = deployed.rows()
    assert [row.kind for row in rows[7:]] == ["duplicate"] * 8
    assert [json.loads(row.extra)["what"] for row in rows[7:]] == ["batch"] * 2 + ["event"] * 6
    assert deployed.event_ids() == [event.event_id for event in events]
    assert await deployed.dead_letters() == []
    assert deployed.intact()


async def test_bad_events_of_a_good_batch(deployed: Deployed) -> None:
    """What only a producer that bypasses the SDK sends: the rest of its batch is judged."""
    await deployed.make_topics()
    mine, other = on_partition(deployed, 0)[:3], on_partition(deployed, 1)[0]
    reused = replace(mine[0], system="cms")
    value = Sealer(deployed).batch(mine[0], other, mine[1], reused, mine[2])
    await deployed.send([value])
    await deployed.processed()
    rows = deployed.rows()
    assert [row.event_id for row in rows if row.verdict] == [event.event_id for event in mine]
    refused = {row.index: json.loads(row.extra)["reason"] for row in rows if row.kind == "refused"}
    assert refused == {1: "wrong_partition", 3: "event_id_reused"}
    (letter,) = await deployed.dead_letters()
    assert letter["record"] == value
    assert letter["producer"] == deployed.kit.producer
    assert "1 more" in letter["explanation"]
    assert deployed.intact()


async def test_the_largest_record_that_the_topic_takes_becomes_a_dead_letter(deployed: Deployed) -> None:
    await deployed.make_topics()
    largest = os.urandom(MAX_RECORD_BYTES - 200)
    await deployed.send([largest, b"after it"])
    await deployed.processed()
    letters = await deployed.dead_letters()
    assert [letter["record"] for letter in letters] == [largest, b"after it"]


async def test_a_record_that_swells_on_opening_stops_nothing(deployed: Deployed) -> None:
    """On a topic whose settings were changed under us: the dead letter holds what fits, and says so."""
    await deployed.make_topics()
    async with deployed.admin() as admin:
        change = {"compression.type": "producer", "max.message.bytes": str(MAX_RECORD_BYTES)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, deployed.topic, change)])
    await deployed.send([bytes(3 * MAX_RECORD_BYTES), b"after it"], compression_type="lz4")
    await deployed.processed(checked=False)
    swollen, after = await deployed.dead_letters()
    assert swollen["record"] == bytes(MAX_RECORD_BYTES)
    assert swollen["sha256"] == sha256(bytes(3 * MAX_RECORD_BYTES)).digest()
    assert str(3 * MAX_RECORD_BYTES) in swollen["explanation"]
    assert after["record"] == b"after it"


def test_the_events_are_enough() -> None:
    assert len({event.event_id for event in YEAR}) == len(YEAR)
    assert all(isinstance(event.event_id, UUID) for event in YEAR)
