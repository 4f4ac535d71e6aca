"""Verifying a data directory's ledger: for a command, for the API, and for the worker now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ansvar.accountability.report import Report
from ansvar.accountability.verification import anchor_files, log_keys, verify_everything
from ansvar.directory import DataDirectory
from ansvar.enforcement.self_checking import Check, Wrong
from ansvar.enforcement.wiring import open_vault
from ansvar.settings import Settings
from ansvar.store.client import Store
from ansvar.store.verify import ProgressOfChains


class _Stopped(Exception):
    """The stack is about to stop, so nobody waits for the result."""


def verified(
    directory: DataDirectory,
    settings: Settings,
    store: Store,
    progress: ProgressOfChains | None = None,
    *,
    full: bool = False,
    anchors: Iterable[Path] = (),
) -> Report:
    """Verify the ledger with the vault, log keys and anchor files (unless some are named) that are there.

    What is intact is signed and stored. Blocks. Raises StoreError or VaultError.
    """
    vault = open_vault(directory, settings)
    try:
        return verify_everything(
            store,
            vault,
            progress,
            full=full,
            signer=log_keys(directory.keys, store, settings),
            anchors=anchor_files(directory.anchors, anchors),
            now=time.time_ns() // 1_000_000,
        )
    finally:
        vault.close()


def self_check(directory: DataDirectory, settings: Settings, store: Store) -> Check:
    """What verifies this data directory's ledger, from where it was verified last; it may be broken off."""

    def check(stopped: Callable[[], bool]) -> Sequence[Wrong]:
        def going_on(chain: int, rows: int) -> None:
            del chain, rows
            if stopped():
                raise _Stopped

        try:
            report = verified(directory, settings, store, going_on)
        except _Stopped:
            return []
        found = [Wrong(c.chain, f.seq, f"{f.kind}: {f.message}") for c in report.chains for f in c.faults]
        return [*found, *(Wrong(0, 0, line) for line in report.beside)]

    return check
