"""Topics on a real broker: made right, found right, refused when wrong."""

from __future__ import annotations

import asyncio
import os
import uuid
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from ansvar.embedded.ports import free_ports
from ansvar.emitter.kafka import MAX_RECORD_BYTES, KafkaSettings
from ansvar.enforcement.topics import (
    DAY_MS,
    MAX_RETENTION_MS,
    TopicMismatch,
    TopicsUnavailable,
    ensure_topics,
)

LOG_APPEND_TIME = 1


@pytest.fixture
def names() -> dict[str, str]:
    run = uuid.uuid4().hex
    return {role: f"{role}-{run}" for role in ("events", "alerts", "deadletter", "verdicts")}


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    return KafkaSettings(bootstrap=kafka)


async def test_workers_that_start_together_make_the_topics_once(
    settings: KafkaSettings, names: dict[str, str]
) -> None:
    await asyncio.gather(*[ensure_topics(settings, partitions=4, **names) for _ in range(3)])
    await ensure_topics(settings, partitions=4, **names)
    made = await _described(settings, names.values())
    assert {name: made[name][0] for name in names.values()} == {
        names["events"]: 4,
        names["alerts"]: 1,
        names["deadletter"]: 1,
        names["verdicts"]: 4,
    }
    events = made[names["events"]][1]
    assert events["cleanup.policy"] == "delete"
    assert events["message.timestamp.type"] == "LogAppendTime"
    assert events["retention.ms"] == str(7 * DAY_MS)
    assert events["max.message.bytes"] == str(MAX_RECORD_BYTES)
    assert int(made[names["deadletter"]][1]["max.message.bytes"]) > MAX_RECORD_BYTES
    assert made[names["verdicts"]][1]["retention.ms"] == str(DAY_MS)


async def test_the_largest_legal_record_passes_with_the_broker_s_time(
    settings: KafkaSettings, names: dict[str, str]
) -> None:
    await ensure_topics(settings, partitions=1, **names)
    value = os.urandom(1000 * 32 * 1024 + 4096)
    async with AIOKafkaProducer(**settings.client_options(), max_request_size=MAX_RECORD_BYTES) as producer:
        await producer.send_and_wait(names["events"], value, timestamp_ms=1)
    async with AIOKafkaConsumer(
        names["events"], **settings.client_options(), auto_offset_reset="earliest"
    ) as consumer:
        record = await consumer.getone()
    assert record.value == value
    assert record.timestamp_type == LOG_APPEND_TIME
    assert record.timestamp > 1


async def test_what_unpacks_to_more_than_a_record_may_hold_is_not_taken(
    settings: KafkaSettings, names: dict[str, str]
) -> None:
    await ensure_topics(settings, partitions=1, **names)
    async with AIOKafkaProducer(
        **settings.client_options(), max_request_size=4 * MAX_RECORD_BYTES, compression_type="gzip"
    ) as producer:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(names["events"], bytes(2 * MAX_RECORD_BYTES))
        await producer.send_and_wait(names["events"], bytes(MAX_RECORD_BYTES // 2))


async def test_another_number_of_partitions_is_refused(
    settings: KafkaSettings, names: dict[str, str]
) -> None:
    await ensure_topics(settings, partitions=2, **names)
    with pytest.raises(TopicMismatch, match="2 partitions, the deployment 3 chains"):
        await ensure_topics(settings, partitions=3, **names)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("message.timestamp.type", "CreateTime", "message.timestamp.type=LogAppendTime"),
        ("cleanup.policy", "compact", "cleanup.policy is compact"),
        ("cleanup.policy", "compact,delete", "cleanup.policy is compact,delete"),
        ("retention.ms", "-1", "retention.ms is -1"),
        ("retention.ms", str(MAX_RETENTION_MS + 1), f"at most {MAX_RETENTION_MS}"),
        ("compression.type", "producer", "set compression.type=uncompressed"),
        ("max.message.bytes", "1048588", f"set max.message.bytes={MAX_RECORD_BYTES}"),
    ],
)
async def test_a_topic_made_by_somebody_else_must_fit(
    settings: KafkaSettings, names: dict[str, str], setting: str, value: str, said: str
) -> None:
    fitting = {
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(MAX_RECORD_BYTES),
        "compression.type": "uncompressed",
    }
    admin = AIOKafkaAdminClient(**settings.client_options())
    await admin.start()
    try:
        topic = NewTopic(names["events"], 1, 1, topic_configs=fitting | {setting: value})
        assert (await admin.create_topics([topic])).topic_errors[0][1] == 0
    finally:
        await admin.close()
    with pytest.raises(TopicMismatch, match="does not fit this deployment") as raised:
        await ensure_topics(settings, partitions=1, **names)
    assert said in str(raised.value)
    assert "; " not in str(raised.value).partition("deployment: ")[2]  # nothing else is found wrong


@pytest.mark.parametrize("retention", [0, -1, MAX_RETENTION_MS + 1])
async def test_a_retention_that_outlives_the_keys_is_refused(retention: int) -> None:
    with pytest.raises(TopicMismatch, match="at most 30 days"):
        await ensure_topics(KafkaSettings(), partitions=1, retention_ms=retention)


async def test_more_copies_than_brokers_is_said(settings: KafkaSettings, names: dict[str, str]) -> None:
    with pytest.raises(TopicsUnavailable, match="INVALID_REPLICATION_FACTOR"):
        await ensure_topics(settings, partitions=1, replication=3, **names)


async def test_no_broker_is_said() -> None:
    (port,) = free_ports((0,))
    with pytest.raises(TopicsUnavailable, match="check ANSVAR_KAFKA"):
        await ensure_topics(KafkaSettings(bootstrap=f"127.0.0.1:{port}"), partitions=1)


async def _described(settings: KafkaSettings, names: Any) -> dict[str, tuple[int, dict[str, str]]]:
    """Partitions and settings of each topic."""
    admin = AIOKafkaAdminClient(**settings.client_options())
    await admin.start()
    try:
        topics = await admin.describe_topics(list(names))
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, n) for n in names])
    finally:
        await admin.close()
    configs = {resource[3]: {entry[0]: entry[1] for entry in resource[4]} for resource in answer.resources}
    return {topic["topic"]: (len(topic["partitions"]), configs[topic["topic"]]) for topic in topics}
