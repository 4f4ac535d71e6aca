"""A file through the pipeline without Kafka: the same judgements, chains of its own, and no second time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import asdict, replace

import faults as failing
import judging
from ansvar.enforcement import ingesting
from ansvar.enforcement.enforcer import Enforcer
from ansvar.enforcement.errors import EnforcementError, Forked
from ansvar.enforcement.founding import genesis
from ansvar.enforcement.ingesting import Ingest, Line, Parts, Totals, sha256_of
from ansvar.enforcement.people import People
from ansvar.events.boundary import to_json
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import Event, Identifier
from ansvar.ledger.position import MAX_PARTITIONS, file_stream_id
from ansvar.ledger.row import Row, seal
from ansvar.sample.company import generate
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.verify import verify_store
from ansvar.vault.vault import Vault
from faults import FAILS, Faults, repeated
from records import (
    CHAINS,
    NOW,
    PARTITION_KEY,
    PEPPER,
    KeptMessages,
    Producer,
    RecordedTopic,
    bundle,
    by_partition,
    customer,
    deployment,
    numbered,
    parts,
    roots,
    rows,
    rules,
    vault,
)

SHA = hashlib.sha256(b"a file").digest()
PLACE = {"chain", "seq", "stream", "offset", "index", "producer", "session", "batch", "details"}


@pytest.fixture
def people_of(tmp_path: Path) -> Iterator[Vault]:
    made = vault(tmp_path / "vault.db")
    yield made
    made.close()


def lines(*events: Event | bytes) -> list[Line]:
    texts = [event if isinstance(event, bytes) else to_json(event) for event in events]
    return list(enumerate(texts, start=1))


def event(number: int = 1, partition: int = 0, **changes: Any) -> Event:
    return numbered(judging.process(**changes), number, subject=customer(partition))


class Told(list[str]):
    """What was told to the caller."""


def ingest(
    store: Store, people: Vault, given: list[Line], sha256: bytes = SHA, now: int = NOW
) -> tuple[Totals, Told]:
    told = Told()
    made = Parts(
        deployment=deployment(),
        ledger=LedgerStore(store),
        people=People(people, PEPPER),
        rules=rules(),
        partition_key=PARTITION_KEY,
    )
    job = Ingest(made, sha256, now, told.append)
    job.take(given)
    return job.totals, told


def extra(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(row.extra)
    return found


async def test_a_file_is_judged_as_through_kafka(new_store: Callable[[], Store], tmp_path: Path) -> None:
    """Every column of every event but those that say where it stands."""
    year = [normalise_event(each) for each in generate(700, seed=5).events]
    people = vault(tmp_path / "kafka.db")
    by_kafka, topic, producer = new_store(), RecordedTopic(), Producer()
    for partition, events in by_partition(year).items():
        for start in range(0, len(events), 100):
            topic.add(partition, producer.batch(partition, events[start : start + 100]))
    worker = Enforcer(parts(topic, LedgerStore(by_kafka), people, KeptMessages()))
    for partition in range(CHAINS):
        await worker.take_over(partition)
        await worker.enforce(topic.kept[partition])
    people.close()

    by_file, people = new_store(), vault(tmp_path / "file.db")
    totals, told = ingest(by_file, people, lines(*year))
    people.close()
    assert (asdict(totals), told) == ({"rows": 700, "refused": 0, "known": 0}, [])

    def judged(store: Store) -> dict[Any, dict[str, Any]]:
        found = [asdict(row) for row in rows(store) if row.verdict]
        return {row["event_id"]: {name: row[name] for name in row.keys() - PLACE} for row in found}

    assert len(judged(by_file)) == 700
    assert judged(by_file) == judged(by_kafka)
    assert {row.verdict for row in rows(by_file)} == {"", "permit", "flag", "deny"}
    assert [report.faults for report in verify_store(by_file, {})] == [()] * CHAINS


def test_a_line_is_a_record(store: Store, people_of: Vault) -> None:
    """Its offset is its number less one, its chain that of its partition, its stream the file's."""
    ingest(store, people_of, lines(event(1, 2), event(2, 0), event(3, 2)))
    found = [(row.chain, row.seq, row.offset, row.index, row.kind) for row in rows(store)]
    one = MAX_PARTITIONS
    assert found == [
        (one, 0, -1, 0, "genesis"),
        (one, 1, 1, 0, "processing"),
        (one + 2, 0, -1, 0, "genesis"),
        (one + 2, 1, 0, 0, "processing"),
        (one + 2, 2, 2, 0, "processing"),
    ]
    assert {row.stream for row in rows(store)} == {file_stream_id(SHA)}
    assert {row.recorded_at for row in rows(store) if row.seq} == {NOW}


