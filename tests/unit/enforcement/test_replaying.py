"""Rows are enough: judging them again gives every verdict and finding that stands in them."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import judging
from ansvar.enforcement.judging import judge
from ansvar.enforcement.opening import Batch, Record
from ansvar.enforcement.people import Known
from ansvar.enforcement.reading import Together
from ansvar.enforcement.replaying import event_of_row, replay
from ansvar.enforcement.rows import time_of
from ansvar.enforcement.subjects import Subjects
from ansvar.enforcement.wiring import scopes
from ansvar.events.control import signed_activation
from ansvar.events.envelope import SessionHeader
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import Event, Identifier
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
    numbered,
    persons,
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


# Persons of several identifiers

WHO = [
    Identifier("email", "anna@example.com"),
    Identifier("phone_number", "+46701234567"),
    *(Identifier("customer_number", f"K-{n}") for n in range(3)),
]
HEADER = SessionHeader(b"d" * 16, "local", b"s" * 16, NOW, 1, b"", b"", b"")


def _contents() -> list[Event]:
    """Events that change a state, under ids that meet, and events judged by it."""
    return [
        judging.collect("2026-01-01", "marketing", ("email",)),
        judging.collect("2026-02-25", "contract", ("name", "email")),
        judging.contract("started", "2026-01-01"),
        judging.contract("ended", "2026-02-01"),
        judging.contract("started", "2026-02-01"),
        judging.contract("ended", "2026-02-01", "C2"),
        judging.objection("2026-01-15", "direct_marketing"),
        judging.objection("2026-01-15", "direct_marketing", "withdrawn"),
        judging.objection("2026-01-20", "direct_marketing", "refused"),
        judging.objection("2026-01-15", request="R9"),
        judging.rights("restriction", "fulfilled", "2026-02-10"),
        judging.rights("restriction", "withdrawn", "2026-02-10"),
        judging.rights("portability", "received", "2026-02-01", "R9"),
        judging.rights("portability", "withdrawn", "2026-02-01", "R9"),
        judging.rights("erasure", "fulfilled", "2026-02-20", "R8", reason="asked for"),
        judging.disclose("insurer", ground="service_delivery", reference="R9"),
        judging.interest("email", "2026-02-01", "marketing", data_categories=["email"]),
        judging.interest("call", "2026-03-01", "marketing", data_categories=["phone"]),
        judging.process("use", "2026-03-01", purpose="contract", legal_basis="contract"),
    ]


CONTENTS = _contents()


@st.composite
def named_events(draw: st.DrawFn) -> list[Event]:
    """Events about some identifiers, of which some name others with them."""
    found = []
    for number in range(draw(st.integers(2, 25))):
        who, *others = draw(st.lists(st.sampled_from(WHO), min_size=1, max_size=3))
        aliases = tuple(others) if draw(st.integers(0, 3)) == 0 else ()
        content = draw(st.sampled_from(CONTENTS))
        found.append(normalise_event(numbered(content, number, subject=who, aliases=aliases)))
    return found


@given(named_events())
@settings(max_examples=150)
def test_evaluate_judging_and_replay_agree_on_persons_of_several_identifiers(events: list[Event]) -> None:
    chain, together = Chain(), Together()
    chain.rules = replace(chain.rules, home=None)  # as in an ingested file
    for event in events:
        together.add(event)
    found = dict(persons(*events))
    for who, own in list(found.items()):
        first = together.first(who)
        found[who] = Known(own.reference, own.keys, own.chain, ids=found[first or who].keys)
    evaluator = Evaluator(bundle(), as_of=time_of(NOW), engine=chain.memory.engine)
    for number, event in enumerate(events):
        record = Record(0, number, NOW, b"")
        *links, made = judge(record, Batch(HEADER, number, (event,), {}), chain.memory, found, chain.rules)
        chain.judged += [*links, made]
        assert {link.row.kind for link in links} <= {"link"}
        verdict = evaluator.judge(event)
        assert (made.row.verdict, made.findings) == (verdict.verdict, verdict.findings)
    rows = [judged.row for judged in chain.judged]
    replayed = list(replay(rows, same, scopes(deployment())))
    assert len(replayed) == len(events)
    assert [again.row.seq for again in replayed if not again.agrees] == []
    folded = Subjects()
    for row in rows:
        folded.took(row)
    assert (folded.states, folded.survivors) == (
        chain.memory.subjects.states,
        chain.memory.subjects.survivors,
    )
