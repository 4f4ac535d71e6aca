"""The same recorded records give the same ledger: in any batch size, by any workers, whatever fails.

About 3,000 events of the sample company's year, recorded once as sealed records of four partitions together
with what goes wrong in life: garbage, changed bytes, repeated batches, events sent again by others, holes in
the offsets, lost and late batches, clocks that step. A calm run takes them into one database; every other run
has a database and a vault of its own and is held to the calm one's Merkle roots.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

import faults as failing
from ansvar.enforcement import waiting
from ansvar.enforcement.appending import Append
from ansvar.enforcement.enforcer import Enforcer
from ansvar.enforcement.errors import HeadMoved
from ansvar.enforcement.opening import Record
from ansvar.events.control import signed_key_command
from ansvar.events.envelope import RecordType
from ansvar.events.identifiers import normalise_event
from ansvar.events.key_commands import RegisterProducer, RevokeProducer
from ansvar.events.model import Event
from ansvar.sample.company import generate
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.verify import verify_store
from ansvar.vault.vault import Vault
from faults import CRASHES, FAILS, LIES, Crash, Faults
from records import (
    CHAINS,
    OPERATOR,
    Chain,
    KeptMessages,
    Producer,
    RecordedTopic,
    by_partition,
    deployment,
    parts,
    roots,
    rows,
    vault,
)

EVENTS = 3_000
WINDOW = 300  # rows in which repeated events are known: small, so that its end is met
FOUNDED = deployment(WINDOW)
SEED = 20_261
SHOP = Ed25519PrivateKey.from_private_bytes(b"s" * 32)  # a producer that comes and goes


class Recording(Struct, frozen=True):
    """The topic, and every event that was put into it where it belongs."""

    topic: RecordedTopic
    emitted: tuple[Event, ...]


class Recorder:
    """Writes one partition as its producers would on a bad day."""

    def __init__(self, topic: RecordedTopic, partition: int, events: Sequence[Event]) -> None:
        self._topic = topic
        self._partition = partition
        self._dice = random.Random(SEED + partition)
        self._waiting = list(events)
        self._sent: list[Event] = []
        self._late: list[tuple[bytes, list[Event]]] = []
        self._producers = [Producer(f"{partition}-{n}") for n in range(3)]
        self._now = self._producers[0].session.header.started
        self._control = Producer(f"{partition}-c", producer="control")
        self._shop = Producer(f"{partition}-s", producer="shop", signing_key=SHOP)
        self._registered = False
        self.emitted: list[Event] = []

    def record(self) -> None:
        """Write everything, then close the sessions."""
        if self._dice.randrange(2):
            self._topic.lose(self._partition, 2)
        while self._waiting or self._late:
            self._now += self._dice.choice([0, 1, 50, 50, 1_000, 60_000, -20])
            self._step()
        for producer in self._producers:
            self._add(producer.close(self._partition))
        self._add(self._producers[0].close(self._partition, number=1))

    def _step(self) -> None:
        trouble = self._dice.randrange(40)
        kept = self._topic.kept[self._partition]
        if trouble == 0:
            self._add(self._dice.randbytes(self._dice.randrange(60)))
        elif trouble == 1 and kept:
            value = bytearray(self._dice.choice(kept).value)
            if value:
                value[self._dice.randrange(len(value))] ^= 1 << self._dice.randrange(8)
            self._add(bytes(value))
        elif trouble == 20:
            self._register()
        elif trouble == 21 and self._waiting:
            self._from_shop()
        elif trouble in (2, 3) and kept:
            self._add(self._dice.choice(kept[-20:]).value)  # a batch, or whatever it was, sent again
        elif trouble == 4:
            self._topic.lose(self._partition, self._dice.randint(1, 3))
        elif trouble == 5:
            self._dice.choice(self._producers).next[self._partition] += 1  # a batch of which nothing is known
        elif trouble == 6:
            producer = self._dice.choice(self._producers)
            body = self._dice.randbytes(20)
            self._add(producer.sealed(RecordType.BATCH, self._partition, body))
        elif (trouble == 7 or not self._waiting) and self._late:
            late, events = self._late.pop(0)
            self._add(late)
            self.emitted += events
        else:
            self._batch(delayed=trouble in (8, 9))

    def _register(self) -> None:
        """A producer comes, or goes."""
        public = SHOP.public_key().public_bytes_raw()
        coming = RegisterProducer("shop", public, ("crm",), ("*",))
        command = RevokeProducer("shop") if self._registered else coming
        id_ = UUID(int=self._dice.getrandbits(128), version=4)
        control = signed_key_command(OPERATOR, FOUNDED.id, id_, command)
        self._add(self._control.command(self._partition, control))
        self._registered = not self._registered

    def _from_shop(self) -> None:
        """What it sends while nobody knows it is refused, and sent again by others."""
        value = self._shop.batch(self._partition, self._waiting[:1])
        if self._registered:
            self.emitted.append(self._waiting.pop(0))
        self._add(value)

    def _batch(self, *, delayed: bool) -> None:
        count = self._dice.choice([1, 2, 5, 15, 40, 60])
        fresh, self._waiting = self._waiting[:count], self._waiting[count:]
        again: list[Event] = []
        if not delayed:  # what comes late may come after the window
            again = self._dice.sample(self._sent, min(len(self._sent), self._dice.choice([0, 0, 1, 2])))
        batch = [*again[:1], *fresh, *again[1:]]
        value = self._dice.choice(self._producers).batch(self._partition, batch)
        if delayed:
            self._late.append((value, fresh))
            return
        self._add(value)
        self._sent = [*self._sent, *fresh][-WINDOW // 4 :]
        self.emitted += fresh

    def _add(self, value: bytes) -> None:
        self._topic.add(self._partition, value, self._now)


@pytest.fixture(scope="module")
def recording() -> Recording:
    """The records, and the events in them."""
    topic, emitted = RecordedTopic(), list[Event]()
    parted = by_partition(map(normalise_event, generate(EVENTS, seed=7).events))
    for partition, events in sorted(parted.items()):
        recorder = Recorder(topic, partition, events)
        recorder.record()
        emitted += recorder.emitted
    assert len(emitted) == EVENTS
    return Recording(topic, tuple(emitted))


class World(Struct, frozen=True):
    """One run's ledger, vault and Kafka beside the recorded topic."""

    topic: RecordedTopic
    store: Store
    vault: Vault
    published: KeptMessages


