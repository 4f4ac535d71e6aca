"""The stack's self-check: the whole verification, as the worker runs it now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ansvar.accountability.verification import anchor_files, log_keys, verify_everything
from ansvar.directory import DataDirectory
from ansvar.enforcement.self_checking import Check, Wrong
from ansvar.enforcement.wiring import open_vault
from ansvar.settings import Settings
from ansvar.store.client import Store


class _Stopped(Exception):
    """The stack is about to stop, so nobody waits for the result."""


def self_check(directory: DataDirectory, settings: Settings, store: Store) -> Check:
    """What verifies this data directory's ledger, from where it was verified last; it may be broken off."""

    def check(stopped: Callable[[], bool]) -> Sequence[Wrong]:
        def going_on(chain: int, rows: int) -> None:
            del chain, rows
            if stopped():
                raise _Stopped

        vault = open_vault(directory, settings)
        try:
            report = verify_everything(
                store,
                vault,
                going_on,
                signer=log_keys(directory.keys, store, settings),
                anchors=anchor_files(directory.anchors),
                now=time.time_ns() // 1_000_000,
            )
        except _Stopped:
            return []
        finally:
            vault.close()
        found = [Wrong(c.chain, f.seq, f"{f.kind}: {f.message}") for c in report.chains for f in c.faults]
        return [*found, *(Wrong(0, 0, line) for line in report.beside)]

    return check
