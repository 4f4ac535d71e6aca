"""Which policy each chain judges by, and since when: read from the ledger's `genesis` and `policy` rows."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from ansvar.ledger.position import MAX_PARTITIONS
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore


class InForce(Struct, frozen=True):
    """The policy of one chain: bundle (SHA-256, hex), engine, activation id, and the row that began it."""

    chain: int
    bundle: str
    engine: int
    activation: str  # '' since the founding
    seq: int
    since: datetime


def in_force(ledger: LedgerStore) -> list[InForce]:
    """The policy of every chain that is fed from Kafka, by chain."""
    found = []
    for chain in ledger.chains():
        if chain >= MAX_PARTITIONS:
            continue  # of an ingested file: judged as it was, once
        end = ledger.last_seq(chain) + 1
        rows = list(ledger.rows_of_kind(chain, ("genesis", "policy"), 0, end))
        if rows:
            row = rows[-1]
            activation = row.event_id.hex if row.kind == "policy" else ""
            since = datetime.fromtimestamp(row.recorded_at / 1000, UTC)
            found.append(InForce(chain, row.policy.hex(), row.engine, activation, row.seq, since))
    return found


def carried_out(store: Store, activation: UUID) -> set[int]:
    """The chains that have a row of an activation, whatever came after it."""
    found = store.query(
        "SELECT DISTINCT chain FROM {database}.ledger WHERE kind = 'policy' AND event_id = {id:UUID}",
        {"id": str(activation)},
    )
    return {chain for (chain,) in found}


def mixed(policies: list[InForce]) -> bool:
    """Whether chains judge by different policies, as while an activation is on its way, or cut short."""
    return len({(policy.bundle, policy.engine) for policy in policies}) > 1


def to_json(policies: list[InForce]) -> list[dict[str, object]]:
    """As JSON data."""
    return [msgspec.to_builtins(policy) for policy in policies]
