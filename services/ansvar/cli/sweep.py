"""`ansvar sweep`: what only the passing of time, or looking back, can show."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ansvar.cli.asking import tell
from ansvar.cli.bars import Bars
from ansvar.cli.ledger import opened, there_is_one
from ansvar.cli.options import (
    DEFAULT_BUNDLE,
    DEFAULT_DATA_DIR,
    DataDir,
    Format,
    FormatOption,
    log_to,
    print_rows,
    refuse,
    time_of,
)
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.enforcement.sweep.running import Swept

_MOST = 100  # differences that are listed
_COLUMNS = ("chain", "seq", "rule", "clause", "severity", "since", "finding")


def sweep(
    replay: Annotated[
        bool, typer.Option("--replay", help="Judge every row again, by the policy in force there.")
    ] = False,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The time to sweep as of (RFC 3339); default: now.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be recorded, and record nothing.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Find what is overdue or will be soon, and what only looking back shows; record it and raise alerts.

    Retention, requests, notifications, breaches, guarantees; objections that arrived late; transfers that
    rest on a decision which a new policy ends. Each new finding becomes a row that names the row it is
    about. What is recorded stays recorded: a second sweep adds nothing. Exits with 1 when it found
    something new. Without a running stack, worker and broker run as long as the command.

    With --replay nothing is recorded: every verdict is recomputed from the log, and any difference exits
    with 1.

    Example: ansvar sweep
    """
    directory = DataDirectory(data_dir)
    if replay:
        if as_of is not None:
            raise typer.BadParameter("--replay judges each row as of its own time; leave --as-of out")
        _replay(directory, format_)
        return
    now = datetime.now(UTC) if as_of is None else time_of(as_of, "--as-of")
    if not there_is_one(directory):
        refuse(f"there is no ledger in {directory.path}; run ansvar demo, up or init first")
    if now > datetime.now(UTC) and not dry_run:
        sys.stderr.write("as of the future: what is recorded stands, also what begins only then\n")
    found = asyncio.run(_sweep(directory, now, dry_run))
    if found or format_ is not Format.TABLE:
        print_rows(_COLUMNS, [_row(one, format_) for one in found], format_)
    what = "findings would be recorded" if dry_run else "new findings"
    sys.stderr.write(f"as of {now.isoformat(timespec='seconds')}: {len(found)} {what}\n")
    if found:
        raise typer.Exit(1)


def _row(one: Swept, format_: Format) -> tuple[object, ...]:
    """A person reads days, a program instants."""
    since = one.since.date() if format_ is Format.TABLE else one.since.isoformat()
    return (one.chain, one.seq, one.rule, one.clause, one.severity, since, one.message)


async def _sweep(directory: DataDirectory, now: datetime, dry_run: bool) -> list[Swept]:
    """By the running stack; else by one that runs as long as this; on servers of one's own directly."""
    import msgspec

    from ansvar.embedded.stack import named_kafka, running, running_stack
    from ansvar.emitter.kit import ProducerKit
    from ansvar.enforcement.sweep.running import Swept, sweep_and_record
    from ansvar.enforcement.wiring import open_store
    from ansvar.initiation import CONTROL_PRODUCER
    from ansvar.settings import settings
    from ansvar.vault.keyring import kit_path

    chosen, kafka, note = settings(), named_kafka(), running_stack(directory)
    if note is not None:
        sys.stderr.write("the running stack sweeps\n")
        wanted = {"as_of": now.isoformat(), "dry_run": dry_run}
        return msgspec.convert(tell(note, "/v1/sweeps", wanted), list[Swept])
    log_to(directory)
    with Bars() as bars:
        if chosen.clickhouse is not None and kafka is not None:
            store = open_store(directory, chosen)
            try:
                kit = ProducerKit.read(kit_path(directory.keys, CONTROL_PRODUCER))
                return await sweep_and_record(store, kit, kafka, now, bars.count, dry_run=dry_run)
            finally:
                store.close()
        async with running(directory, chosen, bundle=DEFAULT_BUNDLE, port=None, progress=bars.say) as stack:
            await stack.caught_up(bars.count)
            return await stack.sweep(now, bars.count, dry_run=dry_run)


def _replay(directory: DataDirectory, format_: Format) -> None:
    from ansvar.enforcement.replaying import replay as judged_again
    from ansvar.enforcement.wiring import as_recorded
    from ansvar.store.ledger import LedgerStore

    rows = 0
    wrong: list[tuple[object, ...]] = []
    with opened(directory) as store, Bars() as bars:
        ledger = LedgerStore(store)
        judge, claims = as_recorded(store)
        for chain in ledger.chains():
            end = ledger.last_seq(chain) + 1
            for again in judged_again((row for row, _ in ledger.rows(chain, 0, end)), judge, claims):
                rows += 1
                if rows % 1_000 == 0:
                    bars.count(f"chain {chain}", again.row.seq + 1, end)
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
