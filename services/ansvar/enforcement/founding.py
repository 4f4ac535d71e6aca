"""The first row of a chain: a copy of the deployment record, the same bytes whoever writes it."""

from __future__ import annotations

from ansvar.deployment import Deployment, to_record
from ansvar.enforcement.sheet import Judged
from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.row import ZERO16, Row, seal


def genesis(
    deployment: Deployment, chain: int, stream: bytes = ZERO16, policy: tuple[bytes, int] | None = None
) -> Judged:
    """The genesis row (seq 0, offset -1) of a chain.

    It activates the deployment's first bundle and engine. The chains of an ingested file are given their
    `stream` (a Kafka chain learns its own from its first record) and as `policy` the bundle (SHA-256) and
    engine that are in force where their findings go.
    """
    bundle, engine = policy or (deployment.bundle, deployment.engine)
    row = Row(
        chain=chain,
        seq=0,
        stream=stream,
        offset=-1,
        index=0,
        recorded_at=deployment.founded_at,
        kind="genesis",
        occurred_at=deployment.founded_at * 1000,
        policy=bundle,
        engine=engine,
        extra=to_record(deployment).decode(),
    )
    columns, leaf = seal(row, ZERO32)
    return Judged(row, columns + leaf)
