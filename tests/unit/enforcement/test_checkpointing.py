"""Checkpoints as they fall due: signed once, published when witnessed, and loud when they are not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from ansvar.directory import DataDirectory
from ansvar.enforcement import checkpointing as checkpointing_
from ansvar.enforcement.checkpointing import Checkpointer, Pace
from ansvar.enforcement.publishing import checkpoint_now, checkpointing, witness_policy
from ansvar.enforcement.trees import ChainTrees
from ansvar.enforcement.witnessing import Witnesses
from ansvar.initiation import log_signer as signer_of
from ansvar.ledger import anchor_file
from ansvar.ledger.checkpoint import open_checkpoint
from ansvar.ledger.merkle import root
from ansvar.ledger.tiles import Frontier, Tile
from ansvar.ledger.trust import NO_WITNESSES, TrustPolicy
from ansvar.policy.verdict import Finding
from ansvar.settings import Settings, SettingsError
from ansvar.store.checkpoints import Checkpoints, Stored
from ansvar.store.client import Store
from ansvar.store.errors import StoreError, StoreUnavailable
from ansvar.store.ledger import LedgerStore
from ansvar.store.trees import Trees
from ansvar.verifier.witness import Answer, Witness
from ansvar.verifier.witness_http import WitnessServer
from ansvar.verifier.witness_store import WitnessStore
from records import deployment, log_signer
from rows import company_chain, sealed
from small_logs import witness_keys
from stores import engine as engine
from stores import new_store as new_store
from stores import store as store

CHAINS = (0, 1)
ROWS = [sealed(company_chain(chain, 700)) for chain in CHAINS]
LEAVES = [[row[-32:] for row in rows] for rows in ROWS]
NEVER, AT_ONCE = 1e9, 0.0
GOOD = witness_keys(b"g" * 32, "witness.example/good")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


class Alerts(list[tuple[int, int, str]]):
    """What was told; while `mute` nothing can be."""

    mute = False

    async def tell(self, chain: int, seq: int, finding: Finding) -> bool:
        if not self.mute:
            self.append((chain, seq, finding.rule))
        return not self.mute


class Worker:
    """A worker's trees and checkpoints over a store, with rows that it adds itself."""

    def __init__(
        self,
        store: Store,
        policy: TrustPolicy = NO_WITNESSES,
        unwitnessed: float = NEVER,
        *,
        rows: int = 10**6,
        seconds: float = 0.01,
    ) -> None:
        self.store, self.alerts = store, Alerts()
        self.anchored: list[Stored] = []
        self.trees = ChainTrees(store, log_signer())
        self.frontiers: dict[int, Frontier] = {}
        self.witnesses = Witnesses(policy, timeout=30.0) if policy.witnesses else None
        self.checkpointer = Checkpointer(
            self.trees,
            Checkpoints(store),
            log_signer(),
            self.alerts.tell,
            pace=Pace(seconds, rows, unwitnessed),
            policy=policy,
            witnesses=self.witnesses,
            anchor=self.anchored.extend,
        )

    def take_up(self, chain: int = 0) -> None:
        size = LedgerStore(self.store).last_seq(chain) + 1
        self.frontiers[chain] = self.trees.take_up(chain, self.trees.newest(chain), size)
        self.trees.grew(chain, self.frontiers[chain])

    def grow(self, size: int, chain: int = 0) -> None:
        """Add the rows up to a size, as a worker that has the chain does."""
        frontier = self.frontiers.setdefault(chain, Frontier())
        block = b"".join(ROWS[chain][frontier.size : size])
        LedgerStore(self.store).append(chain, frontier.size, block)
        frontier.extend(LEAVES[chain][frontier.size : size])
        self.trees.grew(chain, frontier)

    async def write(self) -> list[tuple[int, int, bool]]:
        return [(stored.chain, stored.size, stored.published) for stored in await self.checkpointer.write()]

    async def aclose(self) -> None:
        if self.witnesses is not None:
            await self.witnesses.aclose()


