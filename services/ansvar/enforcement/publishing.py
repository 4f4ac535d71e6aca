"""Where the writing of checkpoints is put together: pace, keys, witnesses, anchor files and alerts.

Invariants: a last checkpoint covers every row, written on leaving, whatever ended the work before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aiokafka.errors import KafkaError

from ansvar.deployment import Deployment
from ansvar.directory import DataDirectory
from ansvar.enforcement.anchoring import Anchors
from ansvar.enforcement.checkpointing import Checkpointer, Pace, Tell
from ansvar.enforcement.effects import Message, Topics, log_alert
from ansvar.enforcement.ports import Publisher
from ansvar.enforcement.trees import ChainTrees
from ansvar.enforcement.witnessing import Witnesses
from ansvar.initiation import log_signer
from ansvar.ledger.errors import Malformed
from ansvar.ledger.trust import NO_WITNESSES, TrustPolicy
from ansvar.policy.verdict import Finding
from ansvar.settings import Settings, SettingsError
from ansvar.store.checkpoints import Checkpoints
from ansvar.store.client import Store
from ansvar.store.errors import StoreError
from ansvar.store.ledger import LedgerStore
from ansvar.vault.logkeys import LogSigner

log = logging.getLogger(__name__)


def witness_policy(settings: Settings) -> TrustPolicy:
    """The witness policy that the settings name, by default that nobody need cosign. Raises SettingsError."""
    file = settings.witness_policy
    if file is None:
        return NO_WITNESSES
    try:
        return TrustPolicy.parse(file.read_bytes())
    except (OSError, Malformed) as error:
        raise SettingsError(f"ANSVAR_WITNESS_POLICY: {file}: {error}") from error


@asynccontextmanager
async def checkpointing(
    directory: DataDirectory,
    settings: Settings,
    store: Store,
    trees: ChainTrees,
    signer: LogSigner,
    tell: Tell,
) -> AsyncIterator[Checkpointer]:
    """What writes checkpoints and anchor files. On leaving a last one covers every row that `trees` knows."""
    policy = witness_policy(settings)
    witnesses = Witnesses(policy) if policy.witnesses else None
    anchors = Anchors(directory.anchors)
    pace = Pace(settings.checkpoint_seconds, settings.checkpoint_rows, settings.unwitnessed_seconds)
    checkpointer = Checkpointer(
        trees,
        Checkpoints(store),
        signer,
        tell,
        pace=pace,
        policy=policy,
        witnesses=witnesses,
        anchor=anchors.take,
    )
    try:
        yield checkpointer
    finally:
        try:
            await checkpointer.write()
            await asyncio.to_thread(anchors.flush)
        except StoreError as error:
            log.warning("the last checkpoint could not be written: %s", error)
        finally:
            if witnesses is not None:
                await witnesses.aclose()


def teller(deployment: Deployment, publisher: Publisher, where: Topics) -> Tell:
    """What publishes an alert about the log itself; returns whether the broker has it."""

    async def tell(chain: int, seq: int, finding: Finding) -> bool:
        now = time.time_ns() // 1_000_000
        alert = log_alert(UUID(bytes=deployment.id), chain, seq, finding, now)
        try:
            await publisher.publish([Message(where.alerts, alert)])
        except KafkaError as error:
            log.warning("chain %d: an alert (%s) waits for Kafka: %s", chain, finding.rule, error)
            return False
        return True

    return tell


@asynccontextmanager
async def meanwhile(
    run: Callable[[asyncio.Event], Coroutine[Any, Any, None]], failed: Callable[[BaseException], None]
) -> AsyncIterator[None]:
    """Something runs until this is left, and then to the end of what it is at; `failed` hears why it broke.

    It is not cancelled: a thread of its would go on with a store that is about to be closed.
    """
    stop = asyncio.Event()

    def ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            failed(error)

    running = asyncio.create_task(run(stop))
    running.add_done_callback(ended)
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait([running])


async def checkpoint_now(
    directory: DataDirectory, settings: Settings, store: Store, deployment: Deployment, chains: Iterable[int]
) -> None:
    """Write a checkpoint of chains that no worker has: those of ingested files. Raises as `take_up`."""
    signer = log_signer(directory.keys, store, settings, deployment)
    trees = ChainTrees(store, signer, Anchors(directory.anchors).newest)
    ledger = LedgerStore(store)
    for chain in chains:
        newest = await asyncio.to_thread(trees.newest, chain)
        size = await asyncio.to_thread(ledger.last_seq, chain) + 1
        trees.grew(chain, await asyncio.to_thread(trees.take_up, chain, newest, size))
        signer.publish([chain])
    async with checkpointing(directory, settings, store, trees, signer, _logged):
        pass  # the last checkpoint, written on leaving, is the one


async def _logged(chain: int, seq: int, finding: Finding) -> bool:
    """What is wrong with the witnessing is in the log already; without Kafka there is no alert."""
    del chain, seq, finding
    return True
