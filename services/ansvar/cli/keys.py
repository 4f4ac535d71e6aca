"""`ansvar keys`: the keys of log, intake and vault: list, rotate, destroy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from ansvar.cli.ledger import opened
from ansvar.cli.options import (
    DEFAULT_BUNDLE,
    DEFAULT_DATA_DIR,
    DataDir,
    Format,
    FormatOption,
    console,
    log_to,
    print_rows,
    refuse,
)
from ansvar.cli.registering import deployed, lacking, send_to, signed
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.deployment import Deployment
    from ansvar.emitter.kit import ProducerKit
    from ansvar.enforcement.registering import Registry
    from ansvar.enforcement.registrations import Told
    from ansvar.events.control import Control
    from ansvar.store.client import Store
    from ansvar.vault.logkeys import LogSigner

commands = typer.Typer(no_args_is_help=True, help="The keys of log, intake and vault, and their rotation.")
Sort = Literal["log", "intake", "vault"]
_DAY: Final = 86_400
_DAY_MS: Final = 1000 * _DAY
_COLUMNS: Final = ("what", "chain", "generation", "state", "signs until", "destroy at", "key")
_Row = tuple[object, ...]


@commands.command("list")
def list_(data_dir: DataDir = DEFAULT_DATA_DIR, format_: FormatOption = Format.TABLE) -> None:
    """Print log keys for each chain, intake epochs and, if there are any, key-encryption keys of the vault.

    A log key has a last time at which it signs. A closed epoch has a time at which its private key is
    destroyed; it is "here" while its file is. `key` is a log key's verifier key, of an epoch the SHA-256.

    Example: ansvar keys list --format csv
    """
    directory = DataDirectory(data_dir)
    with opened(directory) as store:
        signer, chains = _signer(directory, store)
        rows: list[_Row] = [
            ("log", chain, each.number, "", _end(each.until), "", str(signer.keys(each.number, chain)[0]))
            for chain in chains
            for each in signer.generations
        ]
    rows += _epochs(directory.keys, deployed(directory)[1])
    rows += _key_encryption_keys(directory.keys)
    print_rows(_COLUMNS, rows, format_)


@commands.command("rotate")
def rotate(
    sort: Annotated[Sort, typer.Argument(metavar="[log|intake|vault]", help="Which keys.")] = "log",
    overlap_days: Annotated[
        int, typer.Option("--overlap-days", min=0, max=3650, help="How long an old log key signs along.")
    ] = 30,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make new keys. Each rotation leaves a row on every chain.

    log: the old keys sign the new ones, and checkpoints along with them until the overlap ends. A running
    worker uses them from its next checkpoint on. Give auditors the new keys/log-N.vkey files; those who hold
    an old key are led to the new one by the old one's signature.

    intake: every chain opens a new epoch and closes the old one. Producers whose kit pins a log key take the
    new one when their session is renewed, a day later at the latest; others need a new kit within 25 hours.

    vault: a new key-encryption key is taken into use, and every row of the vault sealed anew under it.

    Example: ansvar keys rotate intake
    """
    directory = DataDirectory(data_dir)
    if sort == "intake":
        _rotate_intake(directory)
    elif sort == "vault":
        _rotate_vault(directory)
    else:
        _rotate_log(directory, overlap_days)


