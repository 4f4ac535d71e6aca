"""kill -9 at moments drawn from a seed, while events arrive: one history, and every effect at least once.

The embedded stack is killed again and again; its broker goes on as an orphan, takes what is emitted, and is
taken over by the next start. Moments follow the stack's own progress (rows judged, writes of the vault and of
the store, lines of its log), never a clock.

The oracle: the Kafka records as they lie in the topic, judged once more in peace, in other batches, on an
empty store with the references of the same vault, give the same root for every chain.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from ansvar import Emitter, Event
from ansvar.deployment import from_record
from ansvar.directory import DataDirectory
from ansvar.embedded.owning import StackNote, running_stack
from ansvar.emitter.kafka import KafkaSettings
from ansvar.enforcement.carrying import Parts
from ansvar.enforcement.enforcer import Enforcer
from ansvar.enforcement.kafka import KafkaReader
from ansvar.enforcement.opening import Record
from ansvar.enforcement.people import People
from ansvar.enforcement.trees import ChainTrees
from ansvar.enforcement.wiring import open_vault, opener, rules, topics
from ansvar.initiation import log_signer
from ansvar.policy.canonical import canonical
from ansvar.sample import SAMPLE_BUNDLE
from ansvar.sample.company import generate
from ansvar.settings import Settings
from ansvar.store.catalogue import Catalogue
from ansvar.store.client import Store, chdb_dsn
from ansvar.store.ledger import LedgerStore
from ansvar.store.migrate import migrate
from ansvar.vault import keyring
from ansvar.vault.keyring import kit_path
from commands import Kept, Running, data_directory, judged, kept, run, started, wait_until
from records import KeptMessages, RecordedTopic, roots
from workers import published, until

CHAINS = 4
EVENTS = 400  # of each seed


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data directory for all seeds: each goes on where the one before ended, on the same broker."""
    with data_directory(tmp_path_factory.mktemp("killed") / "data") as path:
        yield path


@pytest.mark.parametrize(
    "seed", [*range(1, 4), *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(4, 34))]
)
async def test_killed_at_any_moment(seed: int, data: Path, tmp_path: Path) -> None:
    dice = random.Random(seed)
    events = generate(EVENTS, seed).events
    kills = dice.randint(2, 3)
    cuts = [0, *sorted(dice.sample(range(1, EVENTS), kills)), EVENTS]
    for number, (start, end) in enumerate(pairwise(cuts)):
        output = tmp_path / f"life-{number}"
        with started("up", "--port", "0", "--data-dir", data, output=output) as up:
            emitting = asyncio.create_task(_emit(up, data, events[start:end]))
            try:
                if number < kills:
                    await _come(dice.choice(MOMENTS)(dice, up, data), emitting, data)
                    up.kill()
                await emitting
                if number == kills:
                    await _caught_up(data)
                    recorded = await _recorded(data)
                    alerts = await published(_note(data).kafka, "ansvar.alerts")
                    report = run("verify", "--json", "--data-dir", data)
                    up.kill()
            finally:
                emitting.cancel()

    assert report.returncode == 0, report.stderr
    rows = kept(data)
    counted = Counter(row.event_id for row in rows if row.verdict)
    assert {counted[str(event.event_id)] for event in events} == {1}
    assert set(counted.values()) == {1}
    assert {row.kind for row in rows}.isdisjoint({"gap", "refused", "duplicate"})
    found = {chain["chain"]: (chain["rows"], chain["root"]) for chain in json.loads(report.stdout)["chains"]}
    calm_roots, calm_alerts = await _calm(data, rows[0], tmp_path / "calm", recorded)
    assert found == calm_roots
    assert {alert["alert_id"] for alert in alerts} == calm_alerts
    denied = {(row.chain, row.seq) for row in rows if row.verdict == "deny"}
    assert {(alert["chain"], alert["seq"]) for alert in alerts} == denied != set()


def _note(data: Path) -> StackNote:
    """How to reach the stack, once it says so."""
    note = running_stack(DataDirectory(data))
    assert note is not None
    return note


async def _emit(up: Running, data: Path, events: tuple[Event, ...]) -> None:
    """Emit in small records, as soon as there is a broker; it outlives the stack."""
    state = data / "kafka" / "broker.json"
    await until(lambda: "Starting the worker" in up.output or up.process.poll() is not None, "a broker")
    port = json.loads(state.read_text())["port"]
    kit = kit_path(data / "keys", "local")
    async with Emitter(kit, f"127.0.0.1:{port}", max_batch_events=6) as emitter:
        for start in range(0, len(events), 40):
            await emitter.emit_many(events[start : start + 40])


# Moments. Each draws what it needs and returns whether it has come.

Moment = Callable[[], bool]


def _rows(dice: random.Random, up: Running, data: Path) -> Moment:
    """So many events are judged."""
    wanted = dice.randrange(1, 60)
    return lambda: "Running: " in up.output and judged(up.port) >= wanted


