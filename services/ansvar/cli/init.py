"""`ansvar init`: keys, tables, deployment record and topics, without starting the worker."""

from __future__ import annotations

import asyncio
from contextlib import closing
from uuid import UUID

import typer

from ansvar.cli.options import DEFAULT_BUNDLE, DEFAULT_DATA_DIR, Bundle, DataDir, console, log_to
from ansvar.directory import DataDirectory


def init(data_dir: DataDir = DEFAULT_DATA_DIR, bundle: Bundle = DEFAULT_BUNDLE) -> None:
    """Found a deployment: keys, tables, first policy bundle, deployment record and Kafka topics.

    Repeating it keeps what is there. The embedded commands (demo, up, emit, ingest) do it by themselves.

    Example: ANSVAR_CHAINS=16 ansvar init --data-dir /srv/ansvar --bundle ./policy
    """
    from ansvar.embedded.stack import broker, founded, named_kafka, owned
    from ansvar.enforcement.wiring import check_vault, make_topics, open_vault
    from ansvar.settings import settings
    from ansvar.store.ledger import LedgerStore

    directory = DataDirectory(data_dir)
    chosen = settings()
    named_kafka()  # what is wrong there is said before anything is made

    async def found() -> None:
        out = console(stderr=True)
        async with (
            owned(directory),
            founded(directory, chosen, bundle) as (store, deployment),
            broker(directory, out.print) as kafka,
        ):
            with closing(open_vault(directory, chosen)) as vault:
                check_vault(vault, deployment, LedgerStore(store))
            await make_topics(kafka, deployment, chosen)
            console().print(
                f"deployment {UUID(bytes=deployment.id)}: {deployment.chains} chains, "
                f"topic {deployment.topic}, bundle {deployment.bundle.hex()}"
            )

    log_to(directory)
    asyncio.run(found())


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("init")(init)
