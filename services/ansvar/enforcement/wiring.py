"""Where a worker is put together: store, vault, keys, Kafka and rules, made once and closed in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path

from ansvar.deployment import FORWARDER, Deployment, from_record
from ansvar.directory import DataDirectory
from ansvar.emitter.kafka import KafkaSettings
from ansvar.emitter.kit import ProducerKit
from ansvar.enforcement.anchoring import Anchors
from ansvar.enforcement.effects import Topics
from ansvar.enforcement.enforcer import Enforcer, Parts
from ansvar.enforcement.forwarding import Forwarder
from ansvar.enforcement.judging import Rules
from ansvar.enforcement.kafka import KafkaPublisher, KafkaReader
from ansvar.enforcement.linking import Home
from ansvar.enforcement.opening import Opener
from ansvar.enforcement.people import People
from ansvar.enforcement.publishing import checkpointing, meanwhile, teller
from ansvar.enforcement.replaying import Judge
from ansvar.enforcement.self_checking import Check, SelfCheck
from ansvar.enforcement.topics import ensure_topics
from ansvar.enforcement.trees import ChainTrees
from ansvar.initiation import log_signer
from ansvar.keyfiles import read_secret_file
from ansvar.policy.bundle import Bundle
from ansvar.policy.case import ProducerScope
from ansvar.policy.loader import bundle_from_bytes
from ansvar.settings import Settings
from ansvar.store.catalogue import Catalogue
from ansvar.store.client import Store, chdb_dsn
from ansvar.store.ledger import LedgerStore
from ansvar.vault import keyring
from ansvar.vault.database import Database
from ansvar.vault.errors import VaultError
from ansvar.vault.generator import Generator, RandomGenerator
from ansvar.vault.keyring import Keyring
from ansvar.vault.keys import DeploymentKeys
from ansvar.vault.vault import Vault
from ansvar.vault.wrapping import FileKeys


def open_store(directory: DataDirectory, settings: Settings) -> Store:
    """The store that the settings name, embedded by default."""
    password = None
    if settings.clickhouse_password_file is not None:
        password = read_secret_file(settings.clickhouse_password_file).decode().strip()
    return Store(settings.clickhouse or chdb_dsn(directory.clickhouse), password=password)


def open_vault(directory: DataDirectory, settings: Settings, generator: Generator | None = None) -> Vault:
    """The vault that the settings name, SQLite by default, under the keys of the data directory.

    Raises VaultError, also where a key is missing or another vault's.
    """
    database = Database.in_file(directory.vault) if settings.vault is None else Database(settings.vault)
    return Vault(database, generator or RandomGenerator(), FileKeys(directory.keys))


def check_vault(vault: Vault, deployment: Deployment, ledger: LedgerStore) -> None:
    """Make a new vault this deployment's; raises VaultError where it is another's, or was lost.

    An empty vault beside a ledger with rows would give known people new references, and nothing that was
    recorded of them, an objection for example, would be found again.
    """
    if vault.owner() is None and any(ledger.last_seq(chain) > 0 for chain in ledger.chains()):
        raise VaultError(
            "the vault is empty, but the ledger has rows of people whom only the vault knows: it was lost or "
            "exchanged. Bring it back from a backup, or set ANSVAR_VAULT to the right one."
        )
    vault.belong_to(deployment.id)


def scopes(deployment: Deployment) -> dict[str, ProducerScope]:
    """What each producer that was registered at the founding may claim."""
    return {p.name: ProducerScope(frozenset(p.systems), frozenset(p.kinds)) for p in deployment.producers}


def bundles(catalogue: Catalogue) -> Callable[[bytes], Bundle]:
    """Bundles by their SHA-256, each read and compiled once. Calling raises UnknownBundle or StoreError."""

    @lru_cache(maxsize=16)
    def bundle(sha256: bytes) -> Bundle:
        return bundle_from_bytes(catalogue.bundle(sha256))

    return bundle


def as_recorded(store: Store) -> tuple[Judge, dict[str, ProducerScope]]:
    """By what rows were judged: the bundle and engine that each names, and what founding producers claim."""
    catalogue = Catalogue(store)
    bundle, record = bundles(catalogue), catalogue.deployment()
    claims = {} if record is None else scopes(from_record(record))
    return lambda policy, engine: (bundle(policy), engine), claims


def rules(store: Store, ring: Keyring, home: Home | None = None) -> Rules:
    """What judging needs; bundles come from the store. `home` says an identifier's own chain."""
    catalogue = Catalogue(store)
    secret = DeploymentKeys(ring.deployment_secret)
    return Rules(secret, bundles(catalogue), catalogue.put_bundle, home)