def _changes(count: int, *files: Callable[[], list[Path]]) -> Moment:
    """So many changes of some files were seen, counted from the first look."""
    seen: list[object] = []
    changes = 0

    def come() -> bool:
        nonlocal changes
        now = [(path, path.stat().st_mtime_ns) for find in files for path in find() if path.exists()]
        changes += bool(seen) and seen[0] != now
        seen[:] = [now]
        return changes >= count

    return come


def _vault(dice: random.Random, up: Running, data: Path) -> Moment:
    """The vault was written so often: before an append (new people) and after one (effects done)."""
    come = _changes(dice.randrange(1, 12), lambda: [data / "vault.db-wal"])
    return lambda: "Starting the worker" in up.output and come()


def _store(dice: random.Random, up: Running, data: Path) -> Moment:
    """The store's directories changed so often: appends, and merges after them."""
    come = _changes(dice.randrange(1, 25), lambda: sorted((data / "clickhouse" / "store").glob("*/*")))
    return lambda: "Starting the worker" in up.output and come()


def _reading(dice: random.Random, up: Running, data: Path) -> Moment:
    """A chain has been read, others have not."""
    log = data / "logs" / "ansvar.log"
    lines = log.read_text(encoding="utf-8").count("continuing at offset") if log.exists() else 0
    wanted = lines + dice.randrange(1, CHAINS + 1)
    return lambda: log.exists() and log.read_text(encoding="utf-8").count("continuing at offset") >= wanted


MOMENTS = [_rows, _vault, _vault, _store, _store, _reading]


async def _come(moment: Moment, emitting: asyncio.Task[None], data: Path) -> None:
    """Wait for a moment as closely as can be; one that a short life never has ends with all work done."""
    idle = threading.Event()

    async def work() -> None:
        await asyncio.wait((emitting,))
        await _caught_up(data)
        idle.set()

    working = asyncio.create_task(work())
    try:
        await asyncio.to_thread(
            wait_until, lambda: moment() or idle.is_set(), "the moment to kill", poll=0.001
        )
    finally:
        working.cancel()


async def _caught_up(data: Path) -> None:
    """Wait until the worker has committed the end of every partition: what is committed is done."""
    await until(lambda: (data / "stack.json").exists(), "the stack runs")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=_note(data).kafka, group_id="ansvar", enable_auto_commit=False
    )
    await consumer.start()
    try:
        places = [TopicPartition("ansvar.events", number) for number in range(CHAINS)]
        consumer.assign(places)
        end = time.monotonic() + 90
        while True:
            ends = await consumer.end_offsets(places)
            if all([(await consumer.committed(place) or 0) >= ends[place] for place in places]):
                return
            assert time.monotonic() < end, "not all was processed"
            await asyncio.sleep(0.05)
    finally:
        await consumer.stop()


async def _recorded(data: Path) -> dict[int, list[Record]]:
    reader = KafkaReader(KafkaSettings(bootstrap=_note(data).kafka), "ansvar.events")
    await reader.start()
    try:
        found = {}
        for number in range(CHAINS):
            bounds = await reader.bounds(number)
            assert bounds.start == 0
            found[number] = await reader.records(number, 0, bounds.end)
        return found
    finally:
        await reader.stop()


async def _calm(
    data: Path, first: Kept, path: Path, recorded: dict[int, list[Record]]
) -> tuple[dict[int, tuple[int, str]], set[bytes]]:
    """Judge recorded records in peace; returns chain -> (rows, root), and the ids of all alerts.

    `first` is a genesis: it holds the deployment record.
    """
    assert first.kind == "genesis"
    directory = DataDirectory(path)
    directory.make()
    shutil.rmtree(directory.keys)
    shutil.copytree(data / "keys", directory.keys)
    for name in ("vault.db", "vault.db-wal"):
        if (data / name).exists():
            shutil.copy(data / name, path / name)
    with closing(sqlite3.connect(directory.vault, isolation_level=None)) as vault_file:
        vault_file.execute("DELETE FROM effects")  # none was carried out for the calm chains
    store = Store(chdb_dsn(directory.clickhouse))
    vault = open_vault(directory, Settings())
    try:
        migrate(store, 0)
        Catalogue(store).put_bundle(canonical(SAMPLE_BUNDLE))
        deployment = from_record(first.extra.encode())
        ring = keyring.read(directory.keys)
        topic, messages = RecordedTopic(CHAINS), KeptMessages()
        for number, records in recorded.items():
            topic.kept[number] = records
            topic.ends[number] = len(records)
        opens = opener(deployment, ring)
        enforcer = Enforcer(
            Parts(
                deployment=deployment,
                ledger=LedgerStore(store),
                vault=vault,
                people=People(vault, ring.pepper),
                opener=opens,
                rules=rules(store, ring, opens.home),
                reader=topic,
                publisher=messages,
                topics=topics(deployment, Settings()),
                trees=ChainTrees(store, log_signer(directory.keys, store, Settings(), deployment)),
            )
        )
        for number, records in recorded.items():
            await enforcer.take_over(number)
            assert await enforcer.enforce(records) == {number}
        await enforcer.close()
        found = {chain: (rows, root.hex()) for chain, (rows, root) in roots(store).items()}
        return found, set(messages.alerts())
    finally:
        vault.close()
        store.close()
