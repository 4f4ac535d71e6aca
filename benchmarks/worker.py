"""What one event costs a worker, stage by stage, without Kafka: open, resolve, judge and seal, append.

    python benchmarks/worker.py [EVENTS]

Records of 500 events of the sample year, on the real store and vault in a temporary directory. Figures are
microseconds an event and the median of five runs, each on a ledger and vault of its own.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from ansvar.directory import DataDirectory
from ansvar.emitter.kit import ProducerKit
from ansvar.enforcement.founding import genesis
from ansvar.enforcement.judging import judge
from ansvar.enforcement.opening import Batch, Record
from ansvar.enforcement.people import People, named_in
from ansvar.enforcement.recovering import remember
from ansvar.enforcement.wiring import open_store, open_vault, opener, rules
from ansvar.events import codec, schemas
from ansvar.events.envelope import RecordType, new_session
from ansvar.events.identifiers import normalise_event
from ansvar.events.partition import partition_of
from ansvar.initiation import LOCAL_PRODUCER, initiate
from ansvar.sample import SAMPLE_BUNDLE
from ansvar.sample.company import generate
from ansvar.settings import settings
from ansvar.store.ledger import LedgerStore
from ansvar.vault import keyring

RECORD_EVENTS = 500
APPEND_RECORDS = 10
RUNS = 5


def records(kit: ProducerKit, events: int, now: int) -> list[Record]:
    """The sample year as sealed records, by partition."""
    session = new_session(
        deployment=kit.deployment.bytes,
        producer=kit.producer,
        session=os.urandom(16),
        started=now,
        epoch=kit.epoch,
        intake_key=kit.intake_key,
        signing_key=kit.signing_key,
        content_key=os.urandom(32),
    )
    parts = defaultdict(list)
    for event in map(normalise_event, generate(events).events):
        parts[partition_of(kit.partition_key, event, kit.chains)].append(event)
    fingerprint = schemas.current("batch").fingerprint
    made = []
    for partition, group in sorted(parts.items()):
        for number, start in enumerate(range(0, len(group), RECORD_EVENTS)):
            body = codec.encode_batch(group[start : start + RECORD_EVENTS])
            value = session.seal(RecordType.BATCH, number, fingerprint, body, kit.topic, partition)
            made.append(Record(partition, number, now, value))
    return made


def run(events: int) -> dict[str, float]:
    """One run: stage -> microseconds an event."""
    with tempfile.TemporaryDirectory() as folder:
        directory = DataDirectory(Path(folder))
        directory.make()
        chosen, now = settings(), time.time_ns() // 1_000_000
        store = open_store(directory, chosen)
        deployment = initiate(directory.keys, store, chosen, SAMPLE_BUNDLE, now)
        ring = keyring.read(directory.keys)
        kit = ProducerKit.read(keyring.kit_path(directory.keys, LOCAL_PRODUCER))
        ledger, vault = LedgerStore(store), open_vault(directory, chosen)
        people, law, open_ = (
            People(vault, ring.pepper),
            rules(store, ring),
            opener(deployment, ring).open,
        )
        memories = {}
        for chain in range(deployment.chains):
            ledger.append(chain, 0, genesis(deployment, chain).stored)
            memories[chain] = remember(ledger, chain, 1, deployment.recent_events)
        law.bundle(deployment.bundle)
        batch = records(kit, events, now)

        marks = [time.perf_counter()]
        opened = [(record, open_(record)) for record in batch]
        marks.append(time.perf_counter())
        persons = people.resolve(
            (record.partition, identifier)
            for record, content in opened
            if isinstance(content, Batch)
            for event in content.events
            for identifier in named_in(event)
        )
        marks.append(time.perf_counter())
        made = [(r.partition, judge(r, c, memories[r.partition], persons, law)) for r, c in opened]
        marks.append(time.perf_counter())
        for start in range(0, len(made), APPEND_RECORDS):
            blocks = defaultdict(list)
            for chain, rows in made[start : start + APPEND_RECORDS]:
                blocks[chain] += rows
            for chain, rows in blocks.items():
                ledger.append(chain, rows[0].row.seq, b"".join(judged.stored for judged in rows))
                ledger.leaves(chain, rows[0].row.seq)
        marks.append(time.perf_counter())
        vault.close()
        store.close()
    stages = ("open", "resolve", "judge and seal", "append and read back")
    return {s: (b - a) / events * 1e6 for s, a, b in zip(stages, marks[:-1], marks[1:], strict=True)}


def main() -> None:
    """Print the median of each stage."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    runs = [run(events) for _ in range(RUNS)]
    total = 0.0
    for stage in runs[0]:
        figures = [r[stage] for r in runs]
        median = statistics.median(figures)
        total += median
        print(f"{stage:<22} {median:6.1f} µs/event  ({min(figures):.1f} to {max(figures):.1f})")
    print(f"{'all':<22} {total:6.1f} µs/event  = {1e6 / total:,.0f} events/s in one worker, Kafka aside")


if __name__ == "__main__":
    main()
