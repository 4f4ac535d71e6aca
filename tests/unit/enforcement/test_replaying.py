"""Rows are enough: judging them again gives every verdict and finding that stands in them."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from msgspec.structs import replace

from ansvar.enforcement.replaying import event_of_row, replay
from ansvar.enforcement.rows import time_of
from ansvar.enforcement.wiring import scopes
from ansvar.events.control import signed_activation
from ansvar.events.identifiers import normalise_event
from ansvar.events.partition import partition_of
from ansvar.policy.bundle import Bundle
from ansvar.policy.decide import ENGINES
from ansvar.policy.evaluation import Evaluator
from ansvar.sample.company import generate
from records import (
    CHAINS,
    DEPLOYMENT_ID,
    NOW,
    OPERATOR,
    PARTITION_KEY,
    Chain,
    Producer,
    bundle,
    bundle_bytes,
    deployment,
)

YEAR = tuple(map(normalise_event, generate(1_500).events))


@pytest.fixture(scope="module", params=sorted(ENGINES))
def chains(request: pytest.FixtureRequest) -> list[Chain]:
    """A year in the chains of a deployment, under each engine."""
    made = [Chain(partition) for partition in range(CHAINS)]
    producer, controller = Producer(), Producer("c", producer="control")
    activation = signed_activation(OPERATOR, DEPLOYMENT_ID, UUID(int=1), bundle_bytes(), request.param)
    for chain in made:
        chain.take(controller.command(chain.partition, activation))
    for event in YEAR:
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
        replayed = list(replay(rows, same, scopes(deployment())))
        assert [again.row for again in replayed] == [row for row in rows if row.verdict]
        assert [again.row.seq for again in replayed if not again.agrees] == []
        verdicts.update(again.verdict.verdict for again in replayed)
    assert min(verdicts[verdict] for verdict in ("permit", "flag", "deny")) > 10


def test_evaluate_and_the_worker_agree(chains: list[Chain]) -> None:
    engine = chains[0].memory.engine
    evaluator = Evaluator(bundle(), as_of=time_of(NOW), engine=engine)
    expected = {event.event_id: evaluator.judge(event) for event in YEAR}
    recorded = {judged.row.event_id: judged.row for chain in chains for judged in chain.judged}
    for event_id, verdict in expected.items():
        assert event_id is not None
        row = recorded[event_id]
        assert (row.verdict, row.findings, row.engine) == (
            verdict.verdict,
            tuple(finding.rule for finding in verdict.findings),
            engine,
        )


def test_an_altered_verdict_is_found(chains: list[Chain]) -> None:
    rows = [judged.row for judged in chains[0].judged]
    place = next(at for at, row in enumerate(rows) if row.verdict == "deny")
    rows[place] = replace(rows[place], verdict="permit", findings=())
    assert [again.row.seq for again in replay(rows, same, scopes(deployment())) if not again.agrees] == [
        rows[place].seq
    ]


def test_an_event_of_a_row_names_no_person(chains: list[Chain]) -> None:
    for judged in chains[0].judged:
        if judged.row.verdict:
            event = event_of_row(judged.row)
            assert event.subject is None or event.subject.value == judged.row.subject.hex()
            assert event.kind == judged.row.kind