def kept(store: Store, chain: int = 0) -> list[tuple[int, bool]]:
    return [(stored.size, stored.published) for stored in Checkpoints(store).all(chain)]


def check(stored: Stored, policy: TrustPolicy = NO_WITNESSES) -> None:
    """The checkpoint is of the rows, signed by both keys, witnessed if it is published."""
    keys = log_signer().public(stored.chain)
    opened = open_checkpoint(stored.note, keys, policy.witness_keys, log_signer().origin(stored.chain))
    assert opened.checkpoint.size == stored.size
    assert opened.checkpoint.root == root(LEAVES[stored.chain][: stored.size])
    assert {signed.key for signed in opened.signed} >= set(keys)
    if stored.published:
        policy.check(opened)


async def test_what_is_due_is_written_once(store: Store) -> None:
    worker = Worker(store)
    assert await worker.write() == []
    worker.grow(300)
    assert await worker.write() == [(0, 300, True)]
    assert await worker.write() == []
    worker.grow(600)
    worker.grow(1, chain=1)
    assert await worker.write() == [(0, 600, True), (1, 1, True)]
    assert kept(store) == [(300, True), (600, True)]
    for stored in (*Checkpoints(store).all(0), *Checkpoints(store).all(1)):
        check(stored)
    assert [(one.chain, one.size) for one in worker.anchored] == [(0, 300), (0, 600), (1, 1)]
    assert worker.alerts == []
    assert Trees(store).frontier(0, 600).root() == root(LEAVES[0][:600])


async def test_a_restart_does_not_sign_the_same_again(store: Store) -> None:
    before = Worker(store)
    before.grow(300)
    await before.write()
    again = Worker(store)
    again.take_up()
    assert await again.write() == []
    again.grow(301)
    assert await again.write() == [(0, 301, True)]
    assert kept(store) == [(300, True), (301, True)]


async def test_missing_tiles_are_kept_though_nothing_is_due(store: Store) -> None:
    before = Worker(store)
    before.grow(600)
    await before.write()
    store.command("TRUNCATE TABLE {database}.tiles")
    again = Worker(store)
    again.take_up()
    assert await again.write() == []
    assert Trees(store).tiles(0, [Tile(1, 0, 2)])
    assert [tip.tiles for tip in again.trees.tips()] == [()]