class Worker:
    """An enforcer and the consumer in front of it: positions move when a partition is done."""

    def __init__(self, world: World, faults: Faults | None = None) -> None:
        store, people, topic = world.store, world.vault, world.topic
        if faults is not None:
            store = failing.FailingStore(store, faults)
            people = failing.FailingVault(people, faults)
            topic = failing.FailingTopic(topic, faults)
        self._topic = topic
        self.enforcer = Enforcer(parts(topic, LedgerStore(store), people, world.published, FOUNDED))
        self.next: dict[int, int] = {}

    async def assign(self, partitions: Sequence[int]) -> None:
        """What a rebalance does."""
        for partition in partitions:
            self.next[partition] = await self.enforcer.take_over(partition)

    def revoke(self, partitions: Sequence[int]) -> None:
        """What the next one does."""
        self.enforcer.release(partitions)
        for partition in partitions:
            self.next.pop(partition, None)

    @property
    def caught_up(self) -> bool:
        """Whether nothing is left for this worker."""
        return all(offset >= self._topic.ends[partition] for partition, offset in self.next.items())

    def batch(self, dice: random.Random, take: int) -> list[Record]:
        """Up to `take` records from its partitions, mixed as a consumer mixes them."""
        found: list[Record] = []
        for partition in dice.sample(sorted(self.next), len(self.next)):
            ahead = [r for r in self._topic.kept[partition] if r.offset >= self.next[partition]]
            most = take - len(found)
            found += ahead[: most if len(ahead) <= most else dice.randint(0, most)]
            if not ahead:
                self.next[partition] = self._topic.ends[partition]
        return found

    async def step(self, dice: random.Random, take: int) -> None:
        """One micro-batch; what is done is never delivered again."""
        batch = self.batch(dice, take)
        done = await self.enforcer.enforce(batch)
        for record in batch:
            if record.partition in done:
                self.next[record.partition] = max(self.next[record.partition], record.offset + 1)


