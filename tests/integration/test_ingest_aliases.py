"""Persons of several identifiers in a file: one chain, one subject from the joining event on, not before."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

import judging
from ansvar.enforcement import ingesting
from ansvar.enforcement.ingesting import Ingest, Line, Parts, Totals
from ansvar.enforcement.people import People
from ansvar.enforcement.reading import named_together
from ansvar.enforcement.replaying import judged_again, replay
from ansvar.enforcement.rows import time_of
from ansvar.enforcement.wiring import scopes
from ansvar.events.boundary import to_json
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import Event, Identifier
from ansvar.events.partition import home_of
from ansvar.ledger.position import MAX_PARTITIONS
from ansvar.ledger.row import Row
from ansvar.policy.bundle import Bundle
from ansvar.policy.evaluation import Evaluator
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
    bundle,
    deployment,
    known,
    numbered,
    roots,
    rows,
    rules,
)
from records import vault as vault_in

EMAIL, PHONE = Identifier("email", "anna@example.com"), Identifier("phone_number", "+46701234567")
NUMBER, OTHER = Identifier("customer_number", "K-1"), Identifier("customer_number", "K-2")
DEVICE, BORN = Identifier("device_id", "d-1"), Identifier("personnummer", "196408233234")
WHO = [EMAIL, PHONE, NUMBER, OTHER, DEVICE, BORN]


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    made = vault_in(tmp_path_factory.mktemp("vault") / "vault.db")
    yield made
    made.close()


def lines(*events: Event | bytes) -> list[Line]:
    texts = [event if isinstance(event, bytes) else to_json(event) for event in events]
    return list(enumerate(texts, start=1))


def sha_of(given: list[Line]) -> bytes:
    return hashlib.sha256(b"\n".join(text for _, text in given)).digest()


def ingest(store: Store, people: Vault, given: list[Line], part: list[Line] | None = None) -> Totals:
    """Ingest a file; with `part` only these of its lines are judged."""
    parts = Parts(
        deployment=deployment(),
        ledger=LedgerStore(store),
        people=People(people, PEPPER),
        rules=rules(),
        partition_key=PARTITION_KEY,
    )
    job = Ingest(parts, sha_of(given), NOW, lambda _: None, named_together(given))
    job.take(given if part is None else part)
    return job.totals


def by(event: Event, who: Identifier, number: int, *others: Identifier) -> Event:
    return numbered(event, number, subject=who, aliases=others)


def judged(store: Store) -> list[Row]:
    """The rows of events, in the order of the file."""
    return sorted((row for row in rows(store) if row.verdict), key=lambda row: row.offset)


def same(policy: bytes, engine: int) -> tuple[Bundle, int]:
    assert policy == bundle().sha256
    return bundle(), engine


NO = judging.objection("2026-01-15", "direct_marketing")
CALL = judging.interest("call", "2026-02-01", "marketing", data_categories=["phone"])
FIRED = "marketing.objected"


def test_an_objection_by_mail_forbids_a_call_once_both_were_named_together(
    store: Store, vault: Vault
) -> None:
    asked = [by(NO, EMAIL, 1), by(CALL, PHONE, 2), by(judging.process(), PHONE, 3, EMAIL), by(CALL, PHONE, 4)]
    assert asdict(ingest(store, vault, lines(*asked))) == {"rows": 5, "refused": 0, "known": 0}
    assert [FIRED in row.findings for row in judged(store)] == [False, False, False, True]
    assert [report.faults for report in verify_store(store, {})] == [()]


def test_the_joining_event_is_judged_by_what_is_known_of_both(store: Store, vault: Vault) -> None:
    ingest(store, vault, lines(by(NO, EMAIL, 1), by(CALL, PHONE, 2, EMAIL)))
    assert [FIRED in row.findings for row in judged(store)] == [False, True]


def test_one_person_is_on_one_chain_from_the_first_line_on(store: Store, vault: Vault) -> None:
    """That of the identifier that the first joining event names first; others are where they always are."""
    asked = [by(NO, EMAIL, 1), by(NO, OTHER, 2), by(CALL, PHONE, 3, EMAIL), by(NO, NUMBER, 4, PHONE)]
    ingest(store, vault, lines(*asked))
    chains = [row.chain - MAX_PARTITIONS for row in judged(store)]
    home, others = (home_of(PARTITION_KEY, who, CHAINS) for who in (PHONE, OTHER))
    assert chains == [home, others, home, home]
    assert len({home_of(PARTITION_KEY, who, CHAINS) for who in (EMAIL, PHONE, NUMBER)}) > 1


def test_a_row_names_a_survivor_from_the_link_on(store: Store, vault: Vault) -> None:
    asked = [by(NO, EMAIL, 1), by(CALL, PHONE, 2), by(CALL, PHONE, 3, EMAIL), by(CALL, EMAIL, 4)]
    ingest(store, vault, lines(*asked))
    mail, phone = known(EMAIL).reference, known(PHONE).reference
    low, high = sorted((mail, phone))
    assert [row.subject for row in judged(store)] == [mail, phone, low, low]
    (link,) = (row for row in rows(store) if row.kind == "link")
    assert (link.subject, msgspec.json.decode(link.extra)) == (low, {"joined": high.hex()})
    assert (link.offset, link.index) == (2, 0)
    assert [row.index for row in judged(store)] == [0, 0, 1, 0]


def test_digests_stay_under_the_key_of_whom_the_event_names(store: Store, vault: Vault) -> None:
    first = by(CALL, EMAIL, 1)
    joining = by(CALL, PHONE, 2, EMAIL)
    totals = ingest(store, vault, lines(first, joining, first, joining))
    assert (totals.rows, totals.refused) == (5, 0)
    assert [row.kind for row in rows(store) if row.kind == "duplicate"] == ["duplicate"] * 2


def test_a_request_is_one_whichever_identifier_it_came_with(store: Store, vault: Vault) -> None:
    """Also where it came with both before anybody said that they are one person's."""
    withdrawn = judging.objection("2026-01-20", phase="withdrawn")
    asked = [
        by(NO, EMAIL, 1),
        by(withdrawn, PHONE, 2),
        by(CALL, EMAIL, 3),
        by(CALL, PHONE, 4, EMAIL),
        by(replace(NO, request_id="R2"), EMAIL, 5),  # type: ignore[call-arg] # a request's step
        by(CALL, PHONE, 6),
        by(replace(withdrawn, request_id="R2"), PHONE, 7),  # type: ignore[call-arg] # the same
        by(CALL, EMAIL, 8),
    ]
    ingest(store, vault, lines(*asked))
    found = {row.event_id.int & 15: FIRED in row.findings for row in judged(store)}
    assert [found[number] for number in (3, 4, 6, 8)] == [True, False, True, False]


