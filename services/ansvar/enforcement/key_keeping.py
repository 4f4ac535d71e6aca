"""What is due to keys on this machine, done in passing: destroyed intake keys, and rows about changed keys.

Invariants: a private intake key is destroyed only when its epoch is closed on every chain and the broker has
dropped all that was sealed in it; the row that says so follows the deed, and is sent again until every chain
has it. A change has one command id, so several workers that tell the same leave one row a chain.

Not handled here: making and rotating keys (the commands), what the rows change (`registering`).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal
from uuid import UUID, uuid5

from ansvar.deployment import Deployment
from ansvar.emitter.commanding import send_commands
from ansvar.emitter.errors import EmitterError
from ansvar.emitter.kafka import KafkaSettings
from ansvar.emitter.kit import ProducerKit
from ansvar.enforcement.errors import EnforcementError
from ansvar.enforcement.registrations import Told, due, told
from ansvar.enforcement.topics import retention_ms
from ansvar.enforcement.waiting import happens
from ansvar.epochs import destroy
from ansvar.events.control import Control
from ansvar.events.key_commands import KeysChanged
from ansvar.initiation import CONTROL_PRODUCER
from ansvar.keyfiles import KeyFileError
from ansvar.store.errors import StoreError
from ansvar.store.ledger import LedgerStore
from ansvar.vault.keyring import kit_path

_CHANGES: Final = UUID("6f3b7c0e-52a1-4d0f-9c55-0b7a1f6d9e21")  # the namespace; drawn once, never changed
_EVERY_SECONDS: Final = 3600.0
_SEND_SECONDS: Final = 10.0
# A generation above the first came by a rotation. The vault's key-encryption keys are `kek-<generation>.key`.
_GENERATIONS: Final[Mapping[Literal["log", "vault"], re.Pattern[str]]] = {
    "log": re.compile(r"log-succession-([0-9]{1,6})\.txt"),
    "vault": re.compile(r"kek-([0-9]{1,6})\.key"),
}

log = logging.getLogger(__name__)


def lacking(
    deployment: Deployment, chains: Mapping[int, Told], changes: Iterable[KeysChanged]
) -> Iterator[tuple[int, Control]]:
    """(chain, command) for every change that a chain has no row of."""
    for change in changes:
        name = f"{UUID(bytes=deployment.id)}/{change.what}/{change.change}/{change.generation}"
        control = Control(uuid5(_CHANGES, name), change)
        for chain, one in chains.items():
            if (change.what, change.change, change.generation) not in one.noted:
                yield chain, control


def rotations(keys: Path) -> list[KeysChanged]:
    """Every rotation of log keys, and of the vault's, that the key directory shows."""
    names = sorted(path.name for path in keys.iterdir())
    return [
        KeysChanged(what, "rotated", int(found[1]))
        for what, pattern in _GENERATIONS.items()
        for name in names
        if (found := pattern.fullmatch(name)) is not None and int(found[1]) > 1
    ]


def destroyed(keys: Path, chains: Mapping[int, Told], retention: int, now: int) -> list[KeysChanged]:
    """Destroy the private intake keys that are due at `now` (ms); the changes, also of those done before."""
    found = []
    for epoch, at in sorted(due(chains.values(), retention).items()):
        if at <= now:
            if destroy(keys, epoch):
                log.info("the private intake key of epoch %d is destroyed", epoch)
            found.append(KeysChanged("intake", "destroyed", epoch))
    return found


class KeyKeeper:
    """Looks at the start and every hour."""

    def __init__(self, keys: Path, ledger: LedgerStore, deployment: Deployment, kafka: KafkaSettings) -> None:
        self._keys, self._ledger, self._deployment, self._kafka = keys, ledger, deployment, kafka

    async def run(self, stop: asyncio.Event) -> None:
        """Look until it is to stop. What fails is tried again at the next look."""
        while True:
            try:
                await self.look(time.time_ns() // 1_000_000)
            except (EmitterError, EnforcementError, KeyFileError, StoreError, TimeoutError) as error:
                log.warning("keys were not looked after, tried again later: %s", error or "Kafka is away")
            if await happens(stop, _EVERY_SECONDS):
                return

    async def look(self, now: int) -> None:
        """Do what is due at `now` (ms since 1970)."""
        chains = await asyncio.to_thread(told, self._ledger, self._deployment)
        changes = rotations(self._keys)
        if any(at <= now for at in due(chains.values(), 0).values()):
            retention = await retention_ms(self._kafka, self._deployment.topic)
            changes += destroyed(self._keys, chains, retention, now)
        commands = list(lacking(self._deployment, chains, changes))
        if commands:
            kit = ProducerKit.read(kit_path(self._keys, CONTROL_PRODUCER))
            async with asyncio.timeout(_SEND_SECONDS):  # else a broker that is away would hold up a stop
                await send_commands(kit, self._kafka, commands)
