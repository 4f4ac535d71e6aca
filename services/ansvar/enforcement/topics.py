"""The topics of a deployment: made as the ledger needs them, or found to be so.

Invariants
- The events topic has one partition for each chain, the broker's time on every record, and no compaction:
  a subject's state lives in its chain, a row's time is the broker's, and every offset is accounted for. Its
  retention is at most 30 days, because intake keys are destroyed when it has passed.
- An existing topic is never altered. What does not match is reported, all of it at once, and nothing starts.
- Two processes may do this at the same time.

Left to others: who may create topics, and the replication that a cluster wants.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from ansvar.emitter.kafka import MAX_RECORD_BYTES, KafkaSettings
from ansvar.enforcement.errors import EnforcementError

DAY_MS = 86_400_000
DEFAULT_RETENTION_MS = 7 * DAY_MS
MAX_RETENTION_MS = 30 * DAY_MS

# A dead letter holds the whole bad record and the reason.
_DEAD_LETTER_BYTES = MAX_RECORD_BYTES + 64 * 1024
_VERDICT_RETENTION_MS = DAY_MS
# What has expired goes when its segment is closed, so a segment may not stay open for long.
_SEGMENT_MS = DAY_MS // 4

_READY_SECONDS = 30.0
_POLL_SECONDS = 0.05


class TopicMismatch(EnforcementError):
    """An existing topic is not as the ledger needs it, or what was asked for is not allowed."""


class TopicsUnavailable(EnforcementError):
    """Kafka did not answer, or did not let us make or see a topic."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as we make it: partitions and Kafka's topic settings."""

    name: str
    partitions: int
    settings: Mapping[str, str]


async def ensure_topics(
    kafka: KafkaSettings,
    *,
    partitions: int,
    events: str = "ansvar.events",
    alerts: str = "ansvar.alerts",
    deadletter: str = "ansvar.deadletter",
    verdicts: str = "ansvar.verdicts",
    retention_ms: int = DEFAULT_RETENTION_MS,
    replication: int = 1,
) -> None:
    """Make the topics that are missing, and check the events topic if it was there.

    `partitions` is the number of chains; `retention_ms` holds for all but the verdicts (one day);
    `replication` is the number of copies. Returns when every partition has a leader. Raises `TopicMismatch`
    or `TopicsUnavailable`.
    """
    _check_request(partitions, retention_ms, replication)
    wanted = _wanted(events, alerts, deadletter, verdicts, partitions, retention_ms, replication)
    async with _admin(kafka) as admin:
        existing = set(await admin.list_topics())
        await _create(admin, [topic for topic in wanted if topic.name not in existing], replication)
        await _wait_for_leaders(admin, [topic.name for topic in wanted])
        # Checked also when it was missing a moment ago: another process may have made it since.
        await _check_events_topic(admin, events, partitions)


async def retention_ms(kafka: KafkaSettings, name: str) -> int:
    """How long the broker keeps the records of a topic, at most the 30 days after which no key opens them.

    Raises `TopicsUnavailable`.
    """
    async with _admin(kafka) as admin:
        stated = int((await _settings_of(admin, name))["retention.ms"])
    return stated if 0 <= stated <= MAX_RETENTION_MS else MAX_RETENTION_MS


def _check_request(partitions: int, retention_ms: int, replication: int) -> None:
    if partitions < 1 or replication < 1:
        raise TopicMismatch("a topic needs at least one partition and one copy")
    if not 0 < retention_ms <= MAX_RETENTION_MS:
        raise TopicMismatch(
            f"a retention of {retention_ms} ms is not possible: it must be more than 0 and at most 30 days "
            f"({MAX_RETENTION_MS} ms), because the keys that open the records are destroyed after it"
        )


def _wanted(
    events: str,
    alerts: str,
    deadletter: str,
    verdicts: str,
    partitions: int,
    retention_ms: int,
    replication: int,
) -> list[Topic]:
    def settings(retention: int, **more: str) -> dict[str, str]:
        return {
            "cleanup.policy": "delete",
            # The broker unpacks what a producer packed, so max.message.bytes bounds what a worker must hold.
            "compression.type": "uncompressed",
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(retention),
            "segment.ms": str(min(_SEGMENT_MS, retention)),
            # One copy may be down while acknowledged records are still held twice.
            "min.insync.replicas": str(max(1, replication - 1)),
            "unclean.leader.election.enable": "false",
        } | {key.replace("_", "."): value for key, value in more.items()}

    return [
        Topic(events, partitions, settings(retention_ms, max_message_bytes=str(MAX_RECORD_BYTES))),
        Topic(alerts, 1, settings(retention_ms)),
        Topic(deadletter, 1, settings(retention_ms, max_message_bytes=str(_DEAD_LETTER_BYTES))),
        Topic(verdicts, partitions, settings(min(_VERDICT_RETENTION_MS, retention_ms))),
    ]


