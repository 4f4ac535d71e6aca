"""Every vault, whatever database keeps it: people are made once, and effects move from where they are."""

from __future__ import annotations

import threading

import pytest

from ansvar.vault.errors import EffectsMoved, VaultError, VaultUnavailable
from ansvar.vault.generator import SeededGenerator
from ansvar.vault.vault import NONE_YET, Vault, Wanted
from vaults import DAY, NOW, Place, identifier, resolved, tag, wanted


@pytest.fixture
def vault(place: Place) -> Vault:
    return place()


def test_a_vault_has_one_owner(place: Place) -> None:
    vault = place()
    assert vault.owner() is None
    vault.belong_to(bytes(15) + b"a")
    place().belong_to(bytes(15) + b"a")
    with pytest.raises(VaultError, match="belongs to another deployment"):
        vault.belong_to(bytes(15) + b"b")
    assert vault.owner() == bytes(15) + b"a"


def test_a_person_is_made_once(vault: Vault, place: Place) -> None:
    first = vault.resolve(wanted(1, 2))
    assert set(first) == {tag(1), tag(2)}
    assert vault.resolve(wanted(2, 1, 2)) == first
    assert place().resolve(wanted(1, 2)) == first
    more = vault.resolve(wanted(2, 3))
    assert more[tag(2)] == first[tag(2)]
    people = resolved(vault, 1, 2, 3)
    assert len({person.reference for person in people}) == len({person.data_key for person in people}) == 3
    assert {(len(p.reference), len(p.data_key)) for p in people} == {(16, 32)}
    assert {(p.generation, p.ended_seq) for p in people} == {(0, None)}
    assert all(held.tombstone is None for held in more.values())


def test_nobody(vault: Vault) -> None:
    assert vault.resolve([]) == {}


def test_the_chain_is_the_first_that_was_said(vault: Vault) -> None:
    both = [*wanted(1, chain=7), *wanted(1, chain=3)]
    assert vault.resolve(both)[tag(1)].persons[0].chain == 7
    assert resolved(vault, 1, chain=5)[0].chain == 7


@pytest.mark.parametrize("count", [499, 500, 501, 2_001])
def test_many_at_once(vault: Vault, count: int) -> None:
    made = resolved(vault, *range(count))
    assert len({person.reference for person in made}) == count
    assert resolved(vault, *range(count)) == made


def test_a_seeded_generator_repeats_itself(place: Place) -> None:
    generator = SeededGenerator(b"seed")
    for number, person in enumerate(resolved(place(generator), 0, 1, 2)):
        made = (generator.reference(tag(number), 0), generator.data_key(tag(number), 0))
        assert (person.reference, person.data_key) == made


def test_finding_makes_nobody(vault: Vault, place: Place) -> None:
    held = vault.find(tag(1), identifier(1))
    assert (held.persons, held.tombstone) == ((), None)
    assert place.sql("SELECT count(*) FROM subjects") == [(0,)]
    made = vault.resolve(wanted(1))[tag(1)]
    assert vault.find(tag(1), identifier(1)) == made


def test_the_day_of_use_is_noted_once_a_day(place: Place) -> None:
    now = [NOW]
    vault = place(now=lambda: now[0])

    def days() -> list[tuple[str, str]]:
        found = place.sql("SELECT created_on, used_on FROM subjects ORDER BY tag")
        return [(str(created), str(used)) for created, used in found]

    resolved(vault, 1, 2)
    assert days() == [("2026-09-21", "2026-09-21")] * 2
    now[0] += 2 * DAY
    vault.find(tag(1), identifier(1))
    assert days() == [("2026-09-21", "2026-09-21")] * 2
    resolved(vault, 1)
    assert days() == [("2026-09-21", "2026-09-23"), ("2026-09-21", "2026-09-21")]
    place.sql("UPDATE subjects SET used_on = '2026-09-24' WHERE used_on = '2026-09-23'")
    resolved(vault, 1, 2)  # and a clock that went back takes nothing back
    assert days() == [("2026-09-21", "2026-09-24"), ("2026-09-21", "2026-09-23")]


def test_whose_a_reference_is(vault: Vault) -> None:
    people = resolved(vault, *range(600))
    vault.rotation.rotate(NOW)
    more = resolved(vault, 600)  # under another key than the rest
    expected = {person.reference: identifier(n) for n, person in enumerate([*people, *more])}
    assert vault.named([*expected, bytes(16)]) == expected
    assert vault.named([]) == {}


def test_a_reference_given_twice_is_no_new_person(place: Place) -> None:
    """Two persons under one reference would be one person for ever: better to stop."""

    class Stuck(SeededGenerator):
        def reference(self, tag: bytes, generation: int) -> bytes:
            return bytes(16)

    vault = place(Stuck(b""))
    resolved(vault, 1)
    with pytest.raises(VaultUnavailable, match="did not answer"):
        vault.resolve([Wanted(bytes(32), 0, b"")])


def test_two_that_race_get_the_same_people(place: Place) -> None:
    vaults = [place() for _ in range(4)]
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


def test_effects_advance_from_where_they_are(vault: Vault, place: Place) -> None:
    assert vault.effects_through() == {}
    vault.advance(0, NONE_YET, 4)
    vault.advance(1, NONE_YET, 0)
    vault.advance(0, 4, 9)
    vault.advance(2**32 - 1, NONE_YET, 2**40)
    expected = {0: 9, 1: 0, 2**32 - 1: 2**40}
    assert vault.effects_through() == expected
    assert place().effects_through() == expected


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


def test_only_one_of_two_advances(place: Place) -> None:
    vaults = [place() for _ in range(4)]
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
