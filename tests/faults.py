"""Stores and brokers that fail as real ones do: before a call, after it was carried out, or by lying.

A `Faults` decides, call by call, from a seed. What it did is counted, so that a test can insist that every
kind of fault was met. `Crash` stands for the end of the process: nothing catches it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

from ansvar.enforcement.effects import Message
from ansvar.enforcement.opening import Record
from ansvar.enforcement.ports import Bounds
from ansvar.store.client import Parameters, Store
from ansvar.store.errors import StoreError, StoreUnavailable
from ansvar.vault.errors import VaultError, VaultUnavailable
from ansvar.vault.vault import End, Held, Vault, Wanted
from records import KeptMessages, RecordedTopic

T = TypeVar("T")

FAILS = ("no answer", "answer lost")  # not carried out; carried out, but the caller hears of a failure
CRASHES = ("crash before", "crash after")
_RARER = {"read": 20, "look": 6, "through": 6, "publish": 0.5, "advance": 0.5}
LIES = ("nothing there",)  # an insert: success is reported, its token is used up, and no row is there


class Crash(Exception):
    """The process is gone."""


class Faults:
    """Draws a fault for about one call in `every`; fewer where calls are many and faults delay only, more
    where calls are few, so that a run meets every kind.

    The faults of one operation come in turn, so that all of them are met; `met` counts (operation, kind).
    """

    def __init__(self, seed: int, every: int, kinds: Sequence[str]) -> None:
        self._random = random.Random(seed)
        self._every = every
        self._kinds = kinds
        self._turn: Counter[str] = Counter()
        self.met: Counter[tuple[str, str]] = Counter()
        self.burned: set[str] = set()  # tokens of inserts that left nothing

    def draw(self, operation: str) -> str:
        """What happens to this call: '' for nothing unusual."""
        kinds = [kind for kind in self._kinds if kind not in LIES or operation == "insert"]
        if not kinds or self._random.randrange(max(1, int(self._every * _RARER.get(operation, 1)))):
            return ""
        kind = kinds[self._turn[operation] % len(kinds)]
        self._turn[operation] += 1
        self.met[operation, kind] += 1
        return kind

    def around(self, operation: str, call: Callable[[], T], error: Exception) -> T:
        """Carry out a call, or fail before or after it."""
        kind = self.draw(operation)
        self.before(kind, error)
        answer = call()
        self.after(kind, error)
        return answer

    def before(self, kind: str, error: Exception) -> None:
        """Fail as if the call had never arrived."""
        if kind == "no answer":
            raise error
        if kind == "crash before":
            raise Crash

    def after(self, kind: str, error: Exception) -> None:
        """Fail although the call was carried out."""
        if kind == "answer lost":
            raise error
        if kind == "crash after":
            raise Crash


class FailingStore(Store):
    """A store of which calls fail; it shares the connection of a sound one."""

    def __init__(self, sound: Store, faults: Faults) -> None:
        self.__dict__.update(sound.__dict__)
        self._faults = faults

    def query(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        return self._faults.around("read", lambda: super(FailingStore, self).query(sql, parameters), _STORE)

    def raw(self, sql: str, parameters: Parameters | None = None) -> bytes:
        return self._faults.around("read", lambda: super(FailingStore, self).raw(sql, parameters), _STORE)

    def insert(self, table: str, columns: Sequence[str], block: bytes, *, token: str) -> None:
        kind = self._faults.draw("insert")
        self._faults.before(kind, _STORE)
        if kind == "nothing there":
            self._faults.burned.add(token)
        if token not in self._faults.burned:
            super().insert(table, columns, block, token=token)
        self._faults.after(kind, _STORE)


class FailingVault(Vault):
    """A vault of which calls fail; it shares the connections of a sound one."""

    def __init__(self, sound: Vault, faults: Faults) -> None:
        self.__dict__.update(sound.__dict__)
        self._faults = faults

    def resolve(self, wanted: Sequence[Wanted]) -> dict[bytes, Held]:
        return self._faults.around("resolve", lambda: super(FailingVault, self).resolve(wanted), _VAULT)

    def effects_through(self) -> Mapping[int, int]:
        return self._faults.around("through", super().effects_through, _VAULT)

    def advance(self, chain: int, previous: int, through: int, ends: Sequence[End] = ()) -> None:
        self._faults.around(
            "advance", lambda: super(FailingVault, self).advance(chain, previous, through, ends), _VAULT
        )


class FailingPublisher(KeptMessages):
    """A publisher of which calls fail; a lost answer leaves messages that are published again."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    async def publish(self, messages: Sequence[Message]) -> None:
        kind = self._faults.draw("publish")
        self._faults.before(kind, _KAFKA)
        await super().publish(messages)
        self._faults.after(kind, _KAFKA)


class FailingTopic(RecordedTopic):
    """A recorded topic whose reader fails."""

    def __init__(self, recorded: RecordedTopic, faults: Faults) -> None:
        self.__dict__.update(recorded.__dict__)
        self._faults = faults

    async def bounds(self, partition: int) -> Bounds:
        self._faults.before(self._faults.draw("look"), _KAFKA)
        return await super().bounds(partition)

    async def records(self, partition: int, start: int, end: int) -> list[Record]:
        self._faults.before(self._faults.draw("look"), _KAFKA)
        return await super().records(partition, start, end)


_STORE = StoreUnavailable("ClickHouse did not answer (as the test wants it)")
_VAULT = VaultUnavailable("the vault did not answer (as the test wants it)")
_KAFKA = KafkaError("the broker did not answer (as the test wants it)")


def repeated(store: Store, vault: Vault, faults: Faults, job: Callable[[Store, Vault], object]) -> int:
    """Do a job on stores that fail now and then, again and again until it is done; returns how often."""
    tries = 1
    while True:
        try:
            job(FailingStore(store, faults), FailingVault(vault, faults))
        except (StoreError, VaultError):
            tries += 1
        else:
            return tries
