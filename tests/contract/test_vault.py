"""Every vault, whatever database keeps it: SQLite now; PostgreSQL joins by one more parameter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansvar.vault.errors import EffectsMoved, VaultError
from ansvar.vault.generator import Generator, RandomGenerator, SeededGenerator
from ansvar.vault.vault import NONE_YET, Vault, Wanted

OpenVault = Callable[[Generator], Vault]


@pytest.fixture(params=["sqlite"])
def open_vault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenVault]:
    """Opens one and the same vault as often as it is asked."""
    opened: list[Vault] = []

    def make(generator: Generator) -> Vault:
        vault = Vault.in_file(tmp_path / "vault.db", generator)
        opened.append(vault)
        return vault

    yield make
    for vault in opened:
        vault.close()


@pytest.fixture
def vault(open_vault: OpenVault) -> Vault:
    return open_vault(RandomGenerator())


def tag(number: int) -> bytes:
    return number.to_bytes(32, "big")


def wanted(*numbers: int, chain: int = 0) -> list[Wanted]:
    return [Wanted(tag(number), chain, b"customer_number\0%d" % number) for number in numbers]


def test_a_vault_has_one_owner(open_vault: OpenVault) -> None:
    vault = open_vault(RandomGenerator())
    assert vault.owner() is None
    vault.belong_to(bytes(15) + b"a")
    open_vault(RandomGenerator()).belong_to(bytes(15) + b"a")
    with pytest.raises(VaultError, match="belongs to another deployment"):
        vault.belong_to(bytes(15) + b"b")
    assert vault.owner() == bytes(15) + b"a"


def test_a_person_is_made_once(vault: Vault, open_vault: OpenVault) -> None:
    first = vault.resolve(wanted(1, 2))
    assert set(first) == {tag(1), tag(2)}
    assert vault.resolve(wanted(2, 1, 2)) == first
    assert open_vault(RandomGenerator()).resolve(wanted(1, 2)) == first
    more = vault.resolve(wanted(2, 3))
    assert more[tag(2)] == first[tag(2)]
    people = [*first.values(), more[tag(3)]]
    assert len({person.reference for person in people}) == len({person.data_key for person in people}) == 3
    assert {(len(p.reference), len(p.data_key)) for p in people} == {(16, 32)}


def test_nobody(vault: Vault) -> None:
    assert vault.resolve([]) == {}


def test_home_is_the_first_chain_seen(vault: Vault) -> None:
    both = [*wanted(1, chain=7), *wanted(1, chain=3)]
    assert vault.resolve(both)[tag(1)].chain == 7
    assert vault.resolve(wanted(1, chain=5))[tag(1)].chain == 7


@pytest.mark.parametrize("count", [499, 500, 501, 2_001])
def test_many_at_once(vault: Vault, count: int) -> None:
    made = vault.resolve(wanted(*range(count)))
    assert len(made) == len({person.reference for person in made.values()}) == count
    assert vault.resolve(wanted(*range(count))) == made


def test_a_seeded_generator_repeats_itself(open_vault: OpenVault, tmp_path: Path) -> None:
    made = open_vault(SeededGenerator(b"seed")).resolve(wanted(1, 2, 3))
    again = Vault.in_file(tmp_path / "another.db", SeededGenerator(b"seed"))
    assert again.resolve(wanted(3, 2, 1)) == made
    again.close()


def test_two_that_race_get_the_same_people(open_vault: OpenVault) -> None:
    vaults = [open_vault(RandomGenerator()) for _ in range(4)]
    for round_number in range(5):
        asked = wanted(*range(round_number * 40, round_number * 40 + 40))
        barrier = threading.Barrier(len(vaults))
        answers: list[object] = []

        def ask(vault: Vault, people: list[Wanted], start: threading.Barrier, into: list[object]) -> None:
            start.wait()
            into.append(vault.resolve(people))

        threads = [
            threading.Thread(target=ask, args=(vault, asked[:: 1 - 2 * (number % 2)], barrier, answers))
            for number, vault in enumerate(vaults)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == len(vaults)
        assert all(answer == answers[0] for answer in answers)


def test_one_vault_from_many_threads(vault: Vault) -> None:
    answers: list[object] = []
    threads = [
        threading.Thread(target=lambda: answers.append(vault.resolve(wanted(*range(30))))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [answers[0]] * 8


def test_effects_advance_from_where_they_are(vault: Vault, open_vault: OpenVault) -> None:
    assert vault.effects_through() == {}
    vault.advance(0, NONE_YET, 4)
    vault.advance(1, NONE_YET, 0)
    vault.advance(0, 4, 9)
    vault.advance(2**32 - 1, NONE_YET, 2**40)
    expected = {0: 9, 1: 0, 2**32 - 1: 2**40}
    assert vault.effects_through() == expected
    assert open_vault(RandomGenerator()).effects_through() == expected


@pytest.mark.parametrize("previous", [NONE_YET, 0, 3, 5, 9])
def test_effects_that_moved(vault: Vault, previous: int) -> None:
    vault.advance(0, NONE_YET, 4)
    with pytest.raises(EffectsMoved, match=f"chain 0: effects are no longer at seq {previous}"):
        vault.advance(0, previous, 10)
    assert vault.effects_through() == {0: 4}


def test_effects_of_a_chain_that_has_none(vault: Vault) -> None:
    with pytest.raises(EffectsMoved):
        vault.advance(3, 0, 1)
    assert vault.effects_through() == {}


def test_only_one_of_two_advances(open_vault: OpenVault) -> None:
    vaults = [open_vault(RandomGenerator()) for _ in range(4)]
    for at in range(NONE_YET, 8):
        outcomes: list[str] = []
        barrier = threading.Barrier(len(vaults))

        def advance(vault: Vault, at: int, start: threading.Barrier, into: list[str]) -> None:
            start.wait()
            try:
                vault.advance(0, at, at + 1)
            except EffectsMoved:
                into.append("moved")
            else:
                into.append("ours")

        threads = [threading.Thread(target=advance, args=(v, at, barrier, outcomes)) for v in vaults]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["moved", "moved", "moved", "ours"]
    assert vaults[0].effects_through() == {0: 8}
