"""What the ledger tells of subjects, recipients and findings, against a plain list of rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from uuid import UUID

import pytest
from msgspec.structs import replace

from ansvar.ledger.row import ZERO16, Row
from ansvar.store import histories as histories_module
from ansvar.store.client import Store
from ansvar.store.histories import MOST_REFERENCES, Histories, Step
from ansvar.store.ledger import LedgerStore
from rows import BUNDLE, company_chain
from stores import fill

SIZE = 400
OTHER = bytes(32)


def _varied(chain: int) -> list[Row]:
    """A company's rows with phases, recipients and bundles of all sorts."""
    dice = random.Random(chain)
    found = []
    for row in company_chain(chain, SIZE):
        changes: dict[str, object] = {"policy": dice.choice([BUNDLE, BUNDLE, OTHER])}
        if row.kind == "rights":
            changes["phase"] = dice.choice(["received", "fulfilled", "recipients_notified", "withdrawn"])
            changes["right"] = dice.choice(["objection", "erasure"])
            changes["recipient"] = "molnet" if changes["phase"] == "recipients_notified" else ""
        elif row.kind == "contract":
            changes["phase"] = dice.choice(["started", "ended"])
        elif row.kind == "processing":
            changes["operation"] = dice.choice(["erase", "use"])
        elif row.kind in ("transfer", "disclosure"):
            changes["via"] = dice.choice(["", "molnet", "bud"])
        elif row.kind == "notice":
            changes |= dice.choice(
                [
                    {"extra": '{"topic":"breach"}', "subject": ZERO16},
                    {"extra": '{"topic":"breach","version":"authority_notified"}', "subject": ZERO16},
                    {"extra": '{"topic":"policy"}', "subject": ZERO16},
                    {"extra": '{"topic":"breach"}'},
                ]
            )
        elif row.kind == "gap":
            changes |= {"kind": "finding", "event_id": UUID(int=dice.getrandbits(128))}
        found.append(replace(row, **changes))
    return found


CHAINS = {chain: _varied(chain) for chain in (0, 1, 65_536)}
PEOPLE = sorted({row.subject for row in CHAINS[1]} - {ZERO16})
END = 300


@pytest.fixture
def histories(store: Store) -> Histories:
    fill(store, *CHAINS.values())
    return Histories(LedgerStore(store))


def happened(*kinds: str, references: Sequence[bytes] | None = None, end: int = END) -> list[Row]:
    return [
        row
        for row in CHAINS[1][:end]
        if row.kind in kinds
        and row.stage in ("done", "fail_open")
        and (references is None or row.subject in references)
    ]


@pytest.mark.parametrize("references", [PEOPLE[:1], PEOPLE[1:4], PEOPLE, [bytes([255]) * 16]])
def test_what_happened_to_some_subjects(histories: Histories, references: list[bytes]) -> None:
    asked = (1, END, references)
    erased = [row for row in happened("processing", references=references) if row.operation == "erase"]
    assert sorted(histories.erasures(*asked)) == sorted((row.subject, row.occurred_at) for row in erased)
    first: dict[tuple[bytes, str], int] = {}
    for row in happened("transfer", "disclosure", references=references):
        for recipient in {row.recipient, row.via} - {""}:
            key = row.subject, recipient
            first[key] = min(first.get(key, row.occurred_at), row.occurred_at)
    assert sorted(histories.handovers(*asked)) == sorted((*key, at) for key, at in first.items())
    steps = happened("rights", "contract", references=references)
    assert sorted(histories.notifications(*asked)) == sorted(
        (row.subject, row.right, row.request_id, row.recipient, row.occurred_at)
        for row in steps
        if row.phase == "recipients_notified"
    )
    assert histories.steps(*asked) == [
        Step(row.seq, row.subject, row.phase, row.right, row.request_id, row.occurred_at)
        for row in steps
        if row.phase in (("received", "fulfilled") if row.kind == "rights" else ("ended",))
    ]
    uses = happened("processing", "transfer", "disclosure", references=references)
    assert list(histories.uses(*asked)) == uses
    assert bool(uses) == bool(erased) == bool(steps) == (references[0] in PEOPLE)


