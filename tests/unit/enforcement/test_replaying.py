"""Rows are enough: judging them again gives every verdict and finding that stands in them."""

from __future__ import annotations

from collections import Counter

import pytest

from ansvar.enforcement.replaying import event_of_row, replay
from ansvar.events.identifiers import normalise_event
from ansvar.events.partition import partition_of
from ansvar.policy.bundle import Bundle
from ansvar.sample.company import generate
from records import CHAINS, PARTITION_KEY, Chain, Producer, bundle


@pytest.fixture(scope="module")
def chains() -> list[Chain]:
    made = [Chain(partition) for partition in range(CHAINS)]
    producer = Producer()
    for event in map(normalise_event, generate(1_500).events):
        partition = partition_of(PARTITION_KEY, event, CHAINS)
        made[partition].take(producer.batch(partition, [event]))
    return made


def same(policy: bytes, engine: int) -> tuple[Bundle, int]:
    assert policy == bundle().sha256
    return bundle(), engine


def test_every_verdict_of_a_year_is_found_again(chains: list[Chain]) -> None:
    verdicts: Counter[str] = Counter()
    for chain in chains:
        rows = [judged.row for judged in chain.judged]
        replayed = list(replay(rows, same))
        assert [again.row for again in replayed] == [row for row in rows if row.verdict]
        assert [again.row.seq for again in replayed if not again.agrees] == []
        verdicts.update(again.verdict.verdict for again in replayed)
    assert min(verdicts[verdict] for verdict in ("permit", "flag", "deny")) > 10


def test_an_altered_verdict_is_found(chains: list[Chain]) -> None:
    from msgspec.structs import replace

    rows = [judged.row for judged in chains[0].judged]
    place = next(at for at, row in enumerate(rows) if row.verdict == "deny")
    rows[place] = replace(rows[place], verdict="permit", findings=())
    assert [again.row.seq for again in replay(rows, same) if not again.agrees] == [rows[place].seq]


def test_an_event_of_a_row_names_no_person(chains: list[Chain]) -> None:
    for judged in chains[0].judged:
        if judged.row.verdict:
            event = event_of_row(judged.row)
            assert event.subject is None or event.subject.value == judged.row.subject.hex()
            assert event.kind == judged.row.kind
