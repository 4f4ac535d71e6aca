"""Ended, entombed, destroyed: what a vault keeps of a person who was erased, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansvar.vault.errors import EffectsMoved, VaultError
from ansvar.vault.vault import NONE_YET, End, Held, Tombstone, Vault
from vaults import NOW, Place, identifier, resolved, tag, wanted


@pytest.fixture
def vault(place: Place) -> Vault:
    return place()


def ended(vault: Vault, number: int, seq: int, previous: int = NONE_YET, chain: int = 0) -> bytes:
    """End the newest generation of somebody; returns its reference."""
    held = vault.resolve(wanted(number, chain=chain))[tag(number)]
    reference = held.persons[-1].reference
    vault.advance(chain, previous, seq, [End(reference, seq, NOW + seq, b"facts %d" % seq)])
    return reference


def test_an_end_leaves_a_tombstone(vault: Vault) -> None:
    (before,) = resolved(vault, 1, chain=0)
    ended(vault, 1, 7)
    held = vault.resolve(wanted(1, 2))[tag(1)]
    (after,) = held.persons
    assert (after.reference, after.data_key) == (before.reference, before.data_key)
    assert (after.generation, after.ended_seq) == (0, 7)
    assert held.tombstone == Tombstone(chain=0, seq=7, at=NOW + 7, generation=1, facts=b"facts 7")
    assert vault.find(tag(1), identifier(1)) == held
    assert vault.effects_through() == {0: 7}
    assert vault.tombstone_count() == 1


def test_an_end_and_the_advance_are_one(vault: Vault) -> None:
    (person,) = resolved(vault, 1)
    vault.advance(0, NONE_YET, 5)
    with pytest.raises(EffectsMoved):
        vault.advance(0, 4, 7, [End(person.reference, 7, NOW, b"")])
    assert resolved(vault, 1) == [person]
    assert vault.tombstone_count() == 0


def test_who_is_ended_stays_ended_at_that_row(vault: Vault) -> None:
    reference = ended(vault, 1, 7)
    held = vault.find(tag(1), identifier(1))
    vault.advance(0, 7, 9, [End(reference, 9, NOW, b"later")])
    assert vault.find(tag(1), identifier(1)) == held
    assert vault.effects_through() == {0: 9}
    assert vault.destroy(0, 8) == [reference]
    vault.advance(0, 9, 10, [End(reference, 10, NOW, b"later"), End(bytes(16), 10, NOW, b"")])
    assert vault.find(tag(1), identifier(1)) == Held((), held.tombstone)


def test_of_two_ends_in_one_advance_the_first_row_counts(vault: Vault) -> None:
    (person,) = resolved(vault, 1)
    vault.advance(0, NONE_YET, 9, [End(person.reference, seq, NOW, b"%d" % seq) for seq in (8, 3, 9)])
    held = vault.find(tag(1), identifier(1))
    assert held.persons[0].ended_seq == 3
    assert held.tombstone == Tombstone(0, 3, NOW, 1, b"3")


def test_a_reference_of_another_chain_is_not_ended(vault: Vault) -> None:
    (person,) = resolved(vault, 1, chain=3)
    with pytest.raises(VaultError, match="chain 0, seq 1: a reference of chain 3 cannot end here"):
        vault.advance(0, NONE_YET, 1, [End(person.reference, 1, NOW, b"")])
    assert vault.effects_through() == {}
    assert vault.find(tag(1), identifier(1)) == Held((person,), None)


def test_many_ends_at_once(vault: Vault) -> None:
    people = resolved(vault, *range(1_100))
    vault.advance(0, NONE_YET, 2_000, [End(p.reference, seq, NOW, b"") for seq, p in enumerate(people)])
    held = vault.resolve(wanted(*range(1_100)))
    assert [held[tag(n)].persons[0].ended_seq for n in range(1_100)] == [*range(1_100)]
    assert all(each.tombstone is not None for each in held.values())
    assert set(vault.destroy(0, 600)) == {person.reference for person in people[:600]}
    assert vault.tombstone_count() == 1_100
    assert len(vault.destroy(0, 5_000)) == 500


def test_destroyed_below_a_row_of_one_chain(vault: Vault) -> None:
    first = ended(vault, 1, 7)
    ended(vault, 2, 8, previous=7)
    ended(vault, 3, 2, chain=1)
    resolved(vault, 4)
    assert vault.destroy(0, 7) == []
    assert vault.destroy(0, 8) == [first]
    assert vault.destroy(0, 8) == []
    assert vault.find(tag(1), identifier(1)).persons == ()
    assert [vault.find(tag(n), identifier(n)).persons[0].ended_seq for n in (2, 3, 4)] == [8, 2, None]


def test_nobody_is_made_where_a_tombstone_is(vault: Vault, place: Place) -> None:
    ended(vault, 1, 7)
    vault.destroy(0, 8)
    for opened in (vault, place()):
        held = opened.resolve(wanted(1))[tag(1)]
        assert held == Held((), Tombstone(0, 7, NOW + 7, 1, b"facts 7"))
    assert place.sql("SELECT count(*) FROM subjects") == [(0,)]


def test_the_next_generation_shares_nothing(vault: Vault, place: Place) -> None:
    (old,) = resolved(vault, 1)
    ended(vault, 1, 7)
    new = vault.next_generation(wanted(1)[0], 1)
    assert (new.generation, new.ended_seq, new.chain) == (1, None, 0)
    assert new.reference != old.reference
    assert new.data_key != old.data_key
    assert vault.next_generation(wanted(1)[0], 1) == place().next_generation(wanted(1)[0], 1) == new
    held = vault.resolve(wanted(1))[tag(1)]
    assert [person.generation for person in held.persons] == [0, 1]
    vault.destroy(0, 8)
    stone = Tombstone(0, 7, NOW + 7, 1, b"facts 7")
    assert vault.resolve(wanted(1))[tag(1)] == Held((new,), stone)
    ended(vault, 1, 9, previous=7)  # erased again: one tombstone, of the last time
    assert vault.find(tag(1), identifier(1)).tombstone == Tombstone(0, 9, NOW + 9, 2, b"facts 9")
    assert vault.tombstone_count() == 1


def test_two_generations_ended_at_once_leave_the_newer_tombstone(vault: Vault) -> None:
    (old,) = resolved(vault, 1)
    new = vault.next_generation(wanted(1)[0], 1)
    vault.advance(0, NONE_YET, 9, [End(new.reference, 3, NOW, b"new"), End(old.reference, 4, NOW, b"old")])
    assert vault.find(tag(1), identifier(1)).tombstone == Tombstone(0, 3, NOW, 2, b"new")


def test_tombstones_expire(vault: Vault) -> None:
    first, second = ended(vault, 1, 7), ended(vault, 2, 9, previous=7)
    vault.destroy(0, 10)
    assert vault.expire_tombstones(NOW + 7) == 0
    assert vault.expire_tombstones(NOW + 8) == 1
    assert vault.tombstone_count() == 1
    held = vault.resolve(wanted(1, 2))
    (again,) = held[tag(1)].persons  # nothing is known of them any more
    assert again.reference not in (first, second)
    assert held[tag(2)].persons == ()


def test_ended_under_an_older_key(vault: Vault) -> None:
    resolved(vault, 1)
    vault.rotation.rotate(NOW)
    reference = ended(vault, 1, 7)
    vault.rewrap()
    assert vault.destroy(0, 8) == [reference]


def test_nothing_of_them_is_left_in_the_tables(vault: Vault, place: Place) -> None:
    (person,) = resolved(vault, 1)
    before = place.sql("SELECT tag, sealed, reference_index, identifier FROM subjects")[0]
    ended(vault, 1, 7)
    vault.destroy(0, 8)
    left = repr([place.sql(f"SELECT * FROM {table}") for table in ("subjects", "tombstones", "effects")])
    assert "facts 7" in left
    for gone in (*(bytes(value) for value in before), person.reference, person.data_key, identifier(1)):
        assert repr(gone)[2:-1] not in left


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_no_byte_of_them_is_left_in_the_file_or_its_journal(vault: Vault, place: Place) -> None:
    """Rows among thousands, moved about by what came after them and sealed twice."""
    everyone = 4_000
    for start in range(0, everyone, 250):
        resolved(vault, *range(start, start + 250))
    vault.rotation.rotate(NOW)
    vault.rewrap()
    people = resolved(vault, *range(everyone))
    erased = range(0, everyone, 7)
    columns = "tag, sealed, reference_index, identifier"
    before = {bytes(row[0]): row[1:] for row in place.sql(f"SELECT {columns} FROM subjects")}
    vault.advance(0, NONE_YET, 5, [End(people[n].reference, 5, NOW, b"") for n in erased])

    def stored() -> bytes:
        where = place.spot.where
        assert isinstance(where, Path)
        return b"".join(path.read_bytes() for path in sorted(where.parent.glob("vault.db*")))

    def there(numbers: range) -> int:
        data = stored()
        return sum(bytes(value) in data for n in numbers for value in before[tag(n)])

    assert there(erased) == 3 * len(erased)  # so that the search can find what is there
    assert len(vault.destroy(0, 6)) == len(erased)
    assert there(erased) == 0
    assert there(range(1, everyone, 7)) == 3 * len(range(1, everyone, 7))
    journal = Path(f"{place.spot.where}-wal")
    assert journal.stat().st_size == 0


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_journal_that_is_read_is_emptied_later(
    vault: Vault, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansvar.vault.database._BUSY_MS", 50)
    vault = place()
    ended(vault, 1, 7)
    reader = place.database()
    with reader.reading() as connection:
        connection.exec_driver_sql("SELECT * FROM subjects").all()
        with pytest.raises(VaultError, match="write-ahead log is being read"):
            vault.destroy(0, 8)
        assert Path(f"{place.spot.where}-wal").stat().st_size > 0
    assert vault.destroy(0, 8) == []
    assert Path(f"{place.spot.where}-wal").stat().st_size == 0
