"""The first row of a chain: a copy of the deployment record, the same bytes whoever writes it."""

from __future__ import annotations

from ansvar.deployment import Deployment, to_record
from ansvar.enforcement.sheet import Judged
from ansvar.ledger.row import ZERO16, ZERO32, Row, seal


def genesis(deployment: Deployment, chain: int, stream: bytes = ZERO16) -> Judged:
    """The genesis row (seq 0, offset -1) of a chain; it activates the deployment's first bundle and engine.

    `stream` is given for the chains of an ingested file; a Kafka chain learns its own from its first record.
    """
    row = Row(
        chain=chain,
        seq=0,
        stream=stream,
        offset=-1,
        index=0,
        recorded_at=deployment.founded_at,
        kind="genesis",
        occurred_at=deployment.founded_at * 1000,
        policy=deployment.bundle,
        engine=deployment.engine,
        extra=to_record(deployment).decode(),
    )
    columns, leaf = seal(row, ZERO32)
    return Judged(row, columns + leaf)