def test_a_line_that_is_refused_joins_nobody(store: Store, vault: Vault) -> None:
    bad = to_json(by(CALL, PHONE, 2, EMAIL)).replace(b'"phone_number"', b'"phone"', 1)
    assert asdict(ingest(store, vault, lines(by(NO, EMAIL, 1), bad, by(CALL, PHONE, 3))))["refused"] == 1
    assert [row.kind for row in rows(store) if row.kind == "link"] == []
    assert [FIRED in row.findings for row in judged(store)] == [False, False]


def test_aliases_that_were_not_there_before_are_refused(store: Store, vault: Vault) -> None:
    """The file was written to since it was read for them; the chain of what it says now is not known."""
    given = lines(by(NO, EMAIL, 1), by(CALL, PHONE, 2, EMAIL))
    parts = Parts(
        deployment=deployment(),
        ledger=LedgerStore(store),
        people=People(vault, PEPPER),
        rules=rules(),
        partition_key=PARTITION_KEY,
    )
    told: list[str] = []
    Ingest(parts, sha_of(given), NOW, told.append, named_together(given[:1])).take(given)
    assert [row.kind for row in rows(store) if row.kind in ("refused", "link")] == ["refused"]
    assert len(told) == 1
    assert told[0].startswith("line 2, field 'aliases'")
    assert EMAIL.value not in told[0]


# Whatever files there are


def _contents() -> list[Event]:
    """Events that change a state, under ids that meet, and events judged by it."""
    return [
        judging.collect("2026-01-01", "marketing", ("email",)),
        judging.collect("2026-02-25", "contract", ("name", "email")),
        judging.contract("started", "2026-01-01"),
        judging.contract("ended", "2026-02-01"),
        judging.contract("ended", "2026-02-01", "C2"),
        NO,
        judging.objection("2026-01-20", "direct_marketing", "withdrawn"),
        judging.objection("2026-01-15", "direct_marketing", request="R9"),
        judging.rights("restriction", "fulfilled", "2026-02-10", "R1"),
        judging.rights("portability", "received", "2026-02-01", "R9"),
        judging.rights("portability", "withdrawn", "2026-02-01", "R9"),
        judging.rights("erasure", "fulfilled", "2026-02-20", "R8", reason="asked for"),
        judging.disclose("insurer", ground="service_delivery", reference="R9"),
        CALL,
        judging.interest("email", "2026-03-01", "marketing", data_categories=["email"]),
        judging.process("use", "2026-03-01", purpose="contract", legal_basis="contract"),
    ]


