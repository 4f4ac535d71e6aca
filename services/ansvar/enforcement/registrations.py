"""Producers and intake epochs as every chain that is fed from Kafka has them at its end.

Not handled here: the fold of one chain (`registering`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ansvar.deployment import Deployment
from ansvar.enforcement.founding import genesis
from ansvar.enforcement.registering import GRACE_MS, REGISTERING, Registry
from ansvar.enforcement.rows import extra_of
from ansvar.store.ledger import LedgerStore


class Told(Struct, frozen=True):
    """What the rows of one chain say: the fold, how often a producer was changed, which changes were told."""

    registry: Registry
    changes: Mapping[str, int]
    noted: frozenset[tuple[str, str, int]]  # (what, change, generation) of log, intake and vault keys


def told(ledger: LedgerStore, deployment: Deployment) -> dict[int, Told]:
    """By chain; one that has no row yet stands as it will be founded. Raises StoreError."""
    found = {}
    for chain in range(deployment.chains):
        end = ledger.last_seq(chain) + 1
        rows = ledger.rows_of_kind(chain, REGISTERING, 0, end) if end else [genesis(deployment, chain).row]
        registry, changes, noted = Registry(), dict[str, int](), set[tuple[str, str, int]]()
        for row in rows:
            registry.took(row)
            facts = extra_of(row) if row.kind == "keys" else {}
            if "name" in facts:
                changes[facts["name"]] = changes.get(facts["name"], 0) + 1
            elif facts:
                number: int = facts["epoch" if facts["what"] == "intake" else "generation"]
                noted.add((facts["what"], facts["change"], number))
        found[chain] = Told(registry, changes, frozenset(noted))
    return found


def closed(chains: Iterable[Told]) -> dict[int, int]:
    """Epoch -> when its last record is taken (broker time, ms), of those that are closed on every chain."""
    ends: dict[int, int] = {}
    opened: set[int] = set()
    for one in chains:
        for number, epoch in one.registry.epochs.items():
            if epoch.closed_at is None:
                opened.add(number)
            else:
                ends[number] = max(ends.get(number, 0), epoch.closed_at + GRACE_MS)
    return {number: end for number, end in ends.items() if number not in opened}


def due(chains: Iterable[Told], retention_ms: int) -> dict[int, int]:
    """Epoch -> when its private key is to be destroyed (ms), of those that are closed on every chain.

    Not before the broker has dropped the last record that was sealed in it, nor before the stated time.
    """
    known = list(chains)
    found = {}
    for number, end in closed(known).items():
        stated = (
            one.registry.epochs[number].destroy_at or 0 for one in known if number in one.registry.epochs
        )
        found[number] = max(end + retention_ms, *stated)
    return found
