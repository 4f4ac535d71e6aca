"""Waiting for the stores in place, and blocking calls in threads that nothing is closed under.

Invariants:
- A call that fails for want of a store is repeated, with backoff, until it answers or the partition is given
  up; meanwhile everybody can read what it waits for.
- A thread cannot be cancelled. A caller that is cancelled leaves its thread behind, and `quiet` waits for
  all of them, so a store is never closed while a thread of ours may still write to it.

Not handled here: which partitions are ours (`enforcer`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from aiokafka.errors import KafkaError

from ansvar.enforcement import metrics
from ansvar.enforcement.errors import Revoked
from ansvar.store.errors import StoreError
from ansvar.vault.errors import EffectsMoved, VaultError

log = logging.getLogger(__name__)
T = TypeVar("T")

_FIRST_WAIT: Final = 0.1  # seconds; doubled after every failure
_LONGEST_WAIT: Final = 5.0
_TELL_EVERY: Final = 12  # failures with the same reason, about a minute: a long outage is no flood of lines


class Tenure:
    """One partition for as long as it is ours without a break: from an assignment to the next revocation.

    Work holds on to its tenure, so what was begun under an earlier one ends with it, even when the same
    partition is ours again by then.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.ended = asyncio.Event()

    def check(self) -> None:
        """Raise Revoked when the tenure has ended."""
        if self.ended.is_set():
            raise Revoked(f"partition {self.partition}")


class Waiting:
    """What the partitions of one worker wait for, and the threads it has running."""

    def __init__(self) -> None:
        self._reasons: dict[Tenure, str] = {}
        self._threads: set[asyncio.Future[Any]] = set()
        self._closing = False

    @property
    def reasons(self) -> list[str]:
        """What is being waited for now, each reason once, in order."""
        return sorted(set(self._reasons.values()))

    def give_up(self) -> None:
        """From now on nothing is waited for: what fails ends its tenure."""
        self._closing = True
        for tenure in list(self._reasons):
            tenure.ended.set()

    async def thread(self, call: Callable[[], T]) -> T:
        """Run a blocking call in a thread."""
        running: asyncio.Future[T] = asyncio.ensure_future(asyncio.to_thread(call))
        self._threads.add(running)
        running.add_done_callback(self._left)
        return await asyncio.shield(running)

    def _left(self, running: asyncio.Future[Any]) -> None:
        self._threads.discard(running)
        if not running.cancelled():
            running.exception()  # nobody may be there any more to take it

    async def quiet(self) -> None:
        """Wait until no thread of ours runs."""
        while self._threads:
            await asyncio.wait(self._threads)

    async def blocking(self, tenure: Tenure, call: Callable[[], T]) -> T:
        """Repeat a blocking call, in a thread, until its store answers. Raises Revoked."""
        return await self.patiently(tenure, lambda: self.thread(call))

    async def patiently(self, tenure: Tenure, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call until its store answers. Raises Revoked when the tenure ends."""
        wait, failures = _FIRST_WAIT, 0
        try:
            while True:
                tenure.check()
                try:
                    answer = await call()
                except EffectsMoved:
                    raise
                except (StoreError, VaultError, KafkaError, OSError) as error:
                    if self._closing:
                        raise Revoked(f"partition {tenure.partition}") from error
                    self._failed(tenure, error, failures)
                else:
                    tenure.check()
                    if failures:
                        log.info("partition %d: answered, going on", tenure.partition)
                    return answer
                failures += 1
                if not await happens(tenure.ended, wait):
                    wait = min(wait * 2, _LONGEST_WAIT)
        finally:
            self._reasons.pop(tenure, None)
            metrics.WAITING.set(len(self._reasons))

    def _failed(self, tenure: Tenure, error: Exception, failures: int) -> None:
        reason = str(error) or type(error).__name__
        tell = failures % _TELL_EVERY == 0 or self._reasons.get(tenure) != reason
        self._reasons[tenure] = reason
        metrics.WAITING.set(len(self._reasons))
        log.log(
            logging.WARNING if tell else logging.DEBUG,
            "partition %d waits, nothing is acknowledged: %s",
            tenure.partition,
            reason,
        )


async def happens(event: asyncio.Event, within: float) -> bool:
    """Whether an event happens within some seconds."""
    try:
        await asyncio.wait_for(event.wait(), within)
    except TimeoutError:
        return False
    return True
