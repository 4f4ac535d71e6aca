"""What rows cause outside the ledger: alerts and dead letters.

Pure: from confirmed rows to messages. Alert ids are UUIDv5 of (chain, seq, rule) under the deployment's id,
so a consumer that sees one twice can tell; where a rule fires several times on one row (a transfer that
reaches two countries), the further ones have their number in the id as well. Findings of events below the
chosen severity raise no alert; those of a sweep always do. A refused row raises one only while its chain has
few of them in that hour of broker time, so a flood of bad records is not a flood of alerts. Every record with
a refused row becomes one dead letter, always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID, uuid5

from msgspec import Struct

from ansvar.emitter.kafka import MAX_RECORD_BYTES
from ansvar.enforcement.opening import Record
from ansvar.enforcement.sheet import Judged
from ansvar.events.codec import single_object_encode
from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.row import NO_EVENT, ZERO16, Row
from ansvar.policy.verdict import Finding, Severity

REFUSED_ALERTS_AN_HOUR: Final = 10  # of one chain


class Topics(Struct, frozen=True):
    """The names of the topics of one deployment."""

    events: str
    alerts: str
    deadletter: str


class Message(Struct, frozen=True):
    """One message to publish: Avro single-object encoding, or a sealed record for a partition."""

    topic: str
    value: bytes
    partition: int | None = None


def alerts(deployment: UUID, judged: Judged, least: Severity) -> Iterator[bytes]:
    """The alerts of one row, encoded, in the order of its findings."""
    swept = judged.row.kind == "finding"  # nobody waits for a sweep's verdict, so all of it is told
    seen: Counter[str] = Counter()
    for finding in _raised(judged):
        place = seen[finding.rule]
        seen[finding.rule] += 1  # also of those that raise nothing: an id does not depend on the setting
        if swept or least == "flag" or finding.severity == "deny":
            yield single_object_encode("alert", _alert(deployment, judged.row, finding, place))


def messages(
    deployment: UUID, record: Record, rows: Iterable[Judged], topics: Topics, least: Severity
) -> Iterator[Message]:
    """Everything that the rows of one record cause in Kafka, in order."""
    refused: list[Judged] = []
    for judged in rows:
        for alert in alerts(deployment, judged, least):
            yield Message(topics.alerts, alert)
        if judged.row.kind == "refused":
            refused.append(judged)
    if refused:
        yield Message(topics.deadletter, _dead_letter(record, refused, topics.events))


def log_alert(deployment: UUID, chain: int, seq: int, finding: Finding, at: int) -> bytes:
    """An alert about the log itself, encoded; `at` in ms since 1970. Its id repeats when it is sent again."""
    row = Row(
        chain=chain,
        seq=seq,
        stream=ZERO16,
        offset=-1,
        index=0,
        recorded_at=at,
        kind="finding",
        occurred_at=at * 1000,
        policy=ZERO32,
        engine=0,
    )
    return single_object_encode("alert", _alert(deployment, row, finding, 0))


def _raised(judged: Judged) -> tuple[Finding, ...]:
    if judged.row.kind == "gap":
        return (Finding("log.gap", "-", "deny", judged.explanation),)
    if judged.row.kind == "refused" and judged.earlier_refusals < REFUSED_ALERTS_AN_HOUR:
        return (Finding("log.refused", "-", "deny", judged.explanation),)
    return judged.findings


def _alert(deployment: UUID, row: Row, finding: Finding, place: int) -> dict[str, object]:
    name = f"{row.chain}/{row.seq}/{finding.rule}" + (f"/{place}" if place else "")
    return {
        "alert_id": uuid5(deployment, name).bytes,
        "chain": row.chain,
        "seq": row.seq,
        "rule": finding.rule,
        "clause": finding.clause,
        "severity": finding.severity,
        "message": finding.message,
        "verdict": row.verdict or None,
        "kind": row.kind,
        "event_id": None if row.event_id == NO_EVENT else row.event_id.bytes,
        "occurred_at": row.occurred_at,
        "recorded_at": row.recorded_at * 1000,
        "subject": None if row.subject == ZERO16 else row.subject,
        "system": row.system or None,
        "purpose": row.purpose or None,
        "recipient": row.recipient or None,
        "country": row.country or None,
        "policy": row.policy.hex(),
        "producer": row.producer or None,
    }


def _dead_letter(record: Record, refused: list[Judged], topic: str) -> bytes:
    first = refused[0]
    more = f" (and {len(refused) - 1} more events of this record)" if len(refused) > 1 else ""
    if len(record.value) > MAX_RECORD_BYTES:
        more += f" (of its {len(record.value)} bytes the first {MAX_RECORD_BYTES} are here)"
    return single_object_encode(
        "deadletter",
        {
            "reason": first.reason,
            "explanation": f"{first.explanation}{more}",
            "topic": topic,
            "partition": record.partition,
            "offset": record.offset,
            "broker_time": record.timestamp * 1000,
            "sha256": record.sha256,
            "producer": first.row.producer or None,
            # Kafka's limit is for what is sent; a compressed record may unpack to what no topic takes
            "record": record.value[:MAX_RECORD_BYTES],
        },
    )
