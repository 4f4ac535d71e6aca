"""`ansvar keys`: the keys that sign the log, and their rotation."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ansvar.cli.ledger import opened
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, Format, FormatOption, console, print_rows
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.store.client import Store
    from ansvar.vault.logkeys import LogSigner

commands = typer.Typer(no_args_is_help=True, help="The keys that sign the log, and their rotation.")
_DAY = 86_400


@commands.command("list")
def list_(data_dir: DataDir = DEFAULT_DATA_DIR, format_: FormatOption = Format.TABLE) -> None:
    """Print every generation of log keys, until when it signs, and its public key for each chain.

    Example: ansvar keys list --format csv
    """
    directory = DataDirectory(data_dir)
    with opened(directory) as store:
        signer, chains = _signer(directory, store)
        rows = [
            (chain, generation.number, _end(generation.until), str(signer.keys(generation.number, chain)[0]))
            for chain in chains
            for generation in signer.generations
        ]
    print_rows(("chain", "generation", "signs until", "key"), rows, format_)


@commands.command("rotate")
def rotate(
    overlap_days: Annotated[
        int, typer.Option("--overlap-days", min=0, max=3650, help="How long the old key signs along.")
    ] = 30,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make new log keys; the old ones sign them, and sign checkpoints along with them until the overlap ends.

    A running worker uses them from its next checkpoint on. Give auditors the new keys/log-N.vkey files; those
    who hold an old key are led to the new one by the old one's signature.

    Example: ansvar keys rotate --overlap-days 90
    """
    directory = DataDirectory(data_dir)
    with opened(directory) as store:
        signer, chains = _signer(directory, store)
        now = int(time.time())
        number = signer.rotate(chains, now, overlap_days * _DAY)
        signer.publish(chains)
    end = _end(now + overlap_days * _DAY)
    console().print(f"log keys of generation {number} sign from now on, those before until {end}")
    console(stderr=True).print(
        "Before then, give the new keys/log-N.vkey files to your witnesses (a log line each, and a restart) "
        "and to auditors, who then drop the old ones: a key that is not dropped is trusted for ever."
    )


def _signer(directory: DataDirectory, store: Store) -> tuple[LogSigner, list[int]]:
    """The signer of this data directory, and every chain that there is or will be."""
    from ansvar.deployment import DeploymentError, from_record
    from ansvar.initiation import log_signer
    from ansvar.settings import settings
    from ansvar.store.catalogue import Catalogue
    from ansvar.store.ledger import LedgerStore

    record = Catalogue(store).deployment()
    if record is None:
        raise DeploymentError("nothing was founded here yet; run: ansvar init")
    deployment = from_record(record)
    chains = sorted({*range(deployment.chains), *LedgerStore(store).chains()})
    return log_signer(directory.keys, store, settings(), deployment), chains


def _end(until: int | None) -> str:
    return "" if until is None else datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(commands, name="keys")
