"""`ansvar sweep`: what only the passing of time, or looking back, can show."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ansvar.cli.ledger import opened
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, Format, FormatOption, print_rows
from ansvar.directory import DataDirectory

_MOST = 100  # differences that are listed


def sweep(
    replay: Annotated[
        bool, typer.Option("--replay", help="Judge every row again, by the policy in force there.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Recompute every verdict from the log, with the bundle and engine in force at its row.

    Exits with 1 when a recorded verdict or finding is not what the rows before it give. The clocks (overdue
    requests, retention) are not there yet.

    Example: ansvar sweep --replay
    """
    if not replay:
        raise typer.BadParameter("this version sweeps with --replay only; the clocks are not there yet")
    from ansvar.enforcement.replaying import replay as judged_again
    from ansvar.enforcement.wiring import as_recorded
    from ansvar.store.ledger import LedgerStore

    rows = 0
    wrong: list[tuple[object, ...]] = []
    with opened(DataDirectory(data_dir)) as store:
        ledger = LedgerStore(store)
        judge, claims = as_recorded(store)
        for chain in ledger.chains():
            stored = (row for row, _ in ledger.rows(chain, 0, ledger.last_seq(chain) + 1))
            for again in judged_again(stored, judge, claims):
                rows += 1
                if not again.agrees:
                    found = " ".join(finding.rule for finding in again.verdict.findings)
                    row = again.row
                    then = " ".join(row.findings)
                    wrong.append((chain, row.seq, row.verdict, then, again.verdict.verdict, found))
    columns = ("chain", "seq", "recorded", "findings", "recomputed", "findings now")
    if wrong or format_ is not Format.TABLE:
        print_rows(columns, wrong[:_MOST], format_)
    sys.stderr.write(f"{rows} verdicts recomputed, {len(wrong)} differ\n")
    if wrong:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("sweep")(sweep)
