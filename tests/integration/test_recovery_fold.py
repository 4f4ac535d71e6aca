"""Memory rebuilt from the ledger against memory that lived through it, at every boundary of a record.

The store is ClickHouse's own engine and the vault a SQLite file; records are given as they are when opened,
within what opening lets through (a session's age), but otherwise in any order, number and time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import judging
from ansvar.enforcement.errors import EnforcementError
from ansvar.enforcement.founding import genesis
from ansvar.enforcement.judging import judge
from ansvar.enforcement.memory import ChainMemory
from ansvar.enforcement.opening import Batch, Close, Opened, Record, Refusal
from ansvar.enforcement.people import People, named_in
from ansvar.enforcement.recovering import remember
from ansvar.enforcement.registering import REGISTERING, Registry
from ansvar.enforcement.sheet import Judged
from ansvar.events.control import signed_key_command
from ansvar.events.envelope import SessionHeader, check_age
from ansvar.events.intake import IntakePrivateKey
from ansvar.events.key_commands import (
    CloseEpoch,
    OpenEpoch,
    RegisterProducer,
    RevokeProducer,
    SignedKeyCommand,
)
from ansvar.events.model import Event, Identifier
from ansvar.events.refusal import SessionExpired
from ansvar.ledger.row import seal
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.verify import verify_store
from ansvar.vault.vault import Vault
from records import (
    HOUR,
    INTAKE,
    NOW,
    OPERATOR,
    PEPPER,
    Producer,
    customer,
    deployment,
    numbered,
    opener,
    rules,
    vault,
)

DAY = 24 * HOUR
EXPIRED = Refusal("session_expired", "too old")
STAFF = Identifier("employee_number", "E-7")

History = Sequence[tuple[Record, Opened]]


@pytest.fixture(scope="module")
def people_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    made = vault(tmp_path_factory.mktemp("vault") / "vault.db")
    yield made
    made.close()


def _kinds_of_event() -> list[Event]:
    """Events that change a subject's state, and events judged by it."""
    return [
        judging.collect("2026-01-01", "marketing", ("email",)),
        judging.collect("2026-03-01", "contract", ("name", "email")),
        judging.interest("email", "2026-02-01", "marketing", data_categories=["email"]),
        judging.objection("2026-01-15", "direct_marketing"),
        judging.objection("2026-01-20", "direct_marketing", "withdrawn"),
        judging.rights("portability", "received", "2026-02-01", "R9"),
        judging.rights("erasure", "fulfilled", "2026-02-20", "R8", reason="asked for"),
        judging.disclose("insurer", ground="service_delivery", reference="R9"),
        judging.contract("started", "2026-01-01"),
        judging.contract("ended", "2026-02-01"),
        judging.process(details="a note"),
        judging.process(actor=STAFF),
    ]


EVENTS = _kinds_of_event()


@st.composite
def _events(draw: st.DrawFn) -> tuple[Event, ...]:
    """Up to three, whose ids and contents repeat."""
    found = []
    for number in draw(st.lists(st.integers(0, 23), max_size=3)):
        content = draw(st.sampled_from([number, number, number, 3]))
        who = customer(0, draw(st.integers(0, 1)))
        others = (customer(0, 2),) if number % 8 == 7 else ()
        found.append(numbered(EVENTS[content % len(EVENTS)], number, subject=who, aliases=others))
    return tuple(found)


@st.composite
def _contents(draw: st.DrawFn, header: SessionHeader) -> Opened:
    number = draw(st.integers(0, 5))
    events, unfit = draw(_events()), {0: Refusal("wrong_partition", "elsewhere")}
    choices: list[Opened] = [
        Batch(header, number, events, unfit if events else {}),
        Batch(header, number, events, {}),
        Close(header, 0, number),
        Refusal("malformed", "text", header, number),
        Refusal("bad_seal", "text"),
    ]
    return draw(st.sampled_from(choices))


@st.composite
def histories(draw: st.DrawFn, steps: Sequence[int], wild: bool) -> History:
    """Records of up to three sessions with holes in the offsets; `steps` are those of the broker's clock."""
    sessions: list[SessionHeader] = []
    found: list[tuple[Record, Opened]] = []
    at, offset = NOW, draw(st.integers(0, 1))
    for _ in range(draw(st.integers(1, 14))):
        at += draw(st.sampled_from(steps))
        if not sessions or draw(st.integers(0, 4)) == 0:
            started = at + draw(st.sampled_from([-20 * HOUR, 0, 0, 23 * HOUR]))
            name = bytes([len(sessions) + 1]) * 16
            sessions.append(SessionHeader(b"d" * 16, "local", name, started, 1, b"", b"", b""))
        header = draw(st.sampled_from(sessions))
        opened = draw(_contents(header))
        time = at
        if wild and draw(st.integers(0, 5)) == 0:
            time = at + 100 * DAY  # a broker whose clock ran ahead for one record
        try:
            check_age(header, time)
        except SessionExpired:
            opened = EXPIRED
        found.append((Record(0, offset, time, bytes([offset])), opened))
        offset += draw(st.sampled_from([1, 1, 1, 2]))
    return found


