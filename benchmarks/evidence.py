"""What evidence costs: the worker's tree and checkpoints, one inclusion proof, rebuilding a tree from rows.

    python benchmarks/evidence.py [--events 20000] [--rows 1000000] [--proofs 200] [--runs 5]

Tree and checkpoints: the stages of `worker.py` (open, resolve, judge and seal, append and read back) on the
sample year, and between them what evidence adds: each confirmed block joins its chain's tree (`Frontier` and
`ChainTrees.grew`), and a round of checkpoints keeps the tiles, signs all chains with both keys, stores the
notes and writes the anchor file. Both are divided by the time of all stages together. The run is shorter than
the ten seconds between two rounds, so the share is printed with one round a run, which overstates it, and
with a round in ten seconds, as the worker does it.

Proofs and rebuilding: one chain on chDB whose rows are those that the worker sealed, again and again under
new numbers, its tiles kept as the worker keeps them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import struct
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from worker import APPEND_RECORDS, records

from ansvar.directory import DataDirectory
from ansvar.emitter.kit import ProducerKit
from ansvar.enforcement.anchoring import Anchors
from ansvar.enforcement.checkpointing import Checkpointer, Pace
from ansvar.enforcement.founding import genesis
from ansvar.enforcement.judging import judge
from ansvar.enforcement.opening import Batch
from ansvar.enforcement.people import People, named_in
from ansvar.enforcement.recovering import remember
from ansvar.enforcement.sheet import Judged
from ansvar.enforcement.trees import ChainTrees
from ansvar.enforcement.wiring import open_store, open_vault, opener, rules
from ansvar.initiation import LOCAL_PRODUCER, initiate, log_signer
from ansvar.ledger.canonical import ZERO32, leaf
from ansvar.ledger.proofs import verify_consistency, verify_inclusion
from ansvar.ledger.tiles import Frontier
from ansvar.policy.verdict import Finding
from ansvar.sample import SAMPLE_BUNDLE
from ansvar.settings import settings
from ansvar.store.checkpoints import Checkpoints
from ansvar.store.client import Store, chdb_dsn
from ansvar.store.ledger import MAX_BLOCK_ROWS, LedgerStore
from ansvar.store.migrate import migrate
from ansvar.store.trees import Trees
from ansvar.vault import keyring

CHAIN = 0
SEQ = slice(5, 13)  # where a stored row has its number: after its version and chain


Made = TypeVar("Made")


class Clock:
    """Seconds spent, by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    def of(self, stage: str, step: Callable[[], Made]) -> Made:
        started = time.perf_counter()
        made = step()
        self.spent[stage] += time.perf_counter() - started
        return made


async def nobody(chain: int, seq: int, finding: Finding) -> bool:
    """There is no broker to tell of a log that stays unwitnessed; here it has no witnesses."""
    return True


def work(events: int) -> tuple[dict[str, float], list[bytes]]:
    """One run: stage -> seconds, and the stored rows of chain 0 without their leaves."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        directory = DataDirectory(Path(folder))
        directory.make()
        chosen, now = settings(), time.time_ns() // 1_000_000
        store = open_store(directory, chosen)
        deployment = initiate(directory.keys, store, chosen, SAMPLE_BUNDLE, now)
        ring = keyring.read(directory.keys)
        kit = ProducerKit.read(keyring.kit_path(directory.keys, LOCAL_PRODUCER))
        ledger, vault = LedgerStore(store), open_vault(directory, chosen)
        people, law = People(vault, ring.pepper), rules(store, ring)
        open_ = opener(deployment, ring).open
        signer = log_signer(directory.keys, store, chosen, deployment)
        trees, anchors = ChainTrees(store, signer), Anchors(directory.anchors)
        checkpointer = Checkpointer(
            trees, Checkpoints(store), signer, nobody, pace=Pace(), anchor=anchors.take
        )
        memories, growing, kept = {}, {}, []
        for chain in range(deployment.chains):
            ledger.append(chain, 0, genesis(deployment, chain).stored)
            memories[chain] = remember(ledger, chain, 1, deployment.recent_events)
            growing[chain] = trees.take_up(chain, None, 1)
        asyncio.run(checkpointer.write())  # the genesis rows; what begins once is not counted
        law.bundle(deployment.bundle)
        batch = records(kit, events, now)

        opened = clock.of("open", lambda: [(record, open_(record)) for record in batch])
        persons = clock.of(
            "resolve",
            lambda: people.resolve(
                (record.partition, identifier)
                for record, content in opened
                if isinstance(content, Batch)
                for event in content.events
                for identifier in named_in(event)
            ),
        )
        made = clock.of(
            "judge and seal",
            lambda: [(r.partition, judge(r, c, memories[r.partition], persons, law)) for r, c in opened],
        )
        for start in range(0, len(made), APPEND_RECORDS):
            blocks = defaultdict(list)
            for chain, rows in made[start : start + APPEND_RECORDS]:
                blocks[chain] += rows
            for chain, rows in blocks.items():
                clock.of("append and read back", lambda c=chain, r=rows: appended(ledger, c, r))
                clock.of("tree", lambda c=chain, r=rows: grown(trees, c, growing[c], r))
        clock.of("checkpoints", lambda: asyncio.run(checkpointer.write()))
        kept = [judged.stored[:-32] for chain, rows in made if chain == CHAIN for judged in rows]
        vault.close()
        store.close()
    return clock.spent, kept


def appended(ledger: LedgerStore, chain: int, rows: Sequence[Judged]) -> None:
    """A block into the ledger, and read back."""
    ledger.append(chain, rows[0].row.seq, b"".join(judged.stored for judged in rows))
    ledger.leaves(chain, rows[0].row.seq)


def grown(trees: ChainTrees, chain: int, tree: Frontier, rows: Sequence[Judged]) -> None:
    """The rows of a confirmed block into the tree."""
    tree.extend([judged.leaf for judged in rows])
    trees.grew(chain, tree)


def shares(events: int, runs: int) -> list[bytes]:
    """Print what tree and checkpoints take of the worker's time; rows to fill a chain with."""
    figures, kept = [], []
    for _ in range(runs):
        spent, kept = work(events)
        figures.append(spent)
    median = {stage: statistics.median(spent[stage] for spent in figures) for stage in figures[0]}
    for stage, seconds in median.items():
        print(f"{stage:<22} {seconds / events * 1e6:8.2f} µs/event")
    judging = sum(s for stage, s in median.items() if stage not in ("tree", "checkpoints"))
    tree, round_ = median["tree"], median["checkpoints"]
    once = (tree + round_) / (judging + tree + round_)
    pace = Pace()
    spaced = tree / (judging + tree) + round_ / pace.seconds
    print(f"tree / (all stages)                    {tree / (judging + tree):7.2%}")
    print(f"a round of checkpoints, all chains     {round_ * 1e3:7.1f} ms")
    print(f"tree and checkpoints, a round a run    {once:7.2%} (a run is {judging:.1f} s of the worker)")
    print(f"tree and checkpoints, a round in {pace.seconds:.0f} s  {spaced:7.2%}")
    return kept