@pytest.mark.parametrize("table", ["tiles", "checkpoints"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_store_that_fails_leaves_it_due(
    store: Store, monkeypatch: pytest.MonkeyPatch, table: str, when: str
) -> None:
    real = store.insert

    def failing(name: str, *given: Any, **named: Any) -> None:
        if name == table and when == "before":
            raise StoreUnavailable("away")
        real(name, *given, **named)
        if name == table:
            raise StoreUnavailable("the answer was lost")

    worker = Worker(store)
    worker.grow(300)
    monkeypatch.setattr(store, "insert", failing)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await worker.write()
    monkeypatch.setattr(store, "insert", real)
    assert worker.anchored == []
    assert await worker.write() == [(0, 300, True)]
    assert {stored.size for stored in Checkpoints(store).all(0)} == {300}
    assert len(worker.anchored) == 1
    assert Trees(store).frontier(0, 300).root() == root(LEAVES[0][:300])


async def test_two_workers_over_one_store(new_store: Callable[[], Store]) -> None:
    """A chain that went from one to the other, which still has a tip of it."""
    store = new_store()
    first, second = Worker(store), Worker(store)
    first.grow(300)
    second.take_up()
    second.grow(600)
    assert await asyncio.gather(first.write(), second.write()) == [[(0, 300, True)], [(0, 600, True)]]
    assert await first.write() == await second.write() == []
    assert kept(store) == [(300, True), (600, True)]
    for stored in Checkpoints(store).all(0):
        check(stored)
    third = Worker(store)
    third.take_up()
    assert third.trees.tips()[0].size == 600


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the store and the loop's own pace are waited for
            await asyncio.sleep(0.005)


async def test_it_runs_as_rows_come(store: Store) -> None:
    worker, stop = Worker(store), asyncio.Event()
    running = asyncio.create_task(worker.checkpointer.run(stop))
    for size in (5, 300):
        worker.grow(size)
        await _until(lambda: (size, True) in kept(store))  # noqa: B023 - in this turn
    stop.set()
    await running


async def test_many_rows_do_not_wait_for_the_seconds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due by time is due in a quarter of an hour; rows that wait are looked at every 10 ms."""
    monkeypatch.setattr(checkpointing_, "_LOOKS", 100_000)
    worker, stop = Worker(store, rows=300, seconds=1000.0), asyncio.Event()
    worker.grow(1)
    worker.grow(300, chain=1)
    running = asyncio.create_task(worker.checkpointer.run(stop))
    await _until(lambda: kept(store, 1) == [(300, True)])
    assert kept(store) == [(1, True)]
    stop.set()
    await running


async def test_running_waits_for_a_store_that_is_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, real, failed = Worker(store), store.insert, []

    def away(*given: Any, **_: Any) -> None:
        failed.append(given[0])
        raise StoreUnavailable("away")

    worker.grow(5)
    monkeypatch.setattr(store, "insert", away)
    stop = asyncio.Event()
    running = asyncio.create_task(worker.checkpointer.run(stop))
    await _until(lambda: len(failed) > 1)
    monkeypatch.setattr(store, "insert", real)
    await _until(lambda: kept(store) == [(5, True)])
    stop.set()
    await running


class Leaving(Witness):
    """A witness that can be out of order for a while."""

    away = False

    def add_checkpoint(self, *given: Any) -> Answer:
        return Answer(503, b"") if self.away else super().add_checkpoint(*given)


class There:
    """A witness server that can go and come back."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        store = stack.enter_context(closing(WitnessStore(directory / "witness.db")))
        self._witness = Leaving(store, GOOD, [key for chain in CHAINS for key in log_signer().public(chain)])
        server = WitnessServer(self._witness, "127.0.0.1", 0)
        stack.enter_context(server.serving())
        self.url = server.url

    def goes(self) -> None:
        self._witness.away = True

    def comes_back(self) -> None:
        self._witness.away = False

    @property
    def policy(self) -> TrustPolicy:
        lines = [
            f"witness {name} {key} {self.url}\n" for name, key in zip(("ed", "ml"), GOOD.public, strict=True)
        ]
        return TrustPolicy.parse(("".join(lines) + "group both all ed ml\nquorum both\n").encode())


@pytest.fixture
def there(tmp_path: Path) -> Iterator[There]:
    with ExitStack() as stack:
        yield There(tmp_path, stack)


async def test_a_witnessed_checkpoint_is_published(store: Store, there: There) -> None:
    worker = Worker(store, there.policy)
    for size in (300, 600):
        worker.grow(size)
        worker.grow(size // 3, chain=1)
        assert await worker.write() == [(0, size, True), (1, size // 3, True)]
    for chain in CHAINS:
        for stored in Checkpoints(store).all(chain):
            check(stored, there.policy)
    assert worker.alerts == []
    await worker.aclose()


async def test_without_its_witness_it_is_stored_and_published_later(store: Store, there: There) -> None:
    worker = Worker(store, there.policy, AT_ONCE)
    there.goes()
    worker.grow(300)
    assert await worker.write() == [(0, 300, False)]
    assert await worker.write() == []  # the same one again says nothing new
    assert worker.anchored == []
    assert Checkpoints(store).newest(0, published=True) is None
    assert worker.alerts == [(0, 299, "log.unwitnessed")]
    there.comes_back()
    assert await worker.write() == [(0, 300, True)]
    assert await worker.write() == []
    assert kept(store) == [(300, False), (300, True)]
    newest = Checkpoints(store).newest(0, published=True)
    assert newest is not None
    check(newest, there.policy)
    assert [one.size for one in worker.anchored] == [300]
    await worker.aclose()


async def test_an_alert_is_told_once_each_time_that_it_begins(store: Store, there: There) -> None:
    worker = Worker(store, there.policy, AT_ONCE)
    there.goes()
    worker.grow(5)
    worker.alerts.mute = True  # the broker is away too
    await worker.write()
    worker.alerts.mute = False
    for size in (5, 5, 6, 7):
        if size > 5:
            worker.grow(size)
        await worker.write()
    assert worker.alerts == [(0, 4, "log.unwitnessed")]
    there.comes_back()
    assert await worker.write() == [(0, 7, True)]
    there.goes()
    worker.grow(8)
    await worker.write()
    await worker.write()
    assert worker.alerts == [(0, 4, "log.unwitnessed"), (0, 7, "log.unwitnessed")]
    await worker.aclose()


async def test_not_being_witnessed_is_no_alert_before_its_time(store: Store, there: There) -> None:
    worker = Worker(store, there.policy, NEVER)
    there.goes()
    worker.grow(5)
    assert await worker.write() == [(0, 5, False)]
    await worker.write()
    assert worker.alerts == []
    await worker.aclose()


async def test_a_restart_goes_on_to_publish(store: Store, there: There) -> None:
    there.goes()
    before = Worker(store, there.policy)
    before.grow(300)
    await before.write()
    await before.aclose()
    there.comes_back()
    again = Worker(store, there.policy)
    again.take_up()
    assert await again.write() == [(0, 300, True)]
    await again.aclose()


async def test_a_policy_that_asks_for_more_publishes_anew(store: Store, there: There) -> None:
    before = Worker(store)
    before.grow(300)
    assert await before.write() == [(0, 300, True)]
    again = Worker(store, there.policy)
    again.take_up()
    assert await again.write() == [(0, 300, True)]
    newest = Checkpoints(store).newest(0, published=True)
    assert newest is not None
    check(newest, there.policy)
    await again.aclose()


async def test_a_chain_that_another_worker_took_over_is_no_alarm(store: Store, there: There) -> None:
    """The witness has seen more than the tip that the first worker is left with."""
    first, second = (Worker(store, there.policy, AT_ONCE) for _ in range(2))
    first.grow(200)
    assert await first.write() == [(0, 200, True)]
    first.grow(300)
    second.take_up()
    second.grow(600)
    assert await second.write() == [(0, 600, True)]
    assert await first.write() == []
    assert await first.write() == []
    assert first.alerts == second.alerts == []
    assert kept(store) == [(200, True), (600, True)]
    first.take_up()
    first.grow(601)
    assert await first.write() == [(0, 601, True)]
    await first.aclose()
    await second.aclose()


async def test_a_ledger_put_back_to_an_old_copy_is_told(new_store: Callable[[], Store], there: There) -> None:
    there_was = Worker(new_store(), there.policy)
    there_was.grow(600)
    await there_was.write()
    await there_was.aclose()
    copy = new_store()
    old = Worker(copy, there.policy, NEVER)
    old.grow(300)
    assert await old.write() == [(0, 300, False)]
    assert old.alerts == [(0, 299, "log.rolled_back")]
    # What the database says of checkpoints that were signed later quiets nothing unless it was signed.
    Checkpoints(copy).keep([Stored(0, 10**6, 0, True, b"a note\n\nof nobody\n")])
    await old.write()
    assert old.alerts == [(0, 299, "log.rolled_back")]
    fresh = Worker(copy, there.policy, NEVER)
    fresh.frontiers = old.frontiers
    fresh.trees.grew(0, old.frontiers[0])
    await fresh.write()
    assert fresh.alerts == [(0, 299, "log.rolled_back")]
    assert Checkpoints(copy).newest(0, published=True, up_to=300) is None
    await old.aclose()
    await fresh.aclose()


async def test_a_rewritten_history_is_told(new_store: Callable[[], Store], there: There) -> None:
    honest = Worker(new_store(), there.policy)
    honest.grow(300)
    await honest.write()
    await honest.aclose()
    forged = Worker(new_store(), there.policy, NEVER)
    frontier = Frontier()
    frontier.extend(LEAVES[1][:400])  # other rows under the name of chain 0
    LedgerStore(forged.store).append(0, 0, b"".join(sealed(company_chain(0, 400, seed=9))))
    forged.trees.grew(0, frontier)
    written = await forged.write()
    assert written == [(0, 400, False)]
    assert forged.alerts == [(0, 399, "log.forked")]
    assert await forged.write() == []
    assert forged.alerts == [(0, 399, "log.forked")]
    await forged.aclose()


async def test_what_is_wrong_with_one_chain_keeps_no_other_from_its_checkpoint(
    store: Store, there: There
) -> None:
    worker = Worker(store, there.policy, AT_ONCE)
    worker.grow(300)
    worker.grow(300, chain=1)
    await worker.write()
    store.command("TRUNCATE TABLE {database}.tiles")
    Trees(store).keep([(1, (0, 0, Trees(store).rebuild(1, 256).peaks[0]))])
    worker.grow(400)
    worker.grow(400, chain=1)
    assert await worker.write() == [(0, 400, False), (1, 400, True)]
    assert worker.alerts == [(0, 399, "log.unwitnessed")]
    await worker.aclose()


async def test_a_forged_row_of_the_table_does_not_stop_checkpoints(store: Store) -> None:
    worker = Worker(store)
    worker.grow(300)
    Checkpoints(store).keep([Stored(0, 10**9, 0, True, b"a note\n\nof nobody\n")])
    assert await worker.write() == [(0, 300, True)]


async def test_chains_without_a_worker_get_a_checkpoint_of_their_own(store: Store, tmp_path: Path) -> None:
    directory, settings = DataDirectory(tmp_path), Settings()
    signer = signer_of(directory.keys, store, settings, deployment())
    for chain in CHAINS:
        LedgerStore(store).append(chain, 0, b"".join(ROWS[chain]))
    for _ in range(2):
        await checkpoint_now(directory, settings, store, deployment(), CHAINS)
    for chain in CHAINS:
        assert kept(store, chain) == [(700, True)]
        anchored = anchor_file.read((directory.anchors / f"log-{chain}.txt").read_bytes())
        assert [each.note for each in Checkpoints(store).all(chain)] == anchored
        opened = open_checkpoint(anchored[0], signer.public(chain), origin=signer.origin(chain))
        assert opened.checkpoint.root == root(LEAVES[chain])
        assert (directory.keys / f"log-{chain}.vkey").exists()


def _ends(trees: ChainTrees, frontier: Frontier) -> LookupError:
    trees.grew(0, frontier)
    return LookupError("what ended the work")


async def test_the_last_checkpoint_is_written_on_leaving(store: Store, tmp_path: Path) -> None:
    trees = ChainTrees(store, log_signer())
    frontier = Frontier()
    frontier.extend(LEAVES[0][:5])
    written = checkpointing(DataDirectory(tmp_path), Settings(), store, trees, log_signer(), Alerts().tell)
    with pytest.raises(LookupError):
        async with written:
            raise _ends(trees, frontier)
    assert kept(store) == [(5, True)]


async def test_a_store_that_is_gone_at_the_end_is_no_further_error(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise StoreError("away")

    trees = ChainTrees(store, log_signer())
    frontier = Frontier()
    frontier.extend(LEAVES[0][:5])
    async with checkpointing(DataDirectory(tmp_path), Settings(), store, trees, log_signer(), Alerts().tell):
        trees.grew(0, frontier)
        monkeypatch.setattr(store, "insert", away)
    assert kept(store) == []


@pytest.mark.parametrize("content", [None, b"quorum nobody\n", b"\xff"])
def test_a_witness_policy_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "policy"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"ANSVAR_WITNESS_POLICY: {file}: "):
        witness_policy(Settings(witness_policy=file))
