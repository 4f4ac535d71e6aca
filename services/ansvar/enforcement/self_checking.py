"""The worker's own look at the ledger, now and then: what it finds is an alert, not a silence.

Invariants: each fault is told once as long as it stands; a look that fails for want of a store is taken again
at the next time. The worker goes on whatever is found: what was recorded since is evidence too.

Not handled here: how the ledger is verified (the caller's `check`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ansvar.enforcement import metrics
from ansvar.enforcement.checkpointing import Tell
from ansvar.enforcement.waiting import happens
from ansvar.policy.verdict import Finding
from ansvar.store.errors import StoreError
from ansvar.vault.errors import VaultError

log = logging.getLogger(__name__)


class Wrong(NamedTuple):
    """What is wrong, and at which row."""

    chain: int
    seq: int
    text: str


# Blocks; asks now and then whether to break off, and then says that there is nothing to tell.
Check = Callable[[Callable[[], bool]], Sequence[Wrong]]


class SelfCheck:
    """Looks every so many seconds, the first time after as many."""

    def __init__(self, check: Check, tell: Tell, seconds: float) -> None:
        self._check, self._tell, self._seconds = check, tell, seconds
        self._told: set[Wrong] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Look until it is to stop; a look that is begun is broken off."""
        while not await happens(stop, self._seconds):
            await self.look(stop.is_set)

    async def look(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Look once, and tell what is new."""
        try:
            found = await asyncio.to_thread(self._check, stopped)
        except (StoreError, VaultError) as error:
            log.warning("the ledger could not be checked, tried again later: %s", error)
            return
        metrics.FAULTS.set(len(found))
        self._told.intersection_update(found)
        for wrong in found:
            if wrong in self._told:
                continue
            log.error("chain %d, seq %d: %s", *wrong)
            finding = Finding("log.tampered", "-", "deny", f"{wrong.text}. Run: ansvar verify")
            if await self._tell(wrong.chain, wrong.seq, finding):
                self._told.add(wrong)
