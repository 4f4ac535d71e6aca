"""`init` can be repeated, cut off anywhere and raced; what does not belong together is refused."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name

import pytest
from msgspec.structs import replace

from ansvar.deployment import DeploymentError, from_record, to_record
from ansvar.emitter.errors import KitError
from ansvar.emitter.kit import ProducerKit
from ansvar.initiation import LOCAL_PRODUCER, check_keys, initiate
from ansvar.keyfiles import KeyFileError, write_secret
from ansvar.policy.canonical import canonical
from ansvar.policy.decide import ENGINE
from ansvar.policy.errors import BundleError
from ansvar.sample import SAMPLE_BUNDLE
from ansvar.settings import Settings
from ansvar.store.catalogue import Catalogue
from ansvar.store.client import Store
from ansvar.store.errors import SchemaMismatch
from ansvar.vault import keyring

NOW = 1_767_225_600_123
SETTINGS = Settings(chains=3, topic="audit.events", recent_events=1_000)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_founding(store: Store, keys: Path) -> None:
    deployment = initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    ring = keyring.read(keys)
    kit = ProducerKit.read(keyring.kit_path(keys, LOCAL_PRODUCER))
    assert (deployment.chains, deployment.topic, deployment.recent_events) == (3, "audit.events", 1_000)
    assert (deployment.founded_at, deployment.epoch, deployment.engine) == (NOW, 1, ENGINE)
    assert deployment.operator == ring.operator.public_bytes_raw()
    assert deployment.intake == ring.intake[1].public_key().to_bytes() == kit.intake_key.to_bytes()
    assert (kit.deployment.bytes, kit.chains, kit.topic) == (deployment.id, 3, "audit.events")
    assert kit.partition_key == ring.partition_key
    assert deployment.producer_keys()["local"] == kit.signing_key.public_key()
    assert Catalogue(store).bundle(deployment.bundle) == canonical(SAMPLE_BUNDLE)
    assert Catalogue(store).deployment() == to_record(deployment)


def test_again_changes_nothing(store: Store, keys: Path, tmp_path: Path) -> None:
    first = initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    before = files(keys)
    other = Settings(chains=64, topic="other")
    assert initiate(keys, store, other, tmp_path / "no bundle", NOW + 5) == first
    assert files(keys) == before


@pytest.mark.parametrize("lost", ["partition.key", "pepper.key", "deployment.key", "operator.pem", "all"])
def test_a_founded_deployment_gets_no_new_keys(store: Store, keys: Path, lost: str) -> None:
    """Keys that were lost are not made anew: they would be others, and look as if they belonged."""
    initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    if lost == "all":
        shutil.rmtree(keys)
    else:
        (keys / lost).unlink()
    left = files(keys) if keys.exists() else {}
    with pytest.raises(KeyFileError, match="cannot read"):
        initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    assert (files(keys) if keys.exists() else {}) == left


def test_an_epoch_that_was_destroyed_stays_so(store: Store, keys: Path) -> None:
    deployment = initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    keyring.intake_path(keys, 1).rename(keyring.intake_path(keys, 2))
    assert initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW) == deployment
    assert not keyring.intake_path(keys, 1).exists()


def test_without_any_intake_key_nothing_starts(store: Store, keys: Path) -> None:
    """A worker would refuse every good record, for ever."""
    initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    keyring.intake_path(keys, 1).unlink()
    with pytest.raises(DeploymentError, match="no intake key is here"):
        initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    assert not keyring.intake_path(keys, 1).exists()


def test_keys_of_another_deployment(new_store: Callable[[], Store], tmp_path: Path) -> None:
    ours, theirs = new_store(), new_store()
    initiate(tmp_path / "ours", ours, SETTINGS, SAMPLE_BUNDLE, NOW)
    deployment = initiate(tmp_path / "theirs", theirs, SETTINGS, SAMPLE_BUNDLE, NOW)
    for store, keys in ((ours, "theirs"), (theirs, "ours")):
        with pytest.raises(DeploymentError, match="do not belong to deployment"):
            initiate(tmp_path / keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    check_keys(deployment, keyring.read(tmp_path / "theirs"))
    shutil.copy(tmp_path / "ours" / "intake-0001.pem", tmp_path / "theirs" / "intake-0001.pem")
    with pytest.raises(DeploymentError, match="Bring the keys of that deployment"):
        check_keys(deployment, keyring.read(tmp_path / "theirs"))


@pytest.mark.parametrize("name", ["partition.key", "pepper.key", "deployment.key"])
def test_a_secret_that_was_exchanged_is_noticed(store: Store, keys: Path, name: str) -> None:
    initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    write_secret(keys / name, bytes(32), replace=True)
    with pytest.raises(DeploymentError, match="do not belong to deployment"):
        initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)


def test_a_broken_bundle_founds_nothing(store: Store, keys: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(SAMPLE_BUNDLE, bundle)
    broken = next(path for path in sorted(bundle.rglob("*.yaml")))
    broken.write_text("nothing: [like, a, bundle\n")
    for directory in (bundle, tmp_path / "absent"):
        with pytest.raises(BundleError):
            initiate(keys, store, SETTINGS, directory, NOW)
        assert Catalogue(store).deployment() is None
        assert list(Catalogue(store).all_bundles()) == []
        assert not keys.exists()
    assert initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW).chains == 3


class Cut(Exception):
    """The process ended here."""


STEPS = [
    ("ansvar.initiation.migrate", 1),
    ("ansvar.vault.keyring.write_secret", 2),
    ("ansvar.vault.keyring.write_intake_key", 1),
    ("ansvar.vault.keyring.write_signing_key", 1),
    ("ansvar.emitter.kit.write_secret_file", 1),
    ("ansvar.store.catalogue.Catalogue.put_bundle", 1),
    ("ansvar.store.catalogue.Catalogue.put_deployment", 1),
]


@pytest.mark.parametrize(("step", "times"), STEPS, ids=[step.rpartition(".")[2] for step, _ in STEPS])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_cut_off(
    store: Store, keys: Path, monkeypatch: pytest.MonkeyPatch, step: str, times: int, after: bool
) -> None:
    """Whatever was done when the process ended is kept, and the next run completes it."""
    module, _, name = step.rpartition(".")
    owner, real, calls = resolve_name(module), resolve_name(step), []

    def cut(*args: object, **options: object) -> object:
        calls.append(args)
        if len(calls) < times:
            return real(*args, **options)
        if after:
            real(*args, **options)
        raise Cut

    monkeypatch.setattr(owner, name, cut)
    with pytest.raises(Cut):
        initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    monkeypatch.setattr(owner, name, real)
    left = files(keys) if keys.exists() else {}
    written = Catalogue(store).deployment()
    deployment = initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW + 60_000)
    assert {name: files(keys)[name] for name in left} == left
    assert written is None or from_record(written) == deployment
    assert ProducerKit.read(keyring.kit_path(keys, LOCAL_PRODUCER)).deployment.bytes == deployment.id
    assert initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW + 90_000) == deployment


def test_a_kit_that_was_made_first_sets_topic_and_chains(store: Store, keys: Path) -> None:
    """What was cut off is completed as it was begun: a kit may have been handed out already."""
    founded = initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    store.command("TRUNCATE TABLE {database}.deployment")
    record = to_record(replace(founded, founded_at=NOW + 1, recent_events=7))
    again = initiate(keys, store, Settings(chains=9, recent_events=7), SAMPLE_BUNDLE, NOW + 1)
    assert (again.chains, again.topic, again.id) == (3, "audit.events", founded.id)
    assert to_record(again) == record


def test_another_deployments_kit(new_store: Callable[[], Store], tmp_path: Path) -> None:
    initiate(tmp_path / "theirs", new_store(), SETTINGS, SAMPLE_BUNDLE, NOW)
    ours, store = tmp_path / "ours", new_store()
    keyring.create(ours)
    kit = keyring.kit_path(ours, LOCAL_PRODUCER)
    kit.parent.mkdir(mode=0o700)
    shutil.copy(keyring.kit_path(tmp_path / "theirs", LOCAL_PRODUCER), kit)
    with pytest.raises(DeploymentError, match="is the kit of another deployment"):
        initiate(ours, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    assert Catalogue(store).deployment() is None


def test_a_damaged_kit(store: Store, keys: Path) -> None:
    keyring.create(keys)
    kit = keyring.kit_path(keys, LOCAL_PRODUCER)
    kit.parent.mkdir(mode=0o700)
    kit.write_bytes(b"{")
    kit.chmod(0o600)
    with pytest.raises(KitError, match="not a producer kit"):
        initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    assert Catalogue(store).deployment() is None


def test_two_that_race_agree(new_store: Callable[[], Store], keys: Path, engine: str) -> None:
    first = new_store()
    stores = [Store(engine, database=first.database) for _ in range(3)]
    barrier = threading.Barrier(len(stores))
    found: list[bytes] = []

    def start(store: Store, at: int) -> None:
        barrier.wait()
        found.append(to_record(initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, at)))

    threads = [threading.Thread(target=start, args=(s, NOW + n)) for n, s in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert len(found) == 3
    assert len(set(found)) == 1


def test_a_database_of_a_newer_version(store: Store, keys: Path) -> None:
    store.command("INSERT INTO {database}.migrations SELECT 9999, 'later', 'ab', now64(3)")
    with pytest.raises(SchemaMismatch, match="9999"):
        initiate(keys, store, SETTINGS, SAMPLE_BUNDLE, NOW)
    assert not keys.exists()
