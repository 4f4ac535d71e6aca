"""A sweep from end to end: what is due becomes commands, commands become rows, then the marks are set.

Invariants: marks are written when every finding stands in the ledger, so a sweep that is cut off, or whose
worker is away, is simply run again: ids are the same, and what stands is left out.

Not handled here: what is due (`due`), the rows and alerts of findings (the worker).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Final
from uuid import UUID

from msgspec import Struct

from ansvar.emitter.commanding import send_commands
from ansvar.emitter.kafka import KafkaSettings
from ansvar.emitter.kit import ProducerKit
from ansvar.enforcement.errors import EnforcementError
from ansvar.enforcement.rows import EPOCH
from ansvar.enforcement.snapshotting import keep
from ansvar.enforcement.sweep.due import Sweep, sweep
from ansvar.enforcement.wiring import bundles
from ansvar.events.control import Control, RecordFinding
from ansvar.store.catalogue import Catalogue
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.snapshots import Snapshots

_POLL_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 60.0  # without one more row
_ASKED_AT_ONCE: Final = 10_000

Progress = Callable[[str, int, int], None]  # what, done, total


class Swept(Struct, frozen=True):
    """One finding that a sweep recorded; `chain` and `seq` are the row that it is about."""

    chain: int
    seq: int
    rule: str
    clause: str
    severity: str
    since: datetime
    message: str


async def sweep_and_record(
    store: Store,
    kit: ProducerKit,
    kafka: KafkaSettings,
    now: datetime,
    progress: Progress,
    *,
    dry_run: bool = False,
) -> list[Swept]:
    """Find what is due as of `now`, have the worker record it, and set the marks; in a dry run only find it.

    Raises EnforcementError when the worker does not record what was sent; running it again goes on.
    """
    ledger, snapshots = LedgerStore(store), Snapshots(store)
    bundle_of = bundles(Catalogue(store))

    def look() -> Sweep:
        looked_at = count(1)
        total = len(ledger.chains())

        def told(_: int, __: int) -> None:
            progress("chains looked at", next(looked_at), total)

        return sweep(ledger, snapshots, bundle_of, now, kit.chains, told)

    found = await asyncio.to_thread(look)
    if dry_run:
        return [_told(finding) for finding in found.findings]
    if found.commands:
        await send_commands(kit, kafka, found.commands)
        await _recorded(store, found.commands, progress)
    await asyncio.to_thread(keep, ledger, snapshots, found.marks)
    return [_told(finding) for finding in found.findings]


async def _recorded(store: Store, commands: Sequence[tuple[int, Control]], progress: Progress) -> None:
    """Wait until every command is a row."""
    waiting = {control.id for _, control in commands}
    clock = asyncio.get_running_loop().time
    moved = clock()
    while True:
        there = await asyncio.to_thread(_standing, store, waiting)
        if there:
            moved = clock()
            waiting -= there
        progress("findings", len(commands) - len(waiting), len(commands))
        if not waiting:
            return
        if clock() - moved > _PATIENCE_SECONDS:
            raise EnforcementError(
                f"{len(waiting)} of {len(commands)} findings were sent and are not in the ledger: the worker "
                "does not run, or is far behind. Sweep again when it has caught up; nothing is recorded twice"
            )
        await asyncio.sleep(_POLL_SECONDS)


def _standing(store: Store, ids: set[UUID]) -> set[UUID]:
    """Those of some ids that have a row; asked for some at a time."""
    asked = sorted(map(str, ids))[:_ASKED_AT_ONCE]
    found = store.query(
        "SELECT DISTINCT event_id FROM {database}.ledger "
        "WHERE kind = 'finding' AND event_id IN {ids:Array(UUID)}",
        {"ids": asked},
    )
    return {event_id for (event_id,) in found}


def _told(found: RecordFinding) -> Swept:
    since = EPOCH + timedelta(microseconds=found.since)
    return Swept(found.chain, found.seq, found.rule, found.clause, found.severity, since, found.message)