CONTENTS = _contents()


@st.composite
def files(draw: st.DrawFn) -> list[Event]:
    """Events of some identifiers, of which some name others together."""
    found = []
    for number in range(draw(st.integers(2, 25))):
        who = draw(st.sampled_from(WHO))
        others = draw(st.lists(st.sampled_from(WHO), min_size=1, max_size=2)) if draw(st.booleans()) else []
        others = others if draw(st.booleans()) else []
        found.append(normalise_event(by(draw(st.sampled_from(CONTENTS)), who, number, *others)))
    return found


def within(examples: int) -> settings:
    return settings(max_examples=examples, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(events=files())
@within(15)
def test_evaluate_ingest_and_replay_agree(
    new_store: Callable[[], Store], vault: Vault, events: list[Event]
) -> None:
    """On verdict and findings; the ledger is whole; and one row can be judged again by itself."""
    store = new_store()
    try:
        _check(store, vault, events)
    finally:
        store.close()


def _check(store: Store, vault: Vault, events: list[Event]) -> None:
    ingest(store, vault, lines(*events))
    evaluator = Evaluator(bundle(), as_of=time_of(NOW), engine=deployment().engine)
    expected = [evaluator.judge(event) for event in events]
    told = [(verdict.verdict, tuple(f.rule for f in verdict.findings)) for verdict in expected]
    assert [(row.verdict, row.findings) for row in judged(store)] == told
    assert all(report.faults == () for report in verify_store(store, {}))

    ledger, claims = LedgerStore(store), scopes(deployment())
    for chain in ledger.chains():
        replayed = list(replay(_rows(ledger, chain), same, claims))
        assert [again.row.seq for again in replayed if not again.agrees] == []
        seq = replayed[-1].row.seq
        there = next(again for again in replay(_rows(ledger, chain), same, claims) if again.row.seq == seq)
        alone = judged_again(ledger, chain, seq, same, claims)
        assert alone is not None
        assert (alone.row, alone.verdict, alone.state) == (there.row, there.verdict, there.state)


def _rows(ledger: LedgerStore, chain: int) -> Iterator[Row]:
    return (row for row, _ in ledger.rows(chain, 0, ledger.last_seq(chain) + 1))


@given(events=files(), data=st.data())
@within(6)
def test_an_ingest_that_was_cut_off_gives_the_same_leaves(
    new_store: Callable[[], Store], vault: Vault, events: list[Event], data: st.DataObject
) -> None:
    given = lines(*events)
    whole, cut = new_store(), new_store()
    try:
        ingest(whole, vault, given)
        ingest(cut, vault, given, given[: data.draw(st.integers(0, len(given)))])
        ingest(cut, vault, given)
        assert roots(cut) == roots(whole)
    finally:
        whole.close()
        cut.close()


def _year() -> list[Line]:
    dice = random.Random(7)
    events = []
    for number in range(300):
        who = dice.choice(WHO)
        others = dice.sample(WHO, 2) if number % 40 == 20 else ()
        events.append(by(dice.choice(CONTENTS), who, number, *others))
    return lines(*events)


def test_failures_leave_no_trace(
    new_store: Callable[[], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stores that fail between any two lines, links included."""
    given = _year()
    whole, people = new_store(), vault_in(tmp_path / "whole.db")
    ingest(whole, people, given)
    people.close()
    monkeypatch.setattr(ingesting, "BATCH_LINES", 7)
    faults = Faults(3, 12, FAILS)
    cut, people = new_store(), vault_in(tmp_path / "cut.db")
    tries = repeated(cut, people, faults, lambda store, vault: ingest(store, vault, given))
    people.close()
    assert tries > 2
    assert roots(cut) == roots(whole)
    assert any(row.kind == "link" for row in rows(cut))
    assert all(report.faults == () for report in verify_store(cut, {}))


@pytest.mark.parametrize("seq", [0, 99])
def test_a_row_that_judges_nothing_is_not_judged_again(store: Store, vault: Vault, seq: int) -> None:
    ingest(store, vault, lines(by(CALL, PHONE, 1)))
    (chain,) = LedgerStore(store).chains()
    assert judged_again(LedgerStore(store), chain, seq, same, {}) is None
