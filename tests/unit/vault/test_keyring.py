"""The secret files of a deployment: made once, never replaced, ours alone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ansvar.keyfiles import KeyFileError
from ansvar.vault import keyring

FILES = {"partition.key", "pepper.key", "deployment.key", "intake-0001.pem", "operator.pem"}


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_made_once(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keyring.create(keys)
    first = contents(keys)
    assert set(first) == FILES
    assert len(set(first.values())) == len(FILES)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in keys.iterdir())
    assert keys.stat().st_mode & 0o777 == 0o700
    keyring.create(keys)
    assert contents(keys) == first


@pytest.mark.parametrize("lost", sorted(FILES))
def test_what_is_missing_is_made_and_the_rest_kept(tmp_path: Path, lost: str) -> None:
    keyring.create(tmp_path / "keys")
    before = contents(tmp_path / "keys")
    (tmp_path / "keys" / lost).unlink()
    if lost != "intake-0001.pem":  # an epoch may be gone: it was destroyed
        with pytest.raises(KeyFileError, match=lost):
            keyring.read(tmp_path / "keys")
    keyring.create(tmp_path / "keys")
    after = contents(tmp_path / "keys")
    assert {name for name in FILES if before[name] != after[name]} == {lost}


def test_two_that_race_end_with_the_same(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)
    rings = []

    def start() -> None:
        barrier.wait()
        keyring.create(tmp_path / "keys")
        ring = keyring.read(tmp_path / "keys")
        rings.append(
            (ring.partition_key, ring.pepper, ring.deployment_secret, ring.operator.public_bytes_raw())
        )

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rings) == 4
    assert len(set(rings)) == 1


def test_read(tmp_path: Path) -> None:
    keyring.create(tmp_path / "keys")
    ring = keyring.read(tmp_path / "keys")
    secrets = {ring.partition_key, ring.pepper, ring.deployment_secret}
    assert len(secrets) == 3
    assert all(len(secret) == 32 for secret in secrets)
    assert set(ring.intake) == {keyring.FIRST_EPOCH}
    assert repr(ring) == "Keyring(epochs=[1])"


def test_epochs(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keyring.create(keys)
    first = keyring.intake_path(keys, 1)
    for name in ("intake-0002.pem", "intake-12345.pem"):
        (keys / name).write_bytes(first.read_bytes())
        (keys / name).chmod(0o600)
    (keys / "intake-old.pem").write_bytes(b"not ours to read")
    assert set(keyring.read(keys).intake) == {1, 2, 12345}


def test_open_to_others(tmp_path: Path) -> None:
    keyring.create(tmp_path / "keys")
    (tmp_path / "keys" / "pepper.key").chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        keyring.read(tmp_path / "keys")


def test_damaged(tmp_path: Path) -> None:
    keyring.create(tmp_path / "keys")
    (tmp_path / "keys" / "operator.pem").write_bytes(b"-----BEGIN")
    with pytest.raises(KeyFileError, match=r"operator\.pem"):
        keyring.read(tmp_path / "keys")


def test_places(tmp_path: Path) -> None:
    assert keyring.kit_path(tmp_path, "local") == tmp_path / "producers" / "local.json"
    assert keyring.intake_path(tmp_path, 7).name == "intake-0007.pem"


def test_deployment_ids_are_random_uuids() -> None:
    made = {keyring.new_deployment_id() for _ in range(50)}
    assert len(made) == 50
    assert {one.version for one in made} == {4}
