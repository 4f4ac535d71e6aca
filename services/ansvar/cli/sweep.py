"""`ansvar sweep`: what only the passing of time, or looking back, can show."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, Format, FormatOption, print_rows
from ansvar.cli.policy.reading import Ledger
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.policy.bundle import Bundle

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
    from ansvar.deployment import from_record
    from ansvar.enforcement.replaying import replay as judged_again
    from ansvar.enforcement.wiring import scopes
    from ansvar.policy.loader import bundle_from_bytes
    from ansvar.store.catalogue import Catalogue
    from ansvar.store.ledger import LedgerStore

    rows = 0
    wrong: list[tuple[object, ...]] = []
    with Ledger(DataDirectory(data_dir)).opened() as store:
        ledger, catalogue = LedgerStore(store), Catalogue(store)
        known: dict[bytes, Bundle] = {}
        record = catalogue.deployment()
        known_scopes = {} if record is None else scopes(from_record(record))

        def as_it_was(policy: bytes, engine: int) -> tuple[Bundle, int]:
            if policy not in known:
                known[policy] = bundle_from_bytes(catalogue.bundle(policy))
            return known[policy], engine

        for chain in ledger.chains():
            stored = (row for row, _ in ledger.rows(chain, 0, ledger.last_seq(chain) + 1))
            for again in judged_again(stored, as_it_was, known_scopes):
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