BAD: dict[str, tuple[bytes | Event, str]] = {
    "no JSON": (b"{SECRET", "invalid_event"),
    "no event": (b'{"kind": "processing", "details": "SECRET"}', "invalid_event"),
    "not UTF-8": (b'{"kind": "\xff"}', "invalid_event"),
    "an identifier": (replace(event(), subject=Identifier("personnummer", "SECRET")), "invalid_event"),
    "no event_id": (replace(event(), event_id=None), "invalid_event"),
    "aliases": (replace(event(), aliases=(Identifier("customer_number", "SECRET"),)), "invalid_event"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_a_refused_row_and_is_told(store: Store, people_of: Vault, name: str) -> None:
    bad, reason = BAD[name]
    given = lines(event(1), bad, event(2))
    totals, told = ingest(store, people_of, given)
    assert asdict(totals) == {"rows": 3, "refused": 1, "known": 0}
    assert len(told) == 1
    assert told[0].startswith("line 2")
    assert "SECRET" not in told[0]
    (row,) = (row for row in rows(store) if row.kind == "refused")
    assert (row.chain, row.offset) == (MAX_PARTITIONS, 1)
    # no hash of the text: of one line, most of it known, a hash tells the rest to whoever tries all values
    assert extra(row) == {"reason": reason, "size": len(given[1][1])}


def test_what_judging_refuses_is_told_too(store: Store, people_of: Vault) -> None:
    totals, told = ingest(store, people_of, lines(event(1), event(1), event(1, details="other")))
    assert asdict(totals) == {"rows": 3, "refused": 1, "known": 0}
    assert [row.kind for row in rows(store)] == ["genesis", "processing", "duplicate", "refused"]
    assert len(told) == 1
    assert told[0].startswith("line 3: another event with the same event_id")


def test_the_same_file_again_changes_nothing(store: Store, people_of: Vault) -> None:
    given = lines(event(1, 2), b"bad", event(2, 0))
    ingest(store, people_of, given)
    before = roots(store)
    totals, told = ingest(store, people_of, given, now=NOW + 1)
    assert roots(store) == before
    assert (asdict(totals), told) == ({"rows": 0, "refused": 0, "known": 3}, [])


def test_another_file_has_chains_of_its_own(store: Store, people_of: Vault) -> None:
    LedgerStore(store).append(3, 0, genesis(deployment(), 3).stored)  # what came through Kafka
    other = hashlib.sha256(b"another file").digest()
    for sha256 in (SHA, other, SHA):
        ingest(store, people_of, lines(event(1, 0), event(2, 3)), sha256)
    assert LedgerStore(store).chains() == [
        3,
        MAX_PARTITIONS,
        MAX_PARTITIONS + 3,
        2 * MAX_PARTITIONS,
        2 * MAX_PARTITIONS + 3,
    ]
    streams = {row.chain: row.stream for row in rows(store)}
    assert streams[MAX_PARTITIONS + 3] == file_stream_id(SHA) != streams[2 * MAX_PARTITIONS + 3]
    assert [row.verdict for row in rows(store) if row.kind == "processing"] == ["permit"] * 4


def test_a_home_is_a_partition_of_the_topic(store: Store, people_of: Vault) -> None:
    """Whoever was seen in a file first may be met in Kafka later."""
    ingest(store, people_of, lines(event(1, 2)))
    assert People(people_of, PEPPER).resolve([(0, customer(2))])[customer(2)].chain == 2


YEAR = [to_json(each) for each in generate(260, seed=8).events]


def test_a_file_is_judged_by_what_is_in_force_when_it_is_first_read(
    new_store: Callable[[], Store], tmp_path: Path
) -> None:
    """By the policy that was activated, not by the founding one; and to its end by that one."""
    store, people = new_store(), vault(tmp_path / "vault.db")
    ledger = LedgerStore(store)
    given = _file()
    for chain in range(deployment().chains):
        ledger.append(chain, 0, genesis(deployment(), chain, policy=(bundle().sha256, 1)).stored)
    ingest(store, people, given[:40])
    _activated(ledger)
    ingest(store, people, given)
    assert _engines(ledger, MAX_PARTITIONS) == {1}
    ingest(store, people, given, sha256=b"2" * 32)
    assert _engines(ledger, 2 * MAX_PARTITIONS) == {2}
    people.close()


def _engines(ledger: LedgerStore, first: int) -> set[int]:
    """By which engines the chains from a number on were judged."""
    chains = [chain for chain in ledger.chains() if chain >= first]
    return {row.engine for chain in chains for row, _ in ledger.rows(chain, 0, 10_000)}


def _activated(ledger: LedgerStore) -> None:
    """Engine 2 on every chain that is fed from Kafka."""
    for chain in range(deployment().chains):
        (first, leaf), *_ = ledger.rows(chain, 0, 1)
        row = replace(first, seq=1, offset=0, kind="policy", engine=2, extra="")
        columns, sealed_leaf = seal(row, leaf)
        ledger.append(chain, 1, columns + sealed_leaf)


def _file() -> list[Line]:
    dice = random.Random(8)
    texts = list(YEAR)
    for _ in range(12):
        texts.insert(dice.randrange(len(texts)), dice.choice([b"bad", dice.choice(YEAR)]))
    return list(enumerate(texts, start=1))


@pytest.mark.parametrize("seed", range(2))
def test_an_ingest_that_is_cut_off_is_finished_by_repeating_it(
    new_store: Callable[[], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    given = _file()
    whole, people = new_store(), vault(tmp_path / "whole.db")
    ingest(whole, people, given)
    people.close()

    monkeypatch.setattr(ingesting, "BATCH_LINES", 25)
    faults = Faults(seed, 10, FAILS)
    cut, people = new_store(), vault(tmp_path / "cut.db")
    tries = repeated(cut, people, faults, lambda store, vault: ingest(store, vault, given))
    people.close()
    assert tries > 2
    assert roots(cut) == roots(whole)
    reports = verify_store(cut, {})
    assert [report.faults for report in reports] == [()] * CHAINS


def test_lines_that_end_too_early_leave_what_was_read(
    store: Store, people_of: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "BATCH_LINES", 2)
    given = lines(event(1), event(2), event(3))
    ingest(store, people_of, given[:2])
    assert asdict(ingest(store, people_of, given)[0]) == {"rows": 1, "refused": 0, "known": 2}


def test_a_reader_that_fails_can_be_followed_by_another_try(store: Store, people_of: Vault) -> None:
    """On the same job, too: it reads its chains again."""
    made = Parts(
        deployment=deployment(),
        ledger=LedgerStore(store),
        people=People(people_of, PEPPER),
        rules=rules(),
        partition_key=PARTITION_KEY,
    )
    job = Ingest(made, SHA, NOW, lambda _: None)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(store, "insert", lambda *_, **__: None)
        with pytest.raises(EnforcementError, match="reports appends that are not there"):
            job.take(lines(event(1)))
    job.take(lines(event(1), event(2)))
    assert [row.kind for row in rows(store)] == ["genesis", "processing", "processing"]


def test_an_append_that_was_reported_but_is_not_there_is_sent_again(store: Store, people_of: Vault) -> None:
    faults = Faults(0, 2, failing.LIES)
    ingest(failing.FailingStore(store, faults), people_of, lines(*(event(n, n % 4) for n in range(1, 9))))
    assert faults.met["insert", "nothing there"] > 0
    assert len(rows(store)) == 12


def test_a_chain_without_its_first_row_is_no_riddle(store: Store, people_of: Vault) -> None:
    ingest(store, people_of, lines(event(1)))
    store.command("ALTER TABLE {database}.ledger DELETE WHERE seq = 0 SETTINGS mutations_sync = 2")
    with pytest.raises(EnforcementError, match=f"chain {MAX_PARTITIONS} has no row 0"):
        ingest(store, people_of, lines(event(1)))


def test_a_ledger_of_another_deployment_is_left_alone(store: Store, people_of: Vault) -> None:
    ingest(store, people_of, lines(event(1)))
    before = roots(store)
    other = replace(deployment(), id=b"o" * 16)
    made = Parts(
        deployment=other,
        ledger=LedgerStore(store),
        people=People(people_of, PEPPER),
        rules=rules(),
        partition_key=PARTITION_KEY,
    )
    with pytest.raises(Forked):
        Ingest(made, SHA, NOW, lambda _: None).take(lines(event(1), event(2)))
    assert roots(store) == before


def test_a_file_in_pieces() -> None:
    assert sha256_of([b"a ", b"", b"file"]) == SHA
    assert sha256_of([]) == hashlib.sha256().digest()
