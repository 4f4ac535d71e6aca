"""The worker's own look at the ledger, now and then: what it finds is an alert, not a silence.

Invariants: each fault is told once as long as it stands; a look that fails for want of a store is taken again
at the next time. The worker goes on whatever is found: what was recorded since is evidence too.

Not handled here: how the ledger is verified (the caller's `check`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from ansvar.enforcement import metrics
from ansvar.enforcement.checkpointing import Tell
from ansvar.enforcement.waiting import happens
from ansvar.ledger.errors import Fault
from ansvar.policy.verdict import Finding
from ansvar.store.errors import StoreError
from ansvar.vault.errors import VaultError

log = logging.getLogger(__name__)

# Blocks; asks now and then whether to break off, and then says that there is nothing to tell.
Check = Callable[[Callable[[], bool]], Sequence[Fault]]


class SelfCheck:
    """Looks every so many seconds, the first time after as many."""

    def __init__(self, check: Check, tell: Tell, seconds: float) -> None:
        self._check, self._tell, self._seconds = check, tell, seconds
        self._told: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Look until it is to stop; a look that is begun is broken off."""
        while not await happens(stop, self._seconds):
            await self.look(stop.is_set)

    async def look(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Look once, and tell what is new."""
        try:
            faults = await asyncio.to_thread(self._check, stopped)
        except (StoreError, VaultError) as error:
            log.warning("the ledger could not be checked, tried again later: %s", error)
            return
        metrics.FAULTS.set(len(faults))
        standing = {str(fault) for fault in faults}
        self._told &= standing
        for fault in faults:
            if str(fault) in self._told:
                continue
            log.error("%s", fault)
            text = f"{fault.kind}: {fault.message}. Run: ansvar verify"
            if await self._tell(fault.chain, fault.seq, Finding("log.tampered", "-", "deny", text)):
                self._told.add(str(fault))
