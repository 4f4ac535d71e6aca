"""Counters of enforcement, in Prometheus' terms. No label ever holds anything about a person.

One registry a process, made here so that the API can serve it and tests can read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ansvar.enforcement.effects import Message, Topics
from ansvar.enforcement.sheet import Judged

REGISTRY: Final = CollectorRegistry()

ROWS: Final = Counter(
    "ansvar_rows", "Rows confirmed in the ledger, by kind and verdict", ("kind", "verdict"), registry=REGISTRY
)
FINDINGS: Final = Counter("ansvar_findings", "Findings, by rule", ("rule",), registry=REGISTRY)
REFUSED: Final = Counter(
    "ansvar_refused", "Records or events refused, by reason", ("reason",), registry=REGISTRY
)
ALERTS: Final = Counter("ansvar_alerts", "Alerts published", registry=REGISTRY)
DEAD_LETTERS: Final = Counter("ansvar_dead_letters", "Dead letters published", registry=REGISTRY)
APPEND_SECONDS: Final = Histogram(
    "ansvar_append_seconds",
    "Time to append a block and read it back",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
    registry=REGISTRY,
)
CHECKPOINTS: Final = Counter("ansvar_checkpoints", "Checkpoints published", registry=REGISTRY)
CHECKPOINT_SECONDS: Final = Histogram(
    "ansvar_checkpoint_seconds",
    "Time of each half of a round of checkpoints: signing with tiles, and storing; witnesses not counted",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
    registry=REGISTRY,
)
FAULTS: Final = Gauge("ansvar_ledger_faults", "Faults that the last self-check found", registry=REGISTRY)
WAITING: Final = Gauge(
    "ansvar_waiting", "Partitions waiting for ClickHouse, the vault or Kafka", registry=REGISTRY
)
BEHIND: Final = Gauge(
    "ansvar_behind_records", "Records of this worker's partitions that are not done yet", registry=REGISTRY
)


def count(rows: Iterable[Judged]) -> None:
    """Count rows that were confirmed now."""
    for judged in rows:
        ROWS.labels(judged.row.kind, judged.row.verdict).inc()
        for rule in judged.row.findings:
            FINDINGS.labels(rule).inc()
        if judged.reason:
            REFUSED.labels(judged.reason).inc()


def count_messages(published: Iterable[Message], topics: Topics) -> None:
    """Count messages that the broker acknowledged now."""
    for message in published:
        (DEAD_LETTERS if message.topic == topics.deadletter else ALERTS).inc()
