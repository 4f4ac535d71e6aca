"""`ansvar export-tiles` and `ansvar proof`: a chain's log for tools that are not ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ansvar.cli.bars import Bars
from ansvar.cli.ledger import opened
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, console
from ansvar.directory import DataDirectory

Chain = Annotated[int, typer.Option("--chain", min=0, max=(1 << 32) - 1, help="The number of the chain.")]


def export_tiles(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="An empty directory, or an older export.")],
    chain: Chain,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Write a chain as files that any checker of C2SP tlog-tiles reads: checkpoint, hash tiles and rows.

    The log's public key is in the file keys/log-N.vkey of the data directory. The files tile/entries/... hold
    the rows: no person is named in them, but they are for auditors.

    Example: ansvar export-tiles --chain 0 log-0
    """
    from ansvar.accountability.published import PublishedLog
    from ansvar.accountability.published import export_tiles as export

    with opened(DataDirectory(data_dir)) as store, Bars() as bars:
        log = PublishedLog(store, chain)
        files = export(log, out, lambda done, total: bars.count("tiles and rows", done, total))
    console().print(f"{log.size} rows of {log.checkpoint.origin}; {files} files written to {out}")


def proof(
    chain: Chain,
    seq: Annotated[int, typer.Option("--seq", min=0, help="The number of the row in the chain, from 0.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print the proof that a row is in the published log, as a C2SP tlog-proof.

    What it proves is SHA-256(0x00 || row) under the row's canonical bytes (ansvar evidence hands those out).

    Example: ansvar proof --chain 0 --seq 17 > 17.tlog-proof
    """
    from ansvar.accountability.published import PublishedLog

    with opened(DataDirectory(data_dir)) as store:
        sys.stdout.write(PublishedLog(store, chain).proof(seq).encode().decode())


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("export-tiles")(export_tiles)
    app.command("proof")(proof)
