"""`ansvar ingest`: the whole pipeline without Kafka, for back-fill and tests."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ansvar.cli.lines import numbered_lines, opened, progress
from ansvar.cli.options import DEFAULT_BUNDLE, DEFAULT_DATA_DIR, Bundle, DataDir, console, log_to
from ansvar.directory import DataDirectory

_CHUNK = 1 << 20


def ingest(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file of JSON Lines, each with an event_id.")
    ],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    bundle: Bundle = DEFAULT_BUNDLE,
) -> None:
    """Judge, seal and store the events of a file, without Kafka, on chains of its own.

    Verdicts are as through Kafka; identifiers that an event names together (`aliases`) are one person from
    there on. The same file again changes nothing; one that was cut off goes on. A bad
    line becomes a refused row and is reported by number, and the exit code is 2.

    Example: ansvar ingest history-2024.jsonl
    """
    import asyncio

    log_to(DataDirectory(data_dir))
    asyncio.run(_ingest(file, DataDirectory(data_dir), bundle))


async def _ingest(file: Path, directory: DataDirectory, bundle: Path) -> None:
    from ansvar.embedded.stack import founded, owned
    from ansvar.enforcement.errors import EnforcementError
    from ansvar.enforcement.ingesting import Ingest, Parts, sha256_of
    from ansvar.enforcement.people import People
    from ansvar.enforcement.publishing import checkpoint_now
    from ansvar.enforcement.reading import named_together
    from ansvar.enforcement.wiring import check_vault, open_vault, rules
    from ansvar.settings import settings
    from ansvar.store.ledger import LedgerStore
    from ansvar.vault import keyring

    chosen = settings()
    with opened(str(file)) as source:
        if not source.seekable():
            raise typer.BadParameter(
                "ingest reads its lines several times, first for the hash that names the chains; give a file"
            )
        sha256 = sha256_of(iter(lambda: source.read(_CHUNK), b""))
        source.seek(0)
        together = named_together(numbered_lines(source, lambda _: None))
        source.seek(0)
        async with owned(directory), founded(directory, chosen, bundle) as (store, deployment):
            ring = keyring.read(directory.keys)
            vault = open_vault(directory, chosen)
            try:
                check_vault(vault, deployment, LedgerStore(store))
                parts = Parts(
                    deployment=deployment,
                    ledger=LedgerStore(store),
                    people=People(vault, ring.pepper),
                    rules=rules(store, ring),
                    partition_key=ring.partition_key,
                )
                now = time.time_ns() // 1_000_000
                job = Ingest(parts, sha256, now, lambda told: typer.echo(told, err=True), together)
                with progress(source, "ingesting") as advance:
                    job.take(numbered_lines(source, advance))
                await checkpoint_now(directory, chosen, store, deployment, job.chains)
            finally:
                vault.close()
        source.seek(0)
        changed = sha256_of(iter(lambda: source.read(_CHUNK), b"")) != sha256
    totals = job.totals
    console().print(
        f"ingested {totals.rows} rows; {totals.refused} lines refused; {totals.known} lines were known"
    )
    if changed:
        raise EnforcementError(
            f"{file} changed while it was read, so its rows stand under the hash of what it was; "
            "copy it to where nobody writes and ingest the copy"
        )
    if totals.refused:
        raise typer.Exit(2)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("ingest")(ingest)