def opener(deployment: Deployment, ring: Keyring, keys: Path | None = None) -> Opener:
    """What opens records of this deployment, also by intake keys that the directory `keys` gets later."""
    return Opener(
        deployment=deployment.id,
        topic=deployment.topic,
        producer_keys=deployment.producer_keys(),
        epoch_keys=ring.intake if keys is None else keyring.IntakeKeys(keys),
        partition_key=ring.partition_key,
        chains=deployment.chains,
        forwarders=frozenset((FORWARDER,)) if deployment.forwards() else frozenset(),
        operator=deployment.operator,
    )


def forwarder(keys: Path, deployment: Deployment) -> Forwarder | None:
    """What seals what chains tell each other; None where the deployment knows of no such producer."""
    if not deployment.forwards():
        return None
    return Forwarder(lambda: ProducerKit.read(keyring.kit_path(keys, FORWARDER)))


def topics(deployment: Deployment, settings: Settings) -> Topics:
    """The topics of this deployment."""
    return Topics(deployment.topic, settings.alerts_topic, settings.deadletter_topic)


async def make_topics(kafka: KafkaSettings, deployment: Deployment, settings: Settings) -> None:
    """Make this deployment's topics where they are missing; raises TopicsError where they are others."""
    await ensure_topics(
        kafka,
        partitions=deployment.chains,
        events=deployment.topic,
        alerts=settings.alerts_topic,
        deadletter=settings.deadletter_topic,
        verdicts=settings.verdicts_topic,
    )


@asynccontextmanager
async def open_reader(kafka: KafkaSettings, topic: str) -> AsyncIterator[KafkaReader]:
    """A reader of the events topic; raises KafkaUnavailable."""
    reader = KafkaReader(kafka, topic)
    try:
        await reader.start()
        yield reader
    finally:
        await reader.stop()


@asynccontextmanager
async def open_enforcer(
    *,
    directory: DataDirectory,
    settings: Settings,
    kafka: KafkaSettings,
    deployment: Deployment,
    store: Store,
    failed: Callable[[BaseException], None],
    check: Check,
    generator: Generator | None = None,
) -> AsyncIterator[Enforcer]:
    """An Enforcer on real parts; Kafka connections and the vault are closed on leaving, the store is not.

    Its checkpoints are written and the ledger is checked meanwhile; `failed` is told when that cannot go on.
    The enforcer must have been closed by the end: a last checkpoint is written then. Raises KafkaUnavailable,
    VaultError, KeyFileError, SettingsError.
    """
    ring = keyring.read(directory.keys)
    vault = open_vault(directory, settings, generator)
    publisher = KafkaPublisher(kafka)
    signer = log_signer(directory.keys, store, settings, deployment)
    trees = ChainTrees(store, signer, Anchors(directory.anchors).newest)
    tell = teller(deployment, publisher, topics(deployment, settings))
    try:
        check_vault(vault, deployment, LedgerStore(store))
        await publisher.start()
        async with (
            open_reader(kafka, deployment.topic) as reader,
            checkpointing(directory, settings, store, trees, signer, tell) as checkpointer,
            meanwhile(checkpointer.run, failed),
            meanwhile(SelfCheck(check, tell, settings.self_check_seconds).run, failed),
        ):
            opens = opener(deployment, ring, directory.keys)
            yield Enforcer(
                Parts(
                    deployment=deployment,
                    ledger=LedgerStore(store),
                    vault=vault,
                    people=People(vault, ring.pepper),
                    opener=opens,
                    rules=rules(store, ring, opens.home),
                    reader=reader,
                    publisher=publisher,
                    topics=topics(deployment, settings),
                    trees=trees,
                    forwarder=forwarder(directory.keys, deployment),
                    alert_on=settings.alert_on,
                )
            )
    finally:
        await publisher.stop()
        vault.close()