@commands.command("destroy")
def destroy(
    sort: Annotated[Literal["intake"], typer.Argument(metavar="intake", help="Which keys.")],
    epoch: Annotated[int, typer.Argument(min=0, max=2**32 - 1, help="The epoch.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Destroy the private key of a closed intake epoch: what was sealed in it can then be opened by nobody.

    It is refused until the broker has dropped the last record that could be sealed in the epoch: 25 hours and
    the topic's retention (at most 30 days) after the epoch was closed. A running worker does it by itself.
    Copies of the key in backups are yours to destroy.

    Example: ansvar keys destroy intake 1 --dry-run
    """
    del sort
    directory = DataDirectory(data_dir)
    deployment, chains = deployed(directory)
    if not any(epoch in one.registry.epochs for one in chains.values()):
        refuse(f"there was never an intake epoch {epoch}; see ansvar keys list")
    log_to(directory)
    asyncio.run(_destroy(directory, deployment, chains, epoch, dry_run=dry_run))


def _rotate_log(directory: DataDirectory, overlap_days: int) -> None:
    from ansvar.epochs import publish_current

    with opened(directory) as store:
        signer, chains = _signer(directory, store)
        now = int(time.time())
        number = signer.rotate(chains, now, overlap_days * _DAY)
        signer.publish(chains)
        deployment: Deployment = _deployment(store)
        publish_current(directory.keys, signer, deployment)
    end = _end(now + overlap_days * _DAY)
    console().print(f"log keys of generation {number} sign from now on, those before until {end}")
    console(stderr=True).print(
        "Before then, give the new keys/log-N.vkey files to your witnesses (a log line each, and a restart) "
        "and to auditors, who then drop the old ones: a key that is not dropped is trusted for ever."
    )
    tell_rotations(directory)


def _rotate_vault(directory: DataDirectory) -> None:
    from ansvar.enforcement.wiring import open_vault
    from ansvar.settings import settings

    deployment, _ = deployed(directory)
    vault = open_vault(directory, settings())
    try:
        if vault.owner() != deployment.id:
            refuse("the vault here is not yet, or not, this deployment's; run ansvar up first")
        number = vault.rotation.rotate(time.time_ns() // 1_000_000)
        rows = vault.rotation.rewrap()
    finally:
        vault.close()
    console().print(f"key-encryption key {number} is in use; {rows} rows were sealed anew")
    tell_rotations(directory)


def tell_rotations(directory: DataDirectory) -> None:
    """Have every rotation that has no row yet recorded; without a running stack the next one does it."""
    from ansvar.embedded.stack import running_stack
    from ansvar.enforcement.key_keeping import lacking as untold
    from ansvar.enforcement.key_keeping import rotations

    if running_stack(directory) is None:
        return
    deployment, chains = deployed(directory)
    due = list(untold(deployment, chains, rotations(directory.keys)))
    if due:
        send_to(directory, lambda _: due, lambda _: True)


def _rotate_intake(directory: DataDirectory) -> None:
    from ansvar import epochs
    from ansvar.events.intake_statement import IntakeStatement
    from ansvar.events.key_commands import CloseEpoch, OpenEpoch

    deployment, chains = deployed(directory)
    stated = epochs.current(directory.keys)
    if stated is None:
        refuse("there is no statement of the current intake key yet; run: ansvar init")
    new = _next_epoch(chains)
    if stated.epoch >= new and lacking(chains, lambda registry: stated.epoch in registry.epochs):
        refuse(f"the rotation to epoch {stated.epoch} is still on its way; run ansvar up, then try again")
    with opened(directory) as store:
        signer, _ = _signer(directory, store)
    key = epochs.make(directory.keys, new)
    now = time.time_ns() // 1_000_000
    opening = signed(directory, deployment, OpenEpoch(new, key.to_bytes()))
    closing = [
        (chain, signed(directory, deployment, CloseEpoch(old, _destroy_at(now))))
        for chain, one in chains.items()
        for old, epoch in sorted(one.registry.epochs.items())
        if epoch.closed_at is None and old < new
    ]

    def rotation(kit: ProducerKit) -> Iterator[tuple[int, Control]]:
        """Each is confirmed by the broker before the next is made."""
        for chain in lacking(chains, lambda registry: new in registry.epochs):
            yield chain, opening
        statement = IntakeStatement(kit.deployment, new, key.to_bytes(), now)
        epochs.publish(directory.keys, signer, statement)
        epochs.renew_kits(directory.keys, statement)
        yield from closing

    def done(registry: Registry) -> bool:
        return new in registry.epochs and all(
            epoch.closed_at is not None for old, epoch in registry.epochs.items() if old < new
        )

    send_to(directory, rotation, done)
    console().print(f"intake epoch {new} is open; what is sealed in an older one is taken for 25 hours more")
    console(stderr=True).print("A kit that pins no log key has to be replaced within that time.")


def _next_epoch(chains: dict[int, Told]) -> int:
    """The epoch that a rotation opens; that of one that was cut off, where it left an older one open."""
    known = {number for one in chains.values() for number in one.registry.epochs}
    newest = max(known)
    unfinished = [
        chain
        for chain, one in chains.items()
        if newest not in one.registry.epochs
        or any(e.closed_at is None for number, e in one.registry.epochs.items() if number < newest)
    ]
    return newest if unfinished else newest + 1


def _destroy_at(now: int) -> int:
    """What a closing command states: after grace and the usual retention, at the end of a day (ms).

    A topic that keeps its records longer is waited for all the same.
    """
    from ansvar.enforcement.registering import GRACE_MS
    from ansvar.enforcement.topics import DEFAULT_RETENTION_MS

    return (now + GRACE_MS + DEFAULT_RETENTION_MS) // _DAY_MS * _DAY_MS + _DAY_MS


async def _destroy(
    directory: DataDirectory, deployment: Deployment, chains: dict[int, Told], epoch: int, *, dry_run: bool
) -> None:
    from ansvar.embedded.reaching import reached
    from ansvar.emitter.commanding import send_commands
    from ansvar.emitter.kit import ProducerKit
    from ansvar.enforcement.key_keeping import lacking as untold
    from ansvar.enforcement.registrations import due
    from ansvar.enforcement.topics import retention_ms
    from ansvar.epochs import destroy as destroyed
    from ansvar.events.key_commands import KeysChanged
    from ansvar.initiation import CONTROL_PRODUCER
    from ansvar.settings import settings
    from ansvar.vault.keyring import kit_path

    async with reached(directory, settings(), DEFAULT_BUNDLE, console(stderr=True).print) as there:
        at = due(chains.values(), await retention_ms(there.kafka, deployment.topic)).get(epoch)
        if at is None:
            refuse(f"epoch {epoch} is open on some chain; rotate first: ansvar keys rotate intake")
        when = _at(at)
        if at > time.time_ns() // 1_000_000:
            refuse(f"epoch {epoch}: records that were sealed in it may be read until {when}; not before that")
        if dry_run:
            console().print(f"epoch {epoch} is due since {when}; its private key would be destroyed")
            return
        was_here = destroyed(directory.keys, epoch)
        left = list(untold(deployment, chains, [KeysChanged("intake", "destroyed", epoch)]))
        if left:
            kit = ProducerKit.read(kit_path(directory.keys, CONTROL_PRODUCER))
            await send_commands(kit, there.kafka, left)
    done = "is destroyed" if was_here else "was not here any more"
    console().print(f"the private intake key of epoch {epoch} {done}")


def _epochs(keys: Path, chains: dict[int, Told]) -> Iterator[_Row]:
    """A row for each epoch: open, closing (25 hours more), closed, or destroyed."""
    import hashlib

    from ansvar.enforcement.registering import GRACE_MS
    from ansvar.enforcement.registrations import due
    from ansvar.vault.keyring import intake_path

    now = time.time_ns() // 1_000_000
    times = due(chains.values(), 0)
    every = {number: epoch for one in chains.values() for number, epoch in one.registry.epochs.items()}
    for number, epoch in sorted(every.items()):
        closed = times.get(number) is not None
        state = "open" if not closed else "closing" if epoch.takes(now) else "closed"
        here = intake_path(keys, number).exists()
        if not here:
            state = "destroyed" if closed and now > (epoch.closed_at or now) + GRACE_MS else "missing"
        when = "" if not closed or not here else _at(times[number])
        yield "intake", "", number, state, "", when, hashlib.sha256(epoch.key).hexdigest()


def _key_encryption_keys(keys: Path) -> Iterator[_Row]:
    found = sorted(int(path.stem[4:]) for path in keys.glob("kek-*.key") if path.stem[4:].isdecimal())
    for number in found:
        yield "vault", "", number, "current" if number == found[-1] else "old", "", "", ""


def _signer(directory: DataDirectory, store: Store) -> tuple[LogSigner, list[int]]:
    """The signer of this data directory, and every chain that there is or will be."""
    from ansvar.initiation import log_signer
    from ansvar.settings import settings
    from ansvar.store.ledger import LedgerStore

    deployment = _deployment(store)
    chains = sorted({*range(deployment.chains), *LedgerStore(store).chains()})
    return log_signer(directory.keys, store, settings(), deployment), chains


def _deployment(store: Store) -> Deployment:
    from ansvar.deployment import DeploymentError, from_record
    from ansvar.store.catalogue import Catalogue

    record = Catalogue(store).deployment()
    if record is None:
        raise DeploymentError("nothing was founded here yet; run: ansvar init")
    return from_record(record)


def _end(until: int | None) -> str:
    return "" if until is None else datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds")


def _at(ms: int) -> str:
    return _end(ms // 1000)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(commands, name="keys")