def continued(memory: ChainMemory, history: History, people: People, cut: int = 0) -> list[list[Judged]]:
    """The rows of each record; old sessions are forgotten after every `cut` records, as by a worker."""
    made = []
    for place, (record, opened) in enumerate(history, start=1):
        events = opened.events if isinstance(opened, Batch) else ()
        persons = people.resolve((0, who) for event in events for who in named_in(event))
        made.append(judge(record, opened, memory, persons, rules()))
        if cut and place % cut == 0:
            memory.forget_old_sessions(record.timestamp)
    return made


def leaves(made: list[list[Judged]]) -> list[bytes]:
    return [judged.leaf for rows in made for judged in rows]


def refusals(made: list[list[Judged]]) -> list[int]:
    return [judged.earlier_refusals for rows in made for judged in rows]


chains = itertools.count(1)


def lived(ledger: LedgerStore, vault: Vault, history: History, window: int, cut: int) -> list[list[Judged]]:
    """Judge a history and store it on a chain of its own; the last of the rows know which."""
    chain = next(chains)
    memory, first = ChainMemory(chain, window), genesis(deployment(window), chain)
    memory.took(first.row, first.leaf)
    live = continued(memory, history, People(vault, PEPPER), cut)
    ledger.append(chain, 0, b"".join([first.stored, *(j.stored for rows in live for j in rows)]))
    return live


def check_boundaries(
    ledger: LedgerStore, vault: Vault, history: History, window: int, cut: int, places: Iterable[int]
) -> list[list[Judged]]:
    """Go on with memory rebuilt before the n-th record, for each n; what alerts depend on is compared too."""
    live = lived(ledger, vault, history, window, cut)
    for place in places:
        first = live[place][0].row
        rebuilt = remember(ledger, first.chain, first.seq, window)
        again = continued(rebuilt, history[place:], People(vault, PEPPER))
        assert leaves(again) == leaves(live[place:])
        assert refusals(again) == refusals(live[place:])
    return live


def some_places(data: st.DataObject, history: History) -> set[int]:
    return data.draw(st.sets(st.integers(0, len(history) - 1), min_size=1, max_size=3))


within = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(data=st.data())
@within
def test_memory_can_be_rebuilt_at_every_record(store: Store, people_of: Vault, data: st.DataObject) -> None:
    steps = (0, 0, 1, HOUR // 2, 5 * HOUR, 26 * HOUR, -HOUR // 2)
    history = data.draw(histories(steps, wild=False))
    window, cut = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 3))
    check_boundaries(LedgerStore(store), people_of, history, window, cut, some_places(data, history))


@given(data=st.data())
@within
def test_memory_can_be_rebuilt_whatever_the_broker_says_of_time(
    store: Store, people_of: Vault, data: st.DataObject
) -> None:
    """Clocks set back by hours, and single records months ahead: still the same rows."""
    history = data.draw(histories((0, 0, HOUR, 20 * HOUR, -20 * HOUR), wild=True))
    ledger, cut = LedgerStore(store), data.draw(st.integers(1, 3))
    live = lived(ledger, people_of, history, 100, cut)
    for place in some_places(data, history):
        first = live[place][0].row
        rebuilt = remember(ledger, first.chain, first.seq, 100)
        assert leaves(continued(rebuilt, history[place:], People(people_of, PEPPER))) == leaves(live[place:])


def test_a_broker_that_ran_ahead_does_not_make_numbers_forgotten(store: Store, people_of: Vault) -> None:
    """The history by which sessions were once forgotten, so that their next batches were called jumps."""
    header = SessionHeader(b"d" * 16, "local", b"s" * 16, NOW, 1, b"", b"", b"")
    first, second = (
        Batch(header, n, (numbered(judging.process(), n, subject=customer(0)),), {}) for n in (0, 1)
    )
    history: list[tuple[Record, Opened]] = [
        (Record(0, 0, NOW, b""), first),
        (Record(0, 1, NOW + 100 * DAY, b""), EXPIRED),
        (Record(0, 2, NOW + HOUR, b""), second),
        (Record(0, 3, NOW + HOUR, b""), first),
    ]
    live = check_boundaries(LedgerStore(store), people_of, history, 100, 1, range(4))
    kinds = [[judged.row.kind for judged in rows] for rows in live]
    assert kinds == [["processing"], ["refused"], ["processing"], ["duplicate"]]