def test_as_many_references_as_may_be_asked_about(histories: Histories) -> None:
    many = [number.to_bytes(16, "big") for number in range(MOST_REFERENCES - 1)]
    found = histories.erasures(1, END, [*many, PEOPLE[0]])
    assert found
    assert {who for who, _ in found} == {PEOPLE[0]}


@pytest.mark.parametrize("first", [0, 100, END])
def test_objections(histories: Histories, first: int) -> None:
    expected = [
        (row.seq, row.subject, row.occurred_at)
        for row in happened("rights")
        if row.seq >= first and (row.right, row.phase) == ("objection", "received")
    ]
    assert histories.objections(1, first, END) == expected
    assert expected or first == END


def test_handovers_by_bundle(histories: Histories) -> None:
    assert histories.policies(1, END) == sorted([BUNDLE, OTHER])
    assert histories.policies(2, END) == []
    for policy in (BUNDLE, OTHER):
        expected = [row for row in happened("transfer", "disclosure") if row.policy == policy]
        assert list(histories.handed_over_under(1, END, policy)) == expected != []


def test_breaches(histories: Histories) -> None:
    expected = [row for row in happened("notice") if '"breach"' in row.extra and row.subject == ZERO16]
    assert list(histories.breaches(1, END)) == expected != []


def test_handovers_to_a_recipient(histories: Histories) -> None:
    for recipient in ("molnet", "bud", "polisen"):
        rows = [row for row in happened("transfer", "disclosure") if recipient in (row.recipient, row.via)]
        assert list(histories.handed_over_to(1, END, recipient)) == rows != []
    assert list(histories.handed_over_to(1, END, "nobody")) == []
    assert list(histories.handed_over_to(2, END, "molnet")) == []


def _shuffled() -> list[Row]:
    """A chain on which history arrives in any order, several rows at one instant."""
    dice = random.Random(7)
    rows = []
    for row in company_chain(3, SIZE):
        changes: dict[str, object] = {
            "occurred_at": dice.randrange(60) * 1_000_000,
            "subject": dice.choice([*PEOPLE[:12], ZERO16]),
        }
        if row.kind == "processing":
            changes["operation"] = dice.choice(["use", "use", "use", "collect"])
        rows.append(replace(row, **changes) if row.kind != "genesis" else row)
    return rows


@pytest.mark.parametrize(("first", "at_once"), [(0, 2_000), (0, 1), (1, 7), (150, 7), (END, 7)])
def test_uses_that_history_overtook(
    store: Store, first: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories_module, "_ROWS_AT_ONCE", at_once)
    made = _shuffled()
    fill(store, made)
    told = [row for row in made[:END] if row.stage in ("done", "fail_open") and row.subject != ZERO16]
    late = [
        row
        for row in told
        if row.seq >= first and (row.kind in ("rights", "contract") or row.operation == "collect")
    ]
    expected = [
        row
        for row in told
        if row.kind in ("processing", "transfer", "disclosure")
        and any(
            row.seq < other.seq and row.subject == other.subject and other.occurred_at <= row.occurred_at
            for other in late
        )
    ]
    assert list(Histories(LedgerStore(store)).overtaken(3, first, END)) == expected
    assert bool(expected) == (first < END)
    assert len(expected) < len(told)


def test_the_ids_of_findings(histories: Histories) -> None:
    ids = {row.event_id.bytes for chain in CHAINS.values() for row in chain if row.kind == "finding"}
    assert histories.findings() == ids
    assert len(ids) > 3


def test_an_empty_ledger(store: Store) -> None:
    histories = Histories(LedgerStore(store))
    assert histories.findings() == set()
    assert list(histories.handed_over_to(0, 10, "molnet")) == []
    assert list(histories.overtaken(0, 0, 10)) == []
    assert histories.handovers(0, 10, [PEOPLE[0]]) == []
    assert list(histories.breaches(0, 0)) == []