async def work(worker: Worker, take: int, seed: int = 0, partitions: Sequence[int] = range(CHAINS)) -> None:
    """Take everything."""
    dice = random.Random(seed)
    await worker.assign(partitions)
    while not worker.caught_up:
        await worker.step(dice, take)


vaults = itertools.count()


@pytest.fixture
def world(recording: Recording, new_store: Callable[[], Store], tmp_path: Path) -> Callable[..., World]:
    """Makes worlds in which nothing has happened yet."""

    def make(published: KeptMessages | None = None) -> World:
        people = vault(tmp_path / f"vault-{next(vaults)}.db")
        return World(recording.topic, new_store(), people, published or KeptMessages())

    return make


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails here answers at once when it is asked again."""
    monkeypatch.setattr(waiting, "_FIRST_WAIT", 0.0)
    monkeypatch.setattr(waiting, "_LONGEST_WAIT", 0.0)


class Calm(Struct, frozen=True):
    """What every run must come to."""

    roots: dict[int, tuple[int, bytes]]
    alerts: Counter[bytes]
    dead_letters: Counter[tuple[int, int]]
    kinds: Counter[str]


_calm: list[Calm] = []  # of this module's recording; a fixture for a module cannot have a test's store


async def calm(make: Callable[..., World]) -> Calm:
    """One worker, large batches, no trouble; run once."""
    if not _calm:
        world = make()
        await work(Worker(world), 50)
        kinds = Counter(row.kind for row in rows(world.store))
        published = world.published
        _calm.append(Calm(roots(world.store), published.alerts(), published.dead_letters(), kinds))
        assert set(published.alerts().values()) == set(published.dead_letters().values()) == {1}
        check_events(world)
        world.vault.close()
    return _calm[0]


def check_events(world: World) -> None:
    """Every emitted event is a row exactly once, and verification finds nothing."""
    judged = Counter(row.event_id for row in rows(world.store) if row.verdict)
    assert set(judged.values()) == {1}
    assert len(judged) == EVENTS
    reports = verify_store(world.store, world.vault.effects_through())
    assert [report.faults for report in reports] == [()] * CHAINS


async def check(world: World, make: Callable[..., World]) -> None:
    """The oracle."""
    expected = await calm(make)
    assert roots(world.store) == expected.roots
    assert set(world.published.alerts()) == set(expected.alerts)
    assert set(world.published.dead_letters()) == set(expected.dead_letters)
    check_events(world)
    heads = {chain: count - 1 for chain, (count, _) in expected.roots.items()}
    assert world.vault.effects_through() == heads
    world.vault.close()


async def test_the_recording_holds_every_kind_of_trouble(world: Callable[..., World]) -> None:
    kinds = (await calm(world)).kinds
    assert kinds["genesis"] == CHAINS
    for kind in ("gap", "duplicate", "keys", "refused", "session"):
        assert kinds[kind] >= 4, kinds
    assert sum(kinds[kind] for kind in ("processing", "transfer", "disclosure", "rights")) > EVENTS // 2
    assert len(_calm[0].alerts) > 50
    assert len(_calm[0].dead_letters) > 5


@pytest.mark.parametrize("take", [1, 7])
async def test_batch_sizes_leave_no_trace(world: Callable[..., World], take: int) -> None:
    made = world()
    await work(Worker(made), take, seed=take)
    await check(made, world)


async def test_workers_that_take_over_leave_no_trace(world: Callable[..., World]) -> None:
    """Partitions move between two workers again and again, by release and by neglect."""
    made, dice = world(), random.Random(3)
    one, two = Worker(made), Worker(made)
    await one.assign([0, 1, 2, 3])
    while not (one.caught_up and two.caught_up):
        for worker in (one, two):
            if worker.next:
                await worker.step(dice, 30)
        if dice.randrange(4) == 0:
            giver, taker = dice.sample([one, two], 2)
            moved = dice.sample(sorted(giver.next), min(2, len(giver.next)))
            giver.revoke(moved)
            await taker.assign(moved)
    await check(made, world)


async def test_revocation_in_the_middle_of_a_batch(world: Callable[..., World]) -> None:
    """The first worker is cut off wherever it is, while the second begins on the same partitions."""
    made, dice = world(), random.Random(4)
    worker = Worker(made)
    await worker.assign(range(CHAINS))
    while not worker.caught_up:
        if dice.randrange(5):
            await worker.step(dice, 30)
            continue
        cut_off = asyncio.ensure_future(worker.step(dice, 30))
        await asyncio.sleep(0)
        worker.enforcer.release(range(CHAINS))
        successor = Worker(made)
        await asyncio.gather(cut_off, successor.assign(range(CHAINS)))
        await worker.enforcer.close()
        worker = successor
    await check(made, world)


MORE = [pytest.param(seed, marks=pytest.mark.nightly) for seed in range(2, 8)]


@pytest.mark.parametrize("seed", [1, *MORE])
async def test_failures_and_crashes_leave_no_trace(world: Callable[..., World], seed: int) -> None:
    """Calls fail, lose their answers or lie, and the process dies anywhere: before, between and after."""
    faults = Faults(seed, 6, [*FAILS, *CRASHES, *LIES])
    made, dice = world(failing.FailingPublisher(faults)), random.Random(seed)
    deaths = 0
    while True:
        worker = Worker(made, faults)
        try:
            await worker.assign(range(CHAINS))
            while not worker.caught_up:
                await worker.step(dice, 8)
        except Crash:
            deaths += 1
        else:
            break
    assert deaths > 10
    for kind in (*FAILS, *CRASHES):  # so also after an append, and after effects before they count as done
        for operation in ("insert", "publish", "advance", "read"):
            assert faults.met[operation, kind], faults.met
    assert faults.met["insert", LIES[0]]
    assert faults.met["resolve", FAILS[0]]
    await check(made, world)


@pytest.mark.parametrize("seed", [1, *MORE])
async def test_workers_that_both_believe_they_own_a_partition(world: Callable[..., World], seed: int) -> None:
    """Neither is told of the other, and each goes on with what it remembers: one history all the same."""
    faults = Faults(seed, 20, [*FAILS, *LIES])
    made, dice = world(failing.FailingPublisher(faults)), random.Random(seed)
    workers = [Worker(made, faults), Worker(made, faults)]
    for worker in workers:
        await worker.assign(range(CHAINS))
    while not all(worker.caught_up for worker in workers):
        if dice.randrange(3):
            await dice.choice(workers).step(dice, dice.choice([1, 10, 50]))
        else:
            await asyncio.gather(*(worker.step(dice, 20) for worker in workers))
    await check(made, world)


async def test_a_worker_that_slept_through_it_all(world: Callable[..., World]) -> None:
    """It wakes up with the memory of the beginning and believes that everything is still its own."""
    made, dice = world(), random.Random(9)
    sleeper = Worker(made)
    await sleeper.assign(range(CHAINS))
    await sleeper.step(dice, 40)
    await work(Worker(made), 50)
    while not sleeper.caught_up:
        await sleeper.step(dice, 50)
    await check(made, world)


async def test_a_token_that_the_store_does_not_remember(world: Callable[..., World]) -> None:
    """A worker that was suspended with an append in hand wakes up after its token was forgotten."""
    made = world()
    ledger = LedgerStore(made.store)
    chain = Chain(recent_events=WINDOW)
    ledger.append(0, 0, chain.judged[0].stored)
    judged = chain.take(made.topic.kept[0][0].value)
    assert Append(ledger, judged).step()
    made.store.command("ALTER TABLE {database}.ledger MODIFY SETTING non_replicated_deduplication_window = 0")
    with suppress(HeadMoved):
        Append(ledger, judged).step()
    assert [report.faults for report in verify_store(made.store, {})] == [()]


def test_the_tests_own_faults_do_what_they_say() -> None:
    done: list[str] = []
    for kind, error in {
        "no answer": RuntimeError,
        "answer lost": RuntimeError,
        "crash before": Crash,
        "crash after": Crash,
    }.items():
        faults = Faults(0, 1, [kind])
        with pytest.raises(error):
            faults.around("advance", lambda kind=kind: done.append(kind), RuntimeError())  # type: ignore[misc] # the default only binds the loop's name
    assert done == ["answer lost", "crash after"]
