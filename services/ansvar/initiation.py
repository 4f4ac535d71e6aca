"""`init`: keys, tables, first bundle, deployment record, and kits for producers on this machine.

Every step keeps what is there, so it can be repeated and cut off anywhere; two that race agree, because the
first deployment record in the store wins and the loser finds that it does not fit its keys.
"""

from __future__ import annotations

import hmac
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from ansvar.deployment import (
    CONTROL,
    FORWARDER,
    Deployment,
    DeploymentError,
    RegisteredProducer,
    from_record,
    to_record,
)
from ansvar.emitter.errors import KitError
from ansvar.emitter.kit import ProducerKit
from ansvar.epochs import publish_current
from ansvar.keyfiles import KeyFileError, read_secret_file
from ansvar.ledger.checkpoint import open_checkpoint
from ansvar.ledger.errors import LedgerError
from ansvar.policy.canonical import canonical
from ansvar.policy.decide import ENGINE
from ansvar.policy.loader import bundle_from_bytes
from ansvar.settings import Settings
from ansvar.store.catalogue import Catalogue
from ansvar.store.checkpoints import Checkpoints
from ansvar.store.client import Store
from ansvar.store.migrate import migrate
from ansvar.vault import keyring, logkeys
from ansvar.vault.keyring import FIRST_EPOCH, Keyring
from ansvar.vault.logkeys import LogSigner

LOCAL_PRODUCER = "local"
_MAX_PASSPHRASE = 1023  # bytes: what the encryption of PKCS #8 takes
CONTROL_PRODUCER = "control"  # the commands of this machine: activations, findings, answers


class LocalProducer(Struct, frozen=True):
    """A producer on this machine, and the systems and kinds that it may claim; `*` is any."""

    name: str
    systems: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ("*",)


_ALWAYS = (
    LocalProducer(LOCAL_PRODUCER),
    LocalProducer(CONTROL_PRODUCER, (), (CONTROL,)),
    LocalProducer(FORWARDER, (), (FORWARDER,)),  # the workers
)


def initiate(
    keys: Path,
    store: Store,
    settings: Settings,
    bundle: Path,
    now: int,
    further: tuple[LocalProducer, ...] = (),
) -> Deployment:
    """Found the deployment, or return the one that is there. `now` in ms since 1970.

    `bundle` (a directory) and `further` producers count at the founding only. Raises BundleError,
    KeyFileError, StoreError, KitError, or DeploymentError when the store's deployment does not belong to
    these keys. Keys are made only where nothing was founded: a store whose keys are lost gets none that look
    as if they were its own.
    """
    migrate(store, now)
    catalogue = Catalogue(store)
    record = catalogue.deployment()
    if record is None:
        content = canonical(bundle)
        bundle_from_bytes(content)  # a broken bundle stops here, with file, line and field
        keyring.create(keys)
        record = _found(catalogue, keys, settings, content, now, further)
    deployment = from_record(record)
    check_keys(deployment, keyring.read(keys))
    publish_current(keys, log_signer(keys, store, settings, deployment), deployment)
    return deployment


def log_signer(keys: Path, store: Store, settings: Settings, deployment: Deployment) -> LogSigner:
    """What signs the checkpoints, its verifier keys written beside (`log-<chain>.vkey`).

    The first log key is made here if nothing was signed yet. Raises KeyFileError, also where a log that
    signed has lost its key: a new one in its place would look like another log's.
    """
    passphrase = _passphrase(settings.log_key_passphrase_file)
    checkpoints = Checkpoints(store)
    signed = checkpoints.chains()
    if not signed:
        logkeys.create(keys, passphrase)
    signer = LogSigner(keys, deployment.id, passphrase)
    _check_signed(checkpoints, signed, signer)
    signer.publish(range(deployment.chains))
    return signer