def filled(store: Store, patterns: Sequence[bytes], rows: int) -> tuple[list[bytes], bytes]:
    """A chain of so many rows, its tiles kept; some of its leaves, by position, and its root."""
    ledger, trees, tree = LedgerStore(store), Trees(store), Frontier()
    leaves, previous = [], ZERO32
    for start in range(0, rows, MAX_BLOCK_ROWS):
        block = []
        for seq in range(start, min(start + MAX_BLOCK_ROWS, rows)):
            columns = bytearray(patterns[seq % len(patterns)])
            columns[SEQ] = struct.pack("<Q", seq)
            previous = leaf(bytes(columns) + previous)
            block += [bytes(columns), previous]
            leaves.append(previous)
        ledger.append(CHAIN, start, b"".join(block))
        tree.extend(leaves[start:])
        trees.keep((CHAIN, tile) for tile in tree.take_completed())
    return leaves, tree.root()


def proofs(patterns: Sequence[bytes], rows: int, count: int) -> None:
    """Print what proofs from the store take, and rebuilding the tree from its rows alone."""
    dice = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(chdb_dsn(Path(folder) / "clickhouse"))
        migrate(store, 0)
        leaves, root = filled(store, patterns, rows)
        trees = Trees(store)

        chosen = dice.sample(range(rows), min(count, rows))
        old, roots = Frontier(), {}
        for at in sorted(chosen):
            old.extend(leaves[old.size : at])
            roots[at] = old.root()

        def timed(step: Callable[[int], Callable[[], None]]) -> list[float]:
            spent = []
            for at in [chosen[0], *chosen]:
                started = time.perf_counter()
                check = step(at)
                spent.append(time.perf_counter() - started)
                check()
            return sorted(spent[1:])  # the first opens files

        def included(at: int) -> Callable[[], None]:
            proof = trees.inclusion(CHAIN, at, rows)
            return lambda: verify_inclusion(leaves[at], at, rows, proof, root)

        def extended(at: int) -> Callable[[], None]:
            proof = trees.consistency(CHAIN, at, rows)
            return lambda: verify_consistency(at, rows, roots[at], root, proof)

        say("inclusion proof", timed(included), rows)
        say("consistency proof", timed(extended), rows)
        started = time.perf_counter()
        rebuilt = trees.rebuild(CHAIN, rows)
        seconds = time.perf_counter() - started
        assert rebuilt.root() == root
        print(f"tree rebuilt from its rows: {rows / seconds:,.0f} rows/s ({seconds:.2f} s, tiles included)")
        store.close()


def say(what: str, spent: Sequence[float], rows: int) -> None:
    """Median, 99th percentile and largest of sorted seconds."""
    at = (len(spent) // 2, len(spent) * 99 // 100, -1)
    median, p99, most = (spent[n] * 1e3 for n in at)
    print(f"{what}, {rows:,} rows: median {median:.1f} ms, p99 {p99:.1f} ms, largest {most:.1f} ms")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description="Measure what evidence costs.")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--proofs", type=int, default=200)
    asked = parser.parse_args()
    proofs(shares(asked.events, asked.runs), asked.rows, asked.proofs)


if __name__ == "__main__":
    main()
