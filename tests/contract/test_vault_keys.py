"""Under which keys a vault lies: its own or none, replaced one by one, whoever is killed on the way."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vaults
from ansvar.vault.errors import VaultError
from ansvar.vault.rotation import Kek
from ansvar.vault.vault import Vault
from ansvar.vault.wrapping import FileKeys
from vaults import DAY, NOW, Place, identifier, resolved, tag

_processes = multiprocessing.get_context("spawn")


@pytest.fixture
def vault(place: Place) -> Vault:
    return place()


def contents(place: Place) -> list[Any]:
    """Everything that a refused start must not change."""
    tables = ("subjects", "tombstones", "keys", "effects", "owner")
    rows = [sorted(map(repr, place.sql(f"SELECT * FROM {table}"))) for table in tables]
    return [rows, {path.name: path.read_bytes() for path in place.keys.iterdir()}]


def killed(call: Callable[..., None], *arguments: Any) -> None:
    """Run a function in a process that is killed on its way."""
    process = _processes.Process(target=call, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def under(place: Place) -> dict[int, int]:
    return dict(place.sql("SELECT kek, count(*) FROM subjects GROUP BY kek"))


def test_a_new_vault_gets_keys(vault: Vault, place: Place) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in place.keys.iterdir()}
    assert modes == {"kek-1.key": 0o600, "suppression.key": 0o600}
    assert vault.rotation.keks() == (Kek(1, NOW, None, None),)


def test_keys_that_are_there_are_taken(place: Place) -> None:
    keys = FileKeys(place.keys)
    keys.make(0)
    keys.make(3)
    before = {path.name: path.read_bytes() for path in place.keys.iterdir()}
    assert place().rotation.keks() == (Kek(3, NOW, None, None),)
    assert {path.name: path.read_bytes() for path in place.keys.iterdir()} == before


@pytest.mark.parametrize("name", ["kek-1.key", "suppression.key"])
@pytest.mark.parametrize("lost", [True, False])
def test_a_lost_or_wrong_key_stops_the_start_and_changes_nothing(
    vault: Vault, place: Place, name: str, lost: bool
) -> None:
    resolved(vault, 1, 2)
    vault.close()
    right = (place.keys / name).read_bytes()
    (place.keys / name).unlink()
    if not lost:
        FileKeys(place.keys).make(0 if name == "suppression.key" else 1)
    before = contents(place)
    with pytest.raises(VaultError, match="Nothing was changed") as caught:
        place()
    assert "backup of the keys" in str(caught.value)
    assert (name in str(caught.value)) == lost
    assert contents(place) == before
    (place.keys / name).unlink(missing_ok=True)
    (place.keys / name).write_bytes(right)
    (place.keys / name).chmod(0o600)
    assert len(resolved(place(), 1, 2)) == 2


def test_another_machine_without_the_keys_makes_none(vault: Vault, place: Place, tmp_path: Path) -> None:
    with pytest.raises(VaultError, match=r"kek-1\.key|suppression\.key"):
        place(keys=tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_rotation(vault: Vault, place: Place) -> None:
    people = resolved(vault, *range(20))
    assert vault.rotation.rotate(NOW + 5) == 2
    assert vault.rotation.keks() == (Kek(1, NOW, NOW + 5, None), Kek(2, NOW + 5, None, None))
    resolved(vault, 20)
    assert under(place) == {1: 20, 2: 1}
    with pytest.raises(VaultError, match="rows are still under key-encryption key 1"):
        vault.rotation.destroy(1, NOW)
    with pytest.raises(VaultError, match="2 is in use: rotate first"):
        vault.rotation.destroy(2, NOW)
    for number in (0, 3):
        with pytest.raises(VaultError, match=f"no key-encryption key {number}"):
            vault.rotation.destroy(number, NOW)
    assert (vault.rewrap(), vault.rewrap()) == (20, 0)
    assert under(place) == {2: 21}
    vault.rotation.destroy(1, NOW + 9)
    assert vault.rotation.keks() == (Kek(1, NOW, NOW + 5, NOW + 9), Kek(2, NOW + 5, None, None))
    assert sorted(path.name for path in place.keys.iterdir()) == ["kek-2.key", "suppression.key"]
    assert resolved(place(), *range(20)) == people


def test_a_worker_that_knew_the_old_key_seals_under_the_new_one(vault: Vault, place: Place) -> None:
    other = place()
    resolved(vault, 1)
    other.rotation.rotate(NOW)
    other.rewrap()
    other.rotation.destroy(1, NOW)
    people = resolved(vault, 1, 2)
    assert under(place) == {2: 2}
    assert resolved(other, 1, 2) == people


def test_a_worker_without_the_new_key_makes_nobody(vault: Vault, place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    for path in place.keys.iterdir():
        (elsewhere / path.name).write_bytes(path.read_bytes())
        (elsewhere / path.name).chmod(0o600)
    other = place(keys=elsewhere)
    resolved(vault, 1)
    vault.rotation.rotate(NOW)
    with pytest.raises(VaultError, match=r"elsewhere/kek-2\.key"):
        resolved(other, 2)
    FileKeys(elsewhere).make(2)
    with pytest.raises(VaultError, match="key-encryption key 2 that is here is not the one of this vault"):
        resolved(place(keys=elsewhere), 2)
    assert under(place) == {1: 1}


@pytest.mark.parametrize("rows", [0, 35, 90, 99])
def test_killed_while_sealing_anew(vault: Vault, place: Place, rows: int) -> None:
    people = resolved(vault, *range(100))
    vault.rotation.rotate(NOW)
    vault.close()
    killed(vaults.killed_while_sealing, place.spot, rows, 10)
    assert under(place).get(2, 0) == rows - rows % 10
    again = place()
    assert resolved(again, *range(100)) == people
    assert again.rewrap() == 100 - (rows - rows % 10)
    assert under(place) == {2: 100}
    again.rotation.destroy(1, NOW)
    assert resolved(place(), *range(100)) == people
    assert again.named([people[5].reference]) == {people[5].reference: identifier(5)}


def test_killed_with_a_new_key(vault: Vault, place: Place) -> None:
    people = resolved(vault, 1)
    vault.close()
    killed(vaults.killed_with_a_new_key, place.spot)
    assert (place.keys / "kek-2.key").exists()
    again = place()
    assert again.rotation.keks() == (Kek(1, NOW, None, None),)
    assert again.rotation.rotate(NOW) == 2
    assert again.rewrap() == 1
    assert resolved(place(), 1) == people


def test_killed_before_the_key_goes(vault: Vault, place: Place) -> None:
    resolved(vault, 1)
    vault.rotation.rotate(NOW)
    vault.rewrap()
    vault.close()
    killed(vaults.killed_before_the_key_goes, place.spot)
    assert (place.keys / "kek-1.key").exists()
    again = place()
    assert again.rotation.destroy_due(NOW) == []
    assert not (place.keys / "kek-1.key").exists()
    assert again.rotation.keks()[0].destroyed_at == NOW


def test_what_is_due_after_29_days(vault: Vault, place: Place) -> None:
    people = resolved(vault, 1, 2)
    vault.rotation.rotate(NOW)
    vault.rotation.rotate(NOW + DAY)
    assert vault.rotation.destroy_due(NOW + 29 * DAY - 1) == []
    assert under(place) == {1: 2}
    assert vault.rotation.destroy_due(NOW + 29 * DAY) == [1]
    assert under(place) == {3: 2}
    assert sorted(path.name for path in place.keys.glob("kek-*")) == ["kek-2.key", "kek-3.key"]
    assert vault.rotation.destroy_due(NOW + 30 * DAY) == [2]
    assert vault.rotation.destroy_due(NOW + 300 * DAY) == []
    assert resolved(place(), 1, 2) == people


def test_a_key_of_another_vault_is_not_destroyed(vault: Vault, place: Place) -> None:
    vault.rotation.rotate(NOW)
    vault.rotation.destroy(1, NOW)
    FileKeys(place.keys).make(1)
    with pytest.raises(VaultError, match=r"kek-1\.key is not the key that is to be destroyed"):
        place().rotation.destroy_due(NOW)
    assert (place.keys / "kek-1.key").exists()


def test_sealing_anew_beside_a_worker_that_inserts(vault: Vault, place: Place, monkeypatch: Any) -> None:
    monkeypatch.setattr("ansvar.vault.rotation._CHUNK", 25)
    people = resolved(vault, *range(300))
    other, go, failed = place(), threading.Event(), []

    def insert() -> None:
        go.wait()
        try:
            for number in range(300, 400, 5):
                people.extend(resolved(other, *range(number, number + 5)))
        except VaultError as error:
            failed.append(error)

    thread = threading.Thread(target=insert)
    thread.start()
    go.set()
    vault.rotation.rotate(NOW)
    vault.rewrap()
    thread.join()
    assert failed == []
    vault.rewrap()  # whom the worker made between the rotation and its notice: nobody, or nobody is left
    assert under(place) == {2: 400}
    vault.rotation.destroy(1, NOW)
    assert resolved(place(), *range(400)) == people


def test_an_altered_row_is_said_so(vault: Vault, place: Place) -> None:
    people = resolved(vault, 1, 2)
    place.sql("UPDATE subjects SET generation = 4 WHERE tag = :tag", tag=tag(1))
    with pytest.raises(VaultError, match=r"does not open under .*kek-1\.key: it was altered"):
        vault.resolve(vaults.wanted(1))
    assert resolved(vault, 2) == people[1:]


@pytest.mark.parametrize("count", [1_200, pytest.param(10_000, marks=pytest.mark.nightly)])
def test_two_processes_that_race_make_everyone_once(place: Place, count: int) -> None:
    place().close()
    barrier, answers = _processes.Barrier(2), _processes.Queue()
    workers = [
        _processes.Process(target=vaults.resolve_in_turns, args=(place.spot, barrier, count, step, answers))
        for step in (1, -1)
    ]
    for worker in workers:
        worker.start()
    one, two = (answers.get(timeout=200) for _ in workers)
    for worker in workers:
        worker.join()
    assert one == two
    assert len(set(one.values())) == len(one) == count
    assert place.sql("SELECT count(*) FROM subjects") == [(count,)]


def test_processes_that_start_a_new_vault_at_once(place: Place) -> None:
    barrier, answers = _processes.Barrier(4), _processes.Queue()
    workers = [
        _processes.Process(target=vaults.start_at_once, args=(place.spot, barrier, answers)) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    told = [answers.get(timeout=200) for _ in workers]
    for worker in workers:
        worker.join()
    assert told == [told[0]] * 4
    assert len(place().rotation.keks()) == 1