@contextlib.asynccontextmanager
async def _admin(kafka: KafkaSettings) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await admin.start()
        yield admin
    except (KafkaError, TimeoutError) as error:
        raise TopicsUnavailable(
            f"Kafka at {kafka.bootstrap} could not be asked for its topics ({type(error).__name__}); "
            "check ANSVAR_KAFKA, the ANSVAR_KAFKA_* security settings, and that the broker runs"
        ) from error
    finally:
        await admin.close()


async def _create(admin: Any, topics: Sequence[Topic], replication: int) -> None:
    if not topics:
        return
    answer = await admin.create_topics(
        [
            NewTopic(topic.name, topic.partitions, replication, topic_configs=dict(topic.settings))
            for topic in topics
        ]
    )
    for name, code, *message in answer.topic_errors:
        if code and for_code(code) is not TopicAlreadyExistsError:
            reason = f"{for_code(code).message}: {message[0]}" if message else for_code(code).message
            raise TopicsUnavailable(
                f"Kafka did not make the topic {name} ({reason}); correct that, or have the topic made by "
                "whoever may, with the settings that the documentation lists"
            )


async def _wait_for_leaders(admin: Any, names: list[str]) -> None:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while not _led(await admin.describe_topics(names)):  # noqa: ASYNC110 - Kafka sends no event for it
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise TopicsUnavailable(
            f"some partition of {', '.join(names)} has no leader after {_READY_SECONDS:.0f} s; "
            "look at the brokers' logs"
        ) from error


def _led(topics: list[dict[str, Any]]) -> bool:
    return all(
        topic["error_code"] == 0
        and topic["partitions"]
        and all(part["error_code"] == 0 and part["leader"] >= 0 for part in topic["partitions"])
        for topic in topics
    )


async def _check_events_topic(admin: Any, name: str, partitions: int) -> None:
    (topic,) = await admin.describe_topics([name])
    faults = _faults(await _settings_of(admin, name), len(topic["partitions"]), partitions)
    if faults:
        raise TopicMismatch(f"the topic {name} does not fit this deployment: {'; '.join(faults)}")


async def _settings_of(admin: Any, name: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    code, message, _, _, entries = answer.resources[0]
    if code:
        raise TopicsUnavailable(
            f"Kafka did not show the settings of {name} ({for_code(code).message}: {message}); "
            "allow this user DescribeConfigs on it"
        )
    return {entry[0]: entry[1] for entry in entries}


def _faults(settings: Mapping[str, str], found: int, partitions: int) -> list[str]:
    faults = []
    if found != partitions:
        faults.append(
            f"it has {found} partitions, the deployment {partitions} chains, and that number is fixed for "
            "its life: name the deployment's own topic, or make a new deployment"
        )
    if settings["message.timestamp.type"] != "LogAppendTime":
        faults.append("its records carry the producer's time: set message.timestamp.type=LogAppendTime")
    if settings["cleanup.policy"] != "delete":
        faults.append(
            f"its cleanup.policy is {settings['cleanup.policy']}, which removes records from the middle: "
            "use a topic that was never compacted, with cleanup.policy=delete"
        )
    if settings["compression.type"] != "uncompressed":
        faults.append(
            f"its compression.type is {settings['compression.type']}, so that a small record may unpack to "
            "what no worker can hold: set compression.type=uncompressed"
        )
    if not 0 < int(settings["retention.ms"]) <= MAX_RETENTION_MS:
        faults.append(
            f"its retention.ms is {settings['retention.ms']}, and the keys that open its records are "
            f"destroyed after 30 days: set retention.ms to at most {MAX_RETENTION_MS}"
        )
    if int(settings["max.message.bytes"]) < MAX_RECORD_BYTES:
        faults.append(
            f"it takes records of {settings['max.message.bytes']} bytes only: "
            f"set max.message.bytes={MAX_RECORD_BYTES}"
        )
    return faults
