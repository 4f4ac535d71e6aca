"""Persons of several identifiers, whose chains tell each other: a network of chains in memory.

Records travel sealed, as they do through Kafka: in order between two chains, in any order besides.
"""

from __future__ import annotations

from collections import defaultdict, deque
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import judging
from ansvar.deployment import FORWARDER
from ansvar.enforcement.replaying import replay
from ansvar.enforcement.rows import extra_of
from ansvar.enforcement.sheet import Judged, Tells
from ansvar.enforcement.subjects import Subjects
from ansvar.enforcement.wiring import scopes
from ansvar.events.envelope import RecordType
from ansvar.events.forwarded import Forwarded, encode_forwarded
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import Event, Identifier
from ansvar.events.partition import home_of
from ansvar.events.schemas import current
from records import CHAINS, NOW, PARTITION_KEY, Chain, Producer, bundle, customer, deployment, known, numbered

WHO = [customer(partition, number) for partition in range(CHAINS) for number in range(2)]


def home(identifier: Identifier) -> int:
    return home_of(PARTITION_KEY, identifier, CHAINS)


class Network:
    """The chains of a deployment, what was told and not taken yet, and the records of each."""

    def __init__(self) -> None:
        self.chains = [Chain(partition) for partition in range(CHAINS)]
        self.producer = Producer()
        self.forwarders = [Producer(f"{chain}f", producer=FORWARDER) for chain in range(CHAINS)]
        self.waiting: defaultdict[tuple[int, int], deque[bytes]] = defaultdict(deque)

    def emit(self, event: Event) -> list[Judged]:
        """Take an event at its own chain."""
        assert event.subject is not None
        chain = self.chains[home(event.subject)]
        return self._take(chain, self.producer.batch(chain.partition, [event]))

    def deliver(self, dice: Random | None = None) -> None:
        """Take everything that is told, until nobody has anything to say."""
        while pairs := sorted(pair for pair, records in self.waiting.items() if records):
            pair = pairs[0] if dice is None else dice.choice(pairs)
            self._take(self.chains[pair[1]], self.waiting[pair].popleft())

    def _take(self, chain: Chain, value: bytes) -> list[Judged]:
        made = chain.take(value)
        for judged in made:
            if judged.tells is not None:
                self.tell(chain.partition, judged.row.seq, judged.tells)
        return made

    def tell(self, sender: int, seq: int, tells: Tells) -> None:
        body = encode_forwarded(Forwarded(sender, seq, tells.content))
        schema = current("forwarded").fingerprint
        value = self.forwarders[sender].sealed(
            RecordType.FORWARDED, tells.chain, body, tells.number, fingerprint=schema
        )
        self.waiting[sender, tells.chain].append(value)

    def where(self, identifier: Identifier) -> tuple[int, bytes]:
        """The chain that has a person's history, and the reference under which they stand there."""
        chain, reference = home(identifier), known(identifier).reference
        for _ in range(CHAINS):
            gone = self.chains[chain].memory.subjects.gone(reference)
            if gone is None:
                return chain, self.chains[chain].memory.subjects.survivor(reference)
            assert gone.chain < chain
            chain, reference = gone
        raise AssertionError("round in a circle")

    def verdicts(self) -> dict[bytes, tuple[str, tuple[str, ...]]]:
        """What each event was judged, each once."""
        found: dict[bytes, tuple[str, tuple[str, ...]]] = {}
        for chain in self.chains:
            for judged in chain.judged:
                if judged.row.verdict:
                    assert judged.row.event_id.bytes not in found
                    found[judged.row.event_id.bytes] = judged.row.verdict, judged.row.findings
        return found


EMAIL = Identifier("email", "anna@example.test")
PHONE = next(
    number
    for last in range(1000)
    if home(number := Identifier("phone_number", f"+46701740{last:03}")) != home(EMAIL)
)
OBJECTION = judging.objection("2026-01-15", "direct_marketing")
CALL = judging.interest("call", "2026-02-01", "marketing", data_categories=["phone"])


@pytest.mark.parametrize("joined_first", [True, False])
@pytest.mark.parametrize("by", [(EMAIL, PHONE), (PHONE, EMAIL)])
def test_an_objection_by_email_forbids_a_call_by_phone(
    by: tuple[Identifier, Identifier], joined_first: bool
) -> None:
    """Whichever of the two the chains are joined under, and whether before the objection or after (4.2)."""
    network = Network()
    naming = numbered(judging.process(), 1, subject=by[0], aliases=(by[1],))
    objection = numbered(OBJECTION, 2, subject=EMAIL)
    for event in (naming, objection) if joined_first else (objection, naming):
        network.emit(event)
        network.deliver()
    call = numbered(CALL, 3, subject=PHONE)
    network.emit(call)
    network.deliver()
    assert call.event_id is not None
    verdict, findings = network.verdicts()[call.event_id.bytes]
    assert verdict == "deny"
    assert "marketing.objected" in findings
    assert network.where(EMAIL) == network.where(PHONE)
    check(network)