def _check_signed(checkpoints: Checkpoints, chains: list[int], signer: LogSigner) -> None:
    """Raise KeyFileError unless these keys signed the newest checkpoint of some chain, if there is any."""
    for chain in chains:
        newest = checkpoints.newest(chain)
        try:
            if newest is not None:
                open_checkpoint(newest.note, signer.public(chain), origin=signer.origin(chain))
                return
        except LedgerError:
            continue  # another chain may show that the keys are right, and verify says what is wrong there
    if chains:
        raise KeyFileError(
            "the log keys in this data directory have signed none of the newest checkpoints in the store. "
            "Bring the right log-key files back from a backup, or the store that belongs to these"
        )


def _passphrase(file: Path | None) -> bytes | None:
    if file is None:
        return None
    passphrase = read_secret_file(file).strip()
    if not 0 < len(passphrase) <= _MAX_PASSPHRASE:
        raise KeyFileError(
            f"{file} holds {len(passphrase)} bytes besides blanks; a passphrase has 1 to {_MAX_PASSPHRASE}"
        )
    return passphrase


def _found(
    catalogue: Catalogue,
    keys: Path,
    settings: Settings,
    bundle: bytes,
    now: int,
    further: tuple[LocalProducer, ...],
) -> bytes:
    """Write the deployment record, or find that another was first; returns the record that counts."""
    ring = keyring.read(keys)
    local = _kit(keys, ring, settings, LOCAL_PRODUCER, None)
    producers = tuple(
        RegisteredProducer(
            wanted.name,
            _kit(keys, ring, settings, wanted.name, local.deployment)
            .signing_key.public_key()
            .public_bytes_raw(),
            wanted.systems,
            wanted.kinds,
        )
        for wanted in (*_ALWAYS, *further)
    )
    founded = Deployment(
        id=local.deployment.bytes,
        topic=local.topic,
        chains=local.chains,
        recent_events=settings.recent_events,
        engine=ENGINE,
        bundle=catalogue.put_bundle(bundle),
        operator=ring.operator.public_bytes_raw(),
        epoch=local.epoch,
        intake=local.intake_key.to_bytes(),
        secrets=ring.commitment,
        producers=producers,
        founded_at=now,
    )
    catalogue.put_deployment(founded.id, to_record(founded))
    record = catalogue.deployment()
    if record is None:
        raise DeploymentError("the deployment record was written but cannot be read back")
    return record


def check_keys(deployment: Deployment, ring: Keyring) -> None:
    """Raise DeploymentError unless the keys belong to the deployment."""
    intake = ring.intake.get(deployment.epoch)
    if not ring.intake:
        raise DeploymentError(
            f"no intake key is here, and without that of epoch {deployment.epoch} or a later one every "
            "record would be refused for ever. Bring it back from a backup of the keys."
        )
    if (
        ring.operator.public_bytes_raw() != deployment.operator
        or not hmac.compare_digest(ring.commitment, deployment.secrets)
        or (intake is not None and intake.public_key().to_bytes() != deployment.intake)
    ):
        raise DeploymentError(
            f"the keys in this data directory do not belong to deployment {UUID(bytes=deployment.id)}. "
            "Bring the keys of that deployment, or use another data directory and database."
        )


def _kit(
    keys: Path, ring: Keyring, settings: Settings, producer: str, deployment: UUID | None
) -> ProducerKit:
    """The kit of a producer on this machine; without `deployment` its id is the one that is being founded."""
    path = keyring.kit_path(keys, producer)
    if not path.exists():
        kit = ProducerKit(
            deployment=deployment or keyring.new_deployment_id(),
            topic=settings.topic,
            chains=settings.chains,
            partition_key=ring.partition_key,
            epoch=FIRST_EPOCH,
            intake_key=ring.intake[FIRST_EPOCH].public_key(),
            producer=producer,
            signing_key=Ed25519PrivateKey.generate(),
        )
        try:
            kit.write(path)
        except KitError:
            if not path.exists():
                raise  # else another process was first, and its kit is the one
    kit = ProducerKit.read(path)
    if (
        not hmac.compare_digest(kit.partition_key, ring.partition_key)
        or kit.intake_key.to_bytes() != ring.intake[FIRST_EPOCH].public_key().to_bytes()
        or deployment not in (None, kit.deployment)
    ):
        raise DeploymentError(f"{path} is the kit of another deployment. Move it away and run this again.")
    return kit
