"""Verifying everything a data directory holds: chains, bundles, the record the chains were founded on."""

from __future__ import annotations

from ansvar.accountability.report import ChainResult, Found, Report
from ansvar.deployment import DeploymentError, from_record
from ansvar.ledger.position import MAX_PARTITIONS
from ansvar.store.catalogue import Catalogue
from ansvar.store.client import Store
from ansvar.store.errors import StoreError
from ansvar.store.ledger import LedgerStore
from ansvar.store.verify import ChainReport, ProgressOfChains, verify_bundles, verify_store
from ansvar.vault.vault import Vault


def verify_everything(store: Store, vault: Vault, progress: ProgressOfChains | None = None) -> Report:
    """Recompute all chains and check what stands beside them. Raises StoreError or VaultError on failure."""
    chains = verify_store(store, vault.effects_through(), progress)
    beside: list[str] = []
    try:
        verify_bundles(store)
    except StoreError as error:
        beside.append(str(error))
    try:
        beside += _founded_otherwise(store, chains)
    except (StoreError, DeploymentError) as error:
        beside.append(str(error))
    return Report(tuple(map(_result, chains)), tuple(beside))


def _result(report: ChainReport) -> ChainResult:
    faults = sorted({(fault.seq, fault.kind, fault.message) for fault in report.faults})
    found = tuple(Found(kind, seq, message) for seq, kind, message in faults)
    return ChainResult(report.chain, report.rows, report.root.hex(), found)


def _founded_otherwise(store: Store, chains: list[ChainReport]) -> list[str]:
    """Intact chains whose genesis does not hold the deployment record that the store has now."""
    record = Catalogue(store).deployment()
    ledger = LedgerStore(store)
    found = []
    known = None if record is None else from_record(record).chains
    for report in chains:
        if known is not None and report.chain % MAX_PARTITIONS >= known:
            found.append(f"chain {report.chain}, seq 0: wrong-origin: the deployment has no such chain")
            continue
        if report.faults or not report.rows:
            continue
        for first, _ in ledger.rows(report.chain, 0, 1):
            if record is None or first.extra.encode() != record:
                found.append(
                    f"chain {report.chain}, seq 0: wrong-origin: not founded on the deployment record"
                )
    return found


def rows_total(store: Store) -> int:
    """How many rows there are to verify."""
    return int(store.query("SELECT count() FROM {database}.ledger")[0][0])