def test_real_records_are_remembered_too(store: Store, people_of: Vault) -> None:
    """Sealed and opened, with more refused rows behind the last authenticated record than one look holds."""
    producer = Producer()
    values = [producer.batch(0, [numbered(event, n, subject=customer(0))]) for n, event in enumerate(EVENTS)]
    values += [values[3], producer.close(0), *[b""] * 1_005, values[4]]
    by = opener()
    records = [Record(0, n, NOW + n, value) for n, value in enumerate(values)]
    history = [(record, by.open(record)) for record in records]
    ledger = LedgerStore(store)
    live = lived(ledger, people_of, history, 2_000, 0)
    last = live[-1][0].row
    assert last.kind == "duplicate"
    rebuilt = remember(ledger, last.chain, last.seq, 2_000)
    assert rebuilt.clock == history[len(EVENTS) + 1][0].timestamp
    assert leaves(continued(rebuilt, history[-1:], People(people_of, PEPPER))) == leaves(live[-1:])
    assert [report.faults for report in verify_store(store, {})] == [()]


def test_a_chain_that_ends_too_early(store: Store) -> None:
    ledger, chain = LedgerStore(store), next(chains)
    with pytest.raises(EnforcementError, match=rf"chain {chain} has no row 0; run: ansvar verify"):
        remember(ledger, chain, 1, 100)
    ledger.append(chain, 0, genesis(deployment(), chain).stored)
    assert remember(ledger, chain, 1, 100).next_seq == 1
    with pytest.raises(EnforcementError, match=rf"chain {chain} has no row 1; "):
        remember(ledger, chain, 2, 100)


def test_the_policy_is_that_of_the_last_policy_row(store: Store) -> None:
    ledger, chain = LedgerStore(store), next(chains)
    memory, first = ChainMemory(chain, 100), genesis(deployment(), chain)
    memory.took(first.row, first.leaf)
    changes: dict[str, Any] = {"seq": 1, "kind": "policy", "policy": b"p" * 32, "engine": 9, "extra": ""}
    row = replace(first.row, **changes)
    columns, leaf = seal(row, first.leaf)
    memory.took(row, leaf)
    ledger.append(chain, 0, first.stored + columns + leaf)
    for end, expected in ((1, first.row), (2, row)):
        rebuilt = remember(ledger, chain, end, 100)
        assert (rebuilt.policy, rebuilt.engine) == (expected.policy, expected.engine)


def test_producers_and_epochs_are_those_of_the_rows(store: Store, people_of: Vault) -> None:
    """A producer comes, is changed and goes, an epoch follows another: at every row as it was lived."""
    shop = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    public = shop.public_key().public_bytes_raw()
    second = IntakePrivateKey(bytes(range(96, 192)))
    commands: list[SignedKeyCommand] = [
        RegisterProducer("shop", public, ("crm",), ("*",)),
        OpenEpoch(2, second.public_key().to_bytes()),
        CloseEpoch(1, NOW + 40 * DAY),
        RegisterProducer("shop", public, ("*",), ("processing",)),
        RevokeProducer("shop"),
    ]
    control, other = Producer("c", producer="control"), Producer("s", producer="shop", signing_key=shop)
    values = [other.batch(0, [numbered(judging.process(), 1, subject=customer(0))])]
    for n, command in enumerate(commands, start=2):
        sealed = signed_key_command(OPERATOR, deployment().id, UUID(int=n << 40), command)
        values.append(control.command(0, sealed))
        values.append(other.batch(0, [numbered(judging.process(), n, subject=customer(0))]))
    records = [Record(0, n, NOW + n, value) for n, value in enumerate(values)]
    by = opener(epoch_keys={1: INTAKE, 2: second})
    history = [(record, by.open(record)) for record in records]
    by.learn([("shop", public)])
    history[0] = (records[0], by.open(records[0]))  # as a worker opens it that knows what was to come
    live = check_boundaries(LedgerStore(store), people_of, history, 100, 1, range(len(history)))
    kinds = [judged.reason or judged.row.kind for rows in live for judged in rows]
    first, then = ["unknown_producer", "keys", "gap", "processing"], ["keys", "processing"]
    assert kinds == [*first, *then * 3, "keys", "producer_revoked"]
    ledger, chain, end = LedgerStore(store), live[0][0].row.chain, live[-1][-1].row.seq + 1
    folded = Registry()
    for row in ledger.rows_of_kind(chain, REGISTERING, 0, end):
        folded.took(row)
    assert remember(ledger, chain, end, 100).registry == folded
    assert set(folded.epochs) == {1, 2}
    assert set(folded.producers) == {"local", "control", "forwarder"}
