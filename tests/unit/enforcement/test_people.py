"""The persons of a batch: found once, kept bounded, the same whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace

import judging
from ansvar.enforcement import people
from ansvar.enforcement.people import People, named_in
from ansvar.events.model import Identifier, NoticeEvent
from ansvar.vault.errors import VaultError
from ansvar.vault.generator import SeededGenerator
from ansvar.vault.vault import Held, Vault, Wanted
from ansvar.vault.wrapping import FileKeys
from records import PEPPER, customer, known, numbered, vault

WHO = [Identifier("customer_number", f"K-{n}") for n in range(6)]


class CountingVault(Vault):
    """The real vault, and how much it was asked."""

    asked: list[int]

    def resolve(self, wanted: Sequence[Wanted]) -> dict[bytes, Held]:
        self.asked.append(len(wanted))
        return super().resolve(wanted)


@pytest.fixture
def counting(tmp_path: Path) -> CountingVault:
    made = CountingVault.in_file(tmp_path / "vault.db", SeededGenerator(b"seed"), FileKeys(tmp_path / "keys"))
    made.asked = []
    return made


def test_one_round_trip_for_all_and_none_for_those_known(counting: CountingVault) -> None:
    found = People(counting, PEPPER)
    first = found.resolve((0, who) for who in (WHO[0], WHO[1], WHO[0]))
    assert set(first) == {WHO[0], WHO[1]}
    assert counting.asked == [2]
    again = found.resolve([(0, WHO[1]), (3, WHO[2])])
    assert counting.asked == [2, 1]
    assert again[WHO[1]] is first[WHO[1]]
    assert again[WHO[2]].chain == 3
    assert found.resolve([(1, WHO[2])])[WHO[2]].chain == 3  # home is where a person was seen first
    assert found.resolve([]) == {}
    assert counting.asked == [2, 1]
    counting.close()


def test_the_cache_is_bounded_and_drops_who_was_not_asked_for(
    counting: CountingVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "_CACHED", 3)
    found = People(counting, PEPPER)
    everyone = found.resolve((0, who) for who in WHO)
    assert set(everyone) == set(WHO)  # more at once than are kept
    found.resolve([(0, WHO[3])])  # of WHO[3:] the one seen longest ago
    found.resolve([(0, WHO[0])])
    assert counting.asked == [6, 1]
    found.resolve([(0, WHO[3])])
    assert counting.asked == [6, 1]
    assert found.resolve([(0, WHO[4])])[WHO[4]].reference == everyone[WHO[4]].reference
    assert counting.asked == [6, 1, 1]
    counting.close()


def test_two_workers_find_the_same_person(tmp_path: Path) -> None:
    one, two = vault(tmp_path / "vault.db"), vault(tmp_path / "vault.db")
    first = People(one, PEPPER).resolve([(1, WHO[0])])[WHO[0]]
    second = People(two, PEPPER).resolve([(2, WHO[0])])[WHO[0]]
    assert first.reference == second.reference == known(WHO[0]).reference
    assert first.keys.digest(b"x") == second.keys.digest(b"x") == known(WHO[0]).keys.digest(b"x")
    assert (first.chain, second.chain) == (1, 1)
    one.close()
    two.close()


def test_another_pepper_is_another_person(counting: CountingVault) -> None:
    one = People(counting, PEPPER).resolve([(0, WHO[0])])[WHO[0]]
    two = People(counting, bytes(32)).resolve([(0, WHO[0])])[WHO[0]]
    assert one.reference != two.reference
    counting.close()


def test_a_failure_leaves_nobody_half_known(counting: CountingVault, monkeypatch: pytest.MonkeyPatch) -> None:
    found = People(counting, PEPPER)

    def fail(wanted: Sequence[Wanted]) -> dict[bytes, Held]:
        raise VaultError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(counting, "resolve", fail)
        with pytest.raises(VaultError):
            found.resolve([(0, WHO[0])])
    assert found.resolve([(0, WHO[0])])[WHO[0]].reference
    counting.close()


def test_who_is_named() -> None:
    staff = Identifier("employee_number", "E-1")
    event = numbered(judging.process(), 1, subject=customer(0))
    assert list(named_in(event)) == [customer(0)]
    assert list(named_in(replace(event, actor="billing"))) == [customer(0)]
    assert list(named_in(replace(event, actor=staff))) == [customer(0), staff]
    named = replace(event, actor=staff, aliases=(customer(0, 1), customer(0, 2)))
    assert list(named_in(named)) == [customer(0), customer(0, 1), customer(0, 2), staff]
    notice = NoticeEvent(occurred_at=judging.at(judging.NOW), system="crm", event_id=UUID(int=1))
    assert list(named_in(notice)) == []