def test_a_forwarded_event_says_where_it_comes_from() -> None:
    network = Network()
    high, low = sorted((EMAIL, PHONE), key=home, reverse=True)
    network.emit(numbered(judging.process(), 1, subject=high, aliases=(low,)))
    network.deliver()
    (row,) = network.emit(numbered(CALL, 2, subject=high))
    assert (row.row.kind, row.row.verdict) == ("forwarded", "")
    network.deliver()
    judged = network.chains[home(low)].judged[-1].row
    assert (judged.kind, judged.producer) == ("processing", FORWARDER)
    assert extra_of(judged) == {
        "origin_at": NOW,
        "origin_chain": home(high),
        "origin_producer": "local",
        "origin_seq": row.row.seq,
    }
    assert judged.digest == row.row.digest


def test_what_is_told_twice_changes_nothing_and_what_is_missing_is_a_gap() -> None:
    network = Network()
    high, low = sorted((EMAIL, PHONE), key=home, reverse=True)
    network.emit(numbered(judging.process(), 1, subject=high, aliases=(low,)))
    records = network.waiting.pop((home(high), home(low)))
    chain = network.chains[home(low)]
    assert [judged.row.kind for judged in chain.take(records[0])] == ["link"]
    assert [judged.row.kind for judged in chain.take(records[0])] == ["duplicate"]
    network.emit(numbered(CALL, 2, subject=high))
    (last,) = network.waiting.pop((home(high), home(low)))
    assert [judged.row.kind for judged in chain.take(last)] == ["gap", "processing"]
    assert [judged.row.kind for judged in chain.take(records[1])] == ["processing"]  # it came late


def test_a_repeated_event_is_not_forwarded_twice() -> None:
    network = Network()
    high, low = sorted((EMAIL, PHONE), key=home, reverse=True)
    event = numbered(judging.process(), 1, subject=high, aliases=(low,))
    network.emit(event)
    assert [judged.row.kind for judged in network.emit(event)] == ["duplicate"]


def test_a_long_history_goes_in_parts() -> None:
    """Each part fits a row, and what arrives is what left."""
    network = Network()
    high, low = sorted((EMAIL, PHONE), key=home, reverse=True)
    for number in range(300):
        objection = judging.objection("2026-01-15", f"{number:0>200}", request=f"R{number}")
        network.emit(numbered(objection, number, subject=high))
    before = network.chains[home(high)].memory.subjects.state(known(high).reference)
    network.emit(numbered(judging.process(), 1000, subject=high, aliases=(low,)))
    assert len(network.waiting[home(high), home(low)]) > 3
    network.deliver()
    assert network.chains[home(low)].memory.subjects.state(known(high).reference) == before
    check(network)


@st.composite
def named_events(draw: st.DrawFn) -> list[Event]:
    """Events about some persons, of which some name others with them."""
    contents = [judging.process(), OBJECTION, CALL, judging.contract("started", "2026-01-01")]
    found = []
    for number in range(draw(st.integers(2, 20))):
        who, *others = draw(st.lists(st.sampled_from(WHO), min_size=1, max_size=3, unique=True))
        aliases = tuple(others) if draw(st.booleans()) else ()
        content = draw(st.sampled_from(contents))
        found.append(normalise_event(numbered(content, number, subject=who, aliases=aliases)))
    return found


@given(named_events(), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=200, deadline=None)
def test_chains_agree_on_who_is_one_person(events: list[Event], dice: Random, at_once: bool) -> None:
    """Whatever order records arrive in; delivered at once, verdicts are those of one log of everything."""
    network = Network()
    for event in events:
        network.emit(event)
        if at_once:
            network.deliver(dice)
    network.deliver(dice)
    groups: dict[Identifier, set[Identifier]] = {who: {who} for who in WHO}
    for event in events:
        assert event.subject is not None
        together = set().union(*(groups[who] for who in (event.subject, *event.aliases)))
        groups |= dict.fromkeys(together, together)
    for group in groups.values():
        (place,) = {network.where(who) for who in group}
        assert place[0] == min(map(home, group))
    places = {network.where(next(iter(group))) for group in groups.values()}
    assert len(places) == len({frozenset(group) for group in groups.values()})
    verdicts = network.verdicts()
    assert verdicts.keys() == {event.event_id.bytes for event in events if event.event_id}
    check(network)


def check(network: Network) -> None:
    """Rows are linked, are told from recorded ones again, and replaying them agrees with every verdict."""
    for chain in network.chains:
        for before, after in pairwise(chain.judged):
            assert after.row.seq == before.row.seq + 1
        rows = [judged.row for judged in chain.judged]
        again = Chain(chain.partition)
        for record in chain.records:
            again.take_record(record)
        assert [judged.leaf for judged in again.judged] == [judged.leaf for judged in chain.judged]
        folded = Subjects()
        for row in rows:
            folded.took(row)
        memory = chain.memory.subjects
        assert (folded.states, folded.survivors) == (memory.states, memory.survivors)
        judge = lambda _policy, engine: (bundle(), engine)  # noqa: E731 - there is one bundle
        assert all(found.agrees for found in replay(rows, judge, scopes(deployment())))
